"""Samples and challenge folders, opened by napari itself."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from npe2 import PluginManager

from napari_unet.app.session import session_of
from napari_unet.datasets import registry as datasets
from napari_unet.widgets.data.data_dock import DataDock

from .conftest import until

NAME = "napari-unet-trainer"


@pytest.fixture
def challenge(tmp_path):
    """A folder as the Cell Tracking Challenge publishes it: two sequences, sparse gold truth."""
    folder = tmp_path / "Some-Set"
    for sequence, frames in (("01", 4), ("02", 3)):
        (folder / sequence).mkdir(parents=True)
        (folder / f"{sequence}_GT" / "SEG").mkdir(parents=True)
        for t in range(frames):
            plane = np.random.default_rng(t).integers(0, 255, (32, 40), np.uint8)
            tifffile.imwrite(folder / sequence / f"t{t:03d}.tif", plane)
        truth = np.zeros((32, 40), np.uint16)
        truth[4:12, 4:12], truth[20:28, 20:30] = 3, 7
        tifffile.imwrite(folder / f"{sequence}_GT" / "SEG" / "man_seg001.tif", truth)
    return folder


def kinds(layers):
    return [type(layer) for layer in layers]


def test_a_challenge_folder_is_opened_by_drag_and_drop(make_napari_viewer, challenge, monkeypatch):
    # napari's own reader takes folders too, so napari asks which one shall.
    asked = []

    class Dialog:
        _extension = ""

        def __init__(self, readers, **_):
            asked.append(readers)

        def get_user_choices(self):
            return "U-Net", False

    monkeypatch.setattr("napari._qt.dialogs.qt_reader_dialog.QtReaderDialog", Dialog)
    viewer = make_napari_viewer()
    viewer.window._qt_viewer._qt_open([str(challenge)], stack=False)  # what a drop calls
    assert asked[0][NAME] == "U-Net"
    assert kinds(viewer.layers) == [Image, Labels, Image, Labels]
    assert viewer.layers[0].data.shape == viewer.layers[1].data.shape == (4, 32, 40)
    assert viewer.layers[2].data.shape == (3, 32, 40)
    dock = DataDock(viewer)
    viewer.window.add_dock_widget(dock)
    until(lambda: dock.session.stack is not None and not dock.is_looking)
    stack = session_of(viewer).stack
    assert stack.axes == "tyx"
    assert stack.labelled_slices == (1,)  # the other frames are not annotated


def test_one_sequence_is_opened_by_its_folder(make_napari_viewer, challenge):
    viewer = make_napari_viewer()
    viewer.open(str(challenge / "02"), plugin=NAME)
    assert kinds(viewer.layers) == [Image, Labels]
    assert viewer.layers[0].data.shape == (3, 32, 40)


def test_all_samples_are_in_the_menu_and_the_synthetic_one_opens(make_napari_viewer):
    viewer = make_napari_viewer()
    offered = dict(PluginManager.instance().iter_sample_data())
    assert [one.key for one in offered[NAME]] == list(datasets.names())
    viewer.open_sample(NAME, "synthetic")
    assert kinds(viewer.layers) == [Image, Labels]


@pytest.mark.data
@pytest.mark.parametrize("key", ["isbi2012-em", "phc-c2dh-u373", "dic-c2dh-hela"])
def test_the_published_samples_open(make_napari_viewer, data_dir, monkeypatch, key):
    monkeypatch.setenv("NAPARI_UNET_DATA", str(data_dir))
    viewer = make_napari_viewer()
    viewer.open_sample(NAME, key)
    assert kinds(viewer.layers) == [Image, Labels]
    assert viewer.layers[0].data.shape == viewer.layers[1].data.shape
