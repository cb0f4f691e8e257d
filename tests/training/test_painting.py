"""Edits come in from a window, a script or a journal, and count from a known step on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError
from napari_unet.images.stack import Stack
from napari_unet.training.journal import Edit, Journal
from napari_unet.training.painting import Painting
from napari_unet.training.strokes import Stroke

SPARSE = LabelScheme("classes", "sparse", (1, 2))


def stack(axes="zyx", shape=(3, 12, 16), labels=None):
    image = np.zeros(shape, np.uint8)
    plain = np.zeros(tuple(n for n, a in zip(shape, axes) if a != "c"), np.uint8)
    return Stack("painted", image, axes, labels=plain if labels is None else labels, scheme=SPARSE)


def edit(value=1, box=(2, 4, 3, 6), slice_index=0):
    y0, y1, x0, x1 = box
    return Edit(0, slice_index, box, np.full((y1 - y0, x1 - x0), value, np.uint8))


def test_an_edit_counts_when_it_is_taken():
    painting = Painting([stack()])
    painting.begin(0)
    painting.add(edit(2))
    assert not painting.stacks[0].label_plane(0).any()
    edits, right = painting.due(5)
    assert len(edits) == 1
    assert right is None
    painting.take(edits, 5, (0.5,))
    assert painting.due(6) == ([], None)
    labels = painting.stacks[0].label_plane(0)
    assert labels.sum() == 12
    assert labels[2:4, 3:6].all()
    assert [(e.step, e.edits) for e in painting.journal.effects] == [(5, 1)]


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("yx", (12, 16)), ("tzyx", (2, 3, 12, 16)), ("zcyx", (3, 2, 12, 16)), ("xyz", (16, 12, 3))],
)
def test_any_axes(axes, shape):
    painting = Painting([stack(axes, shape)])
    painting.begin(0)
    last = painting.stacks[0].n_slices - 1
    painting.add(edit(2, slice_index=last))
    painting.take(painting.due(0)[0], 0, (0.0,))
    for i in range(last + 1):
        assert painting.stacks[0].label_plane(i).any() == (i == last)
    assert painting.stacks[0].label_plane(last)[2:4, 3:6].all()


def test_labels_that_are_there_begin_the_journal():
    labels = np.zeros((3, 12, 16), np.uint8)
    labels[1, 4:6, 8] = 2
    painting = Painting([stack(labels=labels)])
    painting.begin(0)
    (first,) = painting.due(0)[0]
    assert (first.slice_index, first.box) == (1, (4, 6, 8, 9))
    painting.take([first], 0, (0.0,))
    assert np.array_equal(painting.stacks[0].label_plane(1), labels[1])
    labels[:] = 1  # the caller's array is another one
    assert painting.stacks[0].label_plane(1).sum() == 4


def test_a_script_paints_at_its_steps():
    script = [Stroke(0, 0, 0, ((1, 1),), 1), Stroke(3, 2, 1, ((5, 5),), 1)]
    painting = Painting([stack()], script=script)
    painting.begin(0)
    seen = []
    for step in range(5):
        edits, _ = painting.due(step)
        seen.append([(e.slice_index, int(e.values[0, 0])) for e in edits])
        if edits:
            painting.take(edits, step, (0.0,) * len(edits))
    assert seen == [[(0, 1)], [], [], [(2, 2)], []]
    assert painting.is_over


def taken(painting, steps, start=0):
    """What takes effect at which step."""
    painting.begin(start)
    found = {}
    for step in range(start, steps):
        edits, right = painting.due(step)
        if edits:
            found[step] = [(e.box, int(e.values[0, 0])) for e in edits]
            painting.take(edits, step, right or (0.25,) * len(edits))
    return found


SCRIPT = [Stroke(s, 0, s % 2, ((s, 2 * s % 16),), 3) for s in (0, 0, 2, 5, 5, 7)]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 6, 8])
def test_a_resumed_run_takes_every_edit_at_its_step(tmp_path, start):
    through = taken(Painting([stack()], script=SCRIPT), 10)
    first = Painting([stack()], Journal(tmp_path), script=SCRIPT)
    assert taken(first, 8) == {k: v for k, v in through.items() if k < 8}
    labels = np.full((3, 12, 16), 9, np.uint8)  # what the layer holds by now does not matter
    again = Painting([stack(labels=labels)], Journal(tmp_path), script=SCRIPT)
    assert taken(again, 10, start) == {k: v for k, v in through.items() if k > start}
    other = Painting([stack()], script=SCRIPT)
    taken(other, 10)
    assert np.array_equal(again.stacks[0].label_plane(0), other.stacks[0].label_plane(0))


def test_edits_without_an_effect_come_next(tmp_path):
    painting = Painting([stack()], Journal(tmp_path))
    painting.begin(0)
    painting.add(edit(1))
    again = Painting([stack()], Journal(tmp_path))
    again.begin(0)
    assert len(again.due(0)[0]) == 1


def test_a_replay_takes_every_edit_at_its_step(tmp_path):
    first = Painting([stack()], Journal(tmp_path / "a"), script=SCRIPT)
    through = taken(first, 10)
    (tmp_path / "b").mkdir()
    replay = Painting([stack()], Journal(tmp_path / "b"), replayed=Journal(tmp_path / "a"))
    assert taken(replay, 10) == through
    read = Journal(tmp_path / "b")
    kept = [[(e.step, e.edits, e.right) for e in one.effects] for one in (read, first.journal)]
    assert kept[0] == kept[1]
    assert len(read.edits) == len(first.journal.edits)


@pytest.mark.parametrize(
    "wrong",
    [edit(box=(0, 13, 0, 2)), edit(slice_index=3), Edit(1, 0, (0, 1, 0, 1), np.ones((1, 1), "u1"))],
)
def test_an_edit_outside_is_refused(wrong):
    with pytest.raises(InputError, match="painted"):
        Painting([stack()]).add(wrong)


def test_a_value_that_is_no_class_is_refused_before_it_can_end_a_training():
    painting = Painting([stack()])
    with pytest.raises(InputError, match=r"label value 7 .* 1 \(background\), 2 \(foreground\)"):
        painting.add(edit(7))
    painting.add(edit(0))
    assert len(painting.journal.edits) == 1


def test_what_differs_is_the_edit():
    painting = Painting([stack()])
    labels = np.zeros((12, 16), np.int64)
    assert painting.difference(0, 1, labels) is None
    labels[3, 4], labels[6, 9] = 1, 2
    found = painting.difference(0, 1, labels)
    assert (found.box, found.values.dtype) == ((3, 7, 4, 10), np.uint8)
    assert np.array_equal(found.values, labels[3:7, 4:10])
    assert painting.difference(0, 1, labels[4:], (4, 0)).box == (6, 7, 9, 10)
    painting.add(found)
    assert painting.difference(0, 1, labels) is None
    labels[3, 4] = 0  # undone
    assert painting.difference(0, 1, labels).box == (3, 4, 4, 5)
    assert painting.wait(0)
    assert not painting.wait(0)


@pytest.mark.parametrize(("axes", "shape"), [("zyx", (3, 12, 16)), ("tczyx", (2, 2, 3, 12, 16))])
def test_all_that_was_painted_has_the_axes_of_the_stack(axes, shape):
    painting = Painting([stack(axes, shape)], script=[Stroke(0, 1, 1, ((5, 5),), 3)])
    painting.begin(0)
    painting.due(0)
    painting.add(edit(2, slice_index=2))
    whole = painting.whole(0)
    assert whole.shape == tuple(n for n, a in zip(shape, axes) if a != "c")
    planes = whole.reshape(-1, 12, 16)
    assert planes[1, 5, 5] == 2  # of the script
    assert np.count_nonzero(planes[1]) == 9
    assert (planes[2, 2:4, 3:6] == 2).all()  # by hand, not yet in effect
    assert not painting.stacks[0].label_plane(2).any()
    whole[:] = 0
    assert painting.drawn(0, 2).any()


def test_an_id_of_no_class_is_refused_before_it_is_kept(tmp_path):
    """Training would end with it, every time it goes on."""
    numbered = LabelScheme("objects", "sparse", (1, 1000, 2000))
    labels = np.zeros((3, 12, 16), np.uint16)
    image = Stack("painted", np.zeros((3, 12, 16), np.uint8), "zyx", labels=labels, scheme=numbered)
    painting = Painting([image], Journal(tmp_path))
    values = np.full((2, 3), 1001, np.uint16)
    painting.add(Edit(0, 0, (2, 4, 3, 6), values))
    with pytest.raises(InputError, match=r"must be 1000 .* or more, got 7"):
        painting.add(Edit(0, 0, (2, 4, 3, 6), np.full_like(values, 7)))
    assert len(Journal(tmp_path).edits) == 1


def test_labels_that_are_there_are_saved_when_training_begins_not_before(tmp_path):
    labels = np.zeros((3, 12, 16), np.uint8)
    labels[0, 2:4] = 1
    painting = Painting([stack(labels=labels)], Journal(tmp_path))
    assert not [*tmp_path.iterdir()]
    painting.begin(0)
    assert len(Journal(tmp_path).edits) == 1


def test_labels_of_no_class_leave_no_file_behind(tmp_path):
    with pytest.raises(InputError, match="label value 3 was painted"):
        Painting([stack(labels=np.full((3, 12, 16), 3, np.uint8))], Journal(tmp_path))
    assert not [*tmp_path.iterdir()]
