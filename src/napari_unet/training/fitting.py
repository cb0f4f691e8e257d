"""Thresholds of the decoder, fitted on what validates and on nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_unet.config.decoding import Decoding
from napari_unet.evaluation.metrics import average_precision_curve
from napari_unet.network.decoder import decode, heights

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_unet.config.network import ObjectMap

__all__ = ["DecodingFit", "Fitted"]

THRESHOLDS, SEEDS = (0.4, 0.6, 0.2), (0.4, 0.6, 0.2, 0.8)
"""What is tried first, every pair of it; of equals the first is taken."""

FINER = (0.0, -0.1, 0.1)
"""What is tried next around the best pair: first another seed height, then another threshold."""

SMALLEST = (0.0, 0.05, 0.1, 0.2)
"""Smallest sizes that are tried, as shares of the median object."""

PIXELS = 2**19
"""Pixels that are looked at: 23 decodings of them take about a second."""


class Fitted(NamedTuple):
    """The best thresholds, and the average precision that they have on what validates."""

    decoding: Decoding
    average_precision: float


@dataclass(eq=False)
class DecodingFit:
    """Collects validation planes, then finds the thresholds with the greatest average precision.

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
        """Return the best thresholds; None where no object validates."""
        if not self.objects:
            return None
        best = self._best_of(Decoding(t, s) for t in THRESHOLDS for s in SEEDS)
        best = self._best_of(replace(best, seed=round(best.seed + by, 2)) for by in FINER)
        best = self._best_of(replace(best, threshold=round(best.threshold + by, 2)) for by in FINER)
        areas = [np.unique(plane[plane > 0], return_counts=True)[1] for plane in self.objects]
        median = float(np.median(np.concatenate(areas)))
        sizes = (round(share * median) for share in SMALLEST)
        best = self._best_of(replace(best, min_size=size) for size in sizes)
        return Fitted(best, self.score(best))

    def _best_of(self, tried: Iterable[Decoding]) -> Decoding:
        return max(tried, key=self.score)

    def score(self, decoding: Decoding) -> float:
        """Return the mean average precision of a setting."""
        found = [decode(f, h, decoding) for f, h in zip(self.foreground, self.height)]
        return float(np.mean(average_precision_curve(found, self.objects, known=self.known)))
