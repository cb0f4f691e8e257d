"""What the Weights dock computes in the background: the weight map of one slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.base.errors import InputError
from napari_unet.config.split import SplitConfig
from napari_unet.training.data import TrainingData

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack
    from napari_unet.training.data import Placement

__all__ = ["Statistics", "WeightMap", "WeightSource", "describe"]

BINS = 64


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a weight map is like.

    Attributes
    ----------
    counts
        (BINS,) pixels per bin, evenly from 0 to ``greatest``.
    usual
        99 % of the known pixels weigh no more than this.
    greatest
        The greatest weight.
    """

    counts: NDArray[np.int64]
    usual: float
    greatest: float


@dataclass(frozen=True, eq=False)
class WeightMap:
    """The weight map of one slice as training has it.

    Attributes
    ----------
    slice_index
        Of the first stack.
    weights
        (Y, X) float32, in pixels as the network sees them.
    placement
        Where these lie in the given image.
    class_weights
        (K,), or None where there are none.
    statistics
        What it is like.
    """

    slice_index: int
    weights: NDArray[np.float32]
    placement: Placement
    class_weights: NDArray[np.float64] | None
    statistics: Statistics


class WeightSource:
    """Makes weight maps with what the trainer reads; keeps it while only the weights change."""

    def __init__(self) -> None:
        self._data: TrainingData | None = None

    def draw(self, stacks: tuple[Stack, ...], config: TrainConfig, i: int) -> WeightMap:
        """Compute the map of slice ``i`` of the first stack.

        Raises
        ------
        InputError
            When the slice has no labels, or the stacks cannot be trained on.
        """
        try:
            data = self._data_of(stacks, config)
        except InputError:  # what is wrong with the choice of validation is said where it is made
            data = self._data_of(stacks, replace(config, split=SplitConfig("none")))
        self._data = data
        data.refresh(0, stacks[0])  # labels may have been painted since
        weights = data.weight_map(0, i)
        formula = data.config.weights
        has_own = formula is None or formula.preset == "fiji"
        return WeightMap(
            i,
            weights,
            data.placement(0),
            None if has_own else data.class_weights,
            describe(weights),
        )

    def _data_of(self, stacks: tuple[Stack, ...], config: TrainConfig) -> TrainingData:
        if self._data is None or self._data.given != stacks:  # equal when they are the same
            return TrainingData(stacks, config, lazy=True)
        return self._data.changed(config)


def describe(weights: NDArray[np.float32]) -> Statistics:
    """Measure a weight map; pixels of weight 0 are not known and do not count."""
    known = weights[weights > 0]
    if not known.size:
        return Statistics(np.zeros(BINS, np.int64), 0.0, 0.0)
    greatest = float(known.max())
    counts, _ = np.histogram(known, BINS, (0.0, greatest))
    return Statistics(counts, float(np.percentile(known, 99)), greatest)
