"""Whether the grey values of an image are those that limits were made for.

Legend: ``C`` channels; a range is (low, high), the grey values that become 0 and 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_unet.images.intensity import slice_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_unet.images.intensity import Intensity
    from napari_unet.images.stack import Stack

__all__ = ["other_order", "own_ranges", "say_ranges"]

ALIKE = 0.5
"""Ranges of grey values are alike when they share this much of what they span together."""

LOOKED_AT = 4
"""Slices whose grey values are measured."""

READABLE = 1e10
"""Grey values from here on are written as powers of ten."""


def own_ranges(
    intensity: Intensity, stack: Stack, slices: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Measure an image as the limits were measured, on four slices at most.

    Parameters
    ----------
    intensity
        The limits, of as many channels as the stack has.
    stack
        The image.
    slices
        Only these; None: all.

    Returns
    -------
    numpy.ndarray
        (C, 2), the median over the slices, of a channel those that are not of one grey value;
        the limits of a channel that is so throughout.

    Raises
    ------
    InputError
        When a grey value looked at is NaN or infinite.
    """
    chosen = range(stack.n_slices) if slices is None else slices
    places = np.linspace(0, len(chosen) - 1, min(len(chosen), LOOKED_AT)).round().astype(int)
    each = [slice_range(stack, chosen[int(k)], intensity.percentiles) for k in np.unique(places)]
    ranges = np.array(each)  # (slices, C, 2)
    flat = ranges[..., 0] == ranges[..., 1]
    empty = flat.all(axis=0)  # of a channel without grey values nothing can be told
    ranges[:, empty] = _of(intensity)[empty]
    ranges[flat & ~empty] = np.nan
    median: NDArray[np.float64] = np.nanmedian(ranges, axis=0)
    return median


def say_ranges(mine: NDArray[np.float64], intensity: Intensity, words: str) -> str:
    """Say where ranges are not those of the limits; "" where all are alike.

    Parameters
    ----------
    mine
        (C, 2), of `own_ranges`.
    intensity
        The limits.
    words
        What the limits are, such as "where the model learnt".
    """
    limits = _of(intensity)
    shared = _shared(mine, limits)
    said = []
    for k in (k for k in range(len(mine)) if shared[k, k] < ALIKE):
        where = f" of channel {k + 1}" if len(mine) > 1 else ""
        said.append(f"{where} run from {_span(mine[k])}, {words} {_span(limits[k])}")
    return " and".join(said).strip()


def other_order(mine: NDArray[np.float64], intensity: Intensity) -> tuple[int, ...] | None:
    """Return the limits' channel of each channel, where another order fits and this one not."""
    shared = _shared(mine, _of(intensity))
    _, order = linear_sum_assignment(shared, maximize=True)
    here = np.arange(len(order))
    fits = (shared[here, order] >= ALIKE).all()
    if not fits or (shared[here, here] >= ALIKE).all():
        return None
    return tuple(int(k) for k in order)


def _of(intensity: Intensity) -> NDArray[np.float64]:
    return np.array([intensity.low, intensity.high]).T


def _shared(mine: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much ranges share of what they span together, (mine, limits)."""
    low, high = mine[:, None, 0], mine[:, None, 1]
    both = np.minimum(high, limits[:, 1]) - np.maximum(low, limits[:, 0])
    together = np.maximum(high, limits[:, 1]) - np.minimum(low, limits[:, 0])
    share: NDArray[np.float64] = np.clip(both, 0, None) / together
    return share


def _span(limits: NDArray[np.float64]) -> str:
    low, high = (
        f"{v:,.0f}" if abs(v) < READABLE and (abs(v) >= 100 or v == round(v)) else f"{v:.3g}"
        for v in limits
    )
    return f"{low} to {high}"
