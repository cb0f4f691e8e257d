"""Information-theoretic score V_Info of ISBI-2012, restricted to the reference foreground."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.evaluation.metrics.rand import Score
from napari_unet.evaluation.metrics.thinning import mean_over_slices, thinned_overlaps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_unet.evaluation.metrics.challenge import Overlap

__all__ = ["information_score", "v_info"]


def entropy(sizes: NDArray[np.float64], total: int) -> float:
    """−Σ p ln p with p = sizes / total; no size is 0."""
    p = sizes / total
    return -float((p * np.log(p)).sum())


def information_score(counts: Overlap) -> Score:
    """Compare reference and predicted components by mutual information.

    With p = n_ij / n, the entropies H_A of the reference, H_B of the prediction and H_AB of both;
    each of the z pixels of predicted background counts as a component of its own, which adds
    (z / n) ln n to H_B and to H_AB::

        I = H_A + H_B − H_AB,   precision = I / H_B,   recall = I / H_A,   V = 2 I / (H_A + H_B)

    Parameters
    ----------
    counts : Overlap
        Overlaps n_ij of one slice.

    Returns
    -------
    Score
        Precision, recall and V as ``f_score``. If the reference is one single component they are
        0, 1 and 0; else if the prediction is, 1, 0 and 0; all NaN where the reference is empty.

    References
    ----------
    Arganda-Carreras et al. (2015), Crowdsourcing the creation of image segmentation algorithms
    for connectomics, https://doi.org/10.3389/fnana.2015.00142
    """
    n = counts.total
    if n == 0:
        return Score(math.nan, math.nan, math.nan)
    alone = counts.background / n * float(np.log(n))
    reference = entropy(counts.reference, n)
    predicted = entropy(counts.predicted, n) + alone
    if reference == 0:
        return Score(0.0, 1.0, 0.0)
    if predicted == 0:
        return Score(1.0, 0.0, 0.0)
    mutual = reference + predicted - (entropy(counts.shared, n) + alone)
    return Score(mutual / predicted, mutual / reference, 2 * mutual / (reference + predicted))


def v_info(probabilities: ArrayLike, labels: ArrayLike, known: ArrayLike | None = None) -> float:
    """V_Info of ISBI-2012 after thinning: the greatest mean over slices of V over thresholds.

    Parameters and errors as in `v_rand`, V as in `information_score`.

    Returns
    -------
    float
        0 … 1 (the cells of prediction and reference are the same).
    """
    return max(
        mean_over_slices(information_score, overlaps)
        for overlaps in thinned_overlaps(probabilities, labels, known)
    )
