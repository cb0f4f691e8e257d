"""Distances to the nearest and the second nearest object, exact up to a reach.

Squared distances are found axis by axis, as in every exact Euclidean distance transform, but each
step keeps the nearest *two different* objects. So one pass over the image replaces one transform
per object, and the cost depends on pixels and reach, not on the number of objects.

Along a row, the nearest object to the left is a running maximum of (position, id); where the id
changes, the position before the change is the second nearest. Across rows, every candidate within
the reach is compared: d²(y, x) = min over dy of dy² + g²(y + dy, x), where g is the distance
within the row. The second nearest object of a pixel is, in whichever row it is met, one of the two
nearest there: any third would be nearer to the pixel than it.

Work is cut into blocks that fit the processor's cache; each block sees everything within reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Block", "two_nearest"]

BLOCK = (512, 256)  # rows, columns; int16 planes of it lie in the second-level cache


class Block(NamedTuple):
    """Squared distances of the pixels ``[rows, cols]`` of a plane; inf beyond the reach."""

    rows: slice
    cols: slice
    nearest: NDArray[np.float32]  # (h, w) px², 0 inside objects
    second: NDArray[np.float32]  # (h, w) px²; inf also where the nearest is


class _Line(NamedTuple):
    """Per pixel, the nearest two objects within its own row; shape (h + halo, w)."""

    labels: NDArray[Any]  # id of the nearest, 0 if none within reach
    nearest: NDArray[Any]  # squared distance, capped at far
    second: NDArray[Any]  # squared distance to the nearest of any other object, capped at far


def two_nearest(objects: NDArray[Any], reach: int, second_reach: int) -> Iterator[Block]:
    """Yield, block by block, the distances to the nearest two objects of each pixel.

    The distance to an object is that to the centre of its nearest pixel: 0 inside it, 1 beside it.

    Parameters
    ----------
    objects
        (Y, X) integer ids, 0 = background, none negative.
    reach, second_reach
        Pixels up to which the nearest and the second nearest object are found.

    Yields
    ------
    Block
        Blocks that tile the plane.
    """
    labels = objects.astype(np.int16 if objects.max(initial=0) <= 2**15 - 1 else np.int32)
    height, width = labels.shape
    halo = max(reach, second_reach)
    for y in range(0, height, BLOCK[0]):
        rows = slice(y, min(y + BLOCK[0], height))
        for x in range(0, width, BLOCK[1]):
            cols = slice(x, min(x + BLOCK[1], width))
            seen_rows, seen_cols = (
                slice(max(0, s.start - halo), s.stop + halo) for s in (rows, cols)
            )
            seen = labels[seen_rows, seen_cols]
            if not seen.any():
                nothing = np.full((rows.stop - y, cols.stop - x), np.inf, np.float32)
                yield Block(rows, cols, nothing, nothing)
                continue
            line = _along_rows(seen, halo)
            inner = slice(cols.start - seen_cols.start, cols.stop - seen_cols.start)
            line = _Line(*(np.ascontiguousarray(part[:, inner]) for part in line))
            here = slice(rows.start - seen_rows.start, rows.stop - seen_rows.start)
            ids, squared = _nearest_across(line, here, reach)
            nearest = _finite(squared, reach)
            second = _finite(_second_across(line, here, second_reach, ids), second_reach)
            np.copyto(second, np.inf, where=nearest == np.inf)
            yield Block(rows, cols, nearest, second)


def _finite(squared: NDArray[Any], reach: int) -> NDArray[np.float32]:
    distances = squared.astype(np.float32)
    np.copyto(distances, np.inf, where=squared > reach * reach)
    return distances


def _along_rows(labels: NDArray[Any], reach: int) -> _Line:
    left, right = _before(labels, reach), _before(np.ascontiguousarray(labels[:, ::-1]), reach)
    right = _Line(*(np.ascontiguousarray(part[:, ::-1]) for part in right))
    ids = np.where(left.nearest <= right.nearest, left.labels, right.labels)
    # If the two sides differ, the farther of the two nearest is a candidate for the second.
    farther = np.maximum(left.nearest, right.nearest)
    np.copyto(farther, reach + 1, where=left.labels == right.labels)
    nearest = np.minimum(left.nearest, right.nearest)
    second = np.minimum(np.minimum(left.second, right.second), farther)
    far = reach * reach + 1  # the cap; the largest number ever held is far + reach²
    dtype = np.int16 if far + reach * reach < 2**15 else np.int32
    return _Line(ids, *(np.minimum(g.astype(dtype) ** 2, dtype(far)) for g in (nearest, second)))


def _before(labels: NDArray[Any], reach: int) -> _Line:
    """Return the nearest two objects at or before each pixel of its row; distances not squared."""
    bits = int(labels.max(initial=0)).bit_length()
    positions: NDArray[Any] = np.arange(labels.shape[1]) + reach + 2  # key 0, none, is out of reach
    key = np.int32 if int(positions[-1]).bit_length() + bits <= 31 else np.int64
    positions = positions.astype(key)
    mask = key((1 << bits) - 1)
    # Keys compare by position and carry the id, so a running maximum is the last object met.
    first = np.maximum.accumulate((labels > 0) * ((positions << bits) | labels), axis=1)
    previous = np.zeros_like(first)
    previous[:, 1:] = first[:, :-1]
    changed = ((first ^ previous) & mask) != 0
    second = np.maximum.accumulate(changed * previous, axis=1)

    def distance(keys: NDArray[Any]) -> NDArray[np.int16]:
        steps = np.minimum(positions - (keys >> bits), reach + 1)
        return np.asarray(steps, np.int16)

    return _Line((first & mask).astype(labels.dtype), distance(first), distance(second))


def _rows_at(here: slice, step: int, height: int) -> tuple[slice, slice]:
    """Return which rows of ``here`` have a row ``step`` below them, and those rows."""
    start, stop = max(here.start + step, 0), min(here.stop + step, height)
    stop = max(start, stop)
    return slice(start - step - here.start, stop - step - here.start), slice(start, stop)


def _nearest_across(line: _Line, here: slice, reach: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return id and squared distance of the nearest object, from all rows within reach."""
    bits = int(line.labels.max(initial=0)).bit_length()
    largest = int(line.nearest.max(initial=0)) + reach * reach
    key: Any = np.int32 if largest.bit_length() + bits <= 31 else np.int64
    keys = (line.nearest.astype(key) << bits) | line.labels  # compares by distance, carries the id
    best = keys[here].copy()
    candidate = np.empty_like(best)
    for step in range(1, reach + 1):
        for signed in (-step, step):
            out, source = _rows_at(here, signed, len(keys))
            np.add(keys[source], key(step * step << bits), out=candidate[out])
            np.minimum(best[out], candidate[out], out=best[out])
    ids = (best & key((1 << bits) - 1)).astype(line.labels.dtype)
    return ids, best >> bits


def _second_across(line: _Line, here: slice, reach: int, ids: NDArray[Any]) -> NDArray[Any]:
    """Return the squared distance of the nearest object that is not the one in ``ids``."""
    excess = line.second - line.nearest  # what it costs where the nearest is the excluded one
    number = line.nearest.dtype.type
    best = np.full_like(line.nearest[here], np.iinfo(number).max)
    candidate = np.empty_like(best)
    excluded = np.empty(best.shape, bool)
    for step in range(-reach, reach + 1):
        out, source = _rows_at(here, step, len(line.nearest))
        np.equal(line.labels[source], ids[out], out=excluded[out])
        np.multiply(excluded[out], excess[source], out=candidate[out])
        np.add(candidate[out], line.nearest[source], out=candidate[out])
        np.add(candidate[out], number(step * step), out=candidate[out])
        np.minimum(best[out], candidate[out], out=best[out])
    return best
