"""Objects in the Predict dock: offered first, changed live, listed, saved."""

from __future__ import annotations

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app import found_objects
from napari_unet.app.session import session_of
from napari_unet.config.decoding import Decoding
from napari_unet.config.network import UNetConfig
from napari_unet.config.offers import OUTPUTS
from napari_unet.images.files import open_image
from napari_unet.images.stack import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.widgets.common.layer_facts import told
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.data.samples import stack_layers
from napari_unet.widgets.predict.predict_dock import PredictDock
from napari_unet.widgets.predict.save_result import IMAGEJ, OME

from .conftest import until


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path / "documents"))


def grey_model(maps=("distance",)) -> TrainedModel:
    """Foreground is what is bright, and the height of an object its grey value."""
    network = UNet(UNetConfig(depth=0, width=1, object_maps=maps))
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.zero_()
                layer.bias.zero_()
                layer.weight[:, 0, layer.kernel_size[0] // 2, layer.kernel_size[1] // 2] = 1
        network.classify.weight[:2, 0, 0, 0] = torch.tensor([-20.0, 20.0])
        network.classify.bias[:2] = torch.tensor([6.0, -6.0])
    limits = Intensity((0.0,), (100.0,))
    return TrainedModel(network, limits, LabelScheme("objects"), decoding=Decoding(0.5, 0.7, 4))


def class_model(scheme: LabelScheme) -> TrainedModel:
    """Dark is background, grey value 0.6 the first class, 1 the second."""
    network = UNet(UNetConfig(depth=0, width=1, classes=3, object_maps=("distance",)))
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.zero_()
                layer.bias.zero_()
                layer.weight[:, 0, layer.kernel_size[0] // 2, layer.kernel_size[1] // 2] = 1
        network.classify.weight[:3, 0, 0, 0] = torch.tensor([0.0, 40.0, 80.0])
        network.classify.bias[:3] = torch.tensor([0.0, -12.0, -44.0])
        network.classify.weight[3, 0, 0, 0] = 2
    limits = Intensity((0.0,), (100.0,))
    return TrainedModel(network, limits, scheme, decoding=Decoding(0.5, 0.7, 4))


def scene() -> np.ndarray:
    """Two slices: two hills that touch, and one alone in the first."""
    y, x = np.ogrid[:40, :60]
    hill = {at: 100 - 6 * np.hypot(y - at[0], x - at[1]) for at in ((20, 15), (20, 31), (8, 50))}
    first = np.max(list(hill.values()), axis=0)
    second = np.maximum(hill[20, 15], hill[20, 31])
    return np.clip(np.stack([first, second]), 0, 100).astype(np.uint8)


@pytest.fixture
def dock(viewer):
    layer = viewer.add_image(scene(), name="cells", scale=(2, 0.5, 0.5), units=("micrometer",) * 3)
    session = session_of(viewer)
    session.use(LayerStack(layer))
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    session.model = grey_model()
    return dock


@pytest.fixture
def predicted(dock):
    assert dock.start.isEnabled(), dock.start.toolTip()
    dock.start.click()
    until(lambda: dock.objects.note.text() != "", 60)
    return dock


def result(dock):
    (layer,) = [one for one in dock.viewer.layers if "objects" in one.name]
    return layer


def test_objects_are_offered_first_where_the_model_separates_them(dock):
    assert dock.form.output.value == "objects"
    assert not dock.objects.isVisibleTo(dock)


def test_objects_are_offered_first_where_labels_are_objects(dock):
    dock.session.model = replace(grey_model(()), scheme=LabelScheme("classes", values=(0, 1)))
    assert dock.form.output.value == "labels"
    dock.session.model = grey_model(())
    assert dock.form.output.value == "objects"
    assert dock.form.gives.text() == OUTPUTS["objects"]


def test_objects_are_offered_first_before_there_is_a_model(viewer):
    layer = viewer.add_image(scene(), name="cells")
    labels = viewer.add_labels((scene() > 50).astype(np.uint16) * 7, name="labels")
    session_of(viewer).use(LayerStack(layer, labels, scheme=LabelScheme("objects")))
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert dock.form.output.value == "objects"


def test_what_the_user_chose_stays(dock):
    dock.form.output.value = "probabilities"
    dock.form.output.chosen.emit("probabilities")
    dock.session.model = grey_model(())
    assert dock.form.output.value == "probabilities"
    assert dock.form.gives.text() == OUTPUTS["probabilities"]


def test_number_and_table(predicted):
    assert predicted.objects.note.text() == "5 objects, 2 to 3 a slice"
    assert predicted.objects.list.model().rowCount() == 5
    assert (predicted.objects.inside.value, predicted.objects.seeds.value) == (0.5, 0.7)


def test_a_slider_changes_the_result(predicted):
    before = result(predicted).data.copy()
    assert len(np.unique(before[1])) == 3
    predicted.objects.seeds.box.setValue(0.4)
    until(lambda: predicted.objects.note.text().startswith("3 objects"), 30)
    assert len(np.unique(result(predicted).data[1])) == 2
    predicted.objects.seeds.box.setValue(0.7)
    until(lambda: predicted.objects.note.text().startswith("5 objects"), 30)
    np.testing.assert_array_equal(result(predicted).data, before)


def test_a_valley_parts_objects_or_does_not(predicted):
    panel = predicted.objects
    assert panel.valleys.value == 0  # of a model without valleys: the height of the middle parts
    two = result(predicted).data.copy()
    panel.valleys.box.setValue(0.6)  # the pass between the two lies 0.48 below
    until(lambda: panel.note.text().startswith("3 objects"), 30)
    assert told(result(predicted), "predicted")["settings"]["valley"] == "0.6"
    panel.valleys.box.setValue(0.4)
    until(lambda: panel.note.text().startswith("5 objects"), 30)
    np.testing.assert_array_equal(result(predicted).data, two)


def test_the_layer_knows_its_model_and_settings(predicted):
    by = told(result(predicted), "predicted")
    assert by["model"].startswith(f"{predicted.session.model.name} (")
    assert by["settings"]["threshold"] == "0.5"
    assert by["settings"]["smallest"] == "4 px"
    predicted.objects.seeds.box.setValue(0.4)
    until(lambda: predicted.objects.note.text().startswith("3 objects"), 30)
    after = told(result(predicted), "predicted")
    assert after["model"] == by["model"]
    assert after["settings"]["seed height"] == "0.4"


def test_a_row_leads_to_its_object_and_back(predicted):
    panel, layer = predicted.objects, result(predicted)
    panel.list.chosen.emit(4)
    assert predicted.viewer.dims.current_step[0] == 1
    table = panel.list.model().sourceModel().table
    y, x = (table.columns[f"centroid {axis} (px)"][4] for axis in "yx")
    np.testing.assert_allclose(predicted.viewer.scene.camera.center[-2:], (y / 2, x / 2))
    assert layer.selected_label == table.columns["id"][4]
    layer.selected_label = int(table.columns["id"][3])
    (chosen,) = panel.list.selectionModel().selectedRows()
    assert panel.list.model().mapToSource(chosen).row() == 3


def test_it_fits_into_320_pixels(through):
    through.folder.expander.expand()
    assert through.column.parentWidget().minimumSizeHint().width() <= 320


def test_it_sorts_by_numbers(predicted):
    view = predicted.objects.list
    first = [view.model().index(row, 0).data() for row in range(5)]
    assert first == ["0", "0", "0", "1", "1"]  # as they come
    names = list(view.model().sourceModel().table.columns)
    column = names.index("area (px)")
    view.sortByColumn(column, view.model().sortOrder().__class__(1))  # descending
    shown = [int(view.model().index(row, column).data()) for row in range(5)]
    assert shown == sorted(shown, reverse=True)


def test_features_where_an_id_is_one_object(viewer, dock):
    dock.form.extent.value = "slice"
    dock.start.click()
    until(lambda: dock.objects.note.text() != "", 60)
    assert dock.objects.note.text() == "3 objects"
    features = result(dock).features
    assert features["index"].tolist() == [1, 2, 3]
    assert "area (µm²)" in features


def test_features_go_where_an_id_is_no_longer_one_object(through):
    assert len(result(through).features) == 3
    through.form.ids.radio(False).click()
    until(lambda: through.objects.note.text().startswith("5 objects"), 30)
    assert len(result(through).features) == 0
    through.form.ids.radio(True).click()
    until(lambda: through.objects.note.text().startswith("3 objects"), 30)
    assert len(result(through).features) == 3


def test_features_are_not_those_of_another_slice(dock):
    """Slice after slice into one layer: id 1 is an object in each."""
    dock.form.extent.value = "slice"
    for shown, number in ((0, 3), (1, 2)):
        dock.viewer.dims.set_current_step(0, shown)
        dock.start.click()
        until(lambda n=number: dock.objects.note.text() == f"{n} objects", 60)
        assert len(result(dock).features) == (3 if shown == 0 else 0)


def test_after_a_stroke_table_and_file_are_of_the_new_layer(predicted, tmp_path):
    panel, mine = predicted.objects, result(predicted)
    mine.paint((0, 1, 1), 9)
    panel.seeds.box.setValue(0.4)
    until(lambda: panel.note.text().startswith("3 objects"), 30)
    (new,) = [one for one in predicted.viewer.layers if "objects" in one.name and one is not mine]
    assert (mine.data == 9).any()
    assert not (new.data == 9).any()
    save(predicted, tmp_path / "o.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif"), new.data)
    new.selected_label = 2
    (chosen,) = panel.list.selectionModel().selectedRows()
    assert panel.list.model().sourceModel().table.columns["id"][chosen.row()] == 2


def save(dock, file) -> str:
    """Save, wait for it, and return what was said."""
    dock.saving.write(str(file))
    assert dock.line.text() == f"Saving {file.name} …"
    assert not dock.saving.save.isEnabled()
    until(dock.saving.save.isEnabled, 30)
    return dock.line.text()


def test_files(predicted, tmp_path):
    predicted.objects.write_table(str(tmp_path / "cells.csv"))
    with (tmp_path / "cells.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 5
    assert "the table is in" in predicted.objects.note.text()
    for name in ("o.tif", "o.ome.tif"):
        assert save(predicted, tmp_path / name) == f"Saved as {tmp_path / name}."
        np.testing.assert_array_equal(tifffile.imread(tmp_path / name), result(predicted).data)
        stack = open_image(tmp_path / name)
        assert stack.scale == (2, 0.5, 0.5)
        assert stack.units == ("micrometer",) * 3
        with tifffile.TiffFile(tmp_path / name) as tif:
            assert (tif.is_imagej, tif.is_ome) == (name == "o.tif", name == "o.ome.tif")
            assert tif.series[0].axes == "ZYX"
    assert ".tif" in save(predicted, tmp_path / "o.png")
    assert not (tmp_path / "o.png").exists()


def test_a_name_that_the_dialog_did_not_see_is_not_replaced(predicted, tmp_path):
    """It asks for cells.tif, and cells.ome.tif would be written."""
    (tmp_path / "cells.ome.tif").write_bytes(b"mine")
    predicted.saving._on_chosen(str(tmp_path / "cells.tif"), OME)
    assert "cells.ome.tif exists" in predicted.line.text()
    assert (tmp_path / "cells.ome.tif").read_bytes() == b"mine"
    for asked, written in (("cells.v2", "cells.v2.ome.tif"), ("cells.ome.tif", "cells.ome.tif")):
        predicted.saving._on_chosen(str(tmp_path / asked), OME)
        until(predicted.saving.save.isEnabled, 30)
        assert predicted.line.text() == f"Saved as {tmp_path / written}."
    predicted.saving._on_chosen(str(tmp_path / "plain.tif"), IMAGEJ)
    until(predicted.saving.save.isEnabled, 30)
    names = sorted(file.name for file in tmp_path.glob("*.tif"))
    assert names == ["cells.ome.tif", "cells.v2.ome.tif", "plain.tif"]


def test_a_saved_result_lies_on_its_image_again(predicted, tmp_path):
    save(predicted, tmp_path / "o.ome.tif")
    ((data, about, _),) = stack_layers(open_image(tmp_path / "o.ome.tif"))
    opened = predicted.viewer.add_image(data, **about)
    np.testing.assert_allclose(opened.extent.world, result(predicted).extent.world)
    assert opened.units == result(predicted).units


@pytest.mark.parametrize("name", ["cells.tif", "mine.tif"])
def test_what_a_layer_was_read_from_is_never_replaced(viewer, tmp_path, name):
    values = {"cells.tif": scene(), "mine.tif": (scene() > 50).astype(np.uint8)}
    for file, array in values.items():
        tifffile.imwrite(tmp_path / file, array, photometric="minisblack")
    (layer,) = viewer.open(tmp_path / "cells.tif", plugin="napari")
    viewer.open(tmp_path / "mine.tif", plugin="napari", layer_type="labels")
    session_of(viewer).use(LayerStack(layer))
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    session_of(viewer).model = grey_model()
    dock.start.click()
    until(lambda: dock.objects.note.text() != "", 60)
    assert "read as" in save(dock, tmp_path / name)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / name), values[name])


