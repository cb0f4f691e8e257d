"""What all ISBI-2012 metrics share: thresholds, checked input, 4-connected components, overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics.overlap import known_mask

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["THRESHOLDS", "Overlap", "checked_input", "components", "overlap"]

# 0, 0.1, 0.1 + 0.1, …: summed, not multiplied, so that values such as 0.30000000000000004 compare
# with float32 probabilities as in the challenge.
THRESHOLDS: tuple[float, ...] = tuple(accumulate([0.0] + [0.1] * 10))

# A dense table of overlaps is faster than sorting up to about this many cells.
DENSE_CELLS = 4_000_000

# Neighbours by edges. Given, since making it takes as long as labelling a small window.
EDGES = ndimage.generate_binary_structure(2, 1)


def checked_input(
    probabilities: ArrayLike, labels: ArrayLike, known: ArrayLike | None
) -> tuple[NDArray[np.floating[Any]], NDArray[np.bool_], NDArray[np.bool_]]:
    """Check and shape the arguments that all ISBI-2012 metrics take.

    Parameters
    ----------
    probabilities : array_like (N, Y, X) or (Y, X), 0 … 1
        Probability of lying inside a cell.
    labels : array_like of the same shape
        Not zero inside a cell, 0 on membranes.
    known : array_like of bool, optional
        False where the reference is not annotated.

    Returns
    -------
    probabilities, labels, known : ndarray (N, Y, X), floating, bool and bool

    Raises
    ------
    InputError
        If the shapes differ or are not those of planes, or a probability is not in 0 … 1.
    """
    prob, true = np.asarray(probabilities), np.asarray(labels)
    if prob.shape != true.shape or prob.ndim not in (2, 3) or prob.size == 0:
        raise InputError(
            "probabilities and labels must both be (N, Y, X) or (Y, X), got "
            f"{prob.shape} and {true.shape}; choose the probability of the inside of cells only."
        )
    if not np.issubdtype(prob.dtype, np.floating):
        prob = prob.astype(np.float64)
    # NaN fails both comparisons.
    if not (prob.min() >= 0 and prob.max() <= 1):
        raise InputError(
            f"probabilities must lie in 0 to 1, got {prob.min()} to {prob.max()}; divide an 8-bit "
            "probability map by 255."
        )
    mask = known_mask(known, true.shape)
    shape = (-1, *prob.shape[-2:])
    full = np.ones(true.shape, bool) if mask is None else mask
    return prob.reshape(shape), (true != 0).reshape(shape), full.reshape(shape)


def above(probabilities: NDArray[np.floating[Any]], threshold: float) -> NDArray[np.bool_]:
    """Compare in float64: a Python float would be rounded to the dtype of the array first."""
    result: NDArray[np.bool_] = probabilities > np.float64(threshold)
    return result


def components(binary: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Label the 4-connected components of a (Y, X) image 1, 2, …; background 0."""
    labelled: NDArray[np.int32] = ndimage.label(binary, EDGES)[0]
    return labelled


@dataclass(frozen=True, eq=False)
class Overlap:
    """Overlaps of reference and predicted components inside the reference foreground.

    Attributes
    ----------
    shared : ndarray of float64
        n_ij > 0 of every pair of reference component i ≥ 1 and predicted component j ≥ 1.
    reference : ndarray of float64
        a_i: size of every reference component, where predicted background counts as well.
    predicted : ndarray of float64
        b_j: size of every predicted component within the reference foreground.
    background : int
        z: reference foreground pixels predicted as background.
    total : int
        n: reference foreground pixels.
    """

    shared: NDArray[np.float64]
    reference: NDArray[np.float64]
    predicted: NDArray[np.float64]
    background: int
    total: int


def overlap(
    reference: NDArray[np.int32], predicted: NDArray[np.int32], known: NDArray[np.bool_]
) -> Overlap:
    """Count the overlaps of two component images (Y, X) where the reference is known and > 0."""
    inside = known & (reference > 0)
    true, found = reference[inside].astype(np.int64), predicted[inside].astype(np.int64)
    if true.size == 0:
        none = np.zeros(0)
        return Overlap(none, none, none, 0, 0)
    width = int(found.max()) + 1
    codes = true * width + found
    if (int(true.max()) + 1) * width <= DENSE_CELLS:
        dense = np.bincount(codes)
        pairs = np.flatnonzero(dense)
        sizes = dense[pairs]
    else:
        pairs, sizes = np.unique(codes, return_counts=True)
    of_cell = pairs % width > 0
    a, b = np.bincount(true), np.bincount(found)[1:]
    return Overlap(
        shared=sizes[of_cell].astype(float),
        reference=a[a > 0].astype(float),
        predicted=b[b > 0].astype(float),
        background=int(sizes[~of_cell].sum()),
        total=true.size,
    )
