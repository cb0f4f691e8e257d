"""Ids through a made-up scene with a merger, a split and a gap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics import adapted_rand, ctc_tra
from napari_unet.prediction.linking import Linker, Linking, linked, linked_stack


def plane(*objects: tuple[int, int, int]) -> np.ndarray:
    """One row of 40 pixels; of each object its id, first and last pixel."""
    row = np.zeros((1, 40), int)
    for number, first, last in objects:
        row[0, first : last + 1] = number
    return row


def ids(planes: list[np.ndarray], **options: object) -> list[list[int]]:
    return [np.unique(p[p > 0]).tolist() for p in linked(planes, Linking(**options))]


def at(planes: list[np.ndarray], pixel: int, **options: object) -> list[int]:
    return [int(p[0, pixel]) for p in linked(planes, Linking(**options))]


def test_objects_that_move_keep_their_ids() -> None:
    planes = [plane((1, k, k + 9), (2, 20 + k, 29 + k)) for k in range(0, 9, 2)]
    planes = [np.where(p > 0, (k + 1) * 7 - p, 0) for k, p in enumerate(planes)]  # other names
    assert ids(planes) == [[1, 2]] * 5
    assert at(planes, 9) == [at(planes, 9)[0]] * 5


def test_too_little_overlap_is_another_object() -> None:
    planes = [plane((1, 0, 9)), plane((1, 6, 15))]
    assert ids(planes) == [[1], [2]]
    assert ids(planes, overlap=0.4) == [[1], [1]]


def test_half_of_the_smaller_is_enough() -> None:
    assert ids([plane((1, 0, 9)), plane((1, 5, 18))]) == [[1], [1]]
    assert ids([plane((1, 0, 8)), plane((1, 5, 18))]) == [[1], [2]]
    # All of it, where all is asked for.
    assert ids([plane((1, 0, 9)), plane((1, 2, 5))], overlap=1) == [[1], [1]]
    assert ids([plane((1, 0, 9)), plane((1, 7, 10))], overlap=1) == [[1], [2]]


def test_ids_begin_anew_in_every_volume() -> None:
    linker = Linker(Linking(divisions=True))
    apart = plane((1, 0, 14), (2, 16, 30))
    assert linker.next(plane((5, 0, 30)), (0,)).max() == 1
    assert linker.next(apart, (0,)).max() == 3
    assert linker.parents == {2: 1, 3: 1}
    other = linker.next(apart, (1,))
    assert np.unique(other).tolist() == [0, 1, 2]
    assert linker.parents == {}
    np.testing.assert_array_equal(linker.next(apart, (1,)), other)


def test_a_stack_of_volumes() -> None:
    """(t, z, y, x): objects of each time are linked through z, and no farther."""
    one, two = plane((4, 0, 9)), plane((7, 2, 11))
    stack = np.stack([[one, two, two], [two, plane((3, 30, 39)), one]])
    assert stack.shape == (2, 3, 1, 40)
    found = linked_stack(stack)
    assert found.shape == stack.shape
    assert [[int(p.max()) for p in volume] for volume in found] == [[1, 1, 1], [1, 2, 1]]
    np.testing.assert_array_equal(linked_stack(stack[1]), found[1])
    with pytest.raises(InputError, match=r"one only, of shape \(1, 40\)"):
        linked_stack(one)


def test_a_shrinking_object_is_the_same() -> None:
    # Slices far apart: the cap of a cell is small, and lies in what is below.
    assert ids([plane((1, 0, 19)), plane((1, 8, 11))]) == [[1], [1]]


def test_a_gap_of_one_slice() -> None:
    planes = [plane((1, 0, 9), (2, 20, 29)), plane((1, 20, 29)), plane((1, 0, 9), (2, 20, 29))]
    assert at(planes, 5) == [1, 0, 1]
    assert at(planes, 25) == [2, 2, 2]
    assert at(planes, 5, gap=0) == [1, 0, 3]
    twice = [planes[0], planes[1], planes[1], planes[2]]
    assert at(twice, 5) == [1, 0, 0, 3]
    assert at(twice, 5, gap=2) == [1, 0, 0, 1]


def test_one_false_merger_does_not_swallow_the_stack() -> None:
    apart, merged = plane((1, 0, 9), (2, 11, 30)), plane((1, 0, 30))
    planes = [apart, apart, merged, apart, apart]
    assert at(planes, 5) == [1, 1, 2, 1, 1]
    assert at(planes, 25) == [2] * 5
    planes = [apart] * 4 + [merged] + [apart] * 4
    stack = np.stack([apart] * 9)
    found = np.stack(list(linked(planes)))
    assert adapted_rand(found, stack).f_score > 0.9
    # Joined by overlap alone all of it would be one object.
    assert adapted_rand(np.where(found > 0, 1, 0), stack).f_score < 0.75


def test_a_merger_at_the_end_keeps_one_id() -> None:
    planes = [plane((1, 0, 9), (2, 11, 30)), plane((1, 0, 30)), plane((1, 0, 30))]
    assert ids(planes) == [[1, 2], [2], [2]]


def test_a_split_goes_on_as_the_greater_part() -> None:
    planes = [plane((1, 0, 30)), plane((1, 0, 9), (2, 11, 30))]
    assert [int(p[0, 25]) for p in linked(planes)] == [1, 1]
    assert [int(p[0, 5]) for p in linked(planes)] == [1, 2]


def test_a_division_makes_two_daughters() -> None:
    planes = [plane((1, 0, 30)), plane((1, 0, 14), (2, 16, 30)), plane((1, 0, 14), (2, 16, 30))]
    linker = Linker(Linking(divisions=True))
    found = [linker.next(p) for p in planes]
    assert linker.parents == {2: 1, 3: 1}
    assert [np.unique(p[p > 0]).tolist() for p in found] == [[1], [2, 3], [2, 3]]
    truth = [planes[0], planes[1] + (planes[1] > 0), planes[2] + (planes[2] > 0)]
    assert ctc_tra(found, truth, linker.parents, {2: 1, 3: 1}) == 1


def test_a_mother_is_gone() -> None:
    planes = [plane((1, 0, 30)), plane((1, 0, 14), (2, 16, 30)), plane((1, 0, 30))]
    found = list(linked(planes, Linking(divisions=True)))
    assert found[2].max() in (2, 3)  # not 1, which has divided


scenes = arrays(np.int16, (4, 3, 8), elements=st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(scenes, st.booleans())
def test_every_slice_keeps_its_objects(scene: np.ndarray, divisions: bool) -> None:
    """Ids are renamed, never joined or cut, and each is one object of a slice."""
    for before, after in zip(scene, linked(scene, Linking(divisions=divisions))):
        np.testing.assert_array_equal(before > 0, after > 0)
        pairs = set(zip(before.flat, after.flat))
        assert len(pairs) == len(np.unique(before)) == len(np.unique(after))


@settings(max_examples=40, deadline=None)
@given(scenes)
def test_names_do_not_matter(scene: np.ndarray) -> None:
    """Up to the order in which equals are taken: as many ids, and the same where all differ."""
    doubled = np.where(scene > 0, scene * 11, 0)
    for a, b in zip(linked(scene), linked(doubled)):
        np.testing.assert_array_equal(a, b)


def test_many_objects_take_little_time() -> None:
    side, cell = 1000, 10
    y, x = np.ogrid[:side, :side]
    many = np.where((y % cell > 1) & (x % cell > 1), 1 + y // cell * 100 + x // cell, 0)
    *_, last = linked([many, many[::-1], many])
    assert last.max() == 10_000


@pytest.mark.parametrize(("name", "value"), [("overlap", 0), ("overlap", 1.5), ("gap", -1)])
def test_unusable_settings(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        Linking(**{name: value})
