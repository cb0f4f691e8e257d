"""Seeded watershed of a plane of any size, block by block, whatever the blocks.

Flooding from the seeds downwards gives every pixel to the seed from which a way leads to it that
stays highest. That needs no queue over all pixels:

1. Every pixel points to the highest of its four neighbours and itself (of equals to the last one,
   row by row). Pixels that lead to the same summit are a *hill*.
2. Where two hills touch there is a *pass*; its height is that of the lower of two touching pixels,
   the greatest of all such pairs.
3. Hills that are no object of their own are joined to a neighbour over their highest pass, and what
   they become is asked again (Borůvka's way to a spanning forest; with the passes in one fixed
   order, the same as opening them one by one from the highest down). That is a hill not higher than
   the seed height, and one that a *valley* too shallow parts from its neighbour: the dynamics of
   its summit, its height above its highest pass. Without a least valley it is one whose highest
   pass is above the seed height. What is then not higher than the seed height is nothing.

Steps 1 and 2 look no farther than the next pixel, so blocks, each read with one pixel around it,
make the same hills and passes as the whole plane.

Cousty, Bertrand, Najman, Couprie, Watershed cuts: minimum spanning forests and the drop of water
principle, IEEE TPAMI 31 (2009), doi:10.1109/TPAMI.2008.173. Dynamics: Grimaud, A new measure of
contrast: the dynamics, Proc. SPIE 1769 (1992), doi:10.1117/12.60650.

Legend: (Y, X) plane, (h, w) block, n hills of a block. A *place* is the index y·X + x of a pixel
of the plane; a hill is called by the place of its summit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["BLOCK", "Window", "watershed", "watershed_blocks"]

BLOCK = 4096  # px, side of a block; its arrays take about 0.5 GB


class Window(NamedTuple):
    """Rows and columns of a plane."""

    rows: slice
    cols: slice


@dataclass(frozen=True, eq=False)
class _Hills:
    """What one block says about the whole plane; edges of what lies outside are places there."""

    numbers: NDArray[np.int32]  # (h, w) hill of each pixel, from 0 on; -1 outside the mask
    summits: NDArray[np.int64]  # (n,) place of the summit, or the first place outside the block
    heights: NDArray[np.float32]  # (n,) of that place
    areas: NDArray[np.int64]  # (n,) pixels
    first: NDArray[np.int64]  # (n,) place of the first pixel, row by row
    ends: NDArray[np.int64]  # (2, passes) places: a summit of above, or a pixel outside the block
    passes: NDArray[np.float32]  # (passes,) heights
    rim: NDArray[np.int64]  # (2, r) places along the sides of the block, and their summits


def watershed(
    heights: NDArray[np.floating[Any]], seed: float, min_size: int = 0, valley: float = 0.0
) -> NDArray[np.int32]:
    """Return the objects of a plane.

    Parameters
    ----------
    heights
        (Y, X); -inf where no object can be.
    seed
        An object is higher than this somewhere. Without a least valley, pixels higher than this
        that hang together by edges are one seed, and every object has one.
    min_size
        Objects of fewer pixels are left out.
    valley
        How far below the lower of two summits the way from one to the other leads, at its lowest
        point, for them to be two objects; 0: the seed height alone parts them.

    Returns
    -------
    ndarray of int32, shape (Y, X)
        0 where no object is; objects are numbered 1, 2, … by their first pixel, row by row.
    """
    ids = np.zeros(heights.shape, np.int32)
    whole = watershed_blocks(
        lambda rows, cols: heights[rows, cols],
        heights.shape,
        seed,
        min_size,
        valley,
        block=max(heights.shape),
    )
    for window, objects in whole:
        ids[window] = objects
    return ids


def watershed_blocks(
    read: Callable[[slice, slice], NDArray[Any]],
    shape: tuple[int, ...],
    seed: float,
    min_size: int = 0,
    valley: float = 0.0,
    *,
    block: int = BLOCK,
) -> Iterator[tuple[Window, NDArray[np.int32]]]:
    """Yield the objects of a plane that need not fit into memory, block by block.

    Parameters
    ----------
    read
        Heights of rows and columns inside the plane; every block is read twice, with one pixel
        around it, unless there is one only.
    shape
        (Y, X) of the plane.
    seed, min_size, valley
        As in `watershed`, whose ids these are.
    block
        px, side of the blocks.

    Yields
    ------
    Window, ndarray of int32, shape (h, w)
        Blocks that tile the plane, and ids there.
    """
    windows = [
        Window(slice(y, min(y + block, shape[0])), slice(x, min(x + block, shape[1])))
        for y in range(0, shape[0], block)
        for x in range(0, shape[1], block)
    ]
    if len(windows) == 1:
        hills = _hills(read, windows[0], shape)
        yield windows[0], _Graph([hills], seed, min_size, valley).ids(hills)
        return
    every = [_forget(_hills(read, window, shape)) for window in windows]
    graph = _Graph(every, seed, min_size, valley)
    for window in windows:
        yield window, graph.ids(_hills(read, window, shape))


def _forget(hills: _Hills) -> _Hills:
    """Return the same without what is as large as the block."""
    nothing = np.empty((0, 0), np.int32)
    return _Hills(nothing, *(getattr(hills, name) for name in list(hills.__annotations__)[1:]))


# -- one block ----------------------------------------------------------------------------------


def _hills(
    read: Callable[[slice, slice], NDArray[Any]], window: Window, shape: tuple[int, ...]
) -> _Hills:
    around = _with_rim(read, window, shape)  # (h + 2, w + 2)
    inside = np.zeros(around.shape, bool)
    inside[1:-1, 1:-1] = around[1:-1, 1:-1] > -np.inf
    pixels = np.flatnonzero(inside)
    ends = _follow(around, pixels)
    flat, width = around.ravel(), around.shape[1]

    def place(index: NDArray[Any]) -> NDArray[np.int64]:
        y, x = np.divmod(index.astype(np.int64), width)
        corner = (window.rows.start - 1) * shape[1] + window.cols.start - 1
        places: NDArray[np.int64] = y * shape[1] + x + corner
        return places

    numbers = np.full(flat.size, -1, np.int32)
    reached = np.zeros(flat.size, bool)
    reached[ends] = True
    tops = np.flatnonzero(reached)
    numbers[tops] = np.arange(len(tops), dtype=np.int32)
    of_pixels = numbers[ends]
    numbers[tops] = -1  # those outside the block have no number
    numbers[pixels] = of_pixels
    first = np.empty(len(tops), np.int64)
    first[of_pixels[::-1]] = pixels[::-1]
    sides, passes = _passes(numbers.reshape(around.shape), around, place(tops), place)
    on_rim = inside.copy()
    on_rim[2:-2, 2:-2] = False
    rim = np.flatnonzero(on_rim)
    return _Hills(
        numbers.reshape(around.shape)[1:-1, 1:-1],
        place(tops),
        flat[tops],
        np.bincount(of_pixels, minlength=len(tops)),
        place(first),
        sides,
        passes,
        np.stack([place(rim), place(tops[numbers[rim]])]),
    )


def _with_rim(
    read: Callable[[slice, slice], NDArray[Any]], window: Window, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Read a block and one pixel around it, -inf outside the plane."""
    seen, missing = [], []
    for side, size in zip(window, shape):
        start, stop = max(side.start - 1, 0), min(side.stop + 1, size)
        seen.append(slice(start, stop))
        missing.append((start - side.start + 1, side.stop + 1 - stop))
    heights = np.asarray(read(*seen), np.float32)
    return np.pad(heights, missing, constant_values=-np.inf)


