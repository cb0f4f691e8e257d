"""What separates touching objects, by hand and against one transform per object."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from napari_unet.annotation.object_distance import cut_objects, distance_share, object_maps
from napari_unet.base.errors import InputError

planes = arrays(
    np.int32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 1, 2, 7, 2**30]),
)


def test_a_square_by_hand() -> None:
    plane = np.zeros((7, 7), np.uint16)
    plane[1:6, 1:6] = 9
    share = distance_share(plane)
    rim, inner = 1 / 3, 2 / 3
    assert share.dtype == np.float32
    np.testing.assert_allclose(share[3], [0, rim, inner, 1, inner, rim, 0])
    np.testing.assert_allclose(share[1], [0, rim, rim, rim, rim, rim, 0])


def test_touching_objects_have_a_border_between_them() -> None:
    row = np.array([[0, 1, 1, 1, 2, 2, 2, 0]] * 9)
    # Far from the ends of the columns, distances are those along a row.
    np.testing.assert_allclose(distance_share(row)[4], [0, 0.5, 1, 0.5, 0.5, 1, 0.5, 0])


def test_one_pixel_and_a_bridge_of_one_pixel() -> None:
    assert distance_share(np.array([[0, 3, 0]])).tolist() == [[0, 1, 0]]
    discs = np.zeros((9, 20), int)
    discs[1:8, 1:8] = discs[1:8, 12:19] = discs[4, 8:12] = 1
    share = distance_share(discs)
    np.testing.assert_allclose(share[4, 8:12], 1 / 4)  # the bridge is no wider than a rim
    assert share[4, 4] == share[4, 15] == 1


def test_the_border_of_the_plane_is_no_border_of_an_object() -> None:
    # Half of a square that is mirrored at the left is the whole square.
    whole = np.zeros((9, 13), int)
    whole[2:7, 2:11] = 1
    np.testing.assert_array_equal(distance_share(whole[:, 6:]), distance_share(whole)[:, 6:])
    assert (distance_share(np.ones((3, 4), int)) == 1).all()


def test_what_is_not_known() -> None:
    objects = np.array([[0, 0, 5, 5, 5, 0]])
    known = np.array([[0, 1, 1, 1, 1, 0]], bool)
    share = distance_share(objects, known)
    assert np.isnan(share[~known]).all()
    # The object is painted completely, so unknown pixels beside it change nothing.
    np.testing.assert_array_equal(share[known], distance_share(objects)[known])


def test_closeness_of_the_neighbour() -> None:
    (near,) = object_maps(np.array([[0, 1, 1, 1, 2, 2, 0, 0, 0]]), ("neighbour",))
    np.testing.assert_allclose(near, [[0, 0, 1 / 8, 1, 1, 0, 0, 0, 0]])
    (alone,) = object_maps(np.array([[0, 1, 1, 0, 0, 0, 0, 0, 0, 2]]), ("neighbour",))
    assert alone[0, 1] == alone[0, 2] == 0


def test_interior_leaves_two_pixels_of_rim() -> None:
    plane = np.zeros((9, 9), int)
    plane[1:8, 1:8] = 4
    (inner,) = object_maps(plane, ("interior",))
    expected = np.zeros((9, 9))
    expected[3:6, 3:6] = 1
    np.testing.assert_array_equal(inner, expected)


def test_objects_that_go_on_in_a_rectangle() -> None:
    plane = np.array([[1, 0, 2, 2], [1, 9, 9, 2], [0, 9, 9, 0], [3, 0, 0, 4]])
    assert cut_objects(plane, slice(1, 3), slice(1, 3)).tolist() == [1, 2]
    assert cut_objects(plane, slice(0, 4), slice(0, 4)).tolist() == []


@settings(max_examples=60, deadline=None)
@given(planes)
def test_equal_to_all_pairs_of_pixels(plane: np.ndarray) -> None:
    share = distance_share(plane)
    everywhere = np.argwhere(np.ones(plane.shape, bool))
    for number in np.unique(plane[plane > 0]):
        own = np.argwhere(plane == number)
        others = everywhere[(plane != number).ravel()]
        if not len(others):
            assert (share == 1).all()
            continue
        depth = cdist(own, others).min(1)
        np.testing.assert_allclose(share[plane == number], depth / depth.max(), rtol=1e-6)
    assert (share[plane == 0] == 0).all()


@settings(max_examples=30, deadline=None)
@given(planes)
def test_ids_do_not_matter(plane: np.ndarray) -> None:
    numbers = np.unique(plane, return_inverse=True)[1].reshape(plane.shape)
    renamed = np.where(plane > 0, 5000 - numbers, 0)
    kinds = ("distance", "neighbour", "interior")
    np.testing.assert_array_equal(object_maps(plane, kinds), object_maps(renamed, kinds))


@pytest.mark.parametrize(
    ("objects", "kinds", "message"),
    [
        (np.zeros((2, 3, 4), int), ("distance",), r"plane \(Y, X\)"),
        (np.zeros((3, 4)), ("distance",), "whole numbers"),
        (np.zeros((3, 4), int), ("depth",), "one of distance"),
    ],
)
def test_unusable_input(objects: np.ndarray, kinds: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        object_maps(objects, kinds)


def test_ten_thousand_objects_take_seconds() -> None:
    side, cell = 4096, 40
    y, x = np.ogrid[:side, :side]
    inside = np.hypot(y % cell - cell / 2, x % cell - cell / 2) < 18
    plane = np.where(inside, 1 + (y // cell) * (side // cell + 1) + x // cell, 0)
    begun = time.process_time()
    distance_share(plane)
    assert time.process_time() - begun < 10
