"""Docks use the layers as they are shown, and leave alone what the user touched."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.app.session import session_of
from napari_unet.prediction.arrays import predict_labels
from napari_unet.widgets.common.layer_facts import is_result
from napari_unet.widgets.data.data_dock import DataDock
from napari_unet.widgets.evaluate.evaluate_dock import EvaluateDock
from napari_unet.widgets.predict.predict_dock import PredictDock
from napari_unet.widgets.train.train_dock import TrainDock

from .conftest import until
from .test_predict import make_model


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path / "documents"))


@pytest.fixture
def layers(viewer, cells):
    image = viewer.add_image(cells[0], name="cells")
    return image, viewer.add_labels(cells[1], name="truth")


@pytest.fixture
def data(viewer, layers):
    """A Data dock that has looked."""
    dock = DataDock(viewer)
    viewer.window.add_dock_widget(dock, name="Data")
    until(lambda: not dock.is_looking)
    return dock


@pytest.fixture
def predict(viewer, data):
    session_of(viewer).model = make_model()
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock, name="Predict")
    return dock


def press(dock):
    assert dock.start.isEnabled(), dock.start.toolTip()
    dock.start.click()
    until(lambda: dock.start.isEnabled(), 60)


def expected(viewer, image):
    return predict_labels(session_of(viewer).model, image, axes="zyx", device="cpu")


def paint(layer, value=9):
    """A stroke over the upper left of slice 1."""
    z, y, x = np.mgrid[1:2, 0:8, 0:8].reshape(3, -1)
    layer.data_setitem((z, y, x), value)


def test_pixels_and_place_that_changed_after_the_look_are_predicted(viewer, layers, predict):
    image, _ = layers
    image.data = 255 - image.data
    image.translate, image.scale = (5, 10, 20), (4, 0.5, 0.25)
    press(predict)
    result = viewer.layers["cells · prediction"]
    np.testing.assert_array_equal(result.data, expected(viewer, image.data))
    assert np.allclose(result.translate, (5, 10, 20))
    assert np.allclose(result.scale, (4, 0.5, 0.25))


def test_corrections_survive_the_next_prediction(viewer, layers, predict):
    press(predict)
    first = viewer.layers["cells · prediction"]
    first.name = "mine now"
    paint(first)
    kept = first.data.copy()
    press(predict)
    np.testing.assert_array_equal(first.data, kept)
    np.testing.assert_array_equal(
        viewer.layers["cells · prediction"].data, expected(viewer, layers[0].data)
    )
    first.undo()
    np.testing.assert_array_equal(first.data, viewer.layers["cells · prediction"].data)


def test_a_result_that_was_renamed_goes_on(viewer, layers, predict):
    predict.form.extent.radio("slice").click()
    viewer.dims.set_current_step(0, 0)
    press(predict)
    layer = viewer.layers["cells · prediction"]
    layer.name = "other name"
    viewer.dims.set_current_step(0, 3)
    press(predict)
    assert "cells · prediction" not in viewer.layers
    wanted = expected(viewer, layers[0].data)
    np.testing.assert_array_equal(layer.data[[0, 3]], wanted[[0, 3]])
    assert is_result(layer)


def test_slices_of_two_models_are_never_in_one_layer(viewer, predict):
    predict.form.extent.radio("slice").click()
    viewer.dims.set_current_step(0, 0)
    press(predict)
    first = viewer.layers["cells · prediction"]
    kept = first.data.copy()
    other = make_model()
    other.network.classify.bias.data[0] += 3.0
    session_of(viewer).model = other
    viewer.dims.set_current_step(0, 3)
    press(predict)
    np.testing.assert_array_equal(first.data, kept)
    assert "cells · prediction [1]" in viewer.layers


def test_labels_that_were_replaced_are_trained_on(viewer, layers, data):
    _, labels = layers
    session = session_of(viewer)
    labels.data = np.roll(labels.data, 7, axis=2)
    (stack,) = session.stacks
    np.testing.assert_array_equal(stack.label_plane(2), labels.data[2])
    until(lambda: not data.is_looking)
    assert session.stack.labels is labels.data


def test_a_plane_of_labels_stays_where_it_was_drawn(viewer, cells):
    viewer.add_image(cells[0], name="cells")
    viewer.dims.set_current_step(0, 3)
    viewer.add_labels(cells[1][3], name="plane")
    dock = DataDock(viewer)
    viewer.window.add_dock_widget(dock)
    until(lambda: not dock.is_looking)
    viewer.dims.set_current_step(0, 0)
    dock.layers.gap.click()
    until(lambda: not dock.is_looking)
    assert dock.session.stack.labelled_slices == (3,)


def test_the_first_stroke_says_where_an_empty_plane_lies(viewer, cells):
    viewer.add_image(cells[0], name="cells")
    plane = viewer.add_labels(np.zeros_like(cells[1][0]), name="plane")
    dock = DataDock(viewer)
    viewer.window.add_dock_widget(dock)
    until(lambda: not dock.is_looking)
    for step, value in ((4, 1), (2, 2)):  # the second stroke does not move the first
        viewer.dims.set_current_step(0, step)
        y, x = np.mgrid[10 * value : 10 * value + 8, 5:20].reshape(2, -1)
        plane.data_setitem((y, x), value)
    viewer.dims.set_current_step(0, 0)
    dock.layers.gap.click()
    until(lambda: not dock.is_looking)
    assert dock.session.stack.labelled_slices == (4,)


def test_a_name_with_our_sign_is_the_users(viewer, layers, data):
    mine = viewer.add_labels(layers[1].data.copy(), name="cells · my own")
    assert mine in [value for _, value in data.labels.options]


def test_corrections_survive_a_running_training(viewer, layers, data):
    session = session_of(viewer)
    session.change(network={"depth": 1, "width": 2}, tile=60, batch=1, steps=10**6, device="cpu")
    viewer.dims.set_current_step(0, 1)
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    dock.control.start.click()
    until(lambda: "cells · live prediction" in viewer.layers, 60)
    first = viewer.layers["cells · live prediction"]
    until(lambda: first.data[1].any(), 60)
    paint(first)
    kept = first.data.copy()
    until(lambda: "cells · live prediction [1]" in viewer.layers, 60)
    np.testing.assert_array_equal(first.data, kept)
    assert not is_result(first)
    session.training.stop()
    until(lambda: not session.training.is_running, 60)
    np.testing.assert_array_equal(first.data, kept)


def test_a_renamed_result_is_offered_by_its_new_name_at_once(viewer, layers, predict):
    press(predict)
    evaluate = EvaluateDock(viewer)
    viewer.window.add_dock_widget(evaluate, name="Evaluate")
    result = viewer.layers["cells · prediction"]
    assert evaluate.form.prediction.value is result
    result.name = "first try"
    assert evaluate.form.prediction.currentText() == "first try"
    paint(result)
    offered = [value for _, value in evaluate.form.reference.options]
    assert result in offered, "corrected, so it may be what is right"
