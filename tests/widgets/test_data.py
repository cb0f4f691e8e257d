"""The Data dock in a real viewer: choose, explain, find, put right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.splits import parse_slices, say_slices, split_stack
from napari_unet.app.session import session_of
from napari_unet.config.split import SplitConfig
from napari_unet.images.stack import Stack
from napari_unet.preflight import Finding, touching_pairs
from napari_unet.training.data import TrainingData
from napari_unet.widgets.common.layer_facts import tell
from napari_unet.widgets.common.result_layers import show_result
from napari_unet.widgets.data.data_dock import DataDock

from .conftest import controls, pump, until


@pytest.fixture
def dock(model, cells, opened):
    """A Data dock with an image and labels."""
    image, labels = cells
    model.add_image(image, name="cells", scale=(2, 0.5, 0.5), translate=(1, 2, 3),
                     units=("um", "um", "um"))  # fmt: skip
    model.add_labels(labels, name="truth", scale=(2, 0.5, 0.5), translate=(1, 2, 3),
                      units=("um", "um", "um"))  # fmt: skip
    return opened(model)


@pytest.fixture
def opened(qtbot):
    """Open a Data dock for a viewer, and wait until it has looked."""

    def open_dock(viewer) -> DataDock:
        dock = DataDock(viewer)
        qtbot.addWidget(dock)
        dock.show()
        settled(dock)
        return dock

    return open_dock


def settled(dock):
    until(lambda: not dock.is_looking)


def texts(dock) -> str:
    return "\n".join(one.text for one in dock.findings.findings)


def test_layers_that_fit_are_chosen_by_themselves(dock, cells):
    stack = dock.session.stack
    assert stack.name == "cells"
    assert stack.axes == "zyx"
    assert stack.image is dock.image.value.data
    assert stack.labels is dock.labels.value.data
    assert stack.scale == (2, 0.5, 0.5)
    assert stack.translate == (1, 2, 3)
    assert set(stack.units) == {"micrometer"}
    assert stack.scheme == LabelScheme("objects")
    assert dock.validation.mode.currentText() == "last 20 %: slice 5"
    assert "6 slices, 96 × 112 pixels, uint8" in texts(dock)
    assert "become 0–1" in texts(dock)


def test_an_empty_viewer_says_what_to_do(model, opened):
    dock = opened(model)
    assert dock.session.stack is None
    assert dock.status.text() == "Open a sample, or drag an image into the viewer."
    assert not dock.layers.zero.isEnabled()
    assert not dock.validation.isEnabled()


def test_touching_objects_are_counted_and_get_their_gap_with_a_click(model, opened):
    labels = np.zeros((2, 40, 40), np.uint16)
    labels[:, 5:15, 5:10], labels[:, 5:15, 10:20], labels[0, 30:35, 5:9] = 1, 2, 3
    model.add_image(np.random.default_rng(0).random(labels.shape), name="im")
    model.add_labels(labels, name="la")
    dock = opened(model)
    assert "2 pairs of objects touch; a gap of one pixel is made" in texts(dock)
    dock.layers.gap.click()
    settled(dock)
    assert not dock.session.stack.scheme.gap
    (press,) = dock.findings.buttons()
    assert press.text() == "Make gaps"
    press.click()
    settled(dock)
    assert dock.session.stack.scheme.gap
    assert dock.layers.gap.isChecked()
    assert not dock.findings.buttons()


def test_objects_larger_than_the_network_sees_are_zoomed_with_a_click(model, opened):
    labels = np.zeros((2, 160, 160), np.uint8)
    labels[:, 20:131, 20:131] = 1
    labels[:, 140:150, 140:150] = 2
    image = 60 + 90 * (labels > 0) + np.random.default_rng(0).integers(0, 9, labels.shape)
    model.add_image(image.astype(np.uint8), name="im")
    model.add_labels(labels, name="la")
    assert session_of(model).config.network.depth == 3  # sees 88 px
    dock = opened(model)
    assert "sees only 88 pixels" in texts(dock)
    (press,) = (one for one in dock.findings.buttons() if one.text() == "Zoom")
    press.click()
    settled(dock)
    assert dock.session.config.zoom == 0.75
    assert "pixels thick" not in texts(dock)


def test_another_order_of_the_axes_is_used_with_a_click(model, opened):
    image = np.random.default_rng(0).integers(0, 255, (140, 150, 20), np.uint8)
    model.add_image(image, name="slices last")
    dock = opened(model)
    assert dock.session.stack.plane_shape == (150, 20)
    (press,) = (one for one in dock.findings.buttons() if one.text() == "Use them")
    press.click()
    settled(dock)
    assert (dock.layers.axes.value, dock.session.stack.axes) == ("yxz", "yxz")
    assert (dock.session.stack.n_slices, dock.session.stack.plane_shape) == (20, (140, 150))
    assert not dock.findings.buttons()


def test_labels_without_a_pixel_size_get_the_images_with_a_click(model, cells, opened):
    model.add_image(cells[0], name="im", scale=(2, 0.5, 0.25), units=("um", "um", "um"))
    model.add_labels(cells[1], name="la")
    dock = opened(model)
    assert "give the labels that of the image" in texts(dock)
    (press,) = (one for one in dock.findings.buttons() if one.text() == "Give it")
    press.click()
    settled(dock)
    assert dock.labels.value.scale.tolist() == [2, 0.5, 0.25]
    assert {str(unit) for unit in dock.labels.value.units} == {"micrometer"}
    assert "pixel size of" not in texts(dock)


def test_sparse_labels_on_a_disk_are_looked_through_once(model, opened):
    da = pytest.importorskip("dask.array")
    read = []

    def block(block_info=None):
        if block_info:
            read.append(block_info[None]["chunk-location"][0])
        plane = np.zeros((1, 64, 64), np.int32)
        if block_info and block_info[None]["chunk-location"][0] in (1, 3):
            plane[:, 8:20, 8:20], plane[:, 30:50, 30:50] = 1, 2
        return plane

    lazy = da.map_blocks(block, chunks=((1,) * 5, (64,), (64,)), dtype=np.int32)
    image = np.random.default_rng(0).integers(0, 255, (5, 64, 64), np.uint8)
    model.add_image(image, name="im")
    model.add_labels(lazy, name="la")
    dock = opened(model)
    dock.layers.zero.value = "sparse"
    dock._look()
    settled(dock)
    read.clear()
    assert dock.session.stack.annotated == (1, 3)  # whoever copies the stack knows it too
    assert not read


def test_pairs_of_touching_objects_by_hand():
    assert touching_pairs(np.array([[1, 1, 2], [0, 3, 2], [4, 0, 0]], np.int32)) == 4
    # 1-2, 1-3, 2-3, 3-4 (diagonal)
    assert touching_pairs(np.array([[1, 0, 2]], np.int32)) == 0
    assert touching_pairs(np.array([[1, 2]], np.int32), first_object=2) == 0


def test_slices_without_labels_are_pointed_out_and_left_out_with_a_click(dock):
    dock.labels.value.data[3:] = 0
    dock._look()
    settled(dock)
    assert "3 slices of 6 have no label at all" in texts(dock)
    (press,) = dock.findings.buttons()
    press.click()
    settled(dock)
    assert dock.session.stack.labelled_slices == (0, 1, 2)
    assert dock.validation.note.text() == ""
    assert dock.validation.mode.currentText() == "last 20 %: slice 2"
    assert "3 of 6 slices are annotated" in texts(dock)


def test_a_brush_stroke_on_a_slice_left_out_brings_it_in(dock, monkeypatch):
    dock.labels.value.data[3:] = 0
    dock._look()
    settled(dock)
    dock.findings.buttons()[0].click()
    settled(dock)
    dock._repaint.setInterval(10)
    dock.viewer.dims.set_current_step(0, 4)
    dock.labels.value.data_setitem((np.array([4, 4]), np.array([10, 11]), np.array([10, 11])), 1)
    until(lambda: dock.session.stack is not None and 4 in dock.session.stack.labelled_slices)


def test_nan_in_an_image_can_be_taken_as_outside_with_a_click(model, cells, opened):
    """A hole in the midst: refused until it is said to be outside, here for the whole session."""
    image = cells[0].astype(np.float32)
    image[2, 40:50, 40:60] = np.nan
    model.add_image(image, name="holed")
    model.add_labels(cells[1], name="truth")
    dock = opened(model)
    assert "1 slice of 'holed' (2) contains NaN pixels; take every NaN as outside" in texts(dock)
    assert not dock.grey.nan.isHidden()
    (press,) = dock.findings.buttons()
    assert press.text() == "Take as outside"
    press.click()
    settled(dock)
    assert dock.session.config.outside == dock.grey.nan.value == "all"
    assert dock.findings.error == ""
    assert "of its pixels are NaN and taken as outside" in texts(dock)
    assert TrainingData(dock.session.stacks, dock.session.config).limits.high[0] < 256
    dock.grey.nan.value = "border"
    dock.grey.nan.chosen.emit("border")
    settled(dock)
    assert dock.session.config.outside == "border"
    assert "contains NaN pixels" in texts(dock)


def test_an_image_without_nan_is_not_asked_what_they_mean(dock):
    assert dock.grey.nan.isHidden()
    assert not dock.grey.limits.isHidden()


def test_zero_can_mean_not_annotated(dock):
    data = dock.labels.value.data
    data[data > 0] += 1
    data[:, :20] = 1
    dock.layers.zero.radio("sparse").click()
    settled(dock)
    assert dock.session.stack.scheme.annotation == "sparse"


def test_what_0_means_in_labels_to_paint_is_not_said_of_others(model, cells, opened):
    image, labels = cells
    model.add_image(image, name="im")
    strokes = model.add_labels(np.zeros_like(labels), name="strokes")
    tell(strokes, scheme=replace(LabelScheme("classes", "sparse", (1, 2)), gap=False).to_dict())
    dock = opened(model)
    layers = dock.layers
    assert (layers.zero.value, layers.gap.isChecked()) == ("sparse", False)
    truth = model.add_labels(labels, name="truth")
    for chosen, zero in ((truth, "dense"), (strokes, "sparse"), (truth, "dense")):
        dock.labels.value = chosen
        layers.use_labels()
        settled(dock)
        assert (layers.zero.value, dock.session.stack.scheme.annotation) == (zero, zero)
    assert layers.gap.isChecked()
    layers.zero.radio("sparse").click()  # the user means labels of this kind
    other = model.add_labels(labels + 1, name="other")
    dock.labels.value = other
    layers.use_labels()
    settled(dock)
    assert dock.session.stack.scheme.annotation == "sparse"


def test_masks_of_0_and_255_are_classes(model, cells, opened):
    image, labels = cells
    model.add_image(image, name="im")
    model.add_labels((labels > 0).astype(np.uint8) * 255, name="mask")
    dock = opened(model)
    assert dock.session.stack.scheme.kind == "classes"
    assert dock.session.stack.scheme.values == (0, 255)
    assert "this is a mask: 0 is background, 255 foreground" in texts(dock)
    dock.layers.kind.value = "objects"
    dock.layers.kind.chosen.emit("objects")
    settled(dock)
    assert dock.session.stack.scheme.kind == "objects"


def test_labels_of_another_size_say_so_below_their_field(dock, model, opened):
    other = model.add_labels(np.zeros((6, 50, 50), np.uint8), name="other")
    dock.labels.value = other
    dock.labels.chosen.emit(other)
    assert dock.session.stack is None
    assert "Labels must have shape (6, 96, 112)" in dock.layers.labels_problem.text()
    assert dock.labels.property("invalid")
    assert not dock.layers.labels_problem.isHidden()


def test_empty_labels_are_an_error_with_one_sentence(model, cells, opened):
    model.add_image(cells[0], name="im")
    model.add_labels(np.zeros_like(cells[1]), name="empty")
    dock = opened(model)
    assert dock.findings.findings[0].severity == "error"
    assert "all labels are 0" in dock.findings.error


def test_a_constant_image_is_an_error(model, opened):
    model.add_image(np.full((3, 40, 40), 7, np.uint8), name="flat")
    dock = opened(model)
    assert "constant" in dock.findings.error


def test_removing_renaming_and_adding_layers_is_followed(dock, model, cells, opened):
    model.layers["cells"].name = "renamed"
    assert dock.image.currentText() == "renamed"
    model.layers.remove("truth")
    settled(dock)
    assert dock.labels.value is None
    assert dock.session.stack.labels is None
    model.layers.remove("renamed")
    settled(dock)
    assert dock.session.stack is None
    assert dock.image.currentText() == "no such layer open"
    model.add_image(cells[0], name="new")
    settled(dock)
    assert dock.session.stack.name == "new"


def test_results_of_the_plugin_are_not_offered_as_inputs(dock, model, cells, opened):
    result = Labels(cells[1], name="cells · prediction")
    show_result(model, "prediction", result, dock.image.value)

    def offered():
        return [dock.labels.itemText(k) for k in range(dock.labels.count())]

    assert offered() == ["none: nothing to learn from", "truth"]
    result.name = "renamed"
    assert offered() == ["none: nothing to learn from", "truth"]
    model.add_labels(cells[1], name="mine · prediction")  # a name means nothing
    assert offered() == ["none: nothing to learn from", "mine · prediction", "truth"]
    result.data_setitem((np.array([0]), np.array([1]), np.array([1])), 5)
    assert "renamed" in offered()  # corrected, so it is the user's


def test_two_docks_of_a_viewer_show_the_same(dock, model, cells, opened):
    second = opened(model)
    extra = model.add_image(cells[0][:, ::-1].copy(), name="other image")
    second.image.value = extra
    second.image.chosen.emit(extra)
    settled(second)
    until(lambda: dock.image.value is extra)
    assert dock.session.stack.name == "other image"


@pytest.mark.parametrize(
    ("shape", "rgb", "axes"),
    [((64, 48), False, "yx"), ((5, 64, 48), False, "zyx"), ((2, 5, 64, 48), False, None),
     ((64, 48, 3), True, "yxc"), ((5, 64, 48, 3), True, "zyxc")],
)  # fmt: skip
def test_layers_of_any_axes_become_stacks(model, shape, rgb, axes, opened):
    data = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    model.add_image(data, rgb=rgb, name="im")
    dock = opened(model)
    stack = dock.session.stack
    assert stack.plane_shape == (64, 48)
    if axes:
        assert stack.axes == axes


def test_a_multiscale_image_says_which_level_is_used(model, opened):
    data = np.random.default_rng(0).integers(0, 255, (3, 128, 128), np.uint8)
    model.add_image([data, data[:, ::2, ::2]], multiscale=True, name="pyramid")
    dock = opened(model)
    assert dock.session.stack.plane_shape == (128, 128)
    assert "2 resolution levels; the finest is used" in texts(dock)


def test_dask_stays_lazy(model, opened):
    da = pytest.importorskip("dask.array")
    data = da.random.random((3, 64, 64), chunks=(1, 64, 64))
    model.add_image(data, name="lazy", contrast_limits=(0, 1))
    dock = opened(model)
    assert dock.session.stack.image is data


def test_labels_of_one_slice_belong_to_the_slice_shown(model, cells, opened):
    model.add_image(cells[0], name="im")
    model.dims.set_current_step(0, 4)
    model.add_labels(cells[1][4], name="one slice")
    dock = opened(model)
    assert dock.session.stack.labelled_slices == (4,)
    assert np.array_equal(dock.session.stack.label_plane(4), cells[1][4])


def test_validation_can_be_chosen_slices_a_region_or_nothing(dock, model, opened):
    choice = dock.validation
    choice.mode.value = "chosen slices"
    choice.mode.chosen.emit("chosen slices")
    choice.slices.setText("0, 2-3")
    choice.slices.editingFinished.emit()
    assert dock.session.config.split == SplitConfig("slices", slices=(0, 2, 3))
    assert choice.note.text() == "Slices 0, 2–3 validate."
    choice.slices.setText("two")
    choice.slices.editingFinished.emit()
    assert "Slices must read like 3, 24-29" in choice.slices_problem.text()
    choice.mode.value = "a region"
    choice.mode.chosen.emit("a region")
    shape = model.layers["cells · validation"]
    assert dock.session.config.split.region == (72, 96, 0, 112)
    assert np.allclose(shape.edge_color[0][:3], (0, 1, 1))
    shape.data = [np.array([[10, 20], [10, 40], [30, 40], [30, 20]]) - 0.5]
    assert dock.session.config.split.region == (10, 30, 20, 40)
    assert "its guard band of 88 px leave no pixel for training" in choice.problem.text()
    shape.data = [np.array([[200, 20], [200, 40], [230, 40], [230, 20]]) - 0.5]
    assert choice.problem.text() == "The region must lie inside the image: move it back."


def test_the_preflight_looks_again_when_validation_changes(dock):
    labels = dock.labels.value.data
    labels[5] = 0
    dock._look()
    settled(dock)
    dock.session.change(split=SplitConfig("slices", slices=(5,)))
    settled(dock)
    assert "validation" in texts(dock).lower()


def test_a_validation_that_leaves_nothing_to_train_on_says_so(dock):
    dock.session.change(split=SplitConfig("slices", slices=tuple(range(6))))
    assert "all of them were chosen" in dock.validation.problem.text()
    dock.session.change(split=SplitConfig("none"))
    assert dock.validation.note.text().startswith("Nobody will know")


@pytest.mark.parametrize(
    ("text", "slices"),
    [("3", (3,)), ("3, 24-26", (3, 24, 25, 26)), ("1 2;3 – 4", (1, 2, 3, 4)), ("5-5", (5,))],
)
def test_slice_numbers_are_read_and_written(text, slices):
    assert parse_slices(text) == slices
    assert parse_slices(say_slices(slices)) == slices


def test_open_adds_the_sample_and_chooses_it(model, opened):
    dock = opened(model)
    dock.samples.sample.value = "synthetic"
    dock.samples.button.click()
    assert dock.samples.button.text() == "&Cancel"
    assert dock.status.text() == "Opening Synthetic membranes …"
    until(lambda: dock.samples.job is None)
    settled(dock)
    assert dock.samples.button.text() == "&Open"
    assert dock.session.stack.labels is not None
    assert dock.image.value.name == dock.session.stack.name
    assert dock.session.labels_layer in model.layers


def test_a_sample_that_cannot_be_had_is_one_notification(model, monkeypatch, opened):
    from napari.utils.notifications import notification_manager

    from napari_unet.base.errors import DataSetError
    from napari_unet.datasets import registry as datasets

    def refuse(name, **_):
        raise DataSetError("expected a network, got none: connect and try again.")

    monkeypatch.setattr(datasets, "open", refuse)
    dock = opened(model)
    dock.samples.button.click()
    until(lambda: dock.samples.job is None)
    last = notification_manager.records[-1]
    assert last.message == "Expected a network, got none: connect and try again."
    assert dock.status.text() == "Open a sample, or drag an image into the viewer."


def test_a_download_shows_how_far_it_is_and_can_be_cancelled(model, monkeypatch, opened):
    from time import sleep

    from napari_unet.datasets import registry as datasets

    cancelled = []

    def slow(name, progress):
        try:
            for k in range(1000):
                progress(10 + k, 1000)
                sleep(0.01)
        except Exception as error:
            cancelled.append(error)
            raise

    monkeypatch.setattr(datasets, "open", slow)
    dock = opened(model)
    dock.samples.button.click()
    until(lambda: dock.status.text().startswith("Fetching ISBI-2012 EM, once: "))
    dock.samples.button.click()
    until(lambda: dock.samples.job is None)
    assert len(cancelled) == 1
    assert dock.samples.button.text() == "&Open"


def test_labels_that_come_after_their_image_are_chosen(model, cells, opened):
    dock = opened(model)
    model.add_image(cells[0], name="cells")
    settled(dock)
    assert dock.session.stack.labels is None
    labels = model.add_labels(cells[1], name="painted later")
    settled(dock)
    assert dock.labels.value is labels
    assert dock.session.stack.labels is labels.data
    dock.labels.value = None
    dock.labels.activated.emit(0)  # as a person does
    settled(dock)
    model.add_labels(cells[1], name="others")
    settled(dock)
    assert dock.session.stack.labels is None  # none are wanted


def test_each_image_has_the_labels_named_after_it(model, cells, opened):
    """Two sequences of one size: the labels of the first are not taken for those of the second."""
    image, labels = cells
    for name in ("cell 1", "cell 11", "cell 2"):
        model.add_image(image.copy(), name=name)
        model.add_labels(labels.copy(), name=f"{name} labels")
        model.add_labels(labels.copy(), name=f"{name} silver truth", visible=False)
    dock = opened(model)
    for name in ("cell 2", "cell 1", "cell 11"):
        dock.image.value = model.layers[name]
        dock.image.chosen.emit(dock.image.value)
        settled(dock)
        assert dock.labels.value is model.layers[f"{name} labels"]
    dock.labels.value = model.layers["cell 11 silver truth"]
    dock.labels.activated.emit(0)
    settled(dock)
    dock.layers.use_image()  # a choice that fits stays
    assert dock.labels.value is model.layers["cell 11 silver truth"]


def test_every_control_explains_itself(dock):
    assert all(control.toolTip() for control in controls(dock))
    assert dock.validation.slices.toolTip()


def test_it_fits_a_narrow_dock_and_both_themes(dock, model, opened):
    assert dock.minimumSizeHint().width() <= 320
    model.theme = "light"
    light = dock.styleSheet()
    model.theme = "dark"
    assert dock.styleSheet() != light


def test_closing_the_dock_ends_its_listening(viewer, cells):
    dock = DataDock(viewer)
    viewer.window.add_dock_widget(dock, name="Data")
    viewer.add_image(cells[0], name="before")
    settled(dock)
    assert session_of(viewer).stack.name == "before"
    viewer.window.remove_dock_widget(dock)
    session_of(viewer).stack = None
    viewer.add_image(cells[0], name="later")
    assert session_of(viewer).stack is None
    dock.deleteLater()
    pump(0.05)


def test_findings_are_ordered_by_gravity(dock):
    dock.findings.clear()
    for severity in ("info", "error", "warning", "info"):
        dock.findings.add(Finding(severity, severity))
    assert [f.severity for f in dock.findings.findings] == ["error", "warning", "info", "info"]


def band(layer):
    """Rows and columns that a rectangle covers: y0, y1, x0, x1."""
    corners = np.asarray(layer.data[0])[:, -2:] + 0.5
    return (*corners[:, 0][[0, 2]], *corners[:, 1][[0, 2]])


def test_a_region_and_its_guard_band_are_layers(dock, model):
    dock.session.change(network={"depth": 1}, tile=60, batch=1)
    settled(dock)
    guard = dock.validation._guard
    dock.validation.mode.chosen.emit("a region")
    region, guard_band = model.layers["cells · validation"], model.layers["cells · guard band"]
    for layer in (region, guard_band):
        assert np.allclose(layer.scale, (0.5, 0.5))
        assert np.allclose(layer.translate, (2, 3))
        assert np.allclose(layer.edge_color[0], (0, 1, 1, 1))
        assert layer.face_color[0][3] == 0
    assert guard_band.opacity < region.opacity
    assert not guard_band.editable
    assert band(region) == (72, 96, 0, 112)
    assert band(guard_band) == (72 - guard, 96, 0, 112)
    region.data = [np.array([[30, 40], [30, 60], [50, 60], [50, 40]]) - 0.5]
    assert band(guard_band) == (30 - guard, 50 + guard, 40 - guard, 60 + guard)
    assert dock.validation.note.text() == (
        "Rows 30–49, columns 40–59 of every labelled slice validate (4 %); within 16 px of them, "
        "as far as the network sees, nothing trains."
    )
    split = split_stack(dock.session.stack, dock.session.config.split, guard)
    y0, y1, x0, x1 = (int(v) for v in band(guard_band))
    mask = split.training_mask(0, (96, 112))
    assert not mask[y0:y1, x0:x1].any()
    assert mask.sum() == 96 * 112 - (y1 - y0) * (x1 - x0)
    dock.validation.mode.chosen.emit(SplitConfig())
    assert "cells · validation" not in model.layers
    assert "cells · guard band" not in model.layers
    dock.validation.mode.chosen.emit("a region")
    assert band(model.layers["cells · validation"]) == (30, 50, 40, 60)  # as it was left


def test_the_grey_values_are_shown_with_their_limits(dock):
    shown = dock.histogram.shown
    image = dock.image.value.data
    assert shown.counts.sum() == image.size
    trains = image[:5]  # the last slice validates
    low, high = np.percentile(trains, 0.5), np.percentile(trains, 99.5)
    assert shown.intensity.low == (low,)
    assert shown.intensity.high == (high,)
    assert f"Grey values {low:.0f}–{high:.0f} become 0–1." in texts(dock)
    assert not dock.histogram.isHidden()
    assert "become 0 and 1" in dock.histogram.toolTip().replace("\n", " ")
    dock.resize(320, 900)
    assert not dock.histogram.grab().isNull()


def test_the_limits_are_those_that_a_training_has(dock, cells):
    session, shown = dock.session, dock.histogram
    brighter = Stack("other", cells[0] + np.uint8(40), "zyx", labels=cells[1])
    session.added = (replace(brighter, scheme=session.stack.scheme),)
    dock._look()
    settled(dock)
    assert shown.shown.intensity == TrainingData(session.stacks, session.config).limits
    low, high = shown.shown.intensity.low[0], shown.shown.intensity.high[0]
    assert shown.said.text() == f"{low:.4g} becomes 0, {high:.4g} becomes 1"
    session.change(zoom=0.5)
    settled(dock)
    assert shown.said.text().startswith(f"about {low:.4g} becomes 0, {high:.4g} becomes 1, measure")
    assert "become about 0–1: limits are measured at the size that is seen" in texts(dock)
    session.change(intensity="image", zoom=1.0)
    settled(dock)
    assert shown.said.text().startswith("every slice has limits of its own; of all")
    assert "become 0–1 by limits of each slice" in texts(dock)


def test_limits_of_every_slice_are_an_option_whose_consequence_is_explained(dock):
    assert dock.session.config.intensity == "stack"
    dock.grey.limits.value = "image"
    dock.grey.limits.chosen.emit("image")
    assert dock.session.config.intensity == "image"
    tip = dock.grey.limits.toolTip().replace("\n", " ")
    assert "hides differences of brightness between slices" in tip


def test_an_image_without_grey_values_has_no_histogram(model, opened):
    model.add_image(np.full((3, 40, 40), 7, np.uint8), name="flat")
    dock = opened(model)
    assert dock.histogram.isHidden()


def test_the_level_of_a_pyramid_is_chosen(model, opened):
    data = np.random.default_rng(0).integers(0, 255, (3, 128, 128), np.uint8)
    model.add_image([data, data[:, ::2, ::2]], multiscale=True, name="pyramid")
    dock = opened(model)
    assert not dock.layers.level.isHidden()
    dock.layers.level.value = 1
    dock.layers.level.chosen.emit(1)
    settled(dock)
    assert dock.session.stack.plane_shape == (64, 64)
    assert "level 1 is used, whose pixels are 2 times as large" in texts(dock)
    labels = np.zeros((3, 128, 128), np.uint8)
    labels[:, 10:30, 10:30] = 1
    fine = model.add_labels(labels, name="fine")
    dock.labels.value = fine
    dock.labels.chosen.emit(fine)
    settled(dock)
    assert dock.session.stack.plane_shape == (128, 128)  # the level the labels were drawn on
    model.layers.remove("pyramid")
    settled(dock)
    assert dock.layers.level.isHidden()


def test_labels_that_do_not_fit_stay_chosen(dock, model):
    other = model.add_labels(np.zeros((6, 50, 50), np.uint8), name="other")
    dock.labels.value = other
    dock.labels.chosen.emit(other)
    assert dock.labels.value is other
