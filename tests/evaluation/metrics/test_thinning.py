from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from napari_unet.evaluation.metrics.challenge import components
from napari_unet.evaluation.metrics.thinning import thin


def thin_pixel_by_pixel(binary):
    """The flood with an ordinary queue: one pixel after the other."""
    if not binary.any():
        return np.ones(binary.shape, int)
    height, width = binary.shape
    basins = np.where(binary, components(binary), -1).tolist()
    distance = np.where(binary, 0, -1).tolist()

    def neighbours(y, x):
        for i, j in ((y, x - 1), (y - 1, x), (y + 1, x), (y, x + 1)):
            if 0 <= i < height and 0 <= j < width:
                yield i, j

    queue = deque()
    for x in range(width):
        for y in range(height):
            if not binary[y, x] and any(binary[q] for q in neighbours(y, x)):
                distance[y][x] = 1
                queue.append((y, x))
    while queue:
        y, x = queue.popleft()
        labels = {basins[i][j] for i, j in neighbours(y, x) if basins[i][j] > 0}
        basins[y][x] = labels.pop() if len(labels) == 1 else 0
        for i, j in neighbours(y, x):
            if distance[i][j] < 0:
                distance[i][j] = distance[y][x] + 1
                queue.append((i, j))
    return np.array(basins)


def test_one_line_is_left_between_two_cells():
    assert thin(np.array([[1, 0, 0, 0, 1]]) > 0).tolist() == [[1, 1, 0, 2, 2]]
    # Of an even gap the first pixel in the queue, the left one, joins; the other becomes line.
    assert thin(np.array([[1, 0, 0, 1]]) > 0).tolist() == [[1, 1, 0, 2]]


def test_the_queue_starts_column_by_column():
    # The lower left pixel of the gap comes before the upper right one.
    binary = np.array([[1, 0, 0], [0, 0, 1]]) > 0
    assert thin(binary).tolist() == [[1, 1, 0], [1, 0, 2]]


def test_holes_and_dead_ends_are_filled():
    ring = np.ones((5, 5), bool)
    ring[2, 2] = ring[0, 2] = False
    assert (thin(ring) == 1).all()


def test_without_cells_all_is_one_basin():
    assert (thin(np.zeros((3, 4), bool)) == 1).all()
    assert (thin(np.ones((3, 4), bool)) == 1).all()


planes = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


@settings(max_examples=150, deadline=None)
@given(planes)
def test_equals_the_flood_pixel_by_pixel(binary):
    np.testing.assert_array_equal(thin(binary), thin_pixel_by_pixel(binary))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_equals_the_flood_pixel_by_pixel_on_a_large_plane(share):
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((90, 70)), 2)
    binary = smooth > np.quantile(smooth, 1 - share)
    np.testing.assert_array_equal(thin(binary), thin_pixel_by_pixel(binary))


@settings(max_examples=80, deadline=None)
@given(planes)
def test_basins_are_the_cells_grown_and_stay_apart(binary):
    basins = thin(binary)
    if binary.any():
        np.testing.assert_array_equal(basins[binary], components(binary)[binary])
    # 4-connected components of what is no line are the basins themselves.
    grown = components(basins > 0)
    pairs = np.unique(np.stack([grown.ravel(), basins.ravel()]), axis=1)
    assert len(pairs[0]) == len(set(pairs[0].tolist())) == len(set(pairs[1].tolist()))
