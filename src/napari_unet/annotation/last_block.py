"""Which slices lie at the end: of a stack with several axes, along the one that decorrelates most.

Planes of one position at two times look alike, and so do neighbours along z. A block that is the
end of an axis keeps them apart along that axis only, so it should be the one along which they
differ most; planes that differ along the other axes are then on the same side.
"""

from __future__ import annotations

import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack

__all__ = ["LastBlock", "last_block"]

PAIRS = 4  # of planes that are compared along an axis
SIDE = 256  # px of the middle of a plane that is compared
REMEMBERED = 8

_remembered: deque[tuple[Any, tuple[Any, ...], dict[str, float]]] = deque(maxlen=REMEMBERED)


@dataclass(frozen=True)
class LastBlock:
    """Slices that validate, flat indices ascending, and one sentence where it needs one."""

    slices: tuple[int, ...]
    note: str = ""


def last_block(
    stack: Stack, labelled: tuple[int, ...], fraction: float, axis: str | None = None
) -> LastBlock:
    """Return the block at the end of a stack that has two labelled slices or more.

    Parameters
    ----------
    stack
        Its image is compared with itself where there is a choice of axes; only planes that train
        whatever is chosen are looked at, unless there are none.
    labelled
        Flat indices, ascending.
    fraction
        Share that validates.
    axis
        Along which the block lies; "": of the slices as they follow one another; None: the one
        along which planes look least alike.

    Raises
    ------
    InputError
        If there is a choice of axes, and the stack does not have the one that was named.
    """
    places = np.array([stack.index(i) for i in labelled]).reshape(len(labelled), -1)
    names = stack.leading_axes
    open_ = [a for k, a in enumerate(names) if len(np.unique(places[:, k])) > 1]
    if len(open_) > 1 and axis and axis not in names:
        raise InputError(
            f"the block that validates shall lie along axis {axis!r}, but the slices of "
            f"{stack.name!r} lie along {' and '.join(names)}: name one of these."
        )
    if len(open_) < 2 or axis == "" or (axis is not None and axis not in open_):
        return LastBlock(labelled[-_count(fraction, len(labelled)) :])
    if axis is None:
        alike = _remember(stack, labelled, fraction, places, open_)
        axis = min(open_, key=lambda a: alike[a])  # of equals the first
        why = "; along it they look least alike"
    else:
        why = ""
    held = _held(places[:, names.index(axis)], fraction)
    others = " and ".join(a for a in open_ if a != axis)
    there = len(np.unique(places[held, names.index(axis)]))
    note = (
        f"Slices validate in a block along {axis}: its last {there} of "
        f"{len(np.unique(places[:, names.index(axis)]))}, whatever {others}{why}."
    )
    return LastBlock(tuple(i for i, is_held in zip(labelled, held) if is_held), note)


def _count(fraction: float, n: int) -> int:
    return min(max(1, round(fraction * n)), n - 1)


def _held(positions: NDArray[np.int64], fraction: float) -> NDArray[np.bool_]:
    """Whether each slice lies in the block at the end of an axis."""
    present = np.unique(positions)
    held: NDArray[np.bool_] = positions >= present[-_count(fraction, len(present))]
    return held


def _remember(
    stack: Stack,
    labelled: tuple[int, ...],
    fraction: float,
    places: NDArray[np.int64],
    axes: list[str],
) -> dict[str, float]:
    """Likeness along each axis; a window asks for it again at every change of a setting."""
    key = (labelled, fraction, stack.axes)
    for image, other, found in _remembered:
        if image() is stack.image and other == key:
            return found
    found = {
        a: _likeness(stack, labelled, places, stack.leading_axes.index(a), fraction) for a in axes
    }
    with suppress(TypeError):  # of an array that cannot be watched
        _remembered.append((weakref.ref(stack.image), key, found))
    return found


def _likeness(
    stack: Stack,
    labelled: tuple[int, ...],
    places: NDArray[np.int64],
    axis: int,
    fraction: float,
) -> float:
    """Mean correlation of planes as far apart along an axis as what validates from what trains."""
    trains = np.ones(len(places), bool)
    for k in range(places.shape[1]):
        if len(np.unique(places[:, k])) > 1:
            trains &= ~_held(places[:, k], fraction)
    apart = (_count(fraction, len(np.unique(places[:, axis]))) + 1) // 2
    pairs = _pairs(places, axis, apart, trains) or _pairs(places, axis, apart, trains | True)
    if not pairs:
        return 1.0  # nothing tells them apart
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(PAIRS, len(pairs))).round().astype(int))
    values = [_correlation(stack, *(labelled[i] for i in pairs[int(k)])) for k in chosen]
    return float(np.mean(values))


def _pairs(
    places: NDArray[np.int64], axis: int, apart: int, wanted: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Slices that differ along one axis only, about so many positions apart."""
    lines: dict[tuple[int, ...], list[int]] = {}
    for i in np.flatnonzero(wanted):
        rest = tuple(int(v) for v in np.delete(places[i], axis))
        lines.setdefault(rest, []).append(int(i))
    found = []
    for line in lines.values():
        step = min(apart, len(line) - 1)
        if step > 0:
            found += [(line[k], line[k + step]) for k in range(len(line) - step)]
    return found


def _correlation(stack: Stack, i: int, j: int) -> float:
    window = [slice(max(0, (n - SIDE) // 2), (n + min(n, SIDE)) // 2) for n in stack.plane_shape]
    a, b = (np.nan_to_num(stack.image_crop(k, *window).astype(float)).ravel() for k in (i, j))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 1.0
