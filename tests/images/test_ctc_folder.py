"""Folders of the Cell Tracking Challenge: frames, three kinds of truth, sequences."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.images.ctc_folder import find_sequences, is_ctc_folder, open_ctc, open_ctc_all
from napari_unet.images.files import open_image

if TYPE_CHECKING:
    from pathlib import Path


def save(file: Path, array: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(file, array, compression="lzw", photometric="minisblack")


@pytest.fixture
def small(tmp_path):
    """Sequences 01 (4 frames) and 02 (3), gold truth of frames 1 and 3, and of 0."""
    root = tmp_path / "Cells"
    for number, frames, gold in (("01", 4, (1, 3)), ("02", 3, (0,))):
        for t in range(frames):
            save(root / number / f"t{t:03d}.tif", np.full((6, 5), 10 * int(number) + t, "u1"))
            plane = np.full((6, 5), t + 1, "u2")
            save(root / f"{number}_ST/SEG/man_seg{t:03d}.tif", plane)
            save(root / f"{number}_GT/TRA/man_track{t:03d}.tif", plane + 100)
            if t in gold:
                save(root / f"{number}_GT/SEG/man_seg{t:03d}.tif", plane + 50)
    return root


def test_gold_truth_of_a_few_frames(small):
    stack = open_ctc(small)
    assert (stack.name, stack.axes, stack.image.shape) == ("Cells 01", "tyx", (4, 6, 5))
    assert stack.image_plane(2)[0, 0, 0] == 12
    assert stack.labelled_slices == (1, 3)
    assert stack.label_plane(3)[0, 0] == 54
    assert not stack.label_plane(0).any()
    assert stack.scheme.kind == "objects"


def test_silver_truth_and_markers_of_all_frames(small):
    assert open_ctc(small, "01", "silver").annotated is None
    assert open_ctc(small, "01", "silver").label_plane(2)[0, 0] == 3
    assert open_ctc(small, "02", "markers").label_plane(2)[0, 0] == 103
    assert open_ctc(small, "02", None).labels is None


def test_gold_objects_replace_the_silver_ones_that_they_cover(tmp_path):
    for t in range(2):
        save(tmp_path / f"01/t{t:03d}.tif", np.zeros((2, 9), "u1"))
    silver = np.array([[1, 1, 1, 0, 2, 2, 2, 2, 0], [1, 1, 0, 0, 3, 3, 0, 0, 0]], "u2")
    gold = np.array([[0, 1, 1, 1, 0, 0, 1, 1, 0], [1, 1, 0, 0, 0, 0, 0, 0, 0]], "u2")
    save(tmp_path / "01_ST/SEG/man_seg000.tif", silver)
    save(tmp_path / "01_GT/SEG/man_seg000.tif", gold)
    save(tmp_path / "01_GT/SEG/man_seg001.tif", 4 * gold)  # without silver truth
    stack = open_ctc(tmp_path, truth="both")
    # 1 goes, of which 4 of 5 pixels are covered; half of 2 is not enough; gold lies on top.
    new = 4 + 1
    expected = [[0, new, new, new, 2, 2, new, new, 0], [new, new, 0, 0, 3, 3, 0, 0, 0]]
    assert stack.label_plane(0).tolist() == expected
    assert stack.annotated is None
    np.testing.assert_array_equal(stack.label_plane(1) > 0, gold > 0)


def test_single_planes_of_gold_replace_those_of_a_silver_volume(tmp_path):
    save(tmp_path / "01/t000.tif", np.zeros((3, 2, 5), "u1"))
    save(tmp_path / "01_ST/SEG/man_seg000.tif", np.full((3, 2, 5), 6, "u2"))
    gold = np.array([[9, 9, 9, 9, 0], [9, 9, 0, 0, 0]], "u2")
    save(tmp_path / "01_GT/SEG/man_seg_000_001.tif", gold)
    stack = open_ctc(tmp_path, truth="both")
    np.testing.assert_array_equal(stack.label_plane(1), np.where(gold, 7 + 9, 0))
    for i in (0, 2):
        assert (stack.label_plane(i) == 6).all()
    for name in ("man_seg_000_003.tif", "man_seg000.tif"):  # no such plane, no such size
        save(tmp_path / "01_GT/SEG" / name, np.ones((3, 5), "u2"))
        with pytest.raises(DataSetError, match=name):
            open_ctc(tmp_path, truth="both")
        (tmp_path / "01_GT/SEG" / name).unlink()


def test_both_truths_need_both(small):
    for kind, where in (("gold", "01_GT/SEG"), ("silver", "02_ST/SEG")):
        for file in (small / where).iterdir():
            file.unlink()
        (small / where).rmdir()
        with pytest.raises(DataSetError, match=f"expected {kind} truth"):
            open_ctc(small, where[:2], "both")


def test_both_sequences_follow_one_another(small):
    stack = open_ctc(small, "both")
    assert stack.name == "Cells 01+02"
    assert stack.image[:, 0, 0].tolist() == [10, 11, 12, 13, 20, 21, 22]
    assert stack.labelled_slices == (1, 3, 4)
    assert stack.label_plane(4)[0, 0] == 51
    assert open_ctc(small, "both", "silver").annotated is None
    one, two = open_ctc_all(small)
    assert (one.n_slices, two.n_slices) == (4, 3)


def test_one_sequence_can_be_pointed_at(small):
    assert find_sequences(small) == ("01", "02")
    assert find_sequences(small / "02") == ("02",)
    assert open_ctc(small / "02").name == "Cells 02"
    assert open_image(small / "02").labelled_slices == (0,)
    assert not is_ctc_folder(small / "01_GT")
    assert not is_ctc_folder(small / "absent")


def test_frames_are_found_by_their_numbers(small):
    (small / "01" / "t000.tif").unlink()
    stack = open_ctc(small)
    assert stack.image[:, 0, 0].tolist() == [11, 12, 13]
    assert stack.labelled_slices == (0, 2)


def test_large_sequences_stay_on_disk(small):
    for truth in ("gold", "silver", "both"):
        lazy = open_ctc(small, "both", truth, lazy_above=0)
        eager = open_ctc(small, "both", truth)
        assert isinstance(lazy.image, da.Array)
        assert lazy.labelled_slices == eager.labelled_slices
        for i in range(7):
            np.testing.assert_array_equal(lazy.image_plane(i), eager.image_plane(i))
            np.testing.assert_array_equal(lazy.label_plane(i), eager.label_plane(i))


def test_volumes_with_single_annotated_planes(tmp_path):
    for t in range(2):
        save(tmp_path / f"01/t{t:03d}.tif", np.zeros((3, 6, 5), "u1"))
    save(tmp_path / "01_GT/SEG/man_seg_001_002.tif", np.full((6, 5), 7, "u2"))
    stack = open_ctc(tmp_path)
    assert (stack.axes, stack.labelled_slices) == ("tzyx", (5,))
    assert stack.label_plane(5)[0, 0] == 7


def test_four_digit_frames(tmp_path):
    for t in (999, 1000):
        save(tmp_path / f"01/t{t:04d}.tif", np.full((6, 5), t % 7, "u1"))
    assert open_ctc(tmp_path, truth=None).image[:, 0, 0].tolist() == [999 % 7, 1000 % 7]


def test_what_is_missing_is_told(small, tmp_path):
    with pytest.raises(DataSetError, match=r"01/t000\.tif"):
        open_ctc(tmp_path / "empty")
    with pytest.raises(DataSetError, match="has the sequences 01, 02, got '03'"):
        open_ctc(small, "03")
    for file in (small / "01_GT/SEG").iterdir():
        file.unlink()
    (small / "01_GT/SEG").rmdir()
    with pytest.raises(DataSetError, match="choose silver or markers"):
        open_ctc(small)
    assert open_image(small).annotated is None  # silver is the best there is
    with pytest.raises(InputError, match="truth must be one of"):
        open_ctc(small, truth="bronze")


def test_damage_is_told(small):
    save(small / "01/t002.tif", np.zeros((6, 6), "u1"))
    with pytest.raises(DataSetError, match=r"t002\.tif has shape \(6, 6\)"):
        open_ctc(small)
    save(small / "02_GT/SEG/man_seg009.tif", np.zeros((6, 5), "u2"))
    with pytest.raises(DataSetError, match=r"man_seg009\.tif"):
        open_ctc(small, "02")
    file = small / "02/t001.tif"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(DataSetError, match=r"t001\.tif"):
        open_ctc(small, "02", None)


def test_sequences_of_different_size_cannot_be_joined(small):
    for file in (small / "02").iterdir():
        save(file, np.zeros((7, 5), "u1"))
    with pytest.raises(InputError, match="separate stacks"):
        open_ctc(small, "both", None)


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "shape", "gold"),
    [("DIC-C2DH-HeLa", (84, 512, 512), (9, 9)), ("PhC-C2DH-U373", (115, 520, 696), (15, 19))],
)
def test_the_papers_sets(data_dir, folder, shape, gold):
    start = time.perf_counter()
    stacks = open_ctc_all(data_dir / folder)
    assert time.perf_counter() - start < 10  # 0.6 s and 1.5 s measured; room for a busy machine
    assert [s.image.shape for s in stacks] == [shape, shape]
    assert tuple(len(s.labelled_slices) for s in stacks) == gold
    for stack in stacks:
        assert stack.units == ("minute", "micrometer", "micrometer")
        first = stack.labelled_slices[0]
        np.testing.assert_array_equal(
            stack.label_plane(first),
            tifffile.imread(data_dir / folder / f"{stack.name[-2:]}_GT/SEG/man_seg{first:03d}.tif"),
        )
    # Gold is drawn on the frame of the same number: cells differ from their surroundings.
    stack = stacks[0]
    i = stack.labelled_slices[0]
    inside = stack.label_plane(i) > 0
    frame = stack.image_plane(i)[0].astype(float)
    gradient = np.hypot(*np.gradient(frame))
    assert gradient[inside].mean() > 1.3 * gradient[~inside].mean()