@pytest.fixture
def through(dock):
    """Predicted with one number through the stack."""
    dock.form.ids.radio(True).click()
    dock.start.click()
    until(lambda: dock.objects.note.text() != "", 60)
    return dock


def test_one_number_through_the_stack(through):
    layer, table = result(through), through.objects.list.model().sourceModel().table
    assert through.objects.note.text() == "3 objects, 2 to 3 a slice"
    assert layer.data[0, 20, 15] == layer.data[1, 20, 15]
    assert layer.data[0, 20, 31] == layer.data[1, 20, 31]
    assert sorted(table.columns["slices"].tolist()) == [1, 2, 2]
    volumes = np.bincount(layer.data.ravel())[1:]
    assert table.columns["volume (px)"].tolist() == volumes.tolist()
    assert table.columns["volume (µm³)"].tolist() == (volumes * 0.5).tolist()
    assert layer.features["index"].tolist() == [1, 2, 3]


def test_a_row_of_several_slices_leads_to_its_object_and_back(through):
    panel, layer = through.objects, result(through)
    alone = int(layer.data[0, 8, 50])
    through.viewer.dims.set_current_step(0, 1)
    panel.list.chosen.emit(alone - 1)
    assert through.viewer.dims.current_step[0] == 0
    assert layer.selected_label == alone
    for shown in (0, 1):  # a click on it, in any of its slices
        through.viewer.dims.set_current_step(0, shown)
        for number in (layer.data[1, 20, 15], layer.data[1, 20, 31]):
            layer.selected_label = int(number)
            (chosen,) = panel.list.selectionModel().selectedRows()
            assert panel.list.model().mapToSource(chosen).row() == number - 1


