"""Adapted Rand score of objects whose ids go through a whole stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.evaluation.metrics.challenge import overlap
from napari_unet.evaluation.metrics.overlap import check_shapes, known_mask
from napari_unet.evaluation.metrics.rand import rand_sums

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_unet.evaluation.metrics.rand import Score

__all__ = ["adapted_rand"]


def adapted_rand(
    prediction: ArrayLike, reference: ArrayLike, known: ArrayLike | None = None
) -> Score:
    """Adapted Rand precision, recall and F-score; one count over all voxels.

    With n_ij the voxels that reference object i and predicted object j share (i, j ≥ 1), a_i all
    voxels of i, b_j those of j inside reference objects, and z the voxels of reference objects
    that are predicted as background, each of which counts as an object of its own::

        S = Σ_ij n_ij² + z,   A = Σ_i a_i²,   B = Σ_j b_j² + z
        precision = S / B,   recall = S / A,   F = 2 S / (A + B)

    A false merger lowers precision, a split lowers recall; one merger through the stack costs as
    much as all the voxels it joins.

    Parameters
    ----------
    prediction, reference : array_like of int, any shape, such as (Z, Y, X)
        Ids that mean the same object in every slice; 0 is background.
    known : array_like of bool, optional
        False where the reference is not annotated; such voxels do not count.

    Returns
    -------
    Score
        The adapted Rand *error* is 1 - ``f_score``. All NaN where the reference is empty.

    Raises
    ------
    InputError
        If the shapes differ.

    References
    ----------
    Arganda-Carreras et al. (2015), Crowdsourcing the creation of image segmentation algorithms
    for connectomics, https://doi.org/10.3389/fnana.2015.00142
    """
    found, true = np.asarray(prediction), np.asarray(reference)
    check_shapes(found, true)
    mask = known_mask(known, true.shape)
    everywhere = np.ones(true.shape, bool) if mask is None else mask
    return rand_sums(overlap(true, found, everywhere)).score()
