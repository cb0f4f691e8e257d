"""Finished parts of a prediction, and how they are put together: to bands of rows, planes, arrays.

The network gives tiles; a file wants rows, objects want planes, a script wants an array. All of
them take the same `Piece`, and what lies between is here.

Legend: K classes, (Y, X) plane, (h, w) piece.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.network.tiles import checked_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack

__all__ = ["Piece", "bands", "collect", "extent_of", "whole_planes"]


@dataclass(frozen=True, eq=False)
class Piece:
    """One finished part of a prediction.

    Attributes
    ----------
    index : tuple of int
        Leading index of the slice in the stack.
    slice_index : int
        The same as one flat index.
    rows, cols : slice
        Where the piece lies in the plane.
    values : ndarray (..., h, w)
        Probabilities (K, h, w) float32 as the network gives them, or what an output makes of
        them: see `napari_unet.prediction.outputs`. Without any pixel where the piece only tells
        how far an output is that needs more of the plane.
    done, total : int
        Tiles of the network finished so far, and in all.
    seconds_left : float
        Estimated from the tiles so far; NaN while nothing can be said.
    note : str
        One sentence when something was changed on the way, such as a smaller
        tile for want of memory; else empty.
    zoom : (float, float)
        How many times as many pixels the network saw along y and x as the image has.
    """

    index: tuple[int, ...]
    slice_index: int
    rows: slice
    cols: slice
    values: NDArray[Any]
    done: int
    total: int
    seconds_left: float
    note: str = ""
    zoom: tuple[float, float] = (1.0, 1.0)

    def with_values(self, values: NDArray[Any], dtype: Any = None) -> Piece:
        """Return the same part with other values, of another dtype where one is given."""
        return replace(self, values=values if dtype is None else values.astype(dtype, copy=False))

    def without_values(self) -> Piece:
        """Return what only tells how far the prediction is."""
        here = slice(self.rows.start, self.rows.start), slice(self.cols.start, self.cols.start)
        return replace(self, rows=here[0], cols=here[1], values=self.values[..., :0, :0])


def extent_of(stack: Stack, region: Region | None = None) -> Region:
    """Return y0, y1, x0, x1 of what is predicted of every slice.

    Raises
    ------
    InputError
        If the region is not there.
    """
    return checked_region(region, stack.plane_shape)


def bands(pieces: Iterable[Piece], extent: Region) -> Iterator[Piece]:
    """Join the pieces of each row of tiles; a plane is never held as a whole.

    Parameters
    ----------
    pieces
        Slice by slice, row by row, as `napari_unet.prediction.predict.predict` yields them.
    extent
        y0, y1, x0, x1 that they cover.

    Yields
    ------
    Piece
        All columns of the extent, rows in order, each once, also where a slice was begun anew
        with smaller tiles. Between them pieces without values, that tell how far it is.
    """
    _, _, x0, x1 = extent
    band: NDArray[Any] | None = None
    place: tuple[int, slice] | None = None
    given: tuple[int, int] = (-1, 0)  # slice, and the first row that was not given yet
    for piece in pieces:
        if piece.slice_index != given[0]:
            given = (piece.slice_index, extent[0])
        if (piece.slice_index, piece.rows) != place:
            place = (piece.slice_index, piece.rows)
            shape = (*piece.values.shape[:-1], x1 - x0)
            band = np.empty(shape, piece.values.dtype)
        assert band is not None
        band[..., piece.cols.start - x0 : piece.cols.stop - x0] = piece.values
        first = given[1]
        if piece.cols.stop < x1 or piece.rows.stop <= first:
            yield piece.without_values()
            continue
        skipped = max(0, first - piece.rows.start)
        rows = slice(piece.rows.start + skipped, piece.rows.stop)
        given = (piece.slice_index, rows.stop)
        yield replace(piece, rows=rows, cols=slice(x0, x1), values=band[..., skipped:, :])
        band = place = None


def whole_planes(
    pieces: Iterable[Piece], extent: Region, keep: Callable[[NDArray[Any]], NDArray[Any]]
) -> Iterator[Piece]:
    """Join the pieces of each slice.

    Parameters
    ----------
    pieces, extent
        As in `bands`.
    keep
        Makes of the values of a piece (..., h, w) what is needed of them, so that no more is
        held.

    Yields
    ------
    Piece
        One with values for every slice; between them pieces without, that tell how far it is.
    """
    y0, y1, _, _ = extent
    parts: list[NDArray[Any]] = []
    for band in bands((piece.with_values(keep(piece.values)) for piece in pieces), extent):
        if band.values.shape[-2]:
            parts.append(band.values)
        if not band.values.shape[-2] or band.rows.stop < y1:
            yield band.without_values()
            continue
        plane = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)
        parts = []
        yield replace(band, rows=slice(y0, y1), values=plane)


def collect(
    pieces: Iterable[Piece],
    stack: Stack,
    *,
    slices: Sequence[int] | None = None,
    region: Region | None = None,
    channels: tuple[int, ...] = (),
    dtype: Any = np.float32,
) -> NDArray[Any]:
    """Put pieces into one array.

    Parameters
    ----------
    pieces
        In any order.
    stack
        What was predicted.
    slices, region
        As given to `napari_unet.prediction.predict.predict`.
    channels
        Leading axes of the values of a piece.
    dtype
        Of the result.

    Returns
    -------
    ndarray, leading axes of the stack + channels + (Y, X)
        With `slices`, one leading axis that counts them; with `region`, only
        its rows and columns.
    """
    chosen = range(stack.n_slices) if slices is None else tuple(slices)
    leading = stack.leading_shape if slices is None else (len(chosen),)
    where: dict[int, list[int]] = {}  # a slice that is asked for twice is there twice
    for n, i in enumerate(chosen):
        where.setdefault(int(i), []).append(n)
    y0, y1, x0, x1 = extent_of(stack, region)
    result: NDArray[Any] = np.empty((len(chosen), *channels, y1 - y0, x1 - x0), dtype)
    for piece in pieces:
        rows = slice(piece.rows.start - y0, piece.rows.stop - y0)
        cols = slice(piece.cols.start - x0, piece.cols.stop - x0)
        result[where[piece.slice_index], ..., rows, cols] = piece.values
    return result.reshape(*leading, *result.shape[1:])
