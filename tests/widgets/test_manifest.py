"""The manifest: valid, found from the package, its menus in the right order and cheap to open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from npe2 import PluginManager, PluginManifest

import napari_unet

PACKAGE = Path(napari_unet.__file__).parent
NAME = "napari-unet-trainer"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution(NAME)


def test_every_command_can_be_imported(manifest):
    manifest.validate_imports()


def test_the_whole_path_comes_first_then_its_parts(manifest):
    assert manifest.display_name == "U-Net"
    assert [w.display_name for w in manifest.contributions.widgets] == [
        "U-Net", "Data", "Weight map", "Augmentation", "Train", "Predict", "Evaluate",
        "U-Net: predict this layer", "U-Net: labels to correct from this prediction",
        "U-Net: weight map of these labels", "U-Net: separate objects",
    ]  # fmt: skip


def test_the_samples_are_the_named_data_sets(manifest):
    from napari_unet.app.sample_job import SAMPLES
    from napari_unet.datasets import registry as datasets

    keys = [one.key for one in manifest.contributions.sample_data]
    assert keys == list(SAMPLES) == list(datasets.names())


def test_the_top_level_manifest_is_a_link_to_the_one_in_the_package():
    link = PACKAGE.parent.parent / "napari.yaml"
    if not (PACKAGE.parent.parent / "pyproject.toml").exists():
        pytest.skip("an installed package has no top level")
    assert link.resolve() == PACKAGE / "napari.yaml"


def test_widgets_get_the_viewer_from_napari():
    from napari._qt._qplugins._qnpe2 import _get_widget_viewer_param

    from napari_unet.widgets.data.data_dock import DataDock
    from napari_unet.widgets.unet import UNetDock

    for one in (UNetDock, DataDock):
        assert _get_widget_viewer_param(one, one.__name__) == "viewer"


@pytest.mark.parametrize("key", ["synthetic"])
def test_a_sample_opens_as_layers(key):
    manager = PluginManager.instance()
    manager.discover()
    data = manager.get_manifest(NAME).contributions.sample_data
    layers = next(one for one in data if one.key == key).open()
    (image, image_meta, kind), (labels, labels_meta, labels_kind) = layers
    assert (kind, labels_kind) == ("image", "labels")
    assert image.shape == labels.shape
    assert image_meta["scale"] == labels_meta["scale"]


def test_opening_the_menu_imports_no_torch():
    code = (
        "import sys; from npe2 import PluginManager as P; m = P.instance(); m.discover();"
        f"mf = m.get_manifest('{NAME}');"
        "[w.display_name for w in mf.contributions.widgets];"
        "import napari_unet.widgets.data.samples, napari_unet.widgets.data.readers;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_challenge_folder_is_read_and_others_are_left_alone(tmp_path):
    import numpy as np
    import tifffile

    from napari_unet.widgets.data.readers import get_reader

    folder = tmp_path / "Some-Set"
    truth = np.zeros((20, 24), np.uint16)
    truth[4:9, 4:9] = 3
    (folder / "01").mkdir(parents=True)
    (folder / "01_GT" / "SEG").mkdir(parents=True)
    for t in range(3):
        tifffile.imwrite(folder / "01" / f"t{t:03d}.tif", np.full((20, 24), 9 + t, np.uint8))
    tifffile.imwrite(folder / "01_GT" / "SEG" / "man_seg001.tif", truth)
    assert get_reader(str(tmp_path)) is None
    reader = get_reader(str(folder))
    assert reader is not None
    (image, _, _), (labels, meta, kind) = reader(str(folder))
    assert image.shape == labels.shape == (3, 20, 24)
    assert kind == "labels"
    assert meta["metadata"]["napari_unet"]["annotated"] == [1]
    assert np.array_equal(labels[1], truth)
