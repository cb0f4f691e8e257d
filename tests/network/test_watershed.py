"""Seeded watershed: by hand, against scikit-image, and whatever the blocks."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage import segmentation

from napari_unet.network.watershed import watershed, watershed_blocks

OUT = -np.inf

levels = arrays(
    np.float32,
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    elements=st.sampled_from([OUT, OUT, 0.0, 0.1, 0.3, 0.5, 0.6, 0.8, 1.0]),
)


def in_blocks(heights: np.ndarray, block: int, **settings_: float) -> np.ndarray:
    found = np.full(heights.shape, -1, np.int32)
    for window, ids in watershed_blocks(
        lambda rows, cols: heights[rows, cols], heights.shape, block=block, **settings_
    ):
        assert (found[window] == -1).all()
        found[window] = ids
    return found


def test_two_summits_share_the_valley() -> None:
    row = np.array([[0.2, 0.9, 0.4, 0.1, 0.3, 0.8, OUT, 0.7]])
    # 0.1 lies between two passes of the same height: to the left and to the right of it.
    found = watershed(row, seed=0.5)
    assert found[0, [0, 1, 2]].tolist() == [1, 1, 1]
    assert found[0, [4, 5, 6, 7]].tolist() == [2, 2, 0, 3]
    assert found.dtype == np.int32


def test_what_a_pass_above_the_seed_height_joins_is_one_seed() -> None:
    row = np.array([[0.9, 0.6, 0.8, 0.2, 0.7]])
    assert watershed(row, seed=0.5).tolist() == [[1, 1, 1, 1, 2]]
    assert watershed(row, seed=0.65)[0, [0, 2, 4]].tolist() == [1, 2, 3]
    assert watershed(row, seed=0.1).max() == 1


def test_a_hill_below_the_seed_height_joins_over_its_highest_pass() -> None:
    row = np.array([[0.9, 0.1, 0.4, 0.2, 0.8]])
    assert watershed(row, seed=0.5)[0, [0, 2, 4]].tolist() == [1, 2, 2]


def test_what_no_seed_reaches_is_nothing() -> None:
    assert watershed(np.array([[0.4, 0.3, OUT, 0.9]]), seed=0.5).tolist() == [[0, 0, 0, 1]]
    assert watershed(np.array([[OUT, 0.2]]), seed=0.5).max() == 0
    assert watershed(np.full((3, 3), OUT), seed=0.5).max() == 0


def test_corners_do_not_connect() -> None:
    assert watershed(np.array([[0.9, OUT], [OUT, 0.9]]), seed=0.5).tolist() == [[1, 0], [0, 2]]


def test_small_objects_are_left_out_and_numbers_close_up() -> None:
    row = np.array([[0.9, OUT, 0.9, 0.8, OUT, 0.7, 0.9, 0.6]])
    assert watershed(row, 0.5, min_size=2).tolist() == [[0, 0, 1, 1, 0, 2, 2, 2]]


def test_a_valley_parts_what_it_is_deep_enough_for() -> None:
    row = np.array([[0.9, 0.6, 0.8, 0.1, 0.3, 0.2, OUT, 0.15, OUT, 0.5]])
    # 0.8 is 0.2 above the pass to 0.9; 0.3 is 0.2 above the pass to 0.8.
    assert watershed(row, 0.2, valley=0.15).tolist() == [[1, 1, 2, 2, 3, 3, 0, 0, 0, 4]]
    assert watershed(row, 0.2, valley=0.25).tolist() == [[1, 1, 1, 1, 1, 1, 0, 0, 0, 2]]
    # Too low to be an object: it joins over its highest pass, and one alone is nothing.
    assert watershed(row, 0.4, valley=0.15).tolist() == [[1, 1, 2, 2, 2, 2, 0, 0, 0, 3]]
    assert watershed(row, 0.6, valley=0.15)[0, -1] == 0


def test_an_object_may_have_many_summits_none_of_which_is_far_above_the_others() -> None:
    row = np.array([[0.5, 0.4, 0.6, 0.5, 0.7, 0.6, 0.8, 0.1, 0.4, 0.3, 0.45]])
    assert watershed(row, 0.2, valley=0.2).tolist() == [[1] * 8 + [2] * 3]


@settings(max_examples=200, deadline=None)
@given(
    levels,
    st.sampled_from([0.05, 0.4, 0.7]),
    st.sampled_from([0.0, 0.15, 0.25, 0.45]),
    st.integers(0, 4),
    st.integers(1, 15),
)
def test_ids_do_not_depend_on_the_blocks(
    heights: np.ndarray, seed: float, valley: float, min_size: int, block: int
) -> None:
    whole = watershed(heights, seed, min_size, valley)
    found = in_blocks(heights, block, seed=seed, min_size=min_size, valley=valley)
    np.testing.assert_array_equal(found, whole)


def dynamics(heights: np.ndarray, y: int, x: int) -> float:
    """How far down the way from a pixel to anything higher leads, by brute force."""
    for level in np.unique(heights[heights > OUT])[::-1]:
        parts, _ = ndimage.label(heights >= level)
        if parts[y, x] and heights[parts == parts[y, x]].max() > heights[y, x]:
            return float(heights[y, x] - level)
    return np.inf


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2.5, 20.5, 40.5]), st.sampled_from([0.5, 30.5]))
def test_objects_are_the_summits_that_are_far_enough_above_their_passes(
    number: int, valley: float, seed: float
) -> None:
    rng = np.random.default_rng(number)
    heights = rng.permutation(9 * 8).reshape(9, 8).astype(np.float32)
    heights[rng.random(heights.shape) < 0.15] = OUT
    found = watershed(heights, seed, valley=valley)
    summits = [
        (y, x)
        for y, x in np.argwhere(heights > seed)
        if dynamics(heights, y, x) >= valley  # 1 or more: so it is higher than its neighbours
    ]
    assert sorted(found[y, x] for y, x in summits) == list(range(1, found.max() + 1))
    parts, _ = ndimage.label(heights > OUT)
    reached = {int(parts[y, x]) for y, x in summits}
    np.testing.assert_array_equal(found > 0, np.isin(parts, sorted(reached)))
    for one in range(1, found.max() + 1):
        assert ndimage.label(found == one)[1] == 1


def lowest_point_of_the_way(heights: np.ndarray, seed: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the best way from each pixel to any seed, and which seeds it can be, by brute force."""
    seeds, count = ndimage.label(heights > seed)
    lowest = np.full(heights.shape, OUT)
    which = np.zeros((count + 1, *heights.shape), bool)
    for level in np.unique(heights[heights > OUT])[::-1]:
        parts, n = ndimage.label(heights >= level)
        for part in range(1, n + 1):
            inside = parts == part
            new = inside & (lowest == OUT)
            for number in np.unique(seeds[inside])[1 if (seeds[inside] == 0).any() else 0 :]:
                lowest[new] = level
                which[number, new] = True
    return lowest, which


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.6, 0.9]))
def test_every_pixel_goes_to_a_seed_that_is_reached_highest(number: int, seed: float) -> None:
    rng = np.random.default_rng(number)
    heights = rng.permutation(11 * 9).reshape(11, 9) / (11 * 9)
    heights[rng.random(heights.shape) < 0.2] = OUT
    seeds, _ = ndimage.label(heights > seed)
    lowest, which = lowest_point_of_the_way(heights, seed)
    flooded = segmentation.watershed(-heights, seeds, mask=heights > OUT)
    found = watershed(heights, seed)
    of_object = dict(zip(found[seeds > 0].tolist(), seeds[seeds > 0].tolist()))
    np.testing.assert_array_equal(found > 0, lowest > OUT)
    np.testing.assert_array_equal(found > 0, flooded > 0)
    for y, x in np.argwhere(found > 0):
        assert which[of_object[int(found[y, x])], y, x]
        assert which[flooded[y, x], y, x]  # flooding may choose another of the equals


