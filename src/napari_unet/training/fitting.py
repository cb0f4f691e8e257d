"""Thresholds of the decoder, fitted on what validates and on nothing else.

What validates resembles what trained more than new images do, so the best thresholds there are
not the best elsewhere. Of those that are as good as the best, but for chance, the most usual are
taken: the rule of one standard error (Breiman et al. 1984, Classification and Regression Trees).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_unet.config.decoding import USUAL, Decoding
from napari_unet.evaluation.metrics import average_precision_curve
from napari_unet.network.decoder import decode, heights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_unet.config.network import ObjectMap

__all__ = ["DecodingFit", "Fitted"]

THRESHOLDS, VALLEYS = (0.3, 0.5, 0.7), (0.05, 0.1, 0.2, 0.3, 0.4)
"""What is tried first, every pair of it. An object is at least as high as a valley is deep."""

FINER = (-0.1, 0.1)
"""What is tried next around the threshold of the best pair."""

SMALLEST = (0.0, 0.05, 0.1, 0.2)
"""Smallest sizes that are tried, as shares of the median object."""

PIXELS = 2**19
"""Pixels from which on no plane is added: some twenty decodings of all are tried."""


class Fitted(NamedTuple):
    """The best thresholds, and the average precision that they have on what validates."""

    decoding: Decoding
    average_precision: float


@dataclass(eq=False)
class DecodingFit:
    """Collects validation planes, then finds thresholds by average precision.

    Average precision is the mean over IoU 0.5, 0.55, …, 0.95.
    """

    foreground: list[NDArray[Any]] = field(default_factory=list)
    height: list[NDArray[np.float32]] = field(default_factory=list)
    objects: list[NDArray[np.int32]] = field(default_factory=list)
    known: list[NDArray[np.bool_]] = field(default_factory=list)

    def add(
        self,
        foreground: NDArray[Any],
        maps: NDArray[Any],
        kinds: Sequence[ObjectMap],
        objects: NDArray[np.int32],
        known: NDArray[np.bool_],
    ) -> None:
        """Take a plane, unless there are enough.

        Parameters
        ----------
        foreground
            (Y, X) predicted probability of any class but background.
        maps, kinds
            (M, Y, X) predicted object maps, and what they are.
        objects, known
            (Y, X) the truth, and where there is one.
        """
        if sum(plane.size for plane in self.objects) < PIXELS and objects.any():
            self.foreground.append(foreground)
            self.height.append(heights(maps, kinds))
            self.objects.append(objects)
            self.known.append(known)

    def best(self) -> Fitted | None:
        """Return the thresholds to use; None where no object validates."""
        if not self.objects:
            return None
        scores: dict[Decoding, NDArray[np.float64]] = {}

        def best_with(more: Iterable[Decoding]) -> Decoding:
            scores.update((one, self._scores(one)) for one in more if one not in scores)
            return max(scores, key=lambda one: float(scores[one].mean()))

        best = best_with(Decoding(t, v, valley=v) for t in THRESHOLDS for v in VALLEYS)
        best = best_with([replace(best, threshold=round(best.threshold + by, 2)) for by in FINER])
        best = _most_usual(scores, best)
        areas = [np.unique(plane[plane > 0], return_counts=True)[1] for plane in self.objects]
        median = float(np.median(np.concatenate(areas)))
        sizes = [replace(best, min_size=round(share * median)) for share in SMALLEST]
        best = max(sizes, key=self.score)
        return Fitted(best, self.score(best))

    def _scores(self, decoding: Decoding) -> NDArray[np.float64]:
        """Average precision of each plane."""
        planes = zip(self.foreground, self.height, self.objects, self.known)
        return np.array(
            [
                np.mean(average_precision_curve([decode(f, h, decoding)], [objects], known=[known]))
                for f, h, objects, known in planes
            ]
        )

    def score(self, decoding: Decoding) -> float:
        """Return the average precision of a setting over all planes."""
        found = [decode(f, h, decoding) for f, h in zip(self.foreground, self.height)]
        return float(np.mean(average_precision_curve(found, self.objects, known=self.known)))


def _most_usual(scores: Mapping[Decoding, NDArray[np.float64]], best: Decoding) -> Decoding:
    """Of those within a standard error of the best, return the nearest to the usual ones."""

    def is_as_good(one: Decoding) -> bool:
        less = scores[best] - scores[one]
        error = less.std(ddof=1) / math.sqrt(less.size) if less.size > 1 else 0.0
        return bool(less.mean() <= error)

    def unusual(one: Decoding) -> tuple[float, float]:
        apart = abs(one.threshold - USUAL.threshold) + abs(one.valley - USUAL.valley)
        return round(apart, 2), -float(scores[one].mean())

    return min(filter(is_as_good, scores), key=unusual)
