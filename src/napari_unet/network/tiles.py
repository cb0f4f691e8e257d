"""Where tiles lie: the size rule of valid convolutions, mirrored borders, tile plans.

A U-Net of valid convolutions returns less than it is given. With ``d``
poolings and two 3×3 convolutions a level, every side loses
``12·2^d - 8`` pixels (184 at depth 4), and only inputs of
``2^d·m + 12·2^d - 4`` pixels pass all poolings without a remainder
(188 + 16·m at depth 4; 572 → 388 in the paper).

Output tiles are placed at multiples of ``2^d``. Then every tile meets the
poolings at the same phase as the whole image would in one pass, and the tiled
prediction *is* the untiled one. The paper's own stride of 388 is not such a
multiple (388 ≡ 4 mod 16), so its tiles are shifted against one another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet.base.errors import InputError
from napari_unet.config.size_rule import _alignment, border, next_valid_size, previous_valid_size

__all__ = [
    "TilePlan",
    "TileSlot",
    "checked_region",
    "mirrored_indices",
    "plan_tiles",
    "read_mirrored",
]

CLEARLY = 0.95
"""Of the time that the fewest pixels take: what another plan may take to be preferred."""

Reader = Callable[[slice, slice], NDArray[np.generic]]
"""Reads ``(rows, cols)`` inside the plane and returns ``(C, h, w)``."""


def mirrored_indices(start: int, stop: int, n: int) -> NDArray[np.intp]:
    """Indices into an axis of `n` pixels, mirrored at both ends.

    The edge pixel is not repeated (… 2 1 **0 1 2** 1 0 …), and the mirror
    images go on for ever, so that an image may be smaller than its border; an
    axis of a single pixel repeats it.

    Parameters
    ----------
    start, stop : int
        Half-open range in the coordinates of the axis; may lie outside it.
    n : int
        Length of the axis.

    Returns
    -------
    ndarray of intp, shape ``(stop - start,)``
        Values in ``[0, n)``.
    """
    position = np.arange(start, stop)
    if n == 1:
        return np.zeros_like(position)
    period = 2 * (n - 1)
    folded = np.mod(position, period)
    mirrored: NDArray[np.intp] = np.minimum(folded, period - folded)
    return mirrored


def read_mirrored(
    read: Reader, shape: tuple[int, int], rows: tuple[int, int], cols: tuple[int, int]
) -> NDArray[np.generic]:
    """Read a window that may reach beyond the image, mirrored at its borders.

    Only the part of the image that the window needs is read.

    Parameters
    ----------
    read : callable
        ``read(rows, cols) -> (C, h, w)`` for slices inside the plane.
    shape : (int, int)
        ``(Y, X)`` of the plane.
    rows, cols : (int, int)
        Half-open ranges of the window in plane coordinates.

    Returns
    -------
    ndarray, shape ``(C, rows[1] - rows[0], cols[1] - cols[0])``
    """
    y = mirrored_indices(*rows, shape[0])
    x = mirrored_indices(*cols, shape[1])
    top, left = int(y.min()), int(x.min())
    inside = read(slice(top, int(y.max()) + 1), slice(left, int(x.max()) + 1))
    if inside.shape[-2:] == (len(y), len(x)) and _ascending(y) and _ascending(x):
        return inside
    return inside.take(y - top, axis=-2).take(x - left, axis=-1)


def _ascending(index: NDArray[np.intp]) -> bool:
    return bool(index[-1] - index[0] == len(index) - 1)


@dataclass(frozen=True)
class TileSlot:
    """One tile of a plan, in plane coordinates.

    Attributes
    ----------
    rows, cols : slice
        The pixels of the plane that this tile answers for; slots do not overlap.
    input_rows, input_cols : (int, int)
        The window to read, mirrored where it leaves the plane.
    """

    rows: slice
    cols: slice
    input_rows: tuple[int, int]
    input_cols: tuple[int, int]

    def within_output(self, depth: int) -> tuple[slice, slice]:
        """Rows and columns of `rows` and `cols` in the output tile of the network."""
        loss = border(depth) // 2
        return (
            slice(
                self.rows.start - self.input_rows[0] - loss,
                self.rows.stop - self.input_rows[0] - loss,
            ),
            slice(
                self.cols.start - self.input_cols[0] - loss,
                self.cols.stop - self.input_cols[0] - loss,
            ),
        )


@dataclass(frozen=True)
class TilePlan:
    """All tiles of one plane; every tile has the same input shape.

    Attributes
    ----------
    shape : (int, int)
        ``(Y, X)`` of the plane.
    input : (int, int)
        Height and width of every input tile.
    slots : tuple of TileSlot
        Row by row; together they cover the plane, or the region, exactly once.
    region : (int, int, int, int), optional
        ``y0, y1, x0, x1`` where only a part of the plane is covered.
    """

    shape: tuple[int, int]
    input: tuple[int, int]
    slots: tuple[TileSlot, ...]
    region: tuple[int, int, int, int] | None = None

    @property
    def waste(self) -> float:
        """Pixels computed for each pixel asked for: ``(1 + border/T)²`` for output T."""
        tile = self.input[0] * self.input[1]
        y0, y1, x0, x1 = self.region or (0, self.shape[0], 0, self.shape[1])
        return len(self.slots) * tile / ((y1 - y0) * (x1 - x0))


def plan_tiles(
    shape: tuple[int, int],
    depth: int,
    tile: int | None = None,
    max_pixels: int | None = None,
    region: tuple[int, int, int, int] | None = None,
    seconds_per_pixel: Callable[[int], float] = lambda pixels: 1.0,  # noqa: ARG005
) -> TilePlan:
    """Cover a plane, or a region of it, with aligned output tiles at the least computation.

    Parameters
    ----------
    shape : (int, int)
        ``(Y, X)`` of the plane, each ≥ 1.
    depth : int
        Number of poolings of the network.
    tile : int, optional
        Largest side of an input tile. Sides are rounded down to what the
        network can take, and made smaller where fewer pixels do.
    max_pixels : int, optional
        Largest area of an input tile, in pixels: the memory budget. Without
        `tile` and `max_pixels` the plane goes through in one pass.
    region : (int, int, int, int), optional
        ``y0, y1, x0, x1``, y1 and x1 the first outside; the whole plane when
        omitted. Tiles begin at the multiple of 2^depth before it, so that its
        pixels come out as they do in the whole plane.
    seconds_per_pixel : callable
        Time of an input pixel, in any unit, by the pixels of its tile; the same
        for all when omitted.

    Returns
    -------
    TilePlan
        Among all grids of tiles within the limits, the one that computes the
        fewest input pixels, or another that takes clearly less time.

    Raises
    ------
    InputError
        If the limit does not hold even the smallest tile, a side is 0, or the
        region is empty or reaches beyond the plane.
    """
    if min(shape) < 1:
        msg = f"a plane needs at least one pixel a side, got {shape[0]} × {shape[1]}"
        raise InputError(msg)
    y0, y1, x0, x1 = checked_region(region, shape)
    step = _alignment(depth)
    y0, x0 = y0 - y0 % step, x0 - x0 % step
    limit = None if tile is None else previous_valid_size(tile, depth)
    rows = _candidates(y1 - y0, depth, limit)
    cols = _candidates(x1 - x0, depth, limit)
    grids = [
        (height * width * down * across, height, width)
        for height, down in rows
        for width, across in cols
        if max_pixels is None or height * width <= max_pixels
    ]
    if not grids:
        least = rows[-1][0] * cols[-1][0]
        msg = (
            f"the smallest aligned tile of a network with {depth} poolings has {least} pixels, "
            f"but only {max_pixels} were allowed: allow more memory or use fewer poolings"
        )
        raise InputError(msg)

    def seconds(grid: tuple[int, int, int]) -> float:
        computed, height, width = grid
        return computed * seconds_per_pixel(height * width)

    fewest, fastest = min(grids, key=lambda grid: grid[0]), min(grids, key=seconds)
    best = fastest if seconds(fastest) < CLEARLY * seconds(fewest) else fewest
    return _lay_out(shape, region, depth, best[1], best[2])


def checked_region(
    region: tuple[int, int, int, int] | None, shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the rows and columns of a region, or of the whole plane.

    Raises
    ------
    InputError
        If the region is empty or reaches beyond the plane.
    """
    if region is None:
        return 0, shape[0], 0, shape[1]
    y0, y1, x0, x1 = region
    if not (0 <= y0 < y1 <= shape[0] and 0 <= x0 < x1 <= shape[1]):
        msg = (
            f"a region must be y0 < y1 and x0 < x1 inside the plane of {shape[0]} × {shape[1]} "
            f"pixels, got rows {y0} to {y1} and columns {x0} to {x1}: choose another"
        )
        raise InputError(msg)
    return region


