from __future__ import annotations

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.prediction_job import (
    ModelRead,
    PredictionRequest,
    prediction_job,
)
from napari_unet.app.session import session_of
from napari_unet.images.stack import Intensity, Stack
from napari_unet.prediction.outputs import Output
from napari_unet.prediction.pieces import Piece
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.predict.predict_dock import BUSY, PredictDock
from napari_unet.widgets.predict.predict_form import FILL
from napari_unet.widgets.predict.readiness import NO_IMAGE, NO_MODEL

from .conftest import until


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path / "documents"))
    return tmp_path / "documents" / "napari-unet" / "runs"


def make_model(classes=2, channels=1, scheme=None):
    """A tiny network with random weights."""
    import torch

    from napari_unet.config.network import UNetConfig
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.network.unet import UNet

    config = UNetConfig(in_channels=channels, classes=classes, depth=1, width=2, dropout=0.0)
    network = UNet(config, torch.Generator().manual_seed(1))
    limits = Intensity((0.0,) * channels, (255.0,) * channels)
    scheme = scheme or LabelScheme(kind="classes", values=tuple(range(classes)))
    return TrainedModel(network.eval(), limits, scheme, "tiny", None, {"step": 7})


@pytest.fixture
def dock(viewer, cells):
    layer = viewer.add_image(cells[0], name="cells", scale=(4, 0.5, 0.5), translate=(0, 10, 20))
    session = session_of(viewer)
    session.use(LayerStack(layer))
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    session.model = make_model()
    return dock


def one_line(tip):
    """A tooltip without the line breaks that keep it narrow."""
    return " ".join(tip.split())


def click(button):
    assert button.isEnabled(), button.toolTip()
    button.click()


def finish(dock, seconds=60):
    until(lambda: not dock.is_busy, seconds)


def expected_labels(dock):
    from napari_unet.prediction.arrays import predict_labels

    return predict_labels(dock.session.model, dock.session.stack, device="cpu")


# -- before the start ---------------------------------------------------------------------------


def test_it_says_what_is_missing(viewer, cells, qtbot):
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert one_line(dock.start.toolTip()) == NO_IMAGE
    viewer.add_image(cells[0], name="cells")
    dock.form.image.reset()
    dock._check()
    assert not dock.start.isEnabled()
    assert one_line(dock.start.toolTip()) == NO_MODEL


def test_the_button_says_what_it_will_do_and_cost(dock):
    assert dock.start.text() == "Predict 6 slices"
    assert "6 slices of 112 × 96 px" in dock.cost.text()
    assert "6 tiles" in dock.cost.text()
    dock.form.extent.radio("slice").click()
    assert dock.start.text() == "Predict this slice"
    assert "1 slice of" in dock.cost.text()


def test_an_image_of_other_channels_is_refused_at_the_field(dock):
    dock.session.model = make_model(channels=2)
    assert not dock.start.isEnabled()
    assert "2 channels" in dock.form.image_problem.text()
    assert one_line(dock.start.toolTip()) == dock.form.image_problem.text()


def test_it_fits_into_320_pixels(dock):
    dock.form.advanced.toggle.click()
    assert dock.column.parentWidget().minimumSizeHint().width() <= 320


