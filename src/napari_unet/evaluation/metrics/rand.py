"""Foreground-restricted Rand score of ISBI-2012."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_unet.evaluation.metrics.challenge import (
    THRESHOLDS,
    above,
    checked_input,
    components,
    overlap,
)
from napari_unet.evaluation.metrics.thinning import mean_over_slices, thinned_overlaps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_unet.evaluation.metrics.challenge import Overlap

__all__ = ["RandSums", "Score", "rand_curve", "rand_error", "rand_score", "rand_sums", "v_rand"]


@dataclass(frozen=True)
class Score:
    """Precision, recall and their harmonic mean, each 0 … 1."""

    precision: float
    recall: float
    f_score: float


@dataclass(frozen=True)
class RandSums:
    """Numbers of pixel pairs S, A, B of the Rand score; sums of several slices add up."""

    both: float
    reference: float
    predicted: float

    def __add__(self, other: RandSums) -> RandSums:
        return RandSums(
            self.both + other.both,
            self.reference + other.reference,
            self.predicted + other.predicted,
        )

    def score(self) -> Score:
        """Precision S/B, recall S/A, F = 2S/(A+B); NaN where the reference is empty."""
        if self.reference == 0:
            return Score(math.nan, math.nan, math.nan)
        f = 2 * self.both / (self.reference + self.predicted)
        return Score(self.both / self.predicted, self.both / self.reference, f)


def rand_sums(counts: Overlap) -> RandSums:
    """Sum the squares of an `Overlap`; predicted background counts as single pixels."""
    z = counts.background
    return RandSums(
        both=float((counts.shared**2).sum()) + z,
        reference=float((counts.reference**2).sum()),
        predicted=float((counts.predicted**2).sum()) + z,
    )


def rand_score(
    probabilities: ArrayLike,
    labels: ArrayLike,
    threshold: float = 0.5,
    known: ArrayLike | None = None,
) -> Score:
    """Foreground-restricted Rand precision, recall and F-score at one threshold.

    With n_ij the overlap of reference component i and predicted component j inside the
    reference foreground (i, j ≥ 1; in A j = 0, the background, as well), and z the pixels of it
    that are predicted as background::

        S = Σ_ij n_ij² + z,   A = Σ_i (Σ_j n_ij)²,   B = Σ_j (Σ_i n_ij)² + z
        precision = S / B,   recall = S / A,   F = 2 S / (A + B)

    S, A and B are summed over all slices first. A merger of two cells lowers precision, a split
    lowers recall.

    Parameters
    ----------
    probabilities : array_like (N, Y, X) or (Y, X), 0 … 1
        Probability of lying inside a cell.
    labels : array_like of the same shape
        Not zero inside a cell. Cells are its 4-connected components.
    threshold : float
        A pixel is predicted to lie in a cell where its probability is greater.
    known : array_like of bool, optional
        False where the reference is not annotated; such pixels do not count.

    Returns
    -------
    Score

    Raises
    ------
    InputError
        If the shapes do not fit or a probability is not in 0 … 1.

    References
    ----------
    Arganda-Carreras et al. (2015), Crowdsourcing the creation of image segmentation algorithms
    for connectomics, https://doi.org/10.3389/fnana.2015.00142
    """
    return rand_curve(probabilities, labels, known, (threshold,))[0]


def rand_curve(
    probabilities: ArrayLike,
    labels: ArrayLike,
    known: ArrayLike | None = None,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> tuple[Score, ...]:
    """Compute `rand_score` at every threshold, by default the challenge's 0, 0.1, …, 1."""
    prob, true, mask = checked_input(probabilities, labels, known)
    sums = [RandSums(0, 0, 0)] * len(thresholds)
    for plane, reference, where in zip(prob, map(components, true), mask):
        for k, threshold in enumerate(thresholds):
            found = components(above(plane, threshold))
            sums[k] += rand_sums(overlap(reference, found, where))
    return tuple(total.score() for total in sums)


def rand_error(
    probabilities: ArrayLike, labels: ArrayLike, known: ArrayLike | None = None
) -> float:
    """Rand error of ISBI-2012: 1 − the greatest F of `rand_score` over thresholds 0, 0.1, …, 1.

    Parameters, errors and source as in `rand_score`.

    Returns
    -------
    float
        0 (no cell merged or split) … 1.
    """
    return 1 - max(score.f_score for score in rand_curve(probabilities, labels, known))


def v_rand(probabilities: ArrayLike, labels: ArrayLike, known: ArrayLike | None = None) -> float:
    """V_Rand of ISBI-2012 after thinning: the greatest mean over slices of F over thresholds.

    Before comparison the prediction is thinned (see `thin`), so that the width of predicted
    membranes does not matter. F as in `rand_score`, but of each slice for itself.

    Parameters
    ----------
    probabilities : array_like (N, Y, X) or (Y, X), 0 … 1
        Probability of lying inside a cell.
    labels : array_like of the same shape
        Not zero inside a cell. Cells are its 4-connected components.
    known : array_like of bool, optional
        False where the reference is not annotated; such pixels do not count, nor do slices
        without any foreground.

    Returns
    -------
    float
        0 … 1 (no cell merged or split).

    Raises
    ------
    InputError
        If the shapes do not fit or a probability is not in 0 … 1.

    References
    ----------
    Arganda-Carreras et al. (2015), Crowdsourcing the creation of image segmentation algorithms
    for connectomics, https://doi.org/10.3389/fnana.2015.00142
    """
    return max(
        mean_over_slices(slice_score, overlaps)
        for overlaps in thinned_overlaps(probabilities, labels, known)
    )


def slice_score(counts: Overlap) -> Score:
    """Rand score of one slice."""
    return rand_sums(counts).score()
