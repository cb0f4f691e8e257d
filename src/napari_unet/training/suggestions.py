"""Where to paint next: places that a network is unsure of, spread over the stacks.

No reference is needed. What makes a place worth a stroke was chosen by measurement: how close the
two likeliest classes are, in the mean of two views, finds what is wrong best. How much the views
disagree finds it hardly better than chance, and places that look unlike all that was painted are
rather the easy ones; so disagreement is a reason that is told, and diversity is kept in space and
over slices.

Legend: (h, w) window, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_unet.config.split import Region

__all__ = ["Place", "rank", "unsure_places"]

SIDE = 64
"""px as the network sees them, of a place: a few strokes fit into it."""

THIN = 5
"""px; what is unsure along a line that is thinner is an outline, and never ends."""

LEAST = 0.05  # of a score; below, the network is sure
DIVIDED = 0.25  # share of a place in which the views see different classes, to say so
APART = 2  # sides between the middles of two places that are listed, at least
PER_WINDOW = 2  # places of one window, at most
FADING = 100  # steps in which what was found counts half: the network is another one by then
CROWDED = 0.5  # what a place counts beside one that is listed in the same or the next slice


@dataclass(frozen=True)
class Place:
    """A place that is worth a stroke.

    Attributes
    ----------
    stack_index, slice_index
        Where.
    box
        y0, y1, x0, x1 in pixels of the slice; y1 and x1 are the first outside.
    score
        0 to 1: how unsure the network is there.
    reason
        Why, in a few words.
    step
        Steps that the network had learnt when it was asked.
    """

    stack_index: int
    slice_index: int
    box: Region
    score: float
    reason: str
    step: int = 0

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column."""
        y0, y1, x0, x1 = self.box
        return (y0 + y1) / 2, (x0 + x1) / 2

    def overlaps(self, other: Place) -> bool:
        """Whether both have pixels in common."""
        (a0, a1, b0, b1), (c0, c1, d0, d1) = self.box, other.box
        same = (self.stack_index, self.slice_index) == (other.stack_index, other.slice_index)
        return same and a0 < c1 and c0 < a1 and b0 < d1 and d0 < b1

    def is_near(self, other: Place) -> bool:
        """Whether both lie side by side, in the same slice or the next one."""
        apart = APART * max(self._side, other._side)
        return self._is_beside(other) and all(
            abs(a - b) < apart for a, b in zip(self.middle, other.middle)
        )

    @property
    def _side(self) -> int:
        y0, y1, x0, x1 = self.box
        return max(y1 - y0, x1 - x0)

    def _is_beside(self, other: Place) -> bool:
        """Whether both lie in the same slice or in neighbours."""
        near = abs(self.slice_index - other.slice_index) <= 1
        return self.stack_index == other.stack_index and near


def unsure_places(
    one: NDArray[np.float32], other: NDArray[np.float32], names: Sequence[str], side: int = SIDE
) -> list[tuple[tuple[int, int], float, str]]:
    """Find the places of a window that a network is most unsure of.

    Parameters
    ----------
    one, other
        (K, h, w) probabilities of the same pixels in two views.
    names
        Of the K classes.
    side
        px, of a place.

    Returns
    -------
    list of ((int, int), float, str)
        Row and column of the middle in the window, score, reason; at most two.
    """
    mean = (one + other) / 2
    two = np.argsort(-mean, axis=0, kind="stable")[:2]
    first, second = np.take_along_axis(mean, two, axis=0)
    unsure = ndimage.grey_opening(1 - (first - second), THIN)
    divided = one.argmax(0) != other.argmax(0)
    side = min(side, *unsure.shape)
    heat = ndimage.uniform_filter(unsure, side, mode="constant")  # nothing is known beyond
    found = []
    for _ in range(PER_WINDOW):
        score = float(heat.max())
        if score < LEAST:
            break
        peak = np.unravel_index(int(heat.argmax()), heat.shape)
        box = tuple(slice(max(0, int(n) - side // 2), int(n) + side // 2 + 1) for n in peak)
        # Many boxes may hold all of a spot: this puts it into the middle.
        within = ndimage.center_of_mass(unsure[box])
        y, x = (part.start + round(n) for part, n in zip(box, within))
        reason = "views disagree"
        if divided[box].mean() < DIVIDED:
            reason = "unsure"
            if len(names) > 2:
                a, b = (names[int(np.bincount(order[box].ravel()).argmax())] for order in two)
                reason = f"{a} or {b}?"
        found.append(((y, x), score, reason))
        apart = APART * side
        heat[max(0, y - apart) : y + apart, max(0, x - apart) : x + apart] = 0
    return found


def rank(
    places: Iterable[Place],
    count: int,
    *,
    step: int,
    is_done: Callable[[Place], bool] = lambda _: False,
) -> list[Place]:
    """Return the places to paint at next, the best first and spread over the stacks.

    Parameters
    ----------
    places
        All that were found, now or earlier.
    count
        How many to return at most.
    step
        Steps that are learnt by now: what was found long ago counts less.
    is_done
        Whether somebody painted or looked at a place already; asked of few.
    """
    left = sorted(places, key=lambda p: (p.stack_index, p.slice_index, p.box))
    value = np.array([p.score * 0.5 ** (max(0, step - p.step) / FADING) for p in left])
    chosen: list[Place] = []
    while len(chosen) < count and value.size and value.max() > 0:
        k = int(value.argmax())
        best = left[k]
        value[k] = 0
        if is_done(best):
            continue
        chosen.append(best)
        for n in np.flatnonzero(value):
            if best.is_near(left[n]):
                value[n] = 0
            elif best._is_beside(left[n]):
                value[n] *= CROWDED
    return chosen
