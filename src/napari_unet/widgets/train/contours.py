"""Contours of labels, drawn fast enough to follow a training, and calmly: without specks.

What is drawn alone; the labels stay as they are.
"""

from __future__ import annotations

import inspect
from itertools import product
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

__all__ = ["SPECK", "draw_fast", "outlines", "without_specks"]

SPECK = 3
"""px: what fits into a square of this side and touches nothing of its kind is not drawn."""

PASSES = 2  # over single pixels: in the second, what the first left of a lattice goes

CALMED = SPECK + 3 + 2 * PASSES
"""px, up to which what is drawn of a pixel depends on others, beside the width of a contour."""

ASKED = ("self", "labels", "data_slice")
"""What napari's own method, which is not public, is asked with."""


def draw_fast(layer: Labels) -> None:
    """Let a layer compute its contours here.

    napari finds them by morphology, which takes the window a quarter of a second for 2048² pixels,
    each time that anything in the slice changes; comparing neighbours takes a tenth of that. A
    napari that asks for them otherwise draws its own, as slowly as before.
    """
    asked = getattr(type(layer), "_calculate_contour", None)
    if asked is None or tuple(inspect.signature(asked).parameters) != ASKED:
        return
    known = ref(layer)  # what a layer has does not keep it
    contours = Contours()

    def contour(labels: NDArray[Any], data_slice: tuple[slice, ...]) -> NDArray[Any] | None:
        layer = known()
        if layer is None or layer.contour < 1 or labels.ndim != 2:
            return None
        return contours.of(labels, data_slice, int(layer.contour), layer.colormap.background_value)

    layer._calculate_contour = contour


class Contours:
    """Contours of what is shown; of a picture that changed in a part that part alone is renewed."""

    def __init__(self) -> None:
        self._labels: NDArray[Any] = np.empty((0, 0))
        self._drawn = self._labels
        self._how = 0, 0

    def of(
        self, labels: NDArray[Any], window: tuple[slice, ...], width: int, background: int
    ) -> NDArray[Any]:
        """Return what is drawn of labels (Y, X) in a window; see `outlines`."""
        if labels[window].shape != labels.shape:
            return _drawn(labels, window, width, background)
        labels, before, how = np.asarray(labels), self._labels, (width, background)
        is_known = (before.shape, before.dtype, self._how) == (labels.shape, labels.dtype, how)
        if not is_known:
            self._drawn = _drawn(labels, window, width, background)
        elif (changed := _changed(labels, before)) is not None:
            renewed = _grown(changed, width + CALMED, labels.shape)
            self._drawn[renewed] = _drawn(labels, renewed, width, background)
        self._labels, self._how = labels.copy(), how
        return self._drawn.copy()


def _drawn(
    labels: NDArray[Any], window: tuple[slice, ...], width: int, background: int
) -> NDArray[Any]:
    around = _grown(window, width + CALMED, labels.shape)
    drawn = outlines(without_specks(labels[around]), width, background)
    return drawn[tuple(slice(w.start - g.start, w.stop - g.start) for w, g in zip(window, around))]


def _grown(window: tuple[slice, ...], reach: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """A window and what is around it; it begins at an even pixel, as specks are filled by turns."""
    return tuple(
        slice(max(0, s.start - reach) // 2 * 2, min(n, s.stop + reach))
        for s, n in zip(window, shape)
    )


def _changed(labels: NDArray[Any], before: NDArray[Any]) -> tuple[slice, ...] | None:
    """Rows and columns in which labels differ; None where none does."""
    other = labels != before
    rows = np.flatnonzero(other.any(1))
    if not rows.size:
        return None
    cols = np.flatnonzero(other[rows[0] : rows[-1] + 1].any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def outlines(labels: NDArray[Any], width: int, background: int) -> NDArray[Any]:
    """Return labels with the background's value wherever no other value is near.

    Parameters
    ----------
    labels
        (Y, X).
    width
        px, along rows and columns, up to which another value is near.
    background
        The value of what is not drawn.
    """
    edge = np.zeros(labels.shape, bool)
    for k in range(1, width + 1):
        for there, here in ((np.s_[k:], np.s_[:-k]), (np.s_[:, k:], np.s_[:, :-k])):
            differs = labels[there] != labels[here]
            edge[there] |= differs
            edge[here] |= differs
    return np.where(edge, labels, labels.dtype.type(background))


def without_specks(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels with every speck filled by what is all around it.

    A speck is a pixel with three neighbours of one other value, or fits into a square of `SPECK`
    px that is framed by a single value. So no line is broken, however thin; loose ends of lines
    of one pixel are shorter by some. A young network gives whole lattices of single pixels.

    Parameters
    ----------
    labels
        (Y, X).
    """
    more = SPECK + 1  # pixels from one side of the frame to the other
    if min(labels.shape) <= more:
        return labels
    Y, X = labels.shape
    drawn = np.pad(labels, 2, mode="edge")  # so that pixels at the border have neighbours, too
    for _ in range(PASSES):
        _fill_single_pixels(drawn)
    drawn = drawn[2:-2, 2:-2]
    labels = drawn.copy()
    along = labels[:, 1:] == labels[:, :-1]
    down = labels[1:] == labels[:-1]
    rows = _all(along[:, k : X - more + k] for k in range(more))
    cols = _all(down[k : Y - more + k] for k in range(more))
    frame = _all((rows[:-more], rows[more:], cols[:, :-more], cols[:, more:]))
    filled = _all(rows[k : Y - more + k] for k in range(1, more))
    y, x = np.divmod(np.flatnonzero(frame > filled), X - more)
    for a, b in product(range(1, more), repeat=2):
        drawn[y + a, x + b] = labels[y, x]
    return drawn


def _fill_single_pixels(drawn: NDArray[Any]) -> None:
    """Fill, in place, pixels that three neighbours differ from: white fields of a board first.

    The black ones see what became of them, or a chess-board would only be turned over.
    """
    for a, b in ((0, 0), (1, 1), (0, 1), (1, 0)):
        rows, cols = slice(1 + a, -1, 2), slice(1 + b, -1, 2)
        here = drawn[rows, cols]
        h, w = here.shape
        above, below = drawn[a::2, cols][:h], drawn[a + 2 :: 2, cols][:h]
        left, right = drawn[rows, b::2][:, :w], drawn[rows, b + 2 :: 2][:, :w]
        other = np.where(above == below, above, left)  # the value of three, if three agree
        agree = sum((one == other).view(np.uint8) for one in (above, below, left, right))
        alone = (agree >= 3) & (here != other)
        here[alone] = other[alone]


def _all(parts: Iterable[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Where all are true; in place, as `reduce` would copy them side by side first."""
    first, *rest = parts
    both = first.copy()
    for part in rest:
        both &= part
    return both
