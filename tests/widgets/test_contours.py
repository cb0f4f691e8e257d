"""Contours of a prediction: what they are, and that they do not hold the window up."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.widgets.train.contours import (
    Contours,
    draw_fast,
    outlines,
    without_specks,
)


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


SPECKLED = """
................
................
..#.....####....
........####....
................
................
..###....##.....
..#.#....##.....
..###...........
................
................
..............#.
"""
CALM = """
................
................
........####....
........####....
................
................
................
................
................
................
................
................
"""
"""Four in a row fit into no square of 3; a pixel at the border is one as well."""


def picture(text):
    return np.array([[1 + (pixel == "#") for pixel in line] for line in text.split()], np.uint8)


def test_specks_are_not_drawn_and_no_line_is_broken():
    speckled, calm = picture(SPECKLED), picture(CALM)
    assert np.array_equal(without_specks(speckled), calm)
    assert np.array_equal(without_specks(3 - speckled), 3 - calm)  # holes as well
    line = np.ones((20, 20), np.uint8)
    line[10] = 2
    line[3:6, 3] = 3
    assert (without_specks(line) == np.where(line == 3, 1, line)).all()
    assert (without_specks(line[:4]) == line[:4]).all()  # too small for a frame
    loose = np.ones((20, 20), np.uint8)
    loose[10, :12] = 2
    assert (without_specks(loose)[10, :7] == 2).all()
    assert (without_specks(loose) != loose).sum() <= 4
    bump = np.ones((20, 20), np.uint8)
    bump[10:], bump[9, 5], bump[10, 12] = 2, 2, 1
    assert (without_specks(bump)[:10] == 1).all()
    assert (without_specks(bump)[10:] == 2).all()
    stairs = 1 + (abs(np.subtract.outer(np.arange(20), np.arange(20)) - 0.5) < 1).astype(np.uint8)
    assert (without_specks(stairs)[1:-1, 1:-1] == stairs[1:-1, 1:-1]).all()
    lattice = np.ones((20, 20), np.uint8)
    lattice[::2, 10:] = lattice[:, 10::2] = 2
    assert (without_specks(lattice)[:, 11:-1] == 2).all()  # but for the very corner
    board = (1 + np.indices((20, 20)).sum(0) % 2).astype(np.uint8)
    inner = without_specks(board)[3:-3, 3:-3]
    assert (inner == inner[0, 0]).all()


@given(
    arrays(np.uint8, (24, 31), elements=st.integers(1, 3)),
    st.lists(
        st.tuples(*[st.integers(0, 20)] * 2, st.integers(1, 9), st.integers(1, 3)), max_size=4
    ),
)
def test_what_changed_alone_is_drawn_anew_and_is_what_would_be_drawn(labels, changes):
    contours, whole = Contours(), (slice(0, 24), slice(0, 31))
    for y, x, side, value in [(0, 0, 0, 0), *changes]:
        labels[y : y + side, x : x + side] = value
        drawn = contours.of(labels, whole, 2, 0)
        assert np.array_equal(drawn, outlines(without_specks(labels), 2, 0))
        part = slice(y, min(24, y + 5)), slice(x, min(31, x + 5))
        assert np.array_equal(contours.of(labels, part, 2, 0), drawn[part])


def test_labels_stay_as_they_are(model):
    labels = np.ones((2, 32, 32), np.uint8)
    labels[0, 10, 10] = 2
    before = labels.copy()
    layer = model.add_labels(labels)
    draw_fast(layer)
    layer.contour = 2
    model.dims.set_point(0, 0)
    assert np.array_equal(layer.data, before)
    assert layer.get_value((0, 10, 10)) == 2


def seconds(layer):
    """Processor time of the window for a picture of which a part changed, whatever else runs."""
    times = []
    for k in range(4):
        layer.data[0, 512:1024, 512:1024] = 1 + k % 2
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


def test_a_part_of_a_large_slice_takes_a_fifth_of_what_napari_takes_at_most(model):
    layer = large(model)
    model.dims.set_point(0, 0)
    own = seconds(layer)
    draw_fast(layer)
    assert seconds(layer) < own / 5


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
