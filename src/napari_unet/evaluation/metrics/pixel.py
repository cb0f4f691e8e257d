"""Pixel error of ISBI-2012: one minus the best pixel F-score over thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.evaluation.metrics.challenge import THRESHOLDS, above, checked_input
from napari_unet.evaluation.metrics.overlap import count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["pixel_curve", "pixel_error", "pixel_f_score"]


def pixel_f_score(
    probabilities: ArrayLike,
    labels: ArrayLike,
    threshold: float = 0.5,
    known: ArrayLike | None = None,
) -> float:
    """F-score of pixels at one threshold: 2TP / (2TP + FP + FN), pooled over slices.

    Parameters
    ----------
    probabilities : array_like (N, Y, X) or (Y, X), 0 … 1
        Probability of lying inside a cell.
    labels : array_like of the same shape
        Not zero inside a cell.
    threshold : float
        A pixel is predicted to lie in a cell where its probability is greater.
    known : array_like of bool, optional
        False where the reference is not annotated; such pixels do not count.

    Returns
    -------
    float
        0 … 1 (all pixels right); NaN where the reference has no cell.

    Raises
    ------
    InputError
        If the shapes do not fit or a probability is not in 0 … 1.

    References
    ----------
    Arganda-Carreras et al. (2015), https://doi.org/10.3389/fnana.2015.00142
    """
    return pixel_curve(probabilities, labels, known, (threshold,))[0]


def pixel_curve(
    probabilities: ArrayLike,
    labels: ArrayLike,
    known: ArrayLike | None = None,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> tuple[float, ...]:
    """Compute `pixel_f_score` at every threshold, by default the challenge's 0, 0.1, …, 1."""
    prob, true, mask = checked_input(probabilities, labels, known)
    if not (true & mask).any():
        return (float("nan"),) * len(thresholds)
    return tuple(count(above(prob, threshold), true, mask).dice for threshold in thresholds)


def pixel_error(
    probabilities: ArrayLike, labels: ArrayLike, known: ArrayLike | None = None
) -> float:
    """Pixel error of ISBI-2012: 1 − the greatest `pixel_f_score` over thresholds 0, 0.1, …, 1.

    It is not the share of wrong pixels. Parameters, errors and source as in `pixel_f_score`.
    """
    return 1 - max(pixel_curve(probabilities, labels, known))
