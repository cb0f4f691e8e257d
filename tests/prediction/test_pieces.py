"""Pieces of a prediction put together: bands of rows, planes and arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.images.stack import Stack
from napari_unet.prediction.pieces import Piece, bands, collect, extent_of, whole_planes


def piece(i, rows, cols, values, note=""):
    return Piece((i,), i, slice(*rows), slice(*cols), np.asarray(values), 1, 4, 0.0, note)


def cut(i, plane, extent, tile):
    """Cut the extent of a plane (K, Y, X) into tiles, row by row."""
    y0, y1, x0, x1 = extent
    for y in range(y0, y1, tile):
        for x in range(x0, x1, tile):
            rows, cols = (y, min(y + tile, y1)), (x, min(x + tile, x1))
            yield piece(i, rows, cols, plane[..., slice(*rows), slice(*cols)])


def full(pieces):
    return [p for p in pieces if p.values.size]


def test_tiles_of_a_row_become_a_band():
    left, right = piece(0, (0, 2), (0, 1), [[1], [2]]), piece(0, (0, 2), (1, 3), [[3, 4], [5, 6]])
    first, band = bands([left, right], (0, 2, 0, 3))
    assert first.values.size == 0
    assert band.values.tolist() == [[1, 3, 4], [2, 5, 6]]
    assert (band.rows, band.cols) == (slice(0, 2), slice(0, 3))


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)), tile=st.integers(1, 45), data=st.data()
)
@settings(deadline=None, max_examples=60)
def test_bands_and_planes_hold_every_pixel_once_in_its_place(shape, tile, data):
    y0, x0 = (data.draw(st.integers(0, n - 1)) for n in shape)
    extent = (y0, data.draw(st.integers(y0 + 1, shape[0])),
              x0, data.draw(st.integers(x0 + 1, shape[1])))  # fmt: skip
    planes = np.random.default_rng(tile).random((2, 3, *shape), np.float32)
    part = planes[:, :, extent[0] : extent[1], extent[2] : extent[3]]

    def tiles():
        return (p for i in range(2) for p in cut(i, planes[i], extent, tile))

    rows = full(bands(tiles(), extent))
    for i in range(2):
        mine = [band for band in rows if band.slice_index == i]
        np.testing.assert_array_equal(np.concatenate([b.values for b in mine], axis=-2), part[i])
        assert [n for b in mine for n in range(b.rows.start, b.rows.stop)] == list(
            range(*extent[:2])
        )
    found = full(whole_planes(tiles(), extent, lambda values: values[1]))
    np.testing.assert_array_equal([p.values for p in found], part[:, 1])
    stack = Stack("s", np.zeros((2, *shape), np.uint8), "zyx")
    whole = collect(tiles(), stack, region=extent, channels=(3,))
    np.testing.assert_array_equal(whole, part)
    assert whole.base is None or whole.base.size == whole.size


def test_every_tile_tells_how_far_it_is():
    extent = (0, 9, 0, 9)
    tiles = list(cut(0, np.zeros((1, 9, 9)), extent, 4))
    assert len(list(bands(tiles, extent))) == len(tiles)
    assert len(list(whole_planes(tiles, extent, lambda values: values))) == len(tiles)


def test_a_slice_begun_anew_with_smaller_tiles_comes_once():
    """Memory ends in the second row of tiles: smaller ones begin again at the top."""
    extent, plane = (0, 8, 0, 8), np.arange(64).reshape(1, 8, 8)
    tiles = list(cut(0, plane, extent, 4))[:3] + list(cut(0, plane, extent, 3))
    found = full(bands(tiles, extent))
    np.testing.assert_array_equal(np.concatenate([b.values for b in found], axis=-2), plane)
    (whole,) = full(whole_planes(tiles, extent, lambda values: values))
    np.testing.assert_array_equal(whole.values, plane)


def test_a_note_in_the_middle_of_a_slice_mixes_no_slices():
    def half(i, below, value, note=""):
        rows = (2, 4) if below else (0, 2)
        return piece(i, rows, (0, 3), np.full((2, 2, 3), value, np.float32), note)

    tiles = [half(0, 0, 1.0), half(0, 1, 2.0, "smaller tiles"), half(1, 0, 3.0), half(1, 1, 4.0)]
    found = full(whole_planes(tiles, (0, 4, 0, 3), lambda values: values))
    assert [p.values[0, :, 0].tolist() for p in found] == [[1, 1, 2, 2], [3, 3, 4, 4]]
    assert [p.note for p in bands(tiles, (0, 4, 0, 3))] == ["", "smaller tiles", "", ""]


def test_chosen_slices_have_one_leading_axis():
    stack = Stack("s", np.zeros((2, 3, 4, 5), np.uint8), "tzyx")
    pieces = [piece(i, (0, 4), (0, 5), np.full((4, 5), i)) for i in (4, 1)]
    found = collect(pieces, stack, slices=(1, 4), dtype=np.uint8)
    assert found.shape == (2, 4, 5)
    assert found[:, 0, 0].tolist() == [1, 4]
    assert extent_of(stack) == (0, 4, 0, 5)


@pytest.mark.parametrize("region", [None, (1, 3, 0, 2)])
def test_extent_is_the_region_or_the_plane(region):
    stack = Stack("s", np.zeros((4, 5), np.uint8), "yx")
    assert extent_of(stack, region) == (region or (0, 4, 0, 5))