def test_numbers_and_overlap_change_the_result(predicted):
    layer = result(predicted)
    assert not predicted.objects.overlap.isVisibleTo(predicted)
    predicted.form.ids.radio(True).click()
    until(lambda: predicted.objects.note.text() == "3 objects, 2 to 3 a slice", 30)
    assert predicted.objects.overlap.isVisibleTo(predicted)
    linked = layer.data.copy()
    predicted.objects.seeds.box.setValue(0.4)  # two are one, and one id goes on
    until(lambda: predicted.objects.note.text().startswith("2 objects"), 30)
    predicted.objects.seeds.box.setValue(0.7)
    until(lambda: predicted.objects.note.text().startswith("3 objects"), 30)
    np.testing.assert_array_equal(layer.data, linked)
    predicted.form.ids.radio(False).click()
    until(lambda: predicted.objects.note.text() == "5 objects, 2 to 3 a slice", 30)


def test_less_overlap_than_asked_is_another_object(viewer):
    """Hills that move by their width but for a fifth."""
    y, x = np.ogrid[:40, :60]
    moved = [np.clip(100 - 6 * np.hypot(y - 20, x - at), 0, 100) for at in (20, 32)]
    layer = viewer.add_image(np.stack(moved).astype(np.uint8), name="cells")
    session_of(viewer).use(LayerStack(layer))
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    session_of(viewer).model = grey_model()
    dock.form.ids.radio(True).click()
    dock.start.click()
    until(lambda: dock.objects.note.text() != "", 60)
    assert dock.objects.note.text() == "2 objects, 1 a slice"
    dock.objects.overlap.box.setValue(0.1)
    until(lambda: dock.objects.note.text() == "1 object, 1 a slice", 30)
    assert len(np.unique(result(dock).data)) == 2


