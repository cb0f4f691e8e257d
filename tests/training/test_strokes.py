"""Strokes: which pixels they paint, and what a script of them may say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError
from napari_unet.training.strokes import Stroke, draw_stroke, read_strokes

SCHEME = LabelScheme("classes", "sparse", (1, 2, 3))


def painted(stroke, shape=(9, 9), value=7):
    labels = np.zeros(shape, np.uint8)
    edit = draw_stroke(stroke, labels, value)
    if edit is not None:
        labels[edit.window] = edit.values
    return labels


def test_a_line_by_hand():
    labels = painted(Stroke(0, 0, 1, ((2, 1), (2, 5)), width=1))
    expected = np.zeros((9, 9), np.uint8)
    expected[2, 1:6] = 7
    assert np.array_equal(labels, expected)


def test_a_dot_is_a_disc():
    labels = painted(Stroke(0, 0, 1, ((4, 4),), width=3))
    # Centres at most 1.5 px away: the dot, its four and its diagonal neighbours (1.41).
    assert labels.sum() == 9 * 7
    assert labels[3:6, 3:6].all()


def test_a_stroke_beyond_the_border_is_cut():
    labels = painted(Stroke(0, 0, 1, ((-2, 0), (1, 0)), width=1))
    assert np.flatnonzero(labels[:, 0]).tolist() == [0, 1]
    assert draw_stroke(Stroke(0, 0, 1, ((-9, -9),), width=3), np.zeros((9, 9), np.uint8), 7) is None


def test_only_the_box_of_changes_is_an_edit():
    labels = np.zeros((9, 9), np.uint8)
    labels[2, 1:4] = 7
    edit = draw_stroke(Stroke(0, 0, 1, ((2, 1), (2, 5)), width=1), labels, 7)
    assert edit.box == (2, 3, 4, 6)
    labels[2, 1:6] = 7
    assert draw_stroke(Stroke(0, 0, 1, ((2, 1), (2, 5)), width=1), labels, 7) is None


def test_other_labels_in_the_box_stay():
    labels = np.zeros((9, 9), np.uint8)
    labels[0, 4] = 5
    edit = draw_stroke(Stroke(0, 0, 1, ((0, 0), (4, 4)), width=1), labels, 7)
    labels[edit.window] = edit.values
    assert labels[0, 4] == 5
    assert np.array_equal(np.diag(labels)[:5], [7] * 5)


def test_a_script_is_read_in_the_order_of_its_steps(tmp_path):
    lines = [
        {"step": 20, "slice": 3, "class": 1, "points": [[1, 2], [3, 4.5]], "width": 5},
        {"step": 4, "slice": 0, "class": None, "points": [[1, 2]]},
    ]
    file = tmp_path / "strokes.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    assert read_strokes(file, SCHEME) == (
        Stroke(4, 0, None, ((1.0, 2.0),)),
        Stroke(20, 3, 1, ((1.0, 2.0), (3.0, 4.5)), 5.0),
    )


@pytest.mark.parametrize(
    "line",
    [
        "{", "[]", "[" * 100_000, '{"step": 1}',
        '{"step": 1, "slice": 0, "class": 1, "points": []}',
        '{"step": 1, "slice": 0, "class": 3, "points": [[1, 1]]}',
        '{"step": 1, "slice": 0, "class": true, "points": [[1, 1]]}',
        '{"step": -1, "slice": 0, "class": 1, "points": [[1, 1]]}',
        '{"step": 1, "slice": 0.5, "class": 1, "points": [[1, 1]]}',
        '{"step": 1, "slice": 0, "class": 1, "points": [[1, NaN]]}',
        '{"step": 1, "slice": 0, "class": 1, "points": [[1, 1e300]]}',
        '{"step": 1, "slice": 0, "class": 1, "points": [[1, 1]], "width": 0}',
        '{"step": 1, "slice": 0, "class": 1, "points": [[1, 1]], "colour": 0}',
    ],
    ids=lambda line: line[:60],
)  # fmt: skip
def test_a_bad_line_is_said_with_its_number(tmp_path, line):
    file = tmp_path / "strokes.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(InputError, match=r"line 1 of .*strokes\.jsonl"):
        read_strokes(file, SCHEME)


@pytest.mark.parametrize(
    ("stack", "i", "said"),
    [(0, 3, "slice must be a whole number from 0 to 2, got 3"),
     (1, 1, "slice must be a whole number from 0 to 0, got 1"),
     (2, 0, "stack must be a whole number from 0 to 1, got 2")],
)  # fmt: skip
def test_a_place_that_no_stack_has_is_said_before_anything_is_trained(tmp_path, stack, i, said):
    file = tmp_path / "strokes.jsonl"
    line = {"step": 900, "slice": i, "stack": stack, "class": 1, "points": [[1, 1]]}
    file.write_text("\n" + json.dumps(line))
    with pytest.raises(InputError, match=rf"line 2 of .*: {said}"):
        read_strokes(file, SCHEME, [3, 1])
    assert len(read_strokes(file, SCHEME)) == 1


def test_a_mark_at_the_beginning_as_some_editors_write_it_is_left_aside(tmp_path):
    file = tmp_path / "strokes.jsonl"
    line = json.dumps({"step": 1, "slice": 0, "class": 1, "points": [[1, 1]]})
    file.write_text(line, encoding="utf-8-sig")
    assert read_strokes(file, SCHEME) == (Stroke(1, 0, 1, ((1.0, 1.0),)),)


def test_a_file_that_is_none_is_said(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("none", "bytes", "."):
        with pytest.raises(InputError, match="cannot be read"):
            read_strokes(tmp_path / name, SCHEME)
