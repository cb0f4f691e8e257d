"""``napari-unet evaluate``: which slices count, and every metric by its name."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_unet.cli import main


def call(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def fail(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def write(path, array):
    tifffile.imwrite(path, array, photometric="minisblack")


@pytest.fixture
def files(tmp_path):
    """Three slices of two cells; the second has no reference, the third no prediction."""
    reference = np.zeros((3, 20, 20), np.uint16)
    reference[:, 2:8, 2:8], reference[:, 2:8, 12:18] = 1, 2
    prediction = reference.copy()
    reference[1] = 0
    prediction[2] = 0
    write(tmp_path / "r.tif", reference)
    write(tmp_path / "p.tif", prediction)
    return tmp_path / "p.tif", tmp_path / "r.tif"


@pytest.fixture
def challenge(tmp_path):
    """Folder of the Cell Tracking Challenge with four frames, gold truth of the second and last."""
    for part in ("01", "01_GT/SEG"):
        (tmp_path / "set" / part).mkdir(parents=True)
    cells = np.zeros((16, 16), np.uint16)
    cells[2:6, 2:6], cells[9:14, 9:14] = 1, 2
    for t in range(4):
        write(tmp_path / "set" / "01" / f"t{t:03}.tif", cells.astype(np.uint8))
    for t in (1, 3):
        write(tmp_path / "set" / "01_GT" / "SEG" / f"man_seg{t:03}.tif", cells)
    wild = np.random.default_rng(0).integers(0, 9, (4, 16, 16)).astype(np.uint16)
    wild[[1, 3]] = cells
    write(tmp_path / "p.tif", wild)
    return tmp_path


def test_slices_that_count_can_be_named(files, capsys):
    assert call(capsys, *files)["scores"]["IoU"] < 0.5
    first = call(capsys, *files, "--slices", "0", "--metric", "ctc")
    assert first["scores"]["IoU"] == first["scores"]["SEG"] == first["scores"]["DET"] == 1
    assert first["slices"] == [0]
    assert call(capsys, *files, "--slices", "0,1-2")["slices"] == [0, 1, 2]
    labelled = call(capsys, *files, "--slices", "labelled", "--metric", "ctc")
    assert labelled["slices"] == [0, 2]
    assert labelled["scores"]["SEG"] == labelled["scores"]["DET"] == 0.5


@pytest.mark.parametrize("which", ["3", "x", "2-1", "-1"])
def test_slices_that_do_not_exist_are_refused(files, capsys, which):
    assert "--slices must be labelled, or numbers from 0 to 2" in fail(
        capsys, *files, f"--slices={which}"
    )


def test_annotated_frames_of_a_data_set_count(challenge, capsys):
    said = call(capsys, challenge / "p.tif", challenge / "set", "--metric", "ctc")
    assert said["slices"] == [1, 3]
    assert said["scores"]["IoU"] == said["scores"]["SEG"] == said["scores"]["DET"] == 1


def test_a_prediction_of_the_annotated_frames_alone_will_do(challenge, capsys):
    only = tifffile.imread(challenge / "p.tif")[[1, 3]]
    write(challenge / "only.tif", only)
    said = call(capsys, challenge / "only.tif", challenge / "set", "--metric", "objects")
    assert said["scores"]["AP mean"] == 1


def test_a_sequence_of_a_plain_file_is_refused(files, capsys):
    assert "leave them out" in fail(capsys, *files, "--sequence", "02")


def test_overlap_and_the_reproductions_score_have_names_of_their_own(files, capsys):
    arguments = (*files, "--slices", "0,2", "--metric", "overlap", "--metric", "thresholded-iou")
    found = call(capsys, *arguments)["scores"]
    assert found["IoU"] == 0.5
    assert found["Dice"] == pytest.approx(2 / 3)
    assert found["thresholded IoU"] == 0.5  # one slice perfect, one missed


def test_without_json_it_is_a_table_for_people(files, capsys):
    assert main(["evaluate", *map(str, files), "--slices", "0", "--metric", "ctc"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["compared", "1", "slice"]
    assert lines[-1].split() == ["DET", "1.0000"]


def named(path, array, axes, size=None):
    sizes = {} if size is None else {"PhysicalSizeX": size, "PhysicalSizeY": size}
    metadata = {"axes": axes, **sizes}
    known = axes.endswith("YX")  # OME knows no others
    tifffile.imwrite(path, array, ome=known, photometric="minisblack", metadata=metadata)


@pytest.mark.parametrize(("one", "other"), [("ZTYX", "TZYX"), ("YX", "XY"), ("ZTYX", "TZXY")])
@pytest.mark.parametrize("kind", ["labels", "probabilities"])
@pytest.mark.parametrize("turned", ["prediction", "reference"])
def test_files_that_name_their_axes_in_another_order_meet(
    tmp_path, capsys, one, other, kind, turned
):
    """Of equal shape, so that nothing but the axes tells them apart."""
    shape = (2, 2, 24, 24)[-len(one) :]
    mask = (np.random.default_rng(0).random(shape) > 0.6).astype(np.uint8)
    order = [one.index(axis) for axis in other]
    same = mask if kind == "labels" else np.float32(0.1) + np.float32(0.8) * mask
    if turned == "prediction":
        named(tmp_path / "r.tif", mask, one)
        named(tmp_path / "p.tif", same.transpose(order), other)
    else:
        named(tmp_path / "r.tif", mask.transpose(order), other)
        named(tmp_path / "p.tif", same, one)
    assert main(["evaluate", f"{tmp_path}/p.tif", f"{tmp_path}/r.tif", "--json"]) == 0
    caught = capsys.readouterr()
    assert json.loads(caught.out)["scores"]["IoU"] == 1
    assert "read in the order of r" in caught.err or (turned, one) == ("reference", "YX")


def test_pixels_of_another_size_are_said(tmp_path, capsys):
    mask = np.eye(24, dtype=np.uint8)
    named(tmp_path / "r.tif", mask, "YX", 0.5)
    named(tmp_path / "p.tif", mask, "YX", 0.25)
    assert main(["evaluate", f"{tmp_path}/p.tif", f"{tmp_path}/r.tif"]) == 0
    said = "a pixel is 0.25 × 0.25 µm in p and 0.5 × 0.5 µm in r"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (np.eye(12, dtype=np.uint8), "0 is background, every other value foreground"),
        (np.eye(12, dtype=np.uint8) * 255, "0 is background, every other value foreground"),
        (np.diag(np.arange(12, dtype=np.uint8)), "0 is background, every other value one object"),
        (np.eye(12, dtype=np.float32), "probabilities, foreground above one half"),
    ],
)
def test_how_the_prediction_is_read_is_said(tmp_path, capsys, prediction, said):
    write(tmp_path / "r.tif", np.eye(12, dtype=np.uint8))
    write(tmp_path / "p.tif", prediction)
    assert main(["evaluate", f"{tmp_path}/p.tif", f"{tmp_path}/r.tif"]) == 0
    assert f"prediction: {said}" in capsys.readouterr().err.splitlines()


def test_a_prediction_of_1_and_2_is_not_taken_for_one_of_0_and_1(tmp_path, capsys):
    mask = np.eye(12, dtype=np.uint8)
    write(tmp_path / "r.tif", mask)
    write(tmp_path / "p.tif", mask + 1)
    said = fail(capsys, tmp_path / "p.tif", tmp_path / "r.tif")
    assert "must hold the classes 0 and 1 of the reference, got 1 and 2" in said
    # As the reference has it, it is right.
    write(tmp_path / "r.tif", mask + 1)
    assert call(capsys, tmp_path / "p.tif", tmp_path / "r.tif")["scores"]["IoU"] == 1


@pytest.mark.parametrize("swapped", [False, True])
def test_an_image_is_no_prediction_and_no_reference(files, tmp_path, capsys, swapped):
    write(tmp_path / "i.tif", np.random.default_rng(0).integers(0, 255, (3, 20, 20), np.uint8))
    pair = (files[1], tmp_path / "i.tif")
    assert "as in a grey image" in fail(capsys, *(pair if swapped else pair[::-1]))


def test_a_file_compared_with_itself_is_told(files, capsys):
    assert main(["evaluate", str(files[0]), str(files[0])]) == 0
    assert f"{files[0]} is compared with itself" in capsys.readouterr().err


@pytest.fixture
def folders(tmp_path):
    """Three references and predictions of them, of which the first alone is right."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(("img1", "img2", "img10")):
        mask = (rng.random((24, 24)) > 0.5).astype(np.uint8)
        for folder, values in (("p", mask if k == 0 else 1 - mask), ("r", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            write(tmp_path / folder / f"{name}.tif", values)
    return tmp_path / "p", tmp_path / "r"


def test_files_of_two_folders_are_paired_by_their_names(folders, capsys):
    prediction, reference = folders
    (reference / "img2.tif").unlink()
    kept = (reference / "img10.tif").read_bytes()
    (reference / "img10.tif").unlink()
    assert main(["evaluate", str(prediction), str(reference), "--json"]) == 0
    caught = capsys.readouterr()
    assert json.loads(caught.out)["scores"]["IoU"] == 1
    assert "2 predictions without a reference not compared" in caught.err
    # As many as there are references, but not of the same images.
    (reference / "img10.tif").write_bytes(kept)
    (prediction / "img1.tif").unlink()
    assert "1 of 2 references in" in fail(capsys, prediction, reference)
    (reference / "img2.tif").write_bytes(kept)
    assert "no prediction for img1.tif" in fail(capsys, prediction, reference)


def test_names_may_say_which_is_the_reference(folders, capsys):
    prediction, reference = folders
    for file in list(reference.iterdir()):
        file.rename(reference / f"{file.stem}_mask.tif")
    before = call(capsys, prediction, reference)["scores"]
    for file in list(reference.iterdir()):
        file.rename(reference / file.name.replace("_mask", ""))
    assert call(capsys, prediction, reference)["scores"] == before


@pytest.mark.parametrize("several", [False, True])
def test_probabilities_of_a_folder_are_no_blurred_masks(folders, tmp_path, capsys, several):
    """0.4 is background, whatever the greatest of them."""
    prediction, reference = folders
    y, x = np.mgrid[:24, :24]
    smooth = np.float32(0.8 * np.clip((10 - np.hypot(y - 12, x - 12)) / 3, 0, 1))
    for k, file in enumerate(sorted(prediction.iterdir())):
        write(file, smooth)
        write(reference / file.name, (smooth > 0.5).astype(np.uint8))
        if k and not several:
            file.unlink()
            (reference / file.name).unlink()
    assert main(["evaluate", str(prediction), str(reference), "--json"]) == 0
    caught = capsys.readouterr()
    assert json.loads(caught.out)["scores"]["IoU"] == 1
    assert "blurred" not in caught.err


@pytest.mark.parametrize("slices", [2, 3])  # 2, as many as classes but the background
def test_probabilities_but_those_of_the_background(tmp_path, capsys, slices):
    """As the window saves them: of each slice those of the classes that its layer shows."""
    classes = np.random.default_rng(0).integers(0, 3, (slices, 24, 24)).astype(np.uint8)
    others = np.stack([0.1 + 0.7 * (classes == k) for k in (1, 2)], axis=1).astype(np.float32)
    write(tmp_path / "r.tif", classes)
    metadata = {"axes": "ZCYX"}
    tifffile.imwrite(tmp_path / "p.tif", others, ome=True, metadata=metadata)
    names = tmp_path / "p.tif", tmp_path / "r.tif"
    assert call(capsys, *names)["scores"]["pixel accuracy"] == 1
    assert call(capsys, *names, "--slices", "1")["scores"]["pixel accuracy"] == 1
    # Of a reference without those classes they are no probabilities of background and foreground.
    write(tmp_path / "r.tif", (classes > 0).astype(np.uint8))
    said = fail(capsys, *names)
    assert "probabilities of all 2 classes of the reference, which sum to 1, got a sum of" in said