def _candidates(length: int, depth: int, limit: int | None) -> list[tuple[int, int]]:
    """Input sides worth trying for one axis, with the tiles each needs; largest first.

    For a given number of tiles only the smallest side that still covers the
    axis is worth trying. A side must advance by at least one step of 2^depth,
    except when a single tile covers the axis.
    """
    step, loss = _alignment(depth), border(depth)
    whole = next_valid_size(length + loss, depth)
    smallest = min(whole, loss + 4 + step)
    if limit is not None:
        whole = max(min(whole, limit), smallest)
    found: dict[int, int] = {}
    for side in range(whole, smallest - 1, -step):
        found[_tiles_along(length, side - loss, step)] = side
    return [(side, count) for count, side in found.items()]


def _tiles_along(length: int, output: int, step: int) -> int:
    """Tiles of `output` pixels placed at multiples of `step` that cover `length`."""
    if output >= length:
        return 1
    advance = output - output % step
    return 1 + -(-(length - output) // advance)


def _lay_out(
    shape: tuple[int, int],
    region: tuple[int, int, int, int] | None,
    depth: int,
    height: int,
    width: int,
) -> TilePlan:
    y0, y1, x0, x1 = checked_region(region, shape)
    step = _alignment(depth)
    top, left = y0 - y0 % step, x0 - x0 % step
    slots = [
        TileSlot(
            slice(max(y0, top + a), top + b),
            slice(max(x0, left + c), left + d),
            _window(top + a, height, depth),
            _window(left + c, width, depth),
        )
        for a, b in _spans(y1 - top, height, depth)
        for c, d in _spans(x1 - left, width, depth)
    ]
    return TilePlan(shape, (height, width), tuple(slots), region)


def _spans(length: int, side: int, depth: int) -> list[tuple[int, int]]:
    output, step = side - border(depth), _alignment(depth)
    count = _tiles_along(length, output, step)
    advance = output - output % step
    return [(k * advance, length if k == count - 1 else (k + 1) * advance) for k in range(count)]


def _window(start: int, side: int, depth: int) -> tuple[int, int]:
    first = start - border(depth) // 2
    return first, first + side