def test_numbers_are_offered_for_objects_of_several_slices(dock):
    dock._check()
    assert dock.form.ids.isVisibleTo(dock)
    dock.form.extent.radio("slice").click()
    assert not dock.form.ids.isVisibleTo(dock)
    dock.form.extent.radio("stack").click()
    dock.form.output.value = "labels"
    dock.form.output.chosen.emit("labels")
    assert not dock.form.ids.isVisibleTo(dock)


def test_a_slider_of_the_prediction_before_changes_nothing(predicted):
    predicted.objects.seeds.box.setValue(0.4)  # three objects, on their way
    predicted.start.click()
    until(lambda: not predicted.is_busy and not predicted.objects.latest.is_busy, 60)
    assert predicted.objects.note.text() == "5 objects, 2 to 3 a slice"
    assert len(np.unique(result(predicted).data[1])) == 3


def test_holes_stay_filled_under_the_sliders(viewer):
    """A bright square with a dark hole."""
    image = np.zeros((1, 40, 60), np.uint8)
    image[0, 10:30, 10:30], image[0, 18:22, 18:22] = 100, 0
    layer = viewer.add_image(image, name="cells")
    session_of(viewer).use(LayerStack(layer))
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    session_of(viewer).model = grey_model(())
    dock.form.fill.setChecked(True)
    dock.start.click()
    until(lambda: dock.objects.note.text() != "", 60)
    assert (result(dock).data > 0).sum() == 400
    dock.objects.inside.box.setValue(0.4)
    until(lambda: not dock.objects.latest.is_busy, 30)
    assert (result(dock).data > 0).sum() == 400


