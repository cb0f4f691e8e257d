"""No command writes over what it reads, and late mistakes are found before anything is computed."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_unet.annotation.labels import LabelScheme
from napari_unet.cli import main
from napari_unet.config.network import UNetConfig
from napari_unet.images.intensity import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.training.run_folder import save_model


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An image, its labels, a folder of slices, a data set and a model."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (2, 40, 44)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "raw.tif", image, photometric="minisblack")
    tifffile.imwrite(tmp_path / "mask.tif", (image > 128).astype(np.uint8))
    (tmp_path / "slices").mkdir()
    for k, plane in enumerate(image):
        tifffile.imwrite(tmp_path / "slices" / f"{k}.tif", plane)
    (tmp_path / "link.tif").symlink_to("raw.tif")
    folder = tmp_path / "sets" / "isbi2012-em"
    folder.mkdir(parents=True)
    shutil.copy(tmp_path / "raw.tif", folder / "train-volume.tif")
    shutil.copy(tmp_path / "mask.tif", folder / "train-labels.tif")
    monkeypatch.setenv("NAPARI_UNET_DATA", str(tmp_path / "sets"))
    network = UNet(UNetConfig(depth=1, width=2, dropout=0.0)).eval()
    save_model(
        tmp_path / "m.safetensors", TrainedModel(network, Intensity((0,), (255,)), LabelScheme())
    )
    os.link(tmp_path / "m.safetensors", tmp_path / "m.tif")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(place):
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def refused(capsys, *arguments):
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as error:  # an option that argparse refuses
        code = error.code
    assert code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
@pytest.mark.parametrize(
    ("image", "output"),
    [
        ("raw.tif", "raw.tif"),
        ("raw.tif", "slices/../raw.tif"),
        ("raw.tif", "link.tif"),
        ("link.tif", "raw.tif"),
        ("raw.tif", "m.tif"),
        ("slices", "slices/1.tif"),
        ("isbi2012-em", "sets/isbi2012-em/train-labels.tif"),
    ],
)
def test_predict_refuses_to_replace_what_it_reads(place, capsys, image, output, more):
    before = contents(place)
    said = refused(capsys, "predict", "m.safetensors", image, "-o", output, *more)
    assert "give the result another name" in said
    assert contents(place) == before


def test_predict_replaces_its_own_files_and_others_when_told(place, capsys):
    predict = ("predict", "m.safetensors", "raw.tif", "--device", "cpu", "-o")
    assert "--overwrite" in refused(capsys, *predict, "mask.tif")
    assert main([*predict, "out.tif"]) == 0
    assert main([*predict, "out.tif", "--output", "probabilities"]) == 0
    assert tifffile.imread("out.tif").shape == (2, 2, 40, 44)
    assert main([*predict, "mask.tif", "--overwrite"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    "command",
    [
        ("train", "slices", "slices", "-o", "slices"),
        ("train", "raw.tif", "mask.tif", "--and", "slices", "mask.tif", "-o", "./slices"),
        ("train", "isbi2012-em", "-o", "sets/isbi2012-em"),
        ("train", "raw.tif", "mask.tif", "-o", "raw.tif"),
        ("demo", "--data", "sets", "-o", "sets"),
        ("reproduce", "em-sgd", "--data", "sets", "-o", "sets"),
    ],
)
def test_folders_of_results_are_not_folders_of_data(place, capsys, command):
    before = contents(place)
    said = refused(capsys, *command)
    assert "folder" in said
    assert contents(place) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--threshold", "1.5"], "threshold"),
        (["--threshold", "nan"], "threshold"),
        (["--min-size", "-1"], "--min-size: must be"),
        (["--tile", "0"], "--tile: must be"),
        (["--tile", "-5"], "--tile: must be"),
        (["--region", "0", "0", "0", "9"], "a region must be"),
        (["-o", "raw.tif/out.tif"], "choose another place"),
        (["-o", "slices"], "is a folder"),
    ],
)
def test_what_cannot_work_is_found_before_the_first_plane(
    place, capsys, monkeypatch, options, said
):
    def never(*_):
        raise AssertionError("something was computed")

    monkeypatch.setattr(UNet, "forward", never)
    before = contents(place)
    arguments = ("predict", "m.safetensors", "raw.tif", "-o", "out.tif", "--device", "cpu")
    assert said in refused(capsys, *arguments, *options)
    assert contents(place) == before


def test_other_grey_values_are_said_and_mended(place, capsys):
    bright = tifffile.imread("raw.tif").astype(np.uint16) * 257
    tifffile.imwrite("bright.tif", bright, photometric="minisblack")
    predict = ("predict", "m.safetensors", "bright.tif", "--device", "cpu", "-o")
    assert main([*predict, "a.tif"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "grey values" in line]
    assert len(said) == 1
    assert said[0].endswith("where the model learnt 0 to 255; --intensity image measures them anew")
    assert main([*predict, "b.tif", "--intensity", "image"]) == 0
    assert "grey values" not in capsys.readouterr().err
    assert main(["predict", "m.safetensors", "raw.tif", "--device", "cpu", "-o", "c.tif"]) == 0
    assert "grey values" not in capsys.readouterr().err


def test_tensorboard_does_not_write_into_what_is_read(place, capsys):
    before = contents(place)
    for folder in ("slices", "raw.tif"):
        said = refused(
            capsys, "train", "slices" if folder == "slices" else "raw.tif", "mask.tif", "-o", "new",
            "--tensorboard", folder,
        )  # fmt: skip
        assert "give them a folder of their own" in said
    assert contents(place) == before


@pytest.mark.parametrize("names", [("A.tif", "a.png"), ("\u00e9.tif", "e\u0301.png")])
def test_results_that_are_one_file_on_some_disks_are_refused(place, capsys, names):
    (place / "images").mkdir()
    for name in names:
        Image.fromarray(np.zeros((40, 44), np.uint8)).save(place / "images" / name)
    said = refused(capsys, "predict", "m.safetensors", "images", "-o", "results")
    assert "would both be predicted into" in said
    assert not (place / "results").exists()


@pytest.mark.parametrize("results", ["slices/results", "slices/results/first"])
def test_results_inside_the_folder_are_no_images_of_it(place, capsys, results):
    for _ in range(2):
        command = ["predict", "m.safetensors", "slices", "-o", results, "--device", "cpu"]
        assert main(command) == 0
        assert "left out" not in capsys.readouterr().err
    assert sorted(p.name for p in (place / results).iterdir()) == ["0.tif", "1.tif"]
