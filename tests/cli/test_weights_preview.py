"""The two pictures of the paper without a window: the weight map, and augmented tiles."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_unet.annotation.labels import LabelScheme, read_target
from napari_unet.annotation.weights import balanced_weights as balanced
from napari_unet.annotation.weights import class_frequencies, target_weights, weight_map
from napari_unet.cli import main
from napari_unet.config.weights import WeightConfig
from napari_unet.images.files import open_image

CYAN = (0, 220, 220)
TILES = ("--depth", 1, "--tile", 36, "--batch", 2, "--seed", 5, "--validate", "none")


@pytest.fixture
def pair(tmp_path):
    """Write three slices with two objects each, and a pixel size."""
    labels = np.zeros((3, 60, 50), np.uint8)
    labels[:, 5:25, 8:20] = 1
    labels[:, 5:25, 23:40] = 2
    labels[2, 40:50, 10:30] = 3
    image = np.random.default_rng(0).integers(0, 255, labels.shape, np.uint8)
    size = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25, "PhysicalSizeXUnit": "µm",
            "PhysicalSizeYUnit": "µm"}  # fmt: skip
    for name, array in (("image", image), ("labels", labels)):
        tifffile.imwrite(
            tmp_path / f"{name}.tif", array, ome=True, metadata={"axes": "ZYX", **size},
            photometric="minisblack",
        )  # fmt: skip
    return tmp_path / "image.tif", tmp_path / "labels.tif", labels


def call(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


def test_the_weight_map_of_labels(pair, tmp_path, capsys):
    _, labels, array = pair
    said = call(capsys, "weights", labels, "-o", tmp_path / "w.tif")
    written = tifffile.imread(tmp_path / "w.tif")
    assert written.dtype == np.float32
    targets = [read_target(plane, LabelScheme("objects")) for plane in array]
    classes = balanced(class_frequencies(targets, 2))
    expected = [target_weights(target, WeightConfig(), classes) for target in targets]
    np.testing.assert_allclose(written, expected, rtol=1e-5)
    assert said["class_weights"] == pytest.approx(list(classes))
    assert said["greatest"] == pytest.approx(np.max(expected), rel=1e-5)
    assert said["mean"] == pytest.approx(np.mean(expected), rel=1e-5)
    assert open_image(tmp_path / "w.tif").pixel_size == (0.25, 0.25)


def test_settings_of_the_weight_map(pair, tmp_path, capsys):
    _, labels, array = pair
    options = ("--weights-preset", "fiji", "--weights-w0", "7", "--weights-sigma", "3")
    call(capsys, "weights", labels, "-o", tmp_path / "w.tif", *options)
    expected = [weight_map(plane, preset="fiji", w0=7.0, sigma=3.0) for plane in array]
    np.testing.assert_allclose(tifffile.imread(tmp_path / "w.tif"), expected, rtol=1e-5)


def test_slices_without_labels_weigh_nothing(pair, tmp_path, capsys):
    _, labels, array = pair
    array[1] = 0
    tifffile.imwrite(labels, array, photometric="minisblack")
    said = call(
        capsys, "weights", labels, "-o", tmp_path / "w.tif", "--sparse", "--kind", "classes"
    )
    written = tifffile.imread(tmp_path / "w.tif")
    assert not written[1].any()
    assert said["slices"] == [0, 2]


@pytest.mark.parametrize("sequence", ["01", "02"])
def test_the_weight_map_of_a_sequence_in_a_folder(tmp_path, capsys, sequence):
    labels = np.zeros((32, 40), np.uint16)
    labels[4:12, 5:15] = 1
    for number in ("01", "02"):
        (tmp_path / "ctc" / number).mkdir(parents=True)
        (tmp_path / "ctc" / f"{number}_GT" / "SEG").mkdir(parents=True)
        for k in range(int(number) + 1):
            image = np.full(labels.shape, 9, np.uint8)
            tifffile.imwrite(tmp_path / "ctc" / number / f"t{k:03}.tif", image)
        tifffile.imwrite(tmp_path / "ctc" / f"{number}_GT" / "SEG" / "man_seg001.tif", labels)
    command = ("weights", tmp_path / "ctc", "--sequence", sequence, "-o", tmp_path / "w.tif")
    assert call(capsys, *command)["slices"] == [1]
    assert tifffile.imread(tmp_path / "w.tif").shape == (int(sequence) + 1, *labels.shape)


def test_tiles_as_a_picture(pair, tmp_path, capsys):
    image, labels, _ = pair
    file = tmp_path / "tiles.png"
    said = call(capsys, "preview", image, labels, "-o", file, *TILES, "--tiles", 4)
    assert (said["tile"], said["output"], len(said["tiles"])) == (36, 20, 4)
    picture = np.asarray(Image.open(file))
    assert picture.shape == (2 * 36 + 6, 2 * 36 + 6, 3)
    framed = (picture[:36, :36] == CYAN).all(-1)
    rows, cols = np.nonzero(framed)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (8, 27, 8, 27)


@pytest.mark.parametrize("name", ["tiles.png", "tiles.tif"])
def test_tiles_replace_no_picture_of_a_person(pair, tmp_path, capsys, name):
    image, labels, _ = pair
    command = ("preview", image, labels, "-o", tmp_path / name, *TILES, "--tiles", 1)
    Image.fromarray(np.full((9, 9), 7, np.uint8)).save(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    assert main([*map(str, command)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == before
    call(capsys, *command, "--overwrite")
    call(capsys, *command)  # its own ones are replaced


def test_tiles_as_numbers_are_those_of_the_training(pair, tmp_path, capsys):
    from napari_unet.cli.settings_options import with_
    from napari_unet.config.training import TrainConfig
    from napari_unet.training.trainer import Trainer

    image, labels, _ = pair
    file = tmp_path / "tiles.tif"
    call(capsys, "preview", image, labels, "-o", file, *TILES, "--tiles", 3)
    written = tifffile.imread(file)
    assert written.shape == (3, 3, 36, 36)
    changes = {"network": {"depth": 1}, "tile": 36, "batch": 2, "seed": 5, "device": "cpu"}
    changes |= {"split": {"mode": "none"}, "steps": 1}
    config = TrainConfig.from_dict(with_(TrainConfig.preset_named("fast"), changes))
    trainer = Trainer(open_image(image, labels), config)
    events = trainer.run()
    next(events)
    for k in range(3):
        tile = trainer.sampler.tile(*divmod(k, 2))
        np.testing.assert_array_equal(written[k, 0], tile.image[0])
        np.testing.assert_array_equal(written[k, 1, 8:-8, 8:-8], tile.classes)
        np.testing.assert_array_equal(written[k, 2, 8:-8, 8:-8], tile.weights)
        assert not written[k, 1:, :8].any()
    events.close()


def test_a_preview_with_the_settings_of_a_run(pair, tmp_path, capsys):
    image, labels, _ = pair
    short = (*TILES, "--width", 1, "--steps", 1, "--device", "cpu", "--no-augment")
    call(capsys, "train", image, labels, "-o", tmp_path / "run", *short)
    pictures = []
    for name, options in (("a", ("--like", tmp_path / "run")), ("b", (*TILES, "--no-augment"))):
        call(capsys, "preview", image, labels, "-o", tmp_path / f"{name}.png", *options)
        pictures.append((tmp_path / f"{name}.png").read_bytes())
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("weights", "{labels}", "-o", "{tmp}/w.png"), "TIFF"),
        (("weights", "{labels}", "-o", "{labels}"), "labels.tif"),
        (("weights", "{labels}", "-o", "{tmp}/w.tif", "--sequence", "02"), "leave it out"),
        (("preview", "{image}", "{labels}", "-o", "{tmp}/t.jpg"), "PNG or TIFF"),
        (
            ("preview", "{image}", "{labels}", "-o", "{tmp}/t.png", "--tiles", "0"),
            "--tiles must be",
        ),
        (("preview", "{image}", "{labels}", "-o", "{image}"), "image.tif"),
    ],
)
def test_mistakes_are_one_sentence(pair, tmp_path, capsys, arguments, said):
    image, labels, _ = pair
    before = labels.read_bytes()
    command = [one.format(image=image, labels=labels, tmp=tmp_path) for one in arguments]
    assert main(command) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len([line for line in err.splitlines() if line.startswith("napari-unet: ")]) == 1
    assert labels.read_bytes() == before
