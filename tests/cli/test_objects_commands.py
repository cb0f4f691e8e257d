"""Objects on the command line: predicted, linked, measured, of a whole folder."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import tifffile
import zarr

from napari_unet.annotation.labels import LabelScheme
from napari_unet.cli import main
from napari_unet.config.decoding import Decoding
from napari_unet.config.network import UNetConfig
from napari_unet.images.stack import Intensity
from napari_unet.network.model_file import save_model
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet


@pytest.fixture
def model(tmp_path):
    """Foreground is what is bright, and the height of an object its grey value."""
    import torch

    network = UNet(UNetConfig(depth=0, width=1, object_maps=("distance",)))
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.zero_()
                layer.bias.zero_()
                layer.weight[:, 0, layer.kernel_size[0] // 2, layer.kernel_size[1] // 2] = 1
        network.classify.weight[:, 0, 0, 0] = torch.tensor([-20.0, 20.0, 1.0])
        network.classify.bias[:] = torch.tensor([6.0, -6.0, 0.0])
    scheme = LabelScheme("objects")
    limits = Intensity((0.0,), (100.0,))
    path = tmp_path / "model.safetensors"
    save_model(path, TrainedModel(network, limits, scheme, decoding=Decoding(0.5, 0.7, 4)))
    return path


def scene(shift: int = 0, size: tuple[int, int] = (40, 60)) -> np.ndarray:
    """Two hills that touch in a valley, and one alone; grey values 0 to 100."""
    y, x = np.ogrid[: size[0], : size[1]]
    hills = [100 - 6 * np.hypot(y - cy, x - cx - shift) for cy, cx in ((20, 15), (20, 31), (8, 50))]
    return np.clip(np.max(hills, axis=0), 0, 100).astype(np.uint8)


def call(capsys, *arguments: object) -> tuple[dict, str]:
    code = main([str(a) for a in arguments] + ["--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out.splitlines()[-1]), err


def refused(capsys, *arguments: object) -> str:
    assert main([str(a) for a in arguments]) == 2
    return capsys.readouterr().err


def rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_touching_objects_are_apart_and_measured(tmp_path, capsys, model):
    tifffile.imwrite(tmp_path / "a.tif", scene())
    result, _ = call(
        capsys, "predict", model, tmp_path / "a.tif", "-o", tmp_path / "o.tif",
        "--output", "objects", "--table", tmp_path / "cells.csv",
    )  # fmt: skip
    assert result["objects"] == 3
    found = tifffile.imread(tmp_path / "o.tif")
    assert found.max() == 3
    assert len({found[20, 15], found[20, 31], found[8, 50]}) == 3
    table = rows(tmp_path / "cells.csv")
    areas = np.bincount(found.ravel())[1:]
    assert [int(r["area (px)"]) for r in table] == areas.tolist()
    assert float(table[1]["grey max"]) == 100
    assert 0.5 < float(table[0]["mean probability"]) <= 1
    # With the threshold of seeds below the valley the two are one.
    result, _ = call(
        capsys, "predict", model, tmp_path / "a.tif", "-o", tmp_path / "o.tif",
        "--output", "objects", "--seed-height", 0.45, "--table", tmp_path / "cells.csv",
    )  # fmt: skip
    assert result["objects"] == 2
    for valley, objects in ((0.6, 2), (0.4, 3)):  # the pass between the two lies 0.48 below
        result, _ = call(
            capsys, "predict", model, tmp_path / "a.tif", "-o", tmp_path / "o.tif",
            "--output", "objects", "--valley", valley, "--table", tmp_path / "cells.csv",
        )  # fmt: skip
        assert result["objects"] == objects


def test_one_id_through_frames(tmp_path, capsys, model):
    frames = np.stack([scene(k) for k in range(3)])[:, :, ::-1]
    tifffile.imwrite(tmp_path / "t.tif", frames, imagej=True, metadata={"axes": "TYX"})
    common = ("predict", model, tmp_path / "t.tif", "--output", "objects")
    call(capsys, *common, "-o", tmp_path / "o.tif", "--link")
    found = tifffile.imread(tmp_path / "o.tif")
    assert all(len(np.unique(found[k])) == 4 for k in range(3))
    assert found[0, 20, 44] == found[1, 20, 43] == found[2, 20, 42]
    result, _ = call(
        capsys, "measure", tmp_path / "o.tif", tmp_path / "t.tif", "-o", tmp_path / "m.csv"
    )
    assert result["objects"] == 9
    assert result["objects_per_slice"] == [3, 3, 3]
    assert {r["id"] for r in rows(tmp_path / "m.csv")} == {"1", "2", "3"}
    assert [r["t"] for r in rows(tmp_path / "m.csv")] == [*"000111222"]
    result, _ = call(
        capsys, "measure", tmp_path / "o.tif", tmp_path / "t.tif", "-o", tmp_path / "m.csv",
        "--linked",
    )  # fmt: skip
    assert result["objects"] == 3
    assert len(rows(tmp_path / "m.csv")) == 9  # one in every frame


def test_one_row_through_z(tmp_path, capsys, model):
    slices = np.stack([scene(k) for k in range(3)])
    about = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "z.tif", slices, imagej=True, resolution=(2, 2), metadata=about)
    result, _ = call(
        capsys, "predict", model, tmp_path / "z.tif", "-o", tmp_path / "o.tif",
        "--output", "objects", "--link", "--table", tmp_path / "cells.csv",
    )  # fmt: skip
    assert (result["objects"], result["objects_per_slice"]) == (3, [3, 3, 3])
    found = tifffile.imread(tmp_path / "o.tif")
    table = rows(tmp_path / "cells.csv")
    volumes = np.bincount(found.ravel())[1:]
    assert [int(r["volume (px)"]) for r in table] == volumes.tolist()
    assert [float(r["volume (µm³)"]) for r in table] == (volumes * 0.5).tolist()
    assert [r["slices"] for r in table] == ["3"] * 3
    assert 0.5 < float(table[0]["mean probability"]) <= 1
    # Objects measured from their file are the same.
    call(
        capsys, "measure", tmp_path / "o.tif", tmp_path / "z.tif", "--linked",
        "-o", tmp_path / "m.csv",
    )  # fmt: skip
    for one, other in zip(table, rows(tmp_path / "m.csv")):
        assert one.items() >= other.items()


def test_measuring_links_too(tmp_path, capsys):
    labels = np.zeros((2, 8, 9), np.uint8)
    labels[0, 2:5, 2:5], labels[1, 2:5, 3:6] = 7, 3
    tifffile.imwrite(tmp_path / "l.tif", labels, photometric="minisblack")
    tifffile.imwrite(tmp_path / "i.tif", labels * 2, photometric="minisblack")
    common = ("measure", tmp_path / "l.tif", tmp_path / "i.tif", "-o", tmp_path / "m.csv")
    call(capsys, *common)
    assert [r["id"] for r in rows(tmp_path / "m.csv")] == ["7", "3"]
    call(capsys, *common, "--link")
    (one,) = rows(tmp_path / "m.csv")
    assert (one["volume (px)"], one["grey mean"], one["slices"]) == ("18", "10", "2")


def test_images_without_labels_are_said(tmp_path, capsys):
    for folder, values in (("images", scene()), ("labels", (scene() > 30).astype(np.uint8))):
        (tmp_path / folder).mkdir()
        for k in range(3):
            tifffile.imwrite(tmp_path / folder / f"{k}.tif", values)
    names = ("measure", tmp_path / "labels", tmp_path / "images", "-o", tmp_path / "m.csv")
    _, said = call(capsys, *names)
    assert "without labels" not in said
    (tmp_path / "labels" / "1.tif").unlink()
    result, said = call(capsys, *names)
    assert result["objects"] == 2
    assert "1 slice of 3 without labels: no object is counted there" in said


def test_a_folder_of_images_of_several_sizes(tmp_path, capsys, model):
    folder = tmp_path / "images"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", scene())
    tifffile.imwrite(folder / "b.tif", scene(size=(50, 70)))
    (folder / "c.tif").write_bytes(b"no image")
    result, said = call(
        capsys, "predict", model, folder, "-o", tmp_path / "results",
        "--output", "objects", "--table", tmp_path / "cells.csv",
    )  # fmt: skip
    assert set(result["files"]) == {"a.tif", "b.tif"}
    assert set(result["failed"]) == {"c.tif"}
    assert "c.tif is left out" in said
    assert sorted(f.name for f in (tmp_path / "results").iterdir()) == ["a.tif", "b.tif"]
    assert tifffile.imread(tmp_path / "results" / "b.tif").shape == (50, 70)
    table = rows(tmp_path / "cells.csv")
    assert [r["file"] for r in table] == ["a.tif"] * 3 + ["b.tif"] * 3
    # Again: results of ours may be replaced, images not.
    call(capsys, "predict", model, folder, "-o", tmp_path / "results")
    assert "read as" in refused(capsys, "predict", model, folder, "-o", folder)


def test_folders_that_cannot_be_predicted(tmp_path, capsys, model):
    folder = tmp_path / "images"
    folder.mkdir()
    command = ("predict", model, folder, "-o", tmp_path / "results")
    assert "no image in" in refused(capsys, *command)
    (folder / "a.tif").write_bytes(b"no image")
    assert "none of 1 file" in refused(capsys, *command)
    (folder / "a.png").write_bytes(b"no image")
    assert "different names" in refused(capsys, *command)


def test_what_lies_beside_images_is_no_image_of_that_name(tmp_path, capsys, model):
    folder = tmp_path / "images"
    for name in ("day 1.1", "day 1.2"):  # stacks, as folders of slices
        (folder / name).mkdir(parents=True)
        for k in range(2):
            tifffile.imwrite(folder / name / f"{k}.tif", scene(k))
    tifffile.imwrite(folder / "a.tif", scene())
    (folder / "a.txt").write_text("exposure 10 ms")
    result, said = call(capsys, "predict", model, folder, "-o", tmp_path / "results 2.0")
    assert set(result["files"]) == {"a.tif", "day 1.1", "day 1.2"}
    assert "a.txt is left out" in said
    names = sorted(file.name for file in (tmp_path / "results 2.0").iterdir())
    assert names == ["a.tif", "day 1.1.tif", "day 1.2.tif"]


def test_a_picture_is_no_name_of_a_folder_of_results(tmp_path, capsys, model):
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", scene())
    said = refused(capsys, "predict", model, tmp_path / "images", "-o", tmp_path / "out.png")
    assert "must be a .tif or .tiff file" in said


def test_a_zarr_is_one_image_and_no_folder_of_images(tmp_path, capsys, model):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    for level in ("0", "1"):
        group.create_array(level, data=scene())
    axes = [{"name": name, "type": "space"} for name in "yx"]
    paths = [{"path": level} for level in ("0", "1")]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": paths}]
    said = refused(capsys, "predict", model, tmp_path / "a.zarr", "-o", tmp_path / "results")
    assert "must be a .tif or .tiff file" in said
    call(capsys, "predict", model, tmp_path / "a.zarr", "-o", tmp_path / "o.tif")
    assert tifffile.imread(tmp_path / "o.tif").shape == (40, 60)


def test_channels_that_are_files_may_have_company(tmp_path, capsys):
    """Notes and a folder beside them do not make each channel an image."""
    network = UNet(UNetConfig(depth=0, width=1, in_channels=2))
    limits = Intensity((0.0,) * 2, (100.0,) * 2)
    path = tmp_path / "model.safetensors"
    save_model(path, TrainedModel(network.eval(), limits, LabelScheme("objects")))
    folder = tmp_path / "images"
    (folder / "old").mkdir(parents=True)
    (folder / "notes.txt").write_text("of Monday")
    for name in ("a_0000", "a_0001", "b_0000", "b_0001"):
        tifffile.imwrite(folder / f"{name}.tif", scene())
    result, said = call(capsys, "predict", path, folder, "-o", tmp_path / "results")
    assert sorted(file.name for file in (tmp_path / "results").iterdir()) == ["a.tif", "b.tif"]
    assert set(result["failed"]) == {"notes.txt", "old"}
    assert "notes.txt is left out" in said


def test_tables_are_of_objects_and_replace_nothing_foreign(tmp_path, capsys, model):
    tifffile.imwrite(tmp_path / "a.tif", scene())
    common = ("predict", model, tmp_path / "a.tif", "-o", tmp_path / "o.tif", "--table")
    assert "--output objects" in refused(capsys, *common, tmp_path / "cells.csv")
    objects = ("--output", "objects")
    assert "must be a .csv" in refused(capsys, *common, tmp_path / "cells.xls", *objects)
    for encoding in ("utf-8", "utf-8-sig"):  # the latter is what spreadsheets save
        (tmp_path / "mine.csv").write_text("id,size\n1,2\n", encoding=encoding)
        assert "--overwrite" in refused(capsys, *common, tmp_path / "mine.csv", *objects)
        assert "1,2" in (tmp_path / "mine.csv").read_text(encoding)
    for _ in range(2):  # its own one is replaced
        call(capsys, *common, tmp_path / "cells.csv", *objects)


@pytest.mark.parametrize(
    "option",
    ["--threshold=0", "--seed-height=0.3", "--valley=0", "--min-size=9", "--fill-holes", "--link"],
)
def test_options_of_objects_are_not_overlooked(tmp_path, capsys, model, option):
    tifffile.imwrite(tmp_path / "a.tif", scene())
    common = ("predict", model, tmp_path / "a.tif", "-o", tmp_path / "o.tif", option)
    name = option.partition("=")[0]
    assert f"{name} is of objects: add --output objects" in refused(capsys, *common)
    assert not (tmp_path / "o.tif").exists()
    call(capsys, *common, "--output", "objects")


def test_options_without_what_they_change_are_not_overlooked(tmp_path, capsys):
    limits = Intensity((0.0,), (100.0,))
    plain = tmp_path / "plain.safetensors"
    network = UNet(UNetConfig(depth=0, width=1)).eval()
    save_model(plain, TrainedModel(network, limits, LabelScheme("objects")))
    tifffile.imwrite(tmp_path / "a.tif", scene())
    common = ("predict", plain, tmp_path / "a.tif", "-o", tmp_path / "o.tif", "--output", "objects")
    for option in ("--seed-height", "--valley"):
        said = refused(capsys, *common, option, 0.2)
        assert f"{option} is for models that separate touching objects, and {plain}" in said
    said = refused(capsys, *common, "--link-overlap", 0.2)
    assert "--link-overlap is of --link" in said
    call(capsys, *common, "--link-overlap", 0.2, "--link", "--threshold", 0.2)


@pytest.mark.parametrize(("own", "other"), [("ZTYX", "TZYX"), ("YX", "XY")])
def test_ids_are_measured_on_the_pixels_that_the_axes_say(tmp_path, capsys, own, other):
    """Image and labels are equal, but for the order of their axes."""
    shape = (2, 2, 20, 20)[-len(own) :]
    image = np.zeros(shape, np.uint8)
    image[..., :1, 3:9] = 7
    image[(*(0, 1)[: len(own) - 2], slice(12, 15), slice(2, 4))] = 9
    order = [own.index(axis) for axis in other]
    for name, array, axes in (("i", image, own), ("l", image.transpose(order) // 3, other)):
        tifffile.imwrite(
            tmp_path / f"{name}.tif", array, ome=axes.endswith("YX"), photometric="minisblack",
            metadata={"axes": axes},
        )  # fmt: skip
    arguments = ("measure", tmp_path / "l.tif", tmp_path / "i.tif")
    assert main([*map(str, arguments), "-o", f"{tmp_path}/m.csv"]) == 0
    header, *rows = (tmp_path / "m.csv").read_text(encoding="utf-8-sig").splitlines()
    known = header.split(",")
    grey = next(k for k, name in enumerate(known) if "mean" in name)
    found = {row.split(",")[known.index("id")]: float(row.split(",")[grey]) for row in rows}
    assert found == {"2": 7, "3": 9}


def test_image_and_labels_the_other_way_round_are_not_measured(tmp_path, capsys):
    image = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    labels = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4), np.ones((10, 10), np.uint8))
    for name, array in (("i", image), ("l", labels)):
        tifffile.imwrite(tmp_path / f"{name}.tif", array)
    i, l, m = (str(tmp_path / name) for name in ("i.tif", "l.tif", "m.csv"))  # noqa: E741
    assert main(["measure", i, l, "-o", m]) == 2
    assert "as in a grey image" in capsys.readouterr().err
    assert main(["measure", l, l, "-o", m]) == 0  # where only shapes are of interest
    assert "15 objects" in capsys.readouterr().out
