"""Contours of a prediction: what they are, and that they do not hold the window up."""

from __future__ import annotations

import time

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.widgets.train.contours import draw_fast, outlines


def test_by_hand():
    labels = np.ones((7, 7), np.uint8)
    labels[2:5, 2:5] = 2
    drawn = outlines(labels, 1, 0)
    assert (drawn[2:5, 2:5] == [[2, 2, 2], [2, 0, 2], [2, 2, 2]]).all()
    assert drawn[1].tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert drawn[0].tolist() == [0] * 7
    assert not outlines(np.full((5, 5), 2, np.uint8), 2, 0).any()


def shown(layer):
    return layer._slice.image.view


def test_a_layer_shows_them_whole_and_in_part(model):
    labels = np.ones((2, 64, 64), np.uint8)
    labels[0, 20:40, 20:40] = 2
    layer = model.add_labels(labels)
    layer.colormap = DirectLabelColormap(color_dict={None: "transparent", 1: "red", 2: "green"})
    draw_fast(layer)
    layer.contour = 2
    model.dims.set_point(0, 0)
    expected = layer.colormap._data_to_texture(outlines(labels[0], 2, 0))
    assert np.array_equal(shown(layer), expected)
    y, x = (part.ravel() for part in np.mgrid[50:55, 10:15])
    layer.data_setitem((np.zeros_like(y), y, x), 2)
    expected = layer.colormap._data_to_texture(outlines(layer.data[0], 2, 0))
    assert np.array_equal(shown(layer)[50:55, 10:15], expected[50:55, 10:15])


def seconds(layer):
    """Processor time of the window for one picture, whatever else the machine does."""
    times = []
    for _ in range(3):
        begun = time.thread_time()
        layer.refresh(extent=False, thumbnail=False, highlight=False)
        times.append(time.thread_time() - begun)
    return min(times)


def large(model):
    layer = model.add_labels(np.ones((2, 2048, 2048), np.uint8))
    layer.data[:, 100:1900:40] = 2
    layer.colormap = DirectLabelColormap(color_dict={None: "transparent", 2: "green"})
    layer.contour = 2
    return layer


def test_a_large_slice_takes_a_third_of_what_napari_takes_at_most(model):
    layer = large(model)
    own = seconds(layer)
    draw_fast(layer)
    assert seconds(layer) < own / 3


def test_a_napari_that_asks_otherwise_draws_its_own(model, monkeypatch):
    layer = large(model)
    layer.refresh()
    expected = shown(layer).copy()
    own = Labels._calculate_contour

    def other(self, labels, data_slice, more=None):
        return own(self, labels, data_slice)

    monkeypatch.setattr(Labels, "_calculate_contour", other)
    draw_fast(layer)
    layer.refresh()
    assert np.array_equal(shown(layer), expected)
    monkeypatch.delattr(Labels, "_calculate_contour")
    draw_fast(layer)
    assert "_calculate_contour" not in vars(layer)
