"""What the grey values of a stack are like, for people to see."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.images.intensity import Intensity, read_sample, sample_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack

__all__ = ["BINS", "MOST_PIXELS", "GreyValues", "measure_grey_values"]


BINS = 96


MOST_PIXELS = 2**20  # per channel, in the histogram; the limits are measured on all that are read


@dataclass(frozen=True, eq=False)
class GreyValues:
    """What the grey values of a stack are like.

    Attributes
    ----------
    counts
        (C, n) pixels per bin, evenly from ``least`` to ``greatest``; n is about 96.
    least, greatest
        Of all channels.
    intensity
        The limits, one pair per channel.
    exact
        Whether a training has just these: it measures its own where it resamples the image.
    """

    counts: NDArray[np.int64]
    least: float
    greatest: float
    intensity: Intensity
    exact: bool = True


def measure_grey_values(stack: Stack, limits: Intensity | None = None) -> GreyValues:
    """Count grey values on a bounded sample of a stack.

    Parameters
    ----------
    stack
        The stack.
    limits
        Those of a training. None: measured on all of the stack.

    Raises
    ------
    InputError
        When a value is NaN or infinite, or the whole image has one grey value.
    """
    intensity = Intensity.measure(stack) if limits is None else limits
    values = read_sample(stack, sample_blocks(stack))
    values = values[:, :: max(1, values.shape[1] // MOST_PIXELS)].astype(np.float64)
    # A few hot pixels shall not squeeze the others into one bin.
    low, high = min(intensity.low), max(intensity.high)
    margin = 0.25 * (high - low)
    least = max(float(values.min()), low - margin)
    greatest = min(float(values.max()), high + margin)
    bins = BINS
    if stack.dtype.kind in "bui":  # as many whole numbers in each bin, or the outline is a comb
        step = max(1, round((greatest - least + 1) / BINS))
        bins = math.ceil((greatest - least + 1) / step)
        least, greatest = math.floor(least) - 0.5, math.floor(least) - 0.5 + bins * step
    counts = [np.histogram(v.clip(least, greatest), bins, (least, greatest))[0] for v in values]
    return GreyValues(np.array(counts), least, greatest, intensity)
