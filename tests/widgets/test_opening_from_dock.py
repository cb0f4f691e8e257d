"""The Data dock opens samples from a folder, parts of them, and files and folders with labels."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from qtpy.QtWidgets import QFileDialog

from napari_unet.datasets import registry as datasets
from napari_unet.widgets.data import sample_choice
from napari_unet.widgets.data.data_dock import DataDock

from .conftest import until
from .test_opening import challenge  # noqa: F401 (a fixture)

SIDE = 48


@pytest.fixture
def dock(model, qtbot, monkeypatch):
    monkeypatch.delenv("NAPARI_UNET_DATA", raising=False)
    made = DataDock(model)
    qtbot.addWidget(made)
    made.show()
    return made


def settled(dock):
    until(lambda: dock.samples.job is None and dock.files.open.text() == "Open these")
    until(lambda: not dock.is_looking)


@pytest.fixture
def some_set(challenge, monkeypatch):  # noqa: F811
    """The sample PhC-C2DH-U373 is a small folder of the challenge, with silver truth in 01."""
    folder = challenge.rename(challenge.with_name("PhC-C2DH-U373"))
    silver = folder / "01_ST" / "SEG"
    silver.mkdir(parents=True)
    for t in range(4):
        truth = np.zeros((32, 40), np.uint16)
        truth[2 + t : 12 + t, 4:14], truth[20:28, 20:30] = 1, 2
        tifffile.imwrite(silver / f"man_seg{t:03d}.tif", truth)
    return folder


def test_what_there_is_to_say_about_a_file_is_said(dock, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("napari_unet.widgets.common.notices.show_info", said.append)
    grey = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 1), np.uint8)
    Picture.fromarray(grey.repeat(3, -1)).save(tmp_path / "a.png")
    dock.files.image.setText(str(tmp_path / "a.png"))
    dock.files.open.click()
    settled(dock)
    assert any("a grey image saved as colour" in one for one in said)


def test_channels_in_files_of_their_own_are_opened_as_one_image(dock, tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for channel in (0, 1):
        grey = np.random.default_rng(channel).integers(0, 255, (SIDE, SIDE), np.uint8)
        tifffile.imwrite(tmp_path / "images" / f"case_000{channel}.tif", grey)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    truth[8:20, 8:20] = 1
    tifffile.imwrite(tmp_path / "labels" / "case.tif", truth)
    dock.files.image.setText(str(tmp_path / "images"))
    dock.files.labels.setText(str(tmp_path / "labels"))
    dock.files.open.click()
    settled(dock)
    assert dock.session.stack.axes == "cyx"
    assert dock.session.stack.channels == 2
    np.testing.assert_array_equal(dock.session.stack.label_plane(0), truth)


# -- samples --------------------------------------------------------------------------------


def test_a_sample_is_opened_from_the_folder_that_was_chosen(dock, some_set, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("nothing may be downloaded")

    monkeypatch.setattr(datasets, "fetch", refuse)
    choice = dock.samples
    choice.sample.value = "phc-c2dh-u373"
    choice.use_folder(some_set.parent)
    assert choice.folder.value == some_set.parent
    choice.button.click()
    settled(dock)
    assert dock.session.stack.name == "PhC-C2DH-U373 01"
    assert dock.session.stack.labelled_slices == (1,)
    assert dock.viewer.dims.current_step[0] == 1  # where there are labels
    assert dock.viewer.dims.axis_labels == ("t", "y", "x")


@pytest.mark.parametrize(
    ("sequence", "truth", "frames", "labelled"),
    [("02", "gold", 3, (1,)), ("both", "gold", 7, (1, 5)), ("01", "silver", 4, (0, 1, 2, 3))],
)
def test_sequence_and_truth_are_chosen(dock, some_set, sequence, truth, frames, labelled):
    choice = dock.samples
    choice.use_folder(some_set)
    choice.sample.value = "phc-c2dh-u373"
    choice.sequence.value, choice.truth.value = sequence, truth
    choice.button.click()
    settled(dock)
    assert dock.session.stack.n_slices == frames
    assert dock.session.stack.labelled_slices == labelled


def test_a_folder_without_the_sample_says_so_below_the_field(dock, tmp_path):
    dock.samples.use_folder(tmp_path)
    dock.samples.button.click()
    settled(dock)
    said = dock.samples.problem.text()
    assert said.startswith(f"Expected the folder isbi2012-em in {tmp_path}, but it is not there")
    dock.samples.folder.value = None  # as found, else downloaded
    dock.samples.folder.chosen.emit(None)
    assert dock.samples.options == {}
    assert dock.samples.problem.text() == ""


def test_the_folder_is_asked_for_and_the_options_follow_the_sample(dock, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(QFileDialog, "open", lambda self: asked.append(self))
    choice = dock.samples
    choice.folder.value = sample_choice.CHOOSE
    choice.folder.chosen.emit(sample_choice.CHOOSE)
    assert choice.folder.value is None  # until a folder is chosen
    asked[0].fileSelected.emit(str(tmp_path))
    assert choice.options == {"data_dir": tmp_path}
    choice.sample.value = "dic-c2dh-hela"
    choice.sample.chosen.emit("dic-c2dh-hela")
    assert choice.options == {"sequence": "01", "truth": "gold", "data_dir": tmp_path}
    assert choice._options.note.text().startswith("sequence 01, gold truth; from ")
    choice.truth.value = "both"
    choice.truth.chosen.emit("both")
    assert choice._options.note.text().startswith("sequence 01, gold truth, else silver; from ")
    choice.sample.value = "synthetic"
    choice.sample.chosen.emit("synthetic")
    assert choice.options == {}
    assert choice._options.isHidden()


# -- files and folders ----------------------------------------------------------------------


def pairs(folder, names=("a1", "a2", "b1"), label="{}_mask", sides=(SIDE, SIDE, 40)):
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for name, side in zip(names, sides):
        mask = np.zeros((side, side), np.uint8)
        mask[8:20, 8:20] = 255
        image = (rng.normal(60, 8, mask.shape) + 90 * (mask > 0)).clip(0, 255).astype(np.uint8)
        Picture.fromarray(image).save(folder / "images" / f"{name}.png")
        Picture.fromarray(mask).save(folder / "masks" / f"{label.format(name)}.png")
    return folder / "images", folder / "masks"


def open_both(dock, image, labels=""):
    dock.files.image.setText(str(image))
    dock.files.labels.setText(str(labels))
    assert dock.files.open.isEnabled()
    dock.files.open.click()
    settled(dock)


def test_folders_of_pairs_become_stacks_to_learn_from(dock, tmp_path):
    open_both(dock, *pairs(tmp_path))
    names = [layer.name for layer in dock.viewer.layers]
    assert names == [
        "images 48 × 48", "images 48 × 48 labels", "b1", "b1 labels",
    ]  # fmt: skip
    assert dock.files.problem.text() == ""
    assert [one.plane_shape for one in dock.session.stacks] == [(48, 48), (40, 40)]
    assert dock.session.stack.scheme.values == (0, 255)
    assert dock.labels.value is dock.viewer.layers[1]


def test_doubtful_pairs_are_shown_and_nothing_is_opened(dock, tmp_path):
    image, labels = pairs(tmp_path, names=("a1", "a2"), label="z{}_x", sides=(48, 48))
    (labels / "za1_x.png").rename(labels / "b1.png")
    (labels / "za2_x.png").rename(labels / "c2.png")
    open_both(dock, image, labels)
    said = dock.files.problem.text()
    assert "a1.png may belong to b1.png" in said
    assert "a2.png may belong to c2.png" in said
    assert not dock.viewer.layers


def test_an_image_alone_and_what_is_not_there(dock, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (3, SIDE, SIDE), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True, metadata={"axes": "ZYX"})
    open_both(dock, tmp_path / "a.tif")
    assert dock.session.stack.axes == "zyx"
    assert dock.viewer.dims.axis_labels == ("z", "y", "x")
    open_both(dock, tmp_path / "b.tif")
    assert dock.files.problem.text().endswith("b.tif does not exist: check its name.")
    dock.files.image.setText("")
    assert not dock.files.open.isEnabled()


def test_colour_of_16_bits_is_opened_as_channels(dock, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65535, (SIDE, SIDE, 3), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb")
    open_both(dock, tmp_path / "a.tif")
    assert dock.viewer.layers[0].axis_labels == ("c", "y", "x")  # y and x are the plane shown
    assert dock.session.stack.channels == 3
    assert dock.session.stack.plane_shape == (SIDE, SIDE)
    np.testing.assert_array_equal(dock.session.stack.image_plane(0), deep.transpose(2, 0, 1))
