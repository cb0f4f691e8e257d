"""What the command line trains on: several stacks, folders, data sets, kinds of labels, sizes."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_unet.cli import main
from napari_unet.images.files import open_image
from napari_unet.training.run_folder import load_model

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 64
TINY = ["--steps", 1, "--depth", 1, "--width", 2, "--tile", 44, "--batch", 1, "--device", "cpu"]


def picture(n: int = 3, side: int = SIZE, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bright squares on dark noise, and their ids."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, side, side), np.uint8)
    for plane in labels:
        for k in range(3):
            y, x = rng.integers(2, side - 14, 2)
            plane[y : y + 12, x : x + 12] = k + 1
    image = (rng.normal(60, 8, labels.shape) + 90 * (labels > 0)).clip(0, 255).astype(np.uint8)
    return image, labels


def write(file: Path, array: np.ndarray, pixel: float = 0.25, unit: str = "µm") -> Path:
    metadata = {"axes": "ZYX", "PhysicalSizeX": pixel, "PhysicalSizeY": pixel}
    metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    file.parent.mkdir(exist_ok=True)
    tifffile.imwrite(file, array, ome=True, metadata=metadata)
    return file


def pair(folder: Path, name: str = "a", pixel: float = 0.25, **shape) -> tuple[Path, Path]:
    image, labels = picture(**shape)
    return (
        write(folder / f"{name}.tif", image, pixel),
        write(folder / f"{name}_labels.tif", labels, pixel),
    )


def call(capsys, *arguments: object) -> tuple[dict, str]:
    """Run a command that must succeed; return its result and what it remarked."""
    code = main([str(a) for a in arguments] + ["--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out.splitlines()[-1]), err


def refused(capsys, *arguments: object) -> str:
    assert main([str(a) for a in arguments]) == 2
    return capsys.readouterr().err


def described(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


# -- several stacks -------------------------------------------------------------------------


def test_several_stacks_of_several_sizes(tmp_path, capsys):
    first, second = pair(tmp_path, "a"), pair(tmp_path, "b", n=4, side=80, seed=1)
    _, said = call(capsys, "train", *first, "--and", *second, "-o", tmp_path / "run", *TINY)
    shapes = [one["shape"] for one in described(tmp_path / "run")["data"]]
    assert shapes == [[3, 64, 64], [4, 80, 80]]
    assert "5 slices to train, 2 to validate" in said
    assert "differ in size" not in said
    again = ("train", *first, "--and", *second, "-o", tmp_path / "run", "--resume", "--steps", 2)
    assert call(capsys, *again)[0]["steps"] == 2
    assert "--and takes" in refused(capsys, "train", *first, "--and", *second, "x", "-o", "run")


def test_several_stacks_of_several_dtypes(tmp_path, capsys):
    """8 bit beside 16 bit: the widest limits would make the first black."""
    first = pair(tmp_path, "a")
    image, _ = picture(seed=1)
    second = (write(tmp_path / "b.tif", image.astype(np.uint16) * 257), first[1])
    both = ("train", *first, "--and", *second, "-o", tmp_path / "run", *TINY)
    said = refused(capsys, *both)
    assert "'a' is uint8 and 'b' is uint16, so that their grey values cannot be compared" in said
    assert not (tmp_path / "run").exists()
    call(capsys, *both, "--intensity", "image")


def test_a_model_to_go_on_with_and_an_image_of_other_grey_values(tmp_path, capsys):
    image, labels = pair(tmp_path, "a")
    call(capsys, "train", image, labels, "-o", tmp_path / "first", *TINY)
    bright = write(tmp_path / "b.tif", picture()[0].astype(np.uint16) * 257)
    go_on = ("--from", tmp_path / "first", "-o", tmp_path / "second", *TINY)
    _, said = call(capsys, "train", bright, labels, *go_on)
    assert "The grey values of b run from" in said
    assert "begin with random weights" in said


def test_a_common_pixel_size(tmp_path, capsys):
    first, second = pair(tmp_path, "a"), pair(tmp_path, "b", pixel=0.5, seed=1)
    both = ("train", *first, "--and", *second, *TINY, "-o")
    _, said = call(capsys, *both, tmp_path / "as-is")
    assert "--pixel-size first" in said
    _, said = call(capsys, *both, tmp_path / "first", "--pixel-size", "first")
    assert "b: resampled from 64 × 64 to 128 × 128 pixels a slice" in said
    assert load_model(tmp_path / "first").pixel_size == (0.25, 0.25)
    call(capsys, *both, tmp_path / "half", "--pixel-size", "0.5")
    assert described(tmp_path / "half")["config"]["pixel_size"] == 0.5
    model = load_model(tmp_path / "half")
    assert (model.pixel_size, model.run["unit"]) == ((0.5, 0.5), "micrometer")
    assert "--pixel-size must be" in refused(capsys, *both, tmp_path / "x", "--pixel-size", "big")


def test_units_are_converted_or_refused(tmp_path, capsys):
    image, labels = pair(tmp_path, "a")
    other = write(tmp_path / "nm.tif", picture(seed=1)[0], 500.0, "nm")
    none = tmp_path / "none.tif"
    tifffile.imwrite(none, picture(seed=1)[0], photometric="minisblack")
    both = ("train", image, labels, *TINY, "-o", tmp_path / "run", "--pixel-size", "first", "--and")
    assert "from 64 × 64 to 128 × 128 pixels" in call(capsys, *both, other, labels)[1]
    shutil.rmtree(tmp_path / "run")
    assert "sizes that can be compared" in refused(capsys, *both, none, labels)


# -- folders --------------------------------------------------------------------------------


def folders(tmp_path, names: list[str], label_names: list[str], sides: list[int]) -> list[Path]:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for k, (name, label, side) in enumerate(zip(names, label_names, sides)):
        image, labels = picture(1, side, k)
        tifffile.imwrite(tmp_path / "images" / name, image[0])
        tifffile.imwrite(tmp_path / "labels" / label, labels[0])
    return [tmp_path / "images", tmp_path / "labels"]


def test_folders_are_paired_by_name(tmp_path, capsys):
    names = [f"cell{k}.tif" for k in (10, 2, 3)]
    both = folders(tmp_path, names, [f"cell{k}_mask.tif" for k in (10, 2, 3)], [64] * 3)
    call(capsys, "train", *both, "-o", tmp_path / "run", *TINY)
    (data,) = described(tmp_path / "run")["data"]
    assert data["shape"] == [3, 64, 64]


def test_images_of_different_sizes_become_several_stacks(tmp_path, capsys):
    names = [f"cell{k}.tif" for k in range(5)]
    both = folders(tmp_path, names, names, [64, 80, 64, 80, 96])
    call(capsys, "train", *both, "-o", tmp_path / "run", *TINY)
    shapes = [one["shape"] for one in described(tmp_path / "run")["data"]]
    assert sorted(shapes) == [[2, 64, 64], [2, 80, 80], [96, 96]]
    # Each image has its own labels: the squares are where it is bright.
    from napari_unet.images.files import open_images

    for stack in open_images(*both):
        for i in range(stack.n_slices):
            image, labels = stack.image_plane(i)[0], stack.label_plane(i)
            assert image[labels > 0].min() > image[labels == 0].mean() + 40


def test_doubtful_pairs_are_shown_and_not_guessed(tmp_path, capsys):
    both = folders(tmp_path, ["a1.tif", "a2.tif"], ["b1.tif", "c2.tif"], [64, 64])
    said = refused(capsys, "train", *both, "-o", tmp_path / "run", *TINY)
    assert "a1.tif may belong to b1.tif" in said
    assert "a2.tif may belong to c2.tif" in said
    assert not (tmp_path / "run").exists()


def test_labels_of_a_few_slices(tmp_path, capsys):
    image, labels = picture(n=5)
    files = write(tmp_path / "a.tif", image), write(tmp_path / "few.tif", labels[[1, 3]])
    said = refused(capsys, "train", *files, "-o", tmp_path / "run", *TINY)
    assert "for labels of a few slices only, say which" in said
    call(capsys, "train", *files, "--annotated", "1,3", "-o", tmp_path / "run", *TINY)
    assert described(tmp_path / "run")["data"][0]["annotated"] == [1, 3]
    found, _ = call(capsys, "check", *files, "--annotated", "1, 3", "--no-step")
    assert "2 of 5 slices are annotated" in " ".join(one["text"] for one in found["findings"])
    assert "slices must read like" in refused(capsys, "check", *files, "--annotated", "one")
    said = refused(capsys, "check", files[0], "--annotated", "1")
    assert "name the labels as well" in said


# -- what labels mean -----------------------------------------------------------------------


def scheme_of(capsys, tmp_path, files, *options) -> dict:
    run = tmp_path / "run"
    shutil.rmtree(run, ignore_errors=True)
    call(capsys, "train", *files, "-o", run, *TINY, *options)
    found: dict = described(run)["labels"]
    return found


def test_kinds_of_labels(tmp_path, capsys):
    files = pair(tmp_path)
    scheme = scheme_of(capsys, tmp_path, files)
    assert (scheme["kind"], scheme["annotation"], scheme["values"]) == ("objects", "dense", [0, 1])
    scheme = scheme_of(capsys, tmp_path, files, "--kind", "classes")
    assert (scheme["kind"], scheme["values"]) == ("classes", [0, 1, 2, 3])
    scheme = scheme_of(
        capsys, tmp_path, files, "--kind", "classes", "--ignore", 3, "--classes", "ground,a,b"
    )
    assert (scheme["values"], scheme["ignore"]) == ([0, 1, 2], 3)
    assert scheme["names"] == ["ground", "a", "b"]
    scheme = scheme_of(capsys, tmp_path, files, "--classes", "0=ground,3=c,1=a,2=b")
    assert (scheme["kind"], scheme["values"]) == ("classes", [0, 3, 1, 2])
    scheme = scheme_of(capsys, tmp_path, files, "--classes", "ground,cell")
    assert (scheme["kind"], scheme["names"]) == ("objects", ["ground", "cell"])
    options = "--kind", "objects", "--classes", "0=ground,1=a,3=b"
    scheme = scheme_of(capsys, tmp_path, files, *options)
    assert (scheme["kind"], scheme["values"]) == ("objects", [0, 1, 3])
    image, labels = picture()
    by_class = np.array([0, 1000, 1001, 2000], np.uint16)[labels]
    files = write(tmp_path / "ni.tif", image), write(tmp_path / "n.tif", by_class)
    scheme = scheme_of(capsys, tmp_path, files, "--classes", "ground,a,b")
    assert (scheme["kind"], scheme["values"]) == ("objects", [0, 1000, 2000])
    assert scheme["names"] == ["ground", "a", "b"]
    assert scheme_of(capsys, tmp_path, files, "--kind", "objects")["values"] == [0, 1]
    files = pair(tmp_path)
    for option in (("--annotation", "sparse"), ("--sparse",)):
        scheme = scheme_of(capsys, tmp_path, files, *option)
        assert (scheme["annotation"], scheme["values"][0]) == ("sparse", 1)


def test_labels_that_do_not_fit_what_was_said(tmp_path, capsys):
    train = ("train", *pair(tmp_path), "-o", tmp_path / "run", *TINY)
    for options, said in (
        (("--kind", "classes", "--classes", "a,b"), "name the 4 values 0, 1, 2, 3"),
        (("--classes", "0=a,x=b"), "--classes must be names"),
        (("--classes", "0=a,1=b"), "must have one of the class values"),
        (("--kind", "objects", "--classes", "a,b,c"), "one per class"),
        (("--ignore", "0"), "must not be a class"),
        (("--sequence", "02"), "Cell Tracking Challenge"),
        (("--truth", "silver"), "Cell Tracking Challenge"),
    ):
        assert said in refused(capsys, *train, *options), options
    assert not (tmp_path / "run").exists()


def test_classes_that_only_one_stack_shows(tmp_path, capsys):
    image, labels = picture()
    first = write(tmp_path / "a.tif", image), write(tmp_path / "al.tif", labels)
    second = write(tmp_path / "b.tif", image), write(tmp_path / "bl.tif", labels * (labels != 2))
    run = tmp_path / "run"
    options = ("--kind", "classes", "-o", run, *TINY)
    call(capsys, "train", *second, "--and", *first, *options)
    assert described(run)["labels"]["values"] == [0, 1, 2, 3]


# -- validation and intensity ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("last", {"mode": "last", "fraction": 0.2}),
        ("50%", {"mode": "last", "fraction": 0.5}),
        ("0,2", {"mode": "slices", "slices": [0, 2]}),
        ("1-2", {"mode": "slices", "slices": [1, 2]}),
        ("region:0,20,0,64", {"mode": "region", "region": [0, 20, 0, 64]}),
        ("none", {"mode": "none"}),
    ],
)
def test_what_validates(tmp_path, capsys, said, wanted):
    run = tmp_path / "run"
    call(capsys, "train", *pair(tmp_path), "-o", run, *TINY, "--validate", said)
    split = described(run)["config"]["split"]
    assert {name: split[name] for name in wanted} == wanted


def test_grey_values_of_every_slice(tmp_path, capsys):
    run = tmp_path / "run"
    call(capsys, "train", *pair(tmp_path), "-o", run, *TINY, "--intensity", "image")
    assert load_model(run).intensity.mode == "image"


# -- prediction -----------------------------------------------------------------------------


def test_a_region_is_predicted_in_its_place(tmp_path, capsys):
    image, labels = pair(tmp_path)
    call(capsys, "train", image, labels, "-o", tmp_path / "run", *TINY)
    predict = ("predict", tmp_path / "run", image, "--device", "cpu", "--output", "probabilities")
    call(capsys, *predict, "-o", tmp_path / "whole.tif")
    said, _ = call(capsys, *predict, "-o", tmp_path / "part.tif", "--region", 11, 40, 20, 64)
    assert said["shape"] == [3, 2, 29, 44]
    whole, part = open_image(tmp_path / "whole.tif"), open_image(tmp_path / "part.tif")
    np.testing.assert_allclose(part.image, whole.image[..., 11:40, 20:64], atol=1e-6)
    assert (part.scale, part.translate) == (whole.scale, (0, 11 * 0.25, 20 * 0.25))
    wrong = ("-o", tmp_path / "x.tif", "--region", 11, 400, 20, 64)
    assert "a region must be" in refused(capsys, *predict, *wrong)
    assert not (tmp_path / "x.tif").exists()


def test_prediction_at_the_pixel_size_of_the_model(tmp_path, capsys):
    """An image of pixels half as large is predicted as the image it was made from."""
    image, labels = pair(tmp_path)
    call(capsys, "train", image, labels, "-o", tmp_path / "run", *TINY)
    fine = np.kron(tifffile.imread(image), np.ones((1, 2, 2), np.uint8))
    write(tmp_path / "fine.tif", fine, 125.0, "nm")
    write(tmp_path / "bare.tif", fine, 1.0, "pixel")
    predict = ("predict", tmp_path / "run", "--device", "cpu", "--output", "probabilities")
    _, said = call(capsys, *predict, image, "-o", tmp_path / "p.tif")
    assert "as large" not in said
    _, said = call(capsys, *predict, tmp_path / "fine.tif", "-o", tmp_path / "b.tif")
    assert "0.5 times as large" in said
    auto = ("--pixel-size", "auto")
    result, said = call(capsys, *predict, tmp_path / "fine.tif", "-o", tmp_path / "c.tif", *auto)
    assert "resampled from 128 × 128 to 64 × 64 pixels a slice" in said
    assert result["shape"] == [3, 2, 128, 128]
    back = open_image(tmp_path / "c.tif")
    assert back.scale[1:] == (125, 125)
    wanted = open_image(tmp_path / "p.tif").image
    found = np.asarray(back.image).reshape(3, 2, 64, 2, 64, 2).mean((3, 5))
    assert np.abs(found - wanted).mean() < 0.25 * wanted.std()
    part = ("-o", tmp_path / "d.tif", "--region", 20, 59, 0, 31)
    call(capsys, *predict, tmp_path / "fine.tif", *part, *auto)
    part = open_image(tmp_path / "d.tif").image
    np.testing.assert_allclose(part, back.image[..., 20:59, 0:31], atol=1e-6)
    bare = refused(capsys, *predict, tmp_path / "bare.tif", "-o", tmp_path / "x.tif", *auto)
    assert "can be compared" in bare
    _, said = call(capsys, *predict, image, "-o", tmp_path / "e.tif", *auto)
    assert "resampled" not in said


# -- data sets ------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    ("options", "shapes", "annotated"),
    [
        ((), [[84, 512, 512]], [9]),
        (("--truth", "silver"), [[84, 512, 512]], [84]),
        (("--sequence", "both"), [[84, 512, 512]] * 2, [9, 9]),
    ],
)
def test_hela_by_name(data_dir, tmp_path, capsys, monkeypatch, options, shapes, annotated):
    monkeypatch.setenv("NAPARI_UNET_DATA", str(data_dir))
    run = tmp_path / "run"
    more = ("--validate", "none", "--no-weight-map")
    call(capsys, "train", "dic-c2dh-hela", *options, "-o", run, *TINY, *more)
    data = described(run)["data"]
    assert [one["shape"] for one in data] == shapes
    assert [len(one["annotated"] or range(84)) for one in data] == annotated


@pytest.mark.data
def test_check_looks_at_the_truth_that_was_asked_for(data_dir, capsys, monkeypatch):
    monkeypatch.setenv("NAPARI_UNET_DATA", str(data_dir))
    for truth, words in (("gold", "9 of 84 slices are annotated"), ("silver", "")):
        found, _ = call(capsys, "check", "dic-c2dh-hela", "--truth", truth, "--no-step")
        texts = " ".join(one["text"] for one in found["findings"])
        assert ("of 84 slices are annotated" in texts) == bool(words)
        assert words in texts


@pytest.mark.data
def test_the_folder_of_a_sequence(data_dir, tmp_path, capsys):
    run = tmp_path / "run"
    more = ("--validate", "none", "--no-weight-map", "--sequence", "02")
    call(capsys, "train", data_dir / "DIC-C2DH-HeLa", "-o", run, *TINY, *more)
    assert described(run)["data"][0]["name"].endswith("02")


# -- assembling tiles ---------------------------------------------------------------------------
