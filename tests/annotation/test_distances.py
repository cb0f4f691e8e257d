"""Distances to the nearest and the second nearest object, against one transform per object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet.annotation import distances
from napari_unet.annotation.distances import two_nearest


def of_each_object(objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances by definition: one full distance transform per object."""
    ids = np.unique(objects[objects > 0])
    each = [ndimage.distance_transform_edt(objects != i) for i in ids]
    each += [np.full(objects.shape, np.inf)] * 2
    nearest, second = np.sort(np.stack(each), axis=0)[:2]
    return nearest, second


def whole(objects: np.ndarray, reach: int, second_reach: int) -> tuple[np.ndarray, np.ndarray]:
    nearest, second = (np.full(objects.shape, np.nan) for _ in range(2))
    for block in two_nearest(objects, reach, second_reach):
        assert np.isnan(nearest[block.rows, block.cols]).all()  # blocks do not overlap
        nearest[block.rows, block.cols] = np.sqrt(block.nearest)
        second[block.rows, block.cols] = np.sqrt(block.second)
    return nearest, second


def check(objects: np.ndarray, reach: int, second_reach: int) -> None:
    nearest, second = of_each_object(objects)
    seen = nearest <= reach
    expected = (
        np.where(seen, nearest, np.inf),
        np.where(seen & (second <= second_reach), second, np.inf),
    )
    for ours, theirs in zip(whole(objects, reach, second_reach), expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_by_hand() -> None:
    nearest, second = whole(np.array([[5, 0, 0, 0, 8, 8]]), 9, 9)
    assert nearest.tolist() == [[0, 1, 2, 1, 0, 0]]
    assert second.tolist() == [[4, 3, 2, 3, 4, 5]]


def test_diagonal_by_hand() -> None:
    nearest, second = whole(np.array([[1, 0, 0], [0, 0, 0], [0, 0, 2]]), 9, 9)
    assert nearest[1, 1] == pytest.approx(2**0.5)
    assert second[1, 1] == pytest.approx(2**0.5)
    assert second[0, 0] == pytest.approx(8**0.5)
    assert nearest[0, 2] == second[0, 2] == 2


@pytest.mark.parametrize("objects", [np.zeros((3, 4), int), np.zeros((0, 4), int)])
def test_no_object(objects: np.ndarray) -> None:
    nearest, second = whole(objects, 5, 5)
    assert np.isinf(nearest).all()
    assert np.isinf(second).all()


def test_one_object_has_no_second() -> None:
    nearest, second = whole(np.array([[3, 0, 3]]), 5, 5)
    assert nearest.tolist() == [[0, 1, 0]]
    assert np.isinf(second).all()


@st.composite
def planes(draw: st.DrawFn) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 50)), draw(st.integers(1, 50))
    objects = np.zeros(shape, np.int64)
    factor = draw(st.sampled_from([1, 1, 3000, 5000, 2**20, 2**28]))  # every width of integers
    for _ in range(draw(st.integers(0, 10))):
        (y, x), (h, w) = rng.integers(0, shape), rng.integers(1, 12, 2)
        objects[y : y + h, x : x + w] = rng.integers(1, 8) * factor
    return objects


@settings(max_examples=80, deadline=None)
@given(planes(), st.integers(0, 40), st.integers(0, 40))
def test_equal_to_one_transform_per_object(objects: np.ndarray, reach: int, second: int) -> None:
    check(objects, reach, second)


@settings(max_examples=10, deadline=None)
@given(planes(), st.integers(100, 400))
def test_equal_at_a_long_reach(objects: np.ndarray, reach: int) -> None:
    check(objects, reach, reach)


@pytest.mark.parametrize("reach", [127, 128, 150, 181, 182])
def test_squares_do_not_overflow(reach: int) -> None:
    objects = np.zeros((400, 3), np.int32)
    objects[0, 0], objects[170, 2] = 1, 2
    check(objects, reach, reach)


@settings(max_examples=30, deadline=None)
@given(planes(), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20))
def test_blocks_leave_no_seam(objects: np.ndarray, reach: int, rows: int, cols: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "BLOCK", (rows, cols))
        check(objects, reach // 2, reach)


@pytest.mark.parametrize("shape", [(1, 700), (1100, 3), (520, 270)])
def test_planes_larger_than_a_block(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    points = rng.random(shape) < 0.003
    check(np.where(points, rng.integers(1, 30, shape), 0), 30, 60)
