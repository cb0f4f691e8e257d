"""The journal: what is painted is never lost, and a damaged file never misunderstood."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.base.errors import CheckpointError
from napari_unet.training.journal import FILE_NAME, Edit, Effect, Journal


def edit(value=1, box=(2, 4, 3, 6), slice_index=0, dtype=np.uint8):
    y0, y1, x0, x1 = box
    return Edit(0, slice_index, box, np.full((y1 - y0, x1 - x0), value, dtype))


def same(a: Edit, b: Edit) -> bool:
    return (a.stack_index, a.slice_index, a.box) == (b.stack_index, b.slice_index, b.box) and (
        a.values.dtype == b.values.dtype and np.array_equal(a.values, b.values)
    )


def test_what_was_written_is_read(tmp_path):
    journal = Journal(tmp_path)
    edits = [edit(1), edit(300, dtype=np.uint16), edit(70_000, slice_index=5, dtype=np.int32)]
    for one in edits:
        journal.add(one)
    journal.take_effect(Effect(0, 2, (np.nan, 0.25)))
    journal.take_effect(Effect(7, 3, (1.0,)))
    again = Journal(tmp_path)
    assert len(again.edits) == 3
    assert all(map(same, again.edits, edits))
    assert [(e.step, e.edits) for e in again.effects] == [(0, 2), (7, 3)]
    assert np.isnan(again.effects[0].right[0])
    assert again.effects[0].right[1] == 0.25
    assert [again.until(step) for step in (0, 6, 7, 99)] == [2, 2, 3, 3]


def test_a_line_is_in_the_file_when_add_returns(tmp_path):
    journal = Journal(tmp_path)
    journal.add(edit())
    assert (tmp_path / FILE_NAME).read_bytes().count(b"\n") == 1


def test_what_is_written_later_comes_before_what_is_written_now(tmp_path):
    journal = Journal(tmp_path)
    journal.add(edit(1), later=True)
    journal.add(edit(2), later=True)
    assert not (tmp_path / FILE_NAME).exists()
    journal.add(edit(3))
    assert [int(one.values.max()) for one in Journal(tmp_path).edits] == [1, 2, 3]
    journal.add(edit(4), later=True)
    journal.save()
    journal.save()
    assert [int(one.values.max()) for one in Journal(tmp_path).edits] == [1, 2, 3, 4]


@given(cut=st.integers(1, 400))
def test_a_file_cut_anywhere_keeps_its_whole_lines(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder)
    for value in (1, 2, 3):
        journal.add(edit(value))
    content = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(content[:-cut])
    whole = content[:-cut].count(b"\n")
    again = Journal(folder)
    assert len(again.edits) == whole
    again.add(edit(9))  # what is written next begins a line of its own
    assert [int(one.values[0, 0]) for one in Journal(folder).edits] == [*[1, 2, 3][:whole], 9]


@pytest.mark.parametrize(
    "change",
    [
        {"box": [0, 0, 0, 3]}, {"box": [-1, 1, 0, 3]}, {"box": [2, 5, 3, 6]}, {"box": "x"},
        {"dtype": "object"}, {"values": "%%"}, {"values": "AAAA"}, {"slice": "three"},
        {"box": [0, 10**9, 0, 10**9]}, {"box": [2.0, 4, 3, 6]}, {"stack": -1}, {"stack": 0.5},
        {"slice": True}, {"slice": 10**400}, {"edit": 1}, {"edit": None}, {"dtype": "int64"},
        {"values": None}, {"stack": None}, {"more": 1}, {"box": [2, 4, 3]},
    ],
    ids=str,
)  # fmt: skip
def test_damage_is_said_with_file_and_line(tmp_path, change):
    Journal(tmp_path).add(edit())
    line = json.loads((tmp_path / FILE_NAME).read_text())
    (tmp_path / FILE_NAME).write_text(json.dumps(line | change) + "\n")
    with pytest.raises(CheckpointError, match=r"line 1 of .*journal\.jsonl is damaged"):
        Journal(tmp_path)


def test_negative_values_are_damage(tmp_path):
    Journal(tmp_path).add(edit(-1, dtype=np.int32))
    with pytest.raises(CheckpointError, match="values are below 0"):
        Journal(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"edits": 2}, {"edits": 0}, {"edits": -1}, {"edits": 1.5}, {"right": []}, {"right": [2.0]},
        {"right": [0.5, 0.5]}, {"right": ["0.5"]}, {"right": None}, {"right": [10**400]},
        {"step": -1}, {"step": None}, {"step": True}, {"strokes": "1"}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_an_effect_that_does_not_fit_the_edits_is_damage(tmp_path, change):
    Journal(tmp_path).add(edit())
    line = {"step": 3, "edits": 1, "right": [0.5]} | change
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write(json.dumps(line) + "\n")
    with pytest.raises(CheckpointError, match=r"line 2 of .*journal\.jsonl is damaged"):
        Journal(tmp_path)


@pytest.mark.parametrize("line", ["[]", "1", "null", '"edit"', "{}", "{", "\x00", "[" * 9999])
def test_lines_that_are_no_records_are_damage(tmp_path, line):
    (tmp_path / FILE_NAME).write_text(line + "\n")
    with pytest.raises(CheckpointError, match=r"line 1 of .*journal\.jsonl is damaged"):
        Journal(tmp_path)


def test_edits_that_took_effect_at_one_step_one_after_the_other(tmp_path):
    """One class is painted, then another, before there is anything to learn."""
    journal = Journal(tmp_path)
    for number in (1, 2):
        journal.add(edit(number))
        journal.take_effect(Effect(0, number, (np.nan,)))
    again = Journal(tmp_path)
    assert [(e.step, e.edits, len(e.right)) for e in again.effects] == [(0, 1, 1), (0, 2, 1)]


def test_a_run_that_goes_on_from_earlier_records_later_effects_again(tmp_path):
    journal = Journal(tmp_path)
    for value in (1, 2):
        journal.add(edit(value))
    journal.take_effect(Effect(0, 1, (0.5,)))
    journal.take_effect(Effect(9, 2, (0.5,)))
    again = Journal(tmp_path)
    assert [one.step for one in again.forget_after(4)] == [9]
    assert again.in_effect == 1
    again.take_effect(Effect(9, 2, (0.5,)))
    assert [(e.step, e.edits) for e in Journal(tmp_path).effects] == [(0, 1), (9, 2)]


def test_a_look_at_a_journal_changes_nothing(tmp_path):
    """Another process may be writing the last line at this moment."""
    Journal(tmp_path).add(edit())
    file = tmp_path / FILE_NAME
    file.write_bytes(file.read_bytes() + b'{"edit": 1, "sta')
    before = file.read_bytes()
    assert len(Journal(tmp_path).edits) == 1
    assert file.read_bytes() == before


def test_a_full_disk_is_said_and_the_edit_counts(tmp_path):
    folder = tmp_path / "file"
    folder.write_text("in the way")
    journal = Journal(folder / "run")
    with pytest.raises(CheckpointError, match="could not be saved"):
        journal.add(edit())
    assert len(journal.edits) == 1
    folder.unlink()  # there is room again
    journal.add(edit(2))
    assert [int(one.values[0, 0]) for one in Journal(folder / "run").edits] == [1, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of the size of files is POSIX")
def test_a_disk_that_takes_half_a_line(tmp_path):
    """What there was room for is a torn line; it is written anew and whole later."""
    import resource

    journal = Journal(tmp_path)
    journal.add(edit(1))
    size = (tmp_path / FILE_NAME).stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="could not be saved"):
            journal.add(edit(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / FILE_NAME).stat().st_size == size + 20
    assert len(Journal(tmp_path).edits) == 1
    journal.add(edit(3))
    assert [int(one.values[0, 0]) for one in Journal(tmp_path).edits] == [1, 2, 3]


def test_pixels_are_counted_as_often_as_they_changed():
    journal = Journal()
    journal.add(edit(1, (0, 2, 0, 3)))
    journal.add(edit(1, (1, 3, 0, 3)))  # a row of it was that already
    journal.add(edit(0, (0, 1, 0, 1)))
    assert journal.pixels() == 6 + 3 + 1


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("gone", ["moved", "removed"])
def test_a_folder_that_is_taken_away_is_made_again_whole(tmp_path, reopened, gone):
    run = tmp_path / "run"
    journal = Journal(run)
    journal.add(edit(1))
    journal.add(edit(2))
    journal.take_effect(Effect(3, 2, (0.5, np.nan), 1))
    if reopened:
        journal = Journal(run)
    if gone == "moved":
        run.rename(tmp_path / "elsewhere")
    else:
        (run / FILE_NAME).unlink()
    journal.add(edit(3))
    journal.take_effect(Effect(4, 3, (1.0,), 1))
    again = Journal(run)
    assert [int(one.values[0, 0]) for one in again.edits] == [1, 2, 3]
    assert [(e.step, e.edits, e.strokes) for e in again.effects] == [(3, 2, 1), (4, 3, 1)]
    assert again.effects[0].right[0] == 0.5
