"""What the Weights dock computes in the background: the weight map of one slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.annotation.labels import read_target
from napari_unet.annotation.weights import balanced_weights, class_frequencies, target_weights
from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import Target
    from napari_unet.annotation.splits import Split
    from napari_unet.config.weights import WeightConfig
    from napari_unet.images.stack import Stack

__all__ = ["Statistics", "WeightMap", "measure_class_weights", "slice_weights"]

FREQUENCY_PIXELS = 2**25  # class frequencies are measured on at most so many
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
    """The weight map of one slice: (Y, X) float32, and what it is like."""

    slice_index: int
    weights: NDArray[np.float32]
    statistics: Statistics


def measure_class_weights(stack: Stack, split: Split) -> NDArray[np.float64]:
    """Class weights w_c over the training slices, as the trainer has them: (K,)."""
    assert stack.scheme is not None
    Y, X = stack.plane_shape
    count = min(len(split.train), max(1, FREQUENCY_PIXELS // (Y * X)))
    chosen = np.unique(np.linspace(0, len(split.train) - 1, count).astype(int))

    def targets() -> Iterator[Target]:
        assert stack.scheme is not None
        unknown = split.untrained(slice(0, Y), slice(0, X))
        for k in chosen:
            target = read_target(stack.label_plane(split.train[k]), stack.scheme)
            if unknown is not None:
                target.known[unknown] = False
            yield target

    return balanced_weights(class_frequencies(targets(), stack.scheme.n_classes))


def slice_weights(
    stack: Stack, i: int, config: WeightConfig, class_weights: NDArray[np.float64] | None
) -> WeightMap:
    """Compute the weight map of slice ``i``.

    Raises
    ------
    InputError
        When the slice has no labels.
    """
    assert stack.scheme is not None
    if i not in stack.labelled_slices:
        raise InputError(
            f"slice {i} is not annotated, so it has no weight map: go to an annotated one."
        )
    target = read_target(stack.label_plane(i), stack.scheme)
    weights = target_weights(target, config, class_weights if config.balance else None)
    return WeightMap(i, weights, describe(weights))


def describe(weights: NDArray[np.float32]) -> Statistics:
    """Measure a weight map; pixels of weight 0 are not known and do not count."""
    known = weights[weights > 0]
    if not known.size:
        return Statistics(np.zeros(BINS, np.int64), 0.0, 0.0)
    greatest = float(known.max())
    counts, _ = np.histogram(known, BINS, (0.0, greatest))
    return Statistics(counts, float(np.percentile(known, 99)), greatest)
