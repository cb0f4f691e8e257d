"""A folder in the Predict dock: one result per image, one table, whatever breaks."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app import folder_job, prediction_job
from napari_unet.app.session import session_of
from napari_unet.config.decoding import Decoding
from napari_unet.config.network import UNetConfig
from napari_unet.images.files import open_image
from napari_unet.images.stack import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_array
from napari_unet.prediction.linking import Linking
from napari_unet.prediction.outputs import Output
from napari_unet.widgets.predict.folder_panel import NO_FOLDER, NO_MODEL
from napari_unet.widgets.predict.predict_dock import PredictDock

from .conftest import until


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path / "documents"))


@pytest.fixture(scope="module")
def model():
    import torch

    network = UNet(UNetConfig(depth=1, width=2, object_maps=("distance",)), torch.Generator())
    limits = Intensity((0.0,), (255.0,))
    scheme = LabelScheme("objects")
    return TrainedModel(network.eval(), limits, scheme, decoding=Decoding(0.5, 0.01))


@pytest.fixture
def folder(tmp_path):
    """Two images of different sizes, the second a stack, and what is no image."""
    rng = np.random.default_rng(0)
    path = tmp_path / "images"
    path.mkdir()
    about = {"axes": "YX", "unit": "um"}
    plane = rng.integers(0, 255, (40, 60), np.uint8)
    tifffile.imwrite(path / "a.tif", plane, imagej=True, resolution=(2, 2), metadata=about)
    stack = rng.integers(0, 255, (3, 50, 44), np.uint8)
    tifffile.imwrite(path / "b.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    (path / "c.tif").write_bytes(b"no image")
    return path


@pytest.fixture
def panel(viewer, model, folder, tmp_path):
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    session_of(viewer).model = model
    dock.folder.folder.setText(str(folder))
    dock.folder.results.setText(str(tmp_path / "results"))
    return dock.folder


def finish(panel):
    panel.start.click()
    assert not panel.start.isEnabled(), panel.problem.text()
    until(panel.start.isEnabled, 60)


def test_every_image_has_a_result_and_the_table_names_them(panel, folder, model, tmp_path):
    finish(panel)
    names = sorted(file.name for file in (tmp_path / "results").iterdir())
    assert names == ["a.tif", "b.tif", "objects.csv"]
    counts = []
    for name in ("a.tif", "b.tif"):
        stack = open_image(folder / name)
        found = tifffile.imread(tmp_path / "results" / name)
        expected = predict_array(model, stack, output=Output("objects"), device="cpu")
        np.testing.assert_array_equal(found, expected)
        again = open_image(tmp_path / "results" / name)
        assert (again.axes, again.scale, again.units) == (stack.axes, stack.scale, stack.units)
        planes = found.reshape(-1, *found.shape[-2:])
        counts.append(sum(len(np.unique(plane[plane > 0])) for plane in planes))
    with (tmp_path / "results" / "objects.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["a.tif"] * counts[0] + ["b.tif"] * counts[1]
    said = panel.line.text()
    assert f"2 images in {tmp_path / 'results'}, {sum(counts)} objects" in said
    assert "c.tif is left out: " in said


def test_numbers_go_through_stacks_where_that_is_asked_for(panel, folder, model, tmp_path):
    panel._form.ids.value = True
    finish(panel)
    output = Output("objects", link=Linking())
    expected = predict_array(model, open_image(folder / "b.tif"), output=output, device="cpu")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "results" / "b.tif"), expected)


def test_other_outputs_have_no_table(panel, tmp_path):
    panel._form.output.value = "labels"
    finish(panel)
    names = sorted(file.name for file in (tmp_path / "results").iterdir())
    assert names == ["a.tif", "b.tif"]


def test_objects_that_are_not_measured_are_said(panel, monkeypatch, tmp_path):
    for module in (folder_job, prediction_job):
        monkeypatch.setattr(module, "KEPT_PIXELS", 50 * 44)  # b.tif, but not a.tif
    finish(panel)
    with (tmp_path / "results" / "objects.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["file"] for row in csv.DictReader(file)} == {"b.tif"}
    said = panel.line.text()
    assert "Slices of 40 × 60 pixels are too large to be measured here, so the objects of a" in said
    assert "50 × 44" not in said


def test_what_is_missing_is_said(panel, folder):
    panel.folder.setText("")
    panel.start.click()
    assert panel.problem.text() == NO_FOLDER
    panel.folder.setText(str(folder))
    panel._dock.session.model = None
    panel._form.model.set_options([("no model yet", None)])
    panel.start.click()
    assert panel.problem.text() == NO_MODEL


def test_the_images_are_never_replaced(panel, folder):
    before = (folder / "a.tif").read_bytes()
    panel.results.setText(str(folder))
    finish(panel)
    assert "folder of their own" in panel.problem.text()
    assert (folder / "a.tif").read_bytes() == before


def test_results_are_proposed_beside_the_folder(panel, tmp_path):
    panel.results.setText("")
    panel._choose(panel.folder, str(tmp_path / "more"))
    assert panel.results.text() == str(tmp_path / "more-results")


def test_what_is_true_of_many_images_is_said_once(panel, model, folder, tmp_path):
    for k in range(20):
        (folder / f"broken-{k:02}.tif").write_bytes(b"no image")
    for name in ("d.tif", "e.tif"):
        shutil.copy(folder / "a.tif", folder / name)
    panel._dock.session.model = replace(model, zoom=0.5)
    finish(panel)
    lines = panel.line.text().splitlines()
    assert sum("resampled from 40 × 60" in line for line in lines) == 1
    assert "(3 images)" in panel.line.text()
    assert lines[0].startswith("4 images in")
    assert lines[-1].startswith("… and ")
    assert len(lines) == 14


def test_what_there_is_to_say_about_a_file_is_said(panel, folder):
    plane = tifffile.imread(folder / "a.tif")
    tifffile.imwrite(folder / "d.tif", np.stack([plane] * 3, axis=-1), photometric="rgb")
    panel._dock.session.model = replace(
        panel._dock.session.model,
        network=UNet(UNetConfig(depth=1, width=2, in_channels=3, object_maps=("distance",))).eval(),
        intensity=Intensity((0.0,) * 3, (255.0,) * 3),
    )
    finish(panel)
    assert "d.tif is a grey image saved as colour" in panel.line.text()


def test_a_cancelled_folder_has_the_table_of_what_was_finished(panel, folder, tmp_path):
    for k in range(30):
        shutil.copy(folder / "a.tif", folder / f"more-{k:02}.tif")
    panel.start.click()
    until((tmp_path / "results" / "b.tif").exists, 60)
    panel._on_cancel()
    until(panel.start.isEnabled, 60)
    with (tmp_path / "results" / "objects.csv").open(encoding="utf-8-sig", newline="") as file:
        named = {row["file"] for row in csv.DictReader(file)}
    assert "a.tif" in named
    assert len(named) < 32
