"""Variation of information of objects whose ids go through a whole stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_unet.evaluation.metrics.objects import object_overlaps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Variation", "variation_of_information"]


class Variation(NamedTuple):
    """Bits lost by splits and by mergers; both 0 where the objects are the same."""

    split: float
    merge: float

    @property
    def total(self) -> float:
        """The variation of information, split + merge."""
        return self.split + self.merge


def variation_of_information(
    prediction: ArrayLike, reference: ArrayLike, known: ArrayLike | None = None
) -> Variation:
    """Information that prediction and reference do not share; one count over all voxels.

    With p_ij the share of reference voxels (of all objects i ≥ 1) that lie in predicted object j,
    background j = 0 included as one object, p_i and p_j its sums::

        split = H(prediction | reference) = - Σ_ij p_ij log2(p_ij / p_i)
        merge = H(reference | prediction) = - Σ_ij p_ij log2(p_ij / p_j)

    Parameters
    ----------
    prediction, reference : array_like of int, any shape, such as (Z, Y, X)
        Ids that mean the same object in every slice; 0 is background.
    known : array_like of bool, optional
        False where the reference is not annotated; such voxels do not count.

    Returns
    -------
    Variation
        Both NaN where the reference is empty.

    Raises
    ------
    InputError
        If the shapes differ.

    References
    ----------
    Meilă (2007), Comparing clusterings - an information based distance,
    https://doi.org/10.1016/j.jmva.2006.11.013
    """
    overlaps = object_overlaps(prediction, reference, known)
    areas = overlaps.reference_areas.astype(float)
    total = areas.sum()
    if total == 0:
        return Variation(np.nan, np.nan)
    n, m = len(areas), len(overlaps.predicted_ids)
    missed = areas - np.bincount(overlaps.reference, overlaps.shared, n)
    rows = np.concatenate([overlaps.reference, np.flatnonzero(missed)])
    columns = np.concatenate([overlaps.predicted, np.full(np.count_nonzero(missed), m)])
    shared = np.concatenate([overlaps.shared.astype(float), missed[missed > 0]])
    found = np.bincount(columns, shared, m + 1)

    def lost(of: NDArray[np.float64]) -> float:
        return float(-(shared * np.log2(shared / of)).sum() / total) + 0.0  # no -0

    return Variation(lost(areas[rows]), lost(found[columns]))