@settings(max_examples=60, deadline=None)
@given(levels, st.sampled_from([0.05, 0.4, 0.7]))
def test_objects_hang_together_and_have_one_seed(heights: np.ndarray, seed: float) -> None:
    found = watershed(heights, seed)
    assert (found[heights == OUT] == 0).all()
    assert (found[heights > seed] > 0).all()
    for number in range(1, found.max() + 1):
        assert ndimage.label(found == number)[1] == 1
        assert ndimage.label((found == number) & (heights > seed))[1] == 1
    begins = [np.flatnonzero(found == number)[0] for number in range(1, found.max() + 1)]
    assert begins == sorted(begins)


def cells(side: int, pitch: int) -> np.ndarray:
    """Touching squares, each a hill with some noise."""
    at = np.abs(np.arange(side) % pitch - (pitch - 1) / 2)
    share = 1 - np.maximum(at[:, None], at) / (pitch / 2)
    noise = np.random.default_rng(0).normal(0, 0.3, (side, side)).astype(np.float32)
    return (share + ndimage.gaussian_filter(noise, 2)).astype(np.float32)


@pytest.mark.parametrize("how", [{"seed": 0.5}, {"seed": 0.2, "valley": 0.2}])
def test_ten_thousand_objects_take_seconds(how) -> None:
    heights = cells(4096, 41)
    heights[heights < 0.02] = OUT
    begun = time.process_time()
    found = watershed(heights, min_size=200, **how)
    assert time.process_time() - begun < 10
    assert found.max() == 100 * 100


@pytest.mark.parametrize("block", [1024, 700])
def test_a_large_plane_in_blocks(block: int) -> None:
    heights = cells(2048, 37)
    whole = watershed(heights, 0.5)
    np.testing.assert_array_equal(in_blocks(heights, block, seed=0.5), whole)
