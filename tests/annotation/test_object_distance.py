"""What separates touching objects, by hand and against one transform per object."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from napari_unet.annotation.labels import Target
from napari_unet.annotation.object_distance import distance_share, maps_of_window, object_maps
from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

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


def _reader(objects: np.ndarray) -> Callable[[slice, slice], Target]:
    def read(rows: slice, cols: slice) -> Target:
        part = objects[rows, cols].astype(np.int32)
        return Target((part > 0).astype(np.uint8), part, np.ones(part.shape, bool))

    return read


def test_a_window_has_the_distances_of_the_plane() -> None:
    y, x = np.ogrid[:300, :400]
    plane = (np.hypot(y - 150, x - 200) < 120) + 2 * (np.hypot(y - 40, x - 40) < 20)
    whole = object_maps(plane, ("distance", "interior"))
    window = slice(100, 160), slice(190, 260)  # all of it inside the large disc
    part = maps_of_window(_reader(plane), ("distance", "interior"), window, plane.shape)
    np.testing.assert_array_equal(part, whole[:, *window])


def test_an_object_too_large_to_be_seen_whole_is_not_known() -> None:
    plane = np.ones((4, 5000), int)
    window = slice(0, 4), slice(2000, 2010)
    assert np.isnan(maps_of_window(_reader(plane), ("distance",), window, plane.shape)).all()
    everything = slice(0, 4), slice(0, 5000)
    assert (maps_of_window(_reader(plane), ("distance",), everything, plane.shape) == 1).all()


def test_an_object_that_goes_on_in_the_hidden_region_is_not_known() -> None:
    plane = np.zeros((6, 12), int)
    plane[1:4, 1:5], plane[1:4, 9:11] = 1, 2
    plane[2:6, 5:8] = 0  # what the region hides
    everything = slice(0, 6), slice(0, 12)
    read = _reader(plane)
    (share,) = maps_of_window(read, ("distance",), everything, (6, 12), (2, 6, 5, 8))
    np.testing.assert_array_equal(np.isnan(share), plane == 1)
    window = slice(0, 4), slice(3, 12)
    (part,) = maps_of_window(read, ("distance",), window, (6, 12), (2, 6, 5, 8))
    np.testing.assert_array_equal(part, share[window])


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