def test_a_stack_beyond_memory_is_measured_all_the_same(dock, monkeypatch):
    monkeypatch.setattr(found_objects, "KEPT_PIXELS", 2400 + 1)  # a slice, but not two
    dock.start.click()
    until(lambda: dock.objects.note.text() != "", 60)
    assert dock.objects.note.text() == "5 objects, 2 to 3 a slice"
    assert dock.objects.list.model().rowCount() == 5
    assert not dock.objects.form.isVisibleTo(dock)


def test_the_result_does_not_pile_up_on_other_labels(dock):
    viewer = dock.viewer
    drawn = viewer.add_labels(np.ones((2, 40, 60), np.uint8), name="mine")
    outlines = viewer.add_labels(np.ones((2, 40, 60), np.uint8), name="outlines")
    outlines.contour = 1
    painted = viewer.add_labels(np.ones((2, 40, 60), np.uint8), name="painted")
    viewer.layers.selection.active, painted.mode = painted, "paint"
    dock.start.click()
    until(lambda: dock.objects.note.text() != "", 60)
    assert [one.visible for one in (drawn, outlines, painted)] == [False, True, True]
    assert result(dock).visible
    assert dock.notes.text() == "Hidden, so that the result is seen: mine."
    drawn.visible = True
    dock.start.click()  # again into the same layer
    until(lambda: not dock.is_busy, 60)
    assert not drawn.visible


def click(viewer, position):
    """Press and let go; what napari calls for it."""
    for kind, call in (
        ("mouse_press", mouse_press_callbacks),
        ("mouse_release", mouse_release_callbacks),
    ):
        event = SimpleNamespace(
            type=kind, position=position, view_direction=None, handled=False,
            dims_displayed=list(viewer.dims.displayed), modifiers=(), button=1,
        )  # fmt: skip
        call(viewer, ReadOnlyWrapper(event))


def test_a_click_on_an_object_leads_to_its_row(predicted):
    viewer, panel = predicted.viewer, predicted.objects
    viewer.dims.set_current_step(0, 1)
    layer = result(predicted)
    click(viewer, (2, 10, 15.5))  # world: slice 1, row 20, column 31
    (chosen,) = panel.list.selectionModel().selectedRows()
    table = panel.list.model().sourceModel().table
    row = panel.list.model().mapToSource(chosen).row()
    assert (table.columns["z"][row], table.columns["id"][row]) == (1, layer.data[1, 20, 31])
    click(viewer, (2, 0, 0))  # background picks nothing
    assert layer.selected_label == layer.data[1, 20, 31]


def test_an_object_has_a_class(viewer):
    """Bright is a cell, brighter a nucleus; both are objects of one watershed."""
    image = np.zeros((1, 40, 60), np.uint8)
    image[0, 5:15, 5:15], image[0, 20:30, 30:45] = 60, 100
    layer = viewer.add_image(image, name="cells")
    session_of(viewer).use(LayerStack(layer))
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    scheme = LabelScheme("classes", values=(0, 1, 2), names=("background", "cell", "nucleus"))
    session_of(viewer).model = class_model(scheme)
    dock.form.output.value = "objects"
    dock.form.output.chosen.emit("objects")
    dock.start.click()
    until(lambda: dock.objects.note.text() != "", 60)
    assert dock.objects.note.text() == "2 objects"
    table = dock.objects.list.model().sourceModel().table
    assert table.columns["class"].tolist() == ["cell", "nucleus"]
    assert table.columns["area (px)"].tolist() == [100, 150]
    assert result(dock).features["class"].tolist() == ["cell", "nucleus"]
