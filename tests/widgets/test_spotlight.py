"""Going to a place: the slice, the zoom, and one outline."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Shapes

from napari_unet.widgets.common.layer_facts import is_result, made_of
from napari_unet.widgets.common.spotlight import go_to, spotlight, spotlight_off


def camera(viewer):
    return getattr(viewer, "scene", viewer).camera


def marks(viewer):
    return [layer for layer in viewer.layers if isinstance(layer, Shapes)]


@pytest.fixture
def canvas(model):
    model.canvas.size = (600, 900)
    return model


def test_a_place_fills_a_third_of_the_canvas(canvas):
    labels = canvas.add_labels(
        np.zeros((6, 96, 112), np.uint8), name="cells", scale=(4, 0.5, 0.5), translate=(1, 10, 20)
    )
    spotlight(canvas, labels, (3,), (10, 50, 60, 100))
    assert canvas.dims.point[0] == 1 + 3 * 4
    # the middle of columns 60 to 99 is 79.5; of all rows, 9.75 to 57.75, the canvas shows 60
    assert camera(canvas).center[-2:] == (57.75 - 30, 20 + 79.5 * 0.5)
    # 40 px of 0.5 are 20; a third of 600 is 200
    assert camera(canvas).zoom == pytest.approx(10)
    (mark,) = marks(canvas)
    assert mark.name == "cells · look here"
    assert made_of(mark).kind == "place"
    assert is_result(mark)
    np.testing.assert_allclose(
        mark.data[0], [[3, 9.5, 59.5], [3, 9.5, 99.5], [3, 49.5, 99.5], [3, 49.5, 59.5]]
    )
    # two pixels on the screen: of a layer whose pixels are 0.5 large, at zoom 10
    assert mark.edge_width[0] * 0.5 * 10 == pytest.approx(2)


def test_there_is_one_outline_and_the_layer_one_works_on_stays_active(canvas):
    labels = canvas.add_labels(np.zeros((6, 96, 112), np.uint8))
    other = canvas.add_labels(np.zeros((6, 96, 112), np.uint8))
    canvas.layers.selection.active = labels
    labels.mode = "paint"
    for layer, i in ((labels, 1), (labels, 4), (other, 2)):
        spotlight(canvas, layer, (i,), (0, 64, 0, 64))
        (mark,) = marks(canvas)
        assert mark.data[0][0][0] == i
        assert is_result(mark)
    assert canvas.layers.selection.active is labels
    assert labels.mode == "paint"
    spotlight_off(canvas)
    assert not marks(canvas)


def test_an_outline_that_was_taken_over_or_deleted_is_left_alone(canvas):
    labels = canvas.add_labels(np.zeros((6, 96, 112), np.uint8))
    spotlight(canvas, labels, (1,), (0, 64, 0, 64))
    (mark,) = marks(canvas)
    mark.data = [mark.data[0] + 1]  # it is the user's now
    spotlight(canvas, labels, (2,), (0, 64, 0, 64))
    assert len(marks(canvas)) == 2
    spotlight_off(canvas)
    assert marks(canvas) == [mark]
    canvas.layers.clear()
    labels = canvas.add_labels(np.zeros((6, 96, 112), np.uint8))
    spotlight(canvas, labels, (1,), (0, 64, 0, 64))
    canvas.layers.remove(marks(canvas)[0])
    spotlight(canvas, labels, (2,), (0, 64, 0, 64))
    assert len(marks(canvas)) == 1


def test_axes_before_those_of_the_layer_stay_where_they_are(canvas):
    canvas.add_image(np.zeros((5, 6, 96, 112), np.uint8))
    labels = canvas.add_labels(np.zeros((6, 96, 112), np.uint8))
    canvas.dims.set_point(0, 3)
    spotlight(canvas, labels, (2,), (20, 60, 30, 70))
    assert canvas.dims.point[:2] == (3, 2)
    assert camera(canvas).center[-2:] == (39.5, 49.5)


def test_a_turned_layer(canvas):
    labels = canvas.add_labels(np.zeros((96, 112), np.uint8), rotate=90)
    spotlight(canvas, labels, (), (20, 60, 36, 76))
    np.testing.assert_allclose(
        camera(canvas).center[-2:], labels.data_to_world((39.5, 55.5)), atol=1e-9
    )
    assert camera(canvas).zoom == pytest.approx(600 / 3 / 40)
    (mark,) = marks(canvas)
    np.testing.assert_allclose(mark.data_to_world((39.5, 55.5)), labels.data_to_world((39.5, 55.5)))


def test_a_speck_is_shown_with_what_is_around_it(canvas):
    labels = canvas.add_labels(np.zeros((96, 112), np.uint8))
    spotlight(canvas, labels, (), (50, 54, 50, 54))
    assert camera(canvas).zoom == pytest.approx(600 / 3 / 24)
    assert camera(canvas).center[-2:] == (51.5, -0.5 + 900 / (600 / 3 / 24) / 2)


def test_at_the_border_the_image_fills_the_canvas(canvas):
    labels = canvas.add_labels(np.zeros((6, 1000, 1000), np.uint8))
    for box, middle in (
        ((0, 40, 0, 40), (-0.5 + 60, -0.5 + 90)),  # of 120 × 180 px
        ((960, 1000, 500, 540), (999.5 - 60, 519.5)),
    ):
        spotlight(canvas, labels, (3,), box)
        assert camera(canvas).zoom == pytest.approx(5)
        assert camera(canvas).center[-2:] == pytest.approx(middle)


def test_going_alone_leaves_the_zoom(canvas):
    labels = canvas.add_labels(np.zeros((6, 96, 112), np.uint8))
    camera(canvas).zoom = 2
    go_to(canvas, labels, (4, 10, 20))
    assert canvas.dims.point[0] == 4
    assert camera(canvas).center[-2:] == (10, 20)
    assert camera(canvas).zoom == 2
    assert not marks(canvas)


def test_other_axes_may_be_on_the_canvas(canvas):
    labels = canvas.add_labels(np.zeros((6, 96, 112), np.uint8))
    canvas.dims.order = (1, 0, 2)  # z and x on the canvas
    spotlight(canvas, labels, (4,), (20, 60, 36, 76))
    assert canvas.dims.point[1] == pytest.approx(39.5, abs=0.5)
    assert camera(canvas).center[-2:] == (4, 55.5)
