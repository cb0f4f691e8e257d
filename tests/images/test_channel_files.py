"""Channels in files of their own, as nnU-Net names them: one image, or one clear sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_unet.base.errors import DataSetError
from napari_unet.cli import main
from napari_unet.images.files import open_image, open_images
from napari_unet.training.run_folder import load_model

TINY = ["--steps", 1, "--depth", 1, "--width", 2, "--tile", 44, "--batch", 1, "--device", "cpu"]


def plane(value: int, side: int = 64) -> np.ndarray:
    """Grey values around one that tells the file."""
    noise = np.random.default_rng(value).integers(0, 9, (side, side))
    return (value + noise).astype(np.uint8)


def mask(side: int = 64) -> np.ndarray:
    labels = np.zeros((side, side), np.uint8)
    labels[10:30, 10:30], labels[35:50, 35:50] = 1, 2
    return labels


@pytest.fixture
def cases(tmp_path):
    """Three cases of two channels: 10 and 11, 20 and 21, 30 and 31; the last has no labels."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for case in (1, 2, 3):
        for channel in (0, 1):
            file = tmp_path / "images" / f"Case_00{case}_000{channel}.tif"
            tifffile.imwrite(file, plane(10 * case + channel))
        if case < 3:
            tifffile.imwrite(tmp_path / "labels" / f"Case_00{case}.tif", mask())
    return tmp_path / "images", tmp_path / "labels"


def test_channels_of_a_case_are_one_image(cases):
    stack = open_image(*cases)
    assert (stack.axes, stack.channels, stack.n_slices) == ("zcyx", 2, 3)
    assert stack.labelled_slices == (0, 1)
    for case in (1, 2, 3):
        expected = np.stack([plane(10 * case), plane(10 * case + 1)])
        np.testing.assert_array_equal(stack.image_plane(case - 1), expected)
    np.testing.assert_array_equal(stack.label_plane(1), mask())


def test_cases_that_are_not_loaded_are_the_same(cases):
    loaded, lazy = open_image(*cases), open_image(*cases, lazy_above=1000)
    assert not isinstance(lazy.image, np.ndarray)
    for i in range(3):
        np.testing.assert_array_equal(lazy.image_plane(i), loaded.image_plane(i))


def test_stacks_with_channels_in_files_of_their_own(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    deep = [np.stack([plane(k), plane(k + 5)]) for k in (10, 20)]
    for channel, volume in enumerate(deep):
        tifffile.imwrite(tmp_path / "images" / f"a_000{channel}.ome.tif", volume, ome=True,
                         metadata={"axes": "ZYX", "PhysicalSizeX": 0.5})  # fmt: skip
    tifffile.imwrite(tmp_path / "labels" / "a.tif", np.stack([mask(), mask()]))
    stack = open_image(tmp_path / "images", tmp_path / "labels")
    assert (stack.axes, stack.pixel_size[1]) == ("czyx", 0.5)
    np.testing.assert_array_equal(stack.image_plane(1), [plane(15), plane(25)])


def test_cases_of_several_sizes_are_stacks_of_their_own(cases):
    images, labels = cases
    for channel in (0, 1):
        tifffile.imwrite(images / f"Case_002_000{channel}.tif", plane(20 + channel, 80))
    tifffile.imwrite(labels / "Case_002.tif", mask(80))
    small, large = open_images(images, labels)
    assert (small.plane_shape, large.plane_shape) == ((64, 64), (80, 80))
    assert large.channels == 2


def test_a_missing_channel_is_named(cases):
    (cases[0] / "Case_002_0001.tif").unlink()
    with pytest.raises(DataSetError, match=r"case_002_0001\.tif is missing in .*each case has 2"):
        open_image(*cases)


def test_channels_of_different_sizes_or_with_channels_of_their_own(cases):
    images, _ = cases
    tifffile.imwrite(images / "Case_003_0001.tif", plane(31, 60))
    with pytest.raises(DataSetError, match=r"Case_003_0001\.tif is uint8 of 60 × 60, but"):
        open_image(*cases)
    tifffile.imwrite(images / "Case_003_0001.tif", plane(31).astype(np.uint16))
    with pytest.raises(DataSetError, match="must have one size and dtype"):
        open_image(*cases)
    for file in images.iterdir():
        tifffile.imwrite(file, np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    with pytest.raises(DataSetError, match="save each channel as a grey image"):
        open_image(*cases)


def test_a_series_that_is_named_likewise_stays_one(tmp_path):
    """Frames of two positions, whose labels have the frames' names: no channels at all."""
    for folder, what in (("images", plane(9)), ("labels", mask())):
        (tmp_path / folder).mkdir()
        for name in ("a_0000", "a_0001", "b_0000", "b_0001"):
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", what)
    stack = open_image(tmp_path / "images", tmp_path / "labels")
    assert (stack.channels, stack.n_slices) == (1, 4)
    alone = tmp_path / "images"
    assert open_image(alone).channels == open_image(alone, channels=1).channels == 1
    assert open_image(alone, channels=3).channels == 1
    assert open_image(alone, channels=2).channels == 2  # as a model of two asks


def test_from_training_to_prediction_on_the_command_line(cases, tmp_path, capsys):
    images, labels = map(str, cases)
    run = str(tmp_path / "run")
    assert main(["train", images, labels, "-o", run, *map(str, TINY)]) == 0
    assert load_model(run).network.config.in_channels == 2
    capsys.readouterr()
    assert main(["predict", run, images, "-o", str(tmp_path / "all.tif"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["shape"] == [3, 64, 64]
    each = tmp_path / "each"
    assert main(["predict", run, images, "-o", str(each)]) == 0
    assert sorted(f.name for f in each.iterdir()) == [f"Case_00{k}.tif" for k in (1, 2, 3)]
    whole = tifffile.imread(tmp_path / "all.tif")
    np.testing.assert_array_equal(tifffile.imread(each / "Case_003.tif"), whole[2])