def _follow(around: NDArray[np.float32], pixels: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return where the way up from each pixel ends: a summit, or a pixel outside the block."""
    height, width = around.shape
    best = around[:-2, 1:-1].copy()  # above; then left, itself, right, below: row by row
    step = np.full(best.shape, -width, np.int32)
    for y, x, by in ((1, 0, -1), (1, 1, 0), (1, 2, 1), (2, 1, width)):
        other = around[y : height - 2 + y, x : width - 2 + x]
        np.copyto(step, by, where=other >= best)
        np.maximum(best, other, out=best)
    onto = np.arange(around.size, dtype=np.int32)
    onto.reshape(around.shape)[1:-1, 1:-1] += step
    ends: NDArray[np.int32] = onto[pixels]
    onto[:] = np.arange(around.size, dtype=np.int32)  # what lies outside the mask stays
    onto[pixels] = ends
    while True:
        farther = onto[ends]
        if np.array_equal(farther, ends):
            return ends
        ends = farther
        onto[pixels] = ends


def _passes(
    numbers: NDArray[np.int32],
    around: NDArray[np.float32],
    summits: NDArray[np.int64],
    place: Callable[[NDArray[Any]], NDArray[np.int64]],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the passes to the right and below: places of both ends, and heights."""
    n = np.int64(len(summits))
    index = np.arange(numbers.size, dtype=np.int64).reshape(numbers.shape)
    every, heights = [], []
    here = (slice(1, -1), slice(1, -1))
    for there in ((slice(1, -1), slice(2, None)), (slice(2, None), slice(1, -1))):
        a, b = numbers[here], numbers[there]
        lower = np.minimum(around[here], around[there])
        touch = (a != b) & (lower > -np.inf)  # a pixel outside the block has the number -1
        a, b = a[touch].astype(np.int64), b[touch].astype(np.int64)
        b = np.where(b < 0, n + index[there][touch], b)
        every.append(np.stack([np.minimum(a, b), np.maximum(a, b)]))
        heights.append(lower[touch])
    ends, highest = _highest(np.concatenate(every, axis=1), np.concatenate(heights))
    outside = ends >= n
    places = summits[np.where(outside, 0, ends)] if n else ends
    return np.where(outside, place(ends - n), places), highest


def _highest(
    ends: NDArray[np.int64], heights: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of all passes between the same two hills, keep the highest."""
    order = np.lexsort((-heights, ends[1], ends[0]))
    ends, heights = ends[:, order], heights[order]
    new = np.ones(len(heights), bool)
    new[1:] = (ends[:, 1:] != ends[:, :-1]).any(0)
    return ends[:, new], heights[new]


# -- all blocks ---------------------------------------------------------------------------------


class _Graph:
    """Hills and passes of all blocks, and the object that each hill belongs to."""

    def __init__(self, blocks: list[_Hills], seed: float, min_size: int, valley: float) -> None:
        rim = np.concatenate([b.rim for b in blocks], axis=1)
        self._rim = rim[:, np.argsort(rim[0])]
        tops = np.concatenate([b.summits for b in blocks])
        hills = self._true_summits(tops)
        self._summits, index = np.unique(hills, return_inverse=True)
        count = len(self._summits)
        heights = np.full(count, -np.inf, np.float32)
        np.maximum.at(heights, index, np.concatenate([b.heights for b in blocks]))
        areas = np.zeros(count, np.int64)
        np.add.at(areas, index, np.concatenate([b.areas for b in blocks]))
        first = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(first, index, np.concatenate([b.first for b in blocks]))
        ends = np.concatenate([b.ends for b in blocks], axis=1)
        ends = np.searchsorted(self._summits, self._true_summits(ends))
        passes = np.concatenate([b.passes for b in blocks])
        apart = ends[0] != ends[1]
        ends, passes = _highest(np.sort(ends[:, apart], axis=0), passes[apart])
        groups, summits = _joined(ends, passes, heights, seed, valley)
        self._ids = _numbered(groups, summits > seed, areas, first, min_size)

    def _true_summits(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Follow places outside their block from block to block up to the summit."""
        known, onto = self._rim
        if not known.size:
            return places
        while True:
            at = np.minimum(np.searchsorted(known, places), len(known) - 1)
            farther = np.where(known[at] == places, onto[at], places)
            if np.array_equal(farther, places):
                return places
            places = farther

    def ids(self, hills: _Hills) -> NDArray[np.int32]:
        """Return the object of each pixel of a block."""
        at = np.searchsorted(self._summits, self._true_summits(hills.summits))
        of_hills = np.append(self._ids[at], np.int32(0))  # the last is for number -1
        return of_hills[hills.numbers]


def _joined(
    ends: NDArray[np.int64],
    passes: NDArray[np.float32],
    heights: NDArray[np.float32],
    seed: float,
    valley: float,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Join hills that are no objects of their own: the group of each hill, and groups' summits."""
    order = np.lexsort((ends[1], ends[0], -passes))
    ends, passes = ends[:, order], passes[order]
    groups = np.arange(len(heights), dtype=np.int32)
    while True:
        highest = np.full(len(heights), len(passes))  # pass of each group
        np.minimum.at(highest, ends.ravel(), np.tile(np.arange(len(passes)), 2))
        some = np.flatnonzero(highest < len(passes))
        over = passes[highest[some]]
        shallow = over > seed if valley == 0 else heights[some] - over < valley
        opened = highest[some[shallow | (heights[some] <= seed)]]
        if not opened.size:
            return groups, heights
        edges = (ends[0, opened].astype(np.int32), ends[1, opened].astype(np.int32))
        links = coo_array((np.ones(opened.size, bool), edges), (len(heights), len(heights)))
        count, onto = connected_components(links, directed=False)
        groups = onto[groups]
        summits = np.full(count, -np.inf, np.float32)
        np.maximum.at(summits, onto, heights)
        heights, ends = summits, onto[ends].astype(np.int64)
        apart = ends[0] != ends[1]
        ends, passes = ends[:, apart], passes[apart]


def _numbered(
    groups: NDArray[np.int32],
    reached: NDArray[np.bool_],
    areas: NDArray[np.int64],
    first: NDArray[np.int64],
    min_size: int,
) -> NDArray[np.int32]:
    """Return the id of each hill: objects in the order of their first pixels."""
    count = len(reached)
    sizes = np.zeros(count, np.int64)
    np.add.at(sizes, groups, areas)
    kept = reached & (sizes >= min_size)
    begins = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(begins, groups, first)
    order = np.argsort(np.where(kept, begins, np.iinfo(np.int64).max), kind="stable")
    ids = np.zeros(count, np.int32)
    ids[order] = np.arange(1, count + 1)
    ids[~kept] = 0
    return ids[groups]