def test_only_devices_that_are_there_are_offered(dock, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert dock.form.device.count() == 1  # nobody has looked yet
    dock.form.advanced.toggle.click()
    until(lambda: dock.form.device.count() > 1, 60)
    offered = [dock.form.device.itemText(k) for k in range(dock.form.device.count())]
    assert offered == ["Automatic", "Processor (CPU)", "Apple graphics (MPS)"]
    assert dock.form.device.value == "auto"


def test_what_belongs_to_objects_is_offered_only_for_them(dock):
    assert not dock.form.smallest.isEnabled()
    assert one_line(dock.form.fill.toolTip()).startswith("Only for objects")
    dock.form.output.value = "objects"
    dock.form.output.chosen.emit(dock.form.output.value)
    assert dock.form.smallest.isEnabled()
    assert one_line(dock.form.fill.toolTip()) == FILL


# -- a prediction -------------------------------------------------------------------------------


def test_the_stack_becomes_a_labels_layer_where_the_image_lies(dock):
    click(dock.start)
    assert one_line(dock.start.toolTip()) == BUSY
    finish(dock)
    assert dock.problem.text() == ""
    assert dock.line.text().startswith("6 slices in ")
    assert dock.line.text().endswith(", 6 tiles")
    layer = dock.viewer.layers["cells · prediction"]
    np.testing.assert_array_equal(layer.data, expected_labels(dock))
    np.testing.assert_array_equal(layer.scale, (4, 0.5, 0.5))
    np.testing.assert_array_equal(layer.translate, (0, 10, 20))
    assert layer.data.dtype == np.uint8
    assert dock.start.isEnabled()
    assert dock.running.isHidden()
    # the measured rate is used from now on
    assert dock.cost.text().startswith(("about", "a few seconds"))


def test_only_the_slice_shown(dock):
    dock.viewer.dims.set_point(0, 12)  # slice 3
    dock.form.extent.radio("slice").click()
    click(dock.start)
    finish(dock)
    data = dock.viewer.layers["cells · prediction"].data
    expected = expected_labels(dock)
    np.testing.assert_array_equal(data[3], expected[3])
    assert not data[[0, 1, 2, 4, 5]].any()
    # another slice joins it in the same layer
    dock.viewer.dims.set_point(0, 0)
    click(dock.start)
    finish(dock)
    data = dock.viewer.layers["cells · prediction"].data
    np.testing.assert_array_equal(data[[0, 3]], expected[[0, 3]])


def test_small_tiles_give_the_same(dock):
    dock.form.tile.setValue(60)
    assert "6 tiles" not in dock.cost.text()
    click(dock.start)
    finish(dock)
    data = dock.viewer.layers["cells · prediction"].data
    np.testing.assert_array_equal(data, expected_labels(dock))


def test_probabilities(dock):
    from napari_unet.prediction.arrays import predict_probabilities

    dock.form.output.value = "probabilities"
    click(dock.start)
    finish(dock)
    layer = dock.viewer.layers["cells · probabilities"]
    expected = predict_probabilities(dock.session.model, dock.session.stack, device="cpu")
    np.testing.assert_allclose(layer.data, expected[:, 1], atol=1e-6)


def test_probabilities_of_several_classes(dock):
    dock.session.model = make_model(classes=3)
    dock.form.output.value = "probabilities"
    click(dock.start)
    finish(dock)
    assert dock.problem.text() == ""
    layer = dock.viewer.layers["cells · probabilities"]
    assert layer.data.shape == (2, 6, 96, 112)
    np.testing.assert_array_equal(layer.scale, (1, 4, 0.5, 0.5))


def test_objects_are_numbered_slice_by_slice(dock):
    from scipy import ndimage

    dock.form.output.value = "objects"
    dock.form.tile.setValue(60)
    click(dock.start)
    finish(dock)
    layer = dock.viewer.layers["cells · objects"]
    foreground = expected_labels(dock) > 0
    for z in range(6):
        assert layer.data[z].max() == ndimage.label(foreground[z])[1]
        np.testing.assert_array_equal(layer.data[z] > 0, foreground[z])


def test_a_saved_model_becomes_the_current_one(dock, tmp_path):
    from napari_unet.network.model_file import save_model

    save_model(tmp_path / "run" / "best.safetensors", make_model())
    dock.session.model = None
    dock.form.use_file(tmp_path / "run" / "best.safetensors")
    assert dock.form.model.currentText() == "run"
    click(dock.start)
    finish(dock)
    assert dock.session.model is not None
    assert dock.session.model.name == "tiny"
    assert "cells · prediction" in dock.viewer.layers


def test_a_saved_model_that_is_refused_leaves_no_empty_result(dock, cells, tmp_path):
    from napari_unet.network.model_file import save_model

    save_model(tmp_path / "run" / "best.safetensors", make_model(channels=2))
    dock.session.model = None
    marks = dock.viewer.add_labels(cells[1], name="marks")
    dock.form.use_file(tmp_path / "run" / "best.safetensors")
    click(dock.start)
    finish(dock)
    assert "2 channels" in dock.problem.text()
    assert [layer.name for layer in dock.viewer.layers] == ["cells", "marks"]
    assert marks.visible


# -- cancel, and what goes wrong ----------------------------------------------------------------


def slow_tiles(monkeypatch, seconds=0.05, fail_after=None, error=None):
    """Make every tile take a while, or fail at one."""
    import time

    from napari_unet.prediction import predict as module

    original = module.forward_tiles
    calls = []

    def slow(*arguments, **options):
        calls.append(1)
        if fail_after is not None and len(calls) > fail_after:
            raise error
        time.sleep(seconds)
        return original(*arguments, **options)

    monkeypatch.setattr(module, "forward_tiles", slow)


def test_cancel_keeps_the_finished_tiles_and_says_so(dock, monkeypatch):
    expected = expected_labels(dock)
    slow_tiles(monkeypatch)
    dock.form.tile.setValue(60)
    click(dock.start)
    until(lambda: dock._course.done >= 8)
    click(dock.running.cancel)
    finish(dock, 10)
    done = dock._course.done
    assert f"Stopped after {done} of" in dock.line.text()
    assert done < dock._course.total
    data = dock.viewer.layers["cells · prediction"].data
    np.testing.assert_array_equal(data[0], expected[0])
    assert not data[5].any()
    assert dock.start.isEnabled()


def test_deleting_the_result_cancels(dock, monkeypatch):
    slow_tiles(monkeypatch)
    dock.form.tile.setValue(60)
    click(dock.start)
    until(lambda: dock._course.done >= 2)
    dock.viewer.layers.remove("cells · prediction")
    finish(dock, 10)
    assert dock._course.done < dock._course.total
    assert "cells · prediction" not in dock.viewer.layers


def test_closing_the_window_cancels(dock, monkeypatch):
    slow_tiles(monkeypatch)
    dock.form.tile.setValue(60)
    click(dock.start)
    until(lambda: dock._course.done >= 1)
    worker = dock._worker
    dock.viewer.close()
    assert not worker.is_running


def test_an_error_keeps_the_finished_tiles_and_is_one_sentence(dock, monkeypatch):
    monkeypatch.setattr("napari_unet.widgets.predict.predict_dock.show_error", lambda error: None)
    error = RuntimeError("Sizes of tensors must match\nand a long trace")
    slow_tiles(monkeypatch, 0.0, 3, error)
    dock.form.tile.setValue(60)
    click(dock.start)
    finish(dock)
    assert "Sizes of tensors must match" in dock.problem.text()
    assert "\n" not in dock.problem.text()
    assert dock.viewer.layers["cells · prediction"].data[0].shape == (96, 112)
    assert "Stopped after 3" in dock.line.text()
    assert dock.start.isEnabled()
    monkeypatch.undo()


def test_a_file_that_is_no_model_is_one_sentence(dock, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_unet.widgets.predict.predict_dock.show_error", lambda error: None)
    (tmp_path / "no.safetensors").write_bytes(b"hello")
    dock.form.use_file(tmp_path / "no.safetensors")
    click(dock.start)
    finish(dock)
    assert "not a file of napari-unet" in dock.problem.text()
    assert dock.start.isEnabled()


# -- the job ------------------------------------------------------------------------------------


def test_the_job_yields_the_model_then_every_pixel_once():
    image = np.random.default_rng(0).integers(0, 255, (2, 50, 70)).astype(np.uint8)
    request = PredictionRequest(make_model(), Stack("x", image, "zyx"), tile=40, device="cpu")
    events = list(prediction_job(request))
    assert isinstance(events[0], ModelRead)
    covered = np.zeros(image.shape, int)
    for piece in events[1:]:
        assert isinstance(piece, Piece)
        covered[(*piece.index, piece.rows, piece.cols)] += 1
    np.testing.assert_array_equal(covered, 1)
    assert [piece.done for piece in events[1:]] == list(range(1, len(events)))


# -- what is asked for under Advanced -----------------------------------------------------------


def test_mirrored_views_are_averaged(dock):
    from napari_unet.prediction.arrays import predict_probabilities

    dock.form.mirrored.setChecked(True)
    dock.form.output.value = "probabilities"
    click(dock.start)
    finish(dock)
    model, stack = dock.session.model, dock.session.stack
    expected = predict_probabilities(model, stack, device="cpu", mirror_average=True)[:, 1]
    plain = predict_probabilities(model, stack, device="cpu")[:, 1]
    found = dock.viewer.layers["cells · probabilities"].data
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - plain).max() > 1e-3


def test_small_objects_are_left_out_and_holes_filled():
    from napari_unet.prediction.arrays import predict_probabilities
    from napari_unet.prediction.objects import instances

    rng = np.random.default_rng(0)
    stack = Stack("noise", rng.integers(0, 255, (2, 60, 70)).astype(np.uint8), "zyx")
    model = make_model()
    foreground = predict_probabilities(model, stack, device="cpu")[:, 1]
    middle = float(np.median(foreground))
    # Half of the pixels are foreground: the bias moves the decision there.
    model.network.classify.bias.data[0] += float(np.log(middle / (1 - middle)))
    foreground = predict_probabilities(model, stack, device="cpu")[:, 1]
    request = PredictionRequest(
        model, stack, output=Output("objects", min_size=20, fill_holes=True), device="cpu"
    )
    pieces = [p for p in prediction_job(request) if isinstance(p, Piece) and p.values.size]
    for plane, piece in zip(foreground, pieces, strict=True):
        expected = instances(plane, min_size=20, fill_holes=True)
        np.testing.assert_array_equal(piece.values, expected)
        assert expected.max() < instances(plane).max(), "the settings matter here"


def test_pixels_are_matched_to_those_of_the_model(dock):
    from dataclasses import replace

    from napari_unet.prediction.arrays import predict_probabilities

    # the image has pixels of 0.5, the model learnt from pixels of 1
    dock.session.model = replace(make_model(), pixel_size=(1.0, 1.0), run={"unit": "pixel"})
    dock.form.match.setChecked(True)
    dock.form.output.value = "probabilities"
    click(dock.start)
    finish(dock)
    found = dock.viewer.layers["cells · probabilities"].data
    model, stack = dock.session.model, dock.session.stack
    plain, expected = (
        predict_probabilities(model, stack, device="cpu", match_pixels=match)[:, 1]
        for match in (False, True)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - plain).max() > 1e-3


def test_pixels_that_cannot_be_compared_are_said_at_the_field(dock):
    from dataclasses import replace

    dock.session.model = replace(make_model(), pixel_size=(1.0, 1.0), run={"unit": "micrometer"})
    dock.form.match.setChecked(True)
    assert not dock.start.isEnabled()
    assert "the model in micrometer" in dock.form.match_problem.text()
    dock.form.match.setChecked(False)
    assert dock.start.isEnabled()


def test_a_large_result_is_drawn_less_often_and_at_the_end(dock, monkeypatch):
    from napari_unet.widgets.common import result_layers

    drawn = []
    monkeypatch.setattr(result_layers, "refresh", drawn.append)
    monkeypatch.setattr(result_layers, "SECONDS_PER_PIXEL", 1.0)  # as if it were huge
    monkeypatch.setattr(result_layers, "monotonic", lambda: 1e9)
    dock.form.output.value = "probabilities"  # not 0, as the layer is before
    click(dock.start)
    finish(dock)
    layer = dock.viewer.layers[-1]
    assert set(drawn) == {layer}
    assert len(drawn) <= 2  # the first tiles, and all of them


def test_an_image_of_other_grey_values_is_said_and_mended(dock):
    expected = expected_labels(dock)
    layer = dock.viewer.layers["cells"]
    bright = dock.viewer.add_image(layer.data.astype(np.uint16) * 257, name="bright")
    dock.form.image.value = bright
    dock._check()
    click(dock.start)
    finish(dock)
    assert "grey values of bright run from" in dock.notes.text()
    (offer,) = dock.notes.buttons()
    assert offer.text() == "Measure anew"
    click(offer)
    finish(dock)
    assert dock.form.grey.isChecked()
    assert dock.notes.text() == ""
    assert dock.notes.isHidden()
    found = dock.viewer.layers[-1]  # by other grey values, so another layer
    assert found.name == "bright · prediction [1]"
    assert found.data.shape == expected.shape
    # 8 and 16 bit of one picture are the same with limits of their own.
    dock.form.image.value = layer
    dock._check()
    click(dock.start)
    finish(dock)
    np.testing.assert_array_equal(found.data, dock.viewer.layers[-1].data)


def test_holes_are_outside_as_in_the_settings_of_the_session(dock):
    holed = dock.viewer.layers["cells"].data.astype(np.float32)
    holed[1, 30:40, 30:40] = np.nan
    dock.form.image.value = dock.viewer.add_image(holed, name="holed")
    dock._check()
    click(dock.start)
    finish(dock)
    assert "contains NaN pixels" in dock.problem.text()
    dock.session.change(outside="all")
    dock.form.propose_output("probabilities")
    click(dock.start)
    finish(dock)
    assert dock.problem.text() == ""
    found = dock.viewer.layers[-1].data
    assert found.shape[-3:] == holed.shape
    assert not found[..., 1, 30:40, 30:40].any()
    assert np.count_nonzero(found[..., 1, :, :]) == found[..., 1, :, :].size * (1 - 100 / 96 / 112)


def test_an_offer_is_taken_while_it_still_predicts(dock):
    layer = dock.viewer.layers["cells"]
    dock.form.image.value = dock.viewer.add_image(layer.data.astype(np.uint16) * 257, name="bright")
    dock._check()
    click(dock.start)
    until(lambda: bool(dock.notes.buttons()))
    click(dock.notes.buttons()[0])
    finish(dock)
    until(lambda: not dock.is_busy)
    assert dock.form.grey.isChecked()
    assert dock.notes.text() == ""
    assert dock.line.text().startswith("6 slices in")
