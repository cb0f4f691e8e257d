"""All five metrics of the ISBI-2012 EM segmentation challenge in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_unet.evaluation.metrics.challenge import (
    THRESHOLDS,
    above,
    checked_input,
    components,
    overlap,
)
from napari_unet.evaluation.metrics.information import information_score, v_info
from napari_unet.evaluation.metrics.pixel import pixel_curve, pixel_error, pixel_f_score
from napari_unet.evaluation.metrics.rand import (
    RandSums,
    rand_error,
    rand_score,
    rand_sums,
    slice_score,
    v_rand,
)
from napari_unet.evaluation.metrics.thinning import mean_over_slices, thin
from napari_unet.evaluation.metrics.warping import (
    WARPING_THRESHOLDS,
    split_and_merger_pixels,
    warp_reference,
    warping_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_unet.evaluation.metrics.challenge import Overlap

__all__ = [
    "ISBI2012Result",
    "isbi2012",
    "pixel_error",
    "pixel_f_score",
    "rand_error",
    "rand_score",
    "v_info",
    "v_rand",
    "warping_error",
]


@dataclass(frozen=True)
class ISBI2012Result:
    """The metrics of ISBI-2012, each at its best threshold, and what they are at every threshold.

    Attributes
    ----------
    rand_error : float
        1 − the greatest foreground-restricted Rand F-score, pooled over slices.
    warping_error : float
        The least share of pixels that split or merge cells.
    pixel_error : float
        1 − the greatest pixel F-score (not the share of wrong pixels).
    v_rand, v_info : float
        The greatest mean over slices of the Rand and of the information-theoretic score, the
        prediction thinned.
    thresholds : tuple of float
        0, 0.1, …, 1.
    rand_curve, pixel_curve, v_rand_curve, v_info_curve : tuple of float
        Scores (1 is perfect) at every threshold.
    warping_curve : tuple of float
        Errors (0 is perfect) at 0, 0.1, …, 0.9.
    """

    rand_error: float
    warping_error: float
    pixel_error: float
    v_rand: float
    v_info: float
    thresholds: tuple[float, ...]
    rand_curve: tuple[float, ...]
    pixel_curve: tuple[float, ...]
    v_rand_curve: tuple[float, ...]
    v_info_curve: tuple[float, ...]
    warping_curve: tuple[float, ...]


def isbi2012(
    probabilities: ArrayLike,
    labels: ArrayLike,
    known: ArrayLike | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ISBI2012Result:
    """Compute all metrics of the ISBI-2012 EM segmentation challenge.

    Parameters
    ----------
    probabilities : array_like (N, Y, X) or (Y, X), 0 … 1
        Probability of lying inside a cell.
    labels : array_like of the same shape
        Not zero inside a cell, 0 on membranes. Cells are its 4-connected components.
    known : array_like of bool, optional
        False where the reference is not annotated; such pixels do not count.
    progress : callable (done, total), optional
        Called after every threshold of every slice. What it raises stops the computation.

    Returns
    -------
    ISBI2012Result

    Raises
    ------
    InputError
        If the shapes do not fit or a probability is not in 0 … 1.

    References
    ----------
    Arganda-Carreras et al. (2015), Crowdsourcing the creation of image segmentation algorithms
    for connectomics, https://doi.org/10.3389/fnana.2015.00142
    """
    prob, true, mask = checked_input(probabilities, labels, known)
    slices = list(zip(prob, true, map(components, true), mask))
    total = len(THRESHOLDS) * len(slices)
    curves: list[tuple[float, ...]] = []
    for k, threshold in enumerate(THRESHOLDS):
        counted: list[SliceCounts] = []
        for i, one in enumerate(slices):
            counted.append(count_slice(*one, threshold))
            if progress is not None:
                progress(k * len(slices) + i + 1, total)
        curves.append(scores(counted, int(mask.sum())))
    rand, v_rands, v_infos, warping = zip(*curves)
    warping = warping[: len(WARPING_THRESHOLDS)]
    pixel = pixel_curve(prob, true, mask)
    return ISBI2012Result(
        rand_error=1 - max(rand),
        warping_error=min(warping),
        pixel_error=1 - max(pixel),
        v_rand=max(v_rands),
        v_info=max(v_infos),
        thresholds=THRESHOLDS,
        rand_curve=rand,
        pixel_curve=pixel,
        v_rand_curve=v_rands,
        v_info_curve=v_infos,
        warping_curve=warping,
    )


class SliceCounts(NamedTuple):
    """What one slice contributes at one threshold."""

    plain: Overlap
    thinned: Overlap
    topology: int  # pixels that split or merge cells


def count_slice(
    probability: NDArray[np.floating[Any]],
    labels: NDArray[np.bool_],
    cells: NDArray[np.int32],
    known: NDArray[np.bool_],
    threshold: float,
) -> SliceCounts:
    """Compare one slice, all arrays (Y, X), with its reference at one threshold."""
    predicted = above(probability, threshold)
    topology = 0
    if threshold in WARPING_THRESHOLDS:
        warped, wrong = warp_reference(probability, labels, threshold, known)
        splits, mergers = split_and_merger_pixels(warped, wrong)
        topology = int(splits.sum()) + int(mergers.sum())
    return SliceCounts(
        plain=overlap(cells, components(predicted), known),
        thinned=overlap(cells, thin(predicted), known),
        topology=topology,
    )


def scores(counted: list[SliceCounts], pixels: int) -> tuple[float, float, float, float]:
    """Rand F-score, V_Rand, V_Info and warping error of all slices at one threshold."""
    pooled = sum((rand_sums(counts.plain) for counts in counted), RandSums(0, 0, 0))
    thinned = [counts.thinned for counts in counted]
    return (
        pooled.score().f_score,
        mean_over_slices(slice_score, thinned),
        mean_over_slices(information_score, thinned),
        sum(counts.topology for counts in counted) / pixels if pixels else float("nan"),
    )
