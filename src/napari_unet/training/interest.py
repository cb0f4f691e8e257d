"""Where a painted training looks: at all classes alike, and more at recent strokes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.annotation.weights import balanced_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_unet.config.split import Region

__all__ = ["Interest", "Spot"]

RECENT = 30  # strokes that are looked at more often
HALVED_AFTER = 10  # strokes, after which an older one is looked at half as often
LEAST = 0.1  # chance of a stroke that the network had right already, against one it had wrong


@dataclass(frozen=True)
class Spot:
    """A place that was painted lately.

    Attributes
    ----------
    stack_index, slice_index
        Where.
    box
        y0, y1, x0, x1 in pixels as the network sees them.
    right
        Share of its pixels that the network had right before it learnt them; NaN where it was
        not asked: such a spot is not looked at more often.
    """

    stack_index: int
    slice_index: int
    box: Region
    right: float


class Interest:
    """What tiles are drawn from; never changed, made anew by every edit.

    Parameters
    ----------
    counts
        (stack, slice) -> (K,) annotated pixels of each class that train.
    spots
        What was painted, the latest last.
    share
        Of the tiles that are drawn at spots.
    balance
        Whether classes weigh in inverse proportion to their pixels.
    """

    def __init__(
        self,
        counts: Mapping[tuple[int, int], NDArray[np.int64]],
        spots: Sequence[Spot],
        share: float,
        *,
        balance: bool,
    ) -> None:
        self._slices = [where for where in sorted(counts) if counts[where].any()]
        pixels = np.array([counts[where] for where in self._slices], float)  # (slices, K)
        total = pixels.sum(0)
        self._classes = np.flatnonzero(total)
        self._chances = np.cumsum(pixels, 0) / np.maximum(1.0, total)
        self.ready = self._classes.size >= 2
        """Whether two classes are annotated: before, there is nothing to tell apart."""
        self.class_weights: NDArray[np.float64] | None = None
        if balance and self.ready:
            self.class_weights = balanced_weights(total / total.sum())
        there = set(self._slices)
        self._spots = [
            spot
            for spot in spots[-RECENT:]
            if (spot.stack_index, spot.slice_index) in there and not np.isnan(spot.right)
        ]
        age = np.arange(len(self._spots))[::-1]
        wrong = np.array([1 - spot.right for spot in self._spots])
        chances = (LEAST + wrong) * 0.5 ** (age / HALVED_AFTER)
        self._spot_chances = np.cumsum(chances) / max(chances.sum(), 1e-12)
        self._share = share

    def draw(self, index: int, side: int, rng: np.random.Generator) -> Aim:
        """Draw where a tile lies.

        Parameters
        ----------
        index
            Of the tile in its step: the tiles of a step go through the classes in turn, so that
            each step has of each.
        side
            px, of the output tile.
        rng
            Source of randomness; as many numbers are taken whatever comes out.
        """
        at_spot, pick, *place = rng.random(6)
        if at_spot < self._share and self._spots:
            spot = self._spots[int(np.searchsorted(self._spot_chances, pick, side="right"))]
            y0, y1, x0, x1 = spot.box
            # A painted pixel comes to lie in the middle half of the tile.
            y = y0 + place[0] * (y1 - y0) + (place[1] - 0.5) * side / 2
            x = x0 + place[2] * (x1 - x0) + (place[3] - 0.5) * side / 2
            return Aim(spot.stack_index, spot.slice_index, middle=(int(y), int(x)))
        of_class = int(self._classes[index % self._classes.size])
        chances = self._chances[:, of_class]
        chosen = min(int(np.searchsorted(chances, pick, side="right")), len(self._slices) - 1)
        return Aim(*self._slices[chosen], of_class=of_class)


@dataclass(frozen=True)
class Aim:
    """Where a tile lies: around a place, or around any annotated pixel of a class.

    Attributes
    ----------
    stack_index, slice_index
        Where.
    middle
        Row and column of the tile's middle, which may lie outside the slice.
    of_class
        Without a middle: the class.
    """

    stack_index: int
    slice_index: int
    middle: tuple[int, int] | None = None
    of_class: int | None = None
