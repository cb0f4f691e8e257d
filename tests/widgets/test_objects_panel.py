"""Objects in the Predict dock: offered first, changed live, listed, saved."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import tifffile
import torch

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.session import session_of
from napari_unet.config.decoding import Decoding
from napari_unet.config.network import UNetConfig
from napari_unet.images.files import open_image
from napari_unet.images.stack import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.predict.predict_dock import PredictDock

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


def test_labels_stay_where_it_does_not(dock):
    dock.form.output.value = "labels"
    dock.session.model = grey_model(())
    assert dock.form.output.value == "labels"


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


def test_it_sorts_by_numbers(predicted):
    view = predicted.objects.list
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


def test_files(predicted, tmp_path):
    predicted.objects.write_table(str(tmp_path / "cells.csv"))
    with (tmp_path / "cells.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 5
    predicted.objects.write_result(str(tmp_path / "o.tif"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif"), result(predicted).data)
    stack = open_image(tmp_path / "o.tif")
    assert stack.scale == (2, 0.5, 0.5)
    assert stack.units == ("micrometer",) * 3
    assert "written to" in predicted.objects.note.text()
    predicted.objects.write_result(str(tmp_path / "o.png"))
    assert ".tif" in predicted.objects.note.text()
