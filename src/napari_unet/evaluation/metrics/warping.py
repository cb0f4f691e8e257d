"""Warping error of ISBI-2012: splits and mergers that no change of outline can explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from napari_unet.evaluation.metrics.challenge import THRESHOLDS, above, checked_input, components
from napari_unet.evaluation.metrics.simple_points import warp

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["split_and_merger_pixels", "warp_reference", "warping_curve", "warping_error"]

# The challenge looks at 0, 0.1, …, 0.9.
WARPING_THRESHOLDS = THRESHOLDS[:10]

# px; a pixel splits a cell if its neighbours are connected in no other way within this distance.
RADIUS = 20

# Small enough for the processor's cache, and enough to hide the cost of a call.
WINDOWS_AT_ONCE = 64


def warp_reference(
    probability: NDArray[np.floating[Any]],
    reference: NDArray[np.bool_],
    threshold: float,
    known: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Warp a reference (Y, X) to a prediction; return it and the pixels still wrong, both bool."""
    predicted = above(probability, threshold)
    # In single precision: it decides the order of nearly equal differences.
    distance = np.abs(probability.astype(np.float64) - threshold).astype(np.float32)
    warped = warp(reference, predicted, distance, known)
    return warped, (warped != predicted) & known


def split_and_merger_pixels(
    warped: NDArray[np.bool_], wrong: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the wrong pixels that split a cell and those that merge cells.

    A pixel is judged by its 8 neighbours. A membrane pixel merges where they lie in at least two
    cells and the background. A pixel of a cell splits where they do so too, or where they would
    once it is removed, looking no further than 20 px. All other wrong pixels add or delete a
    whole cell or hole, and are no error of this kind.

    Parameters
    ----------
    warped : ndarray (Y, X) bool
        Reference after warping.
    wrong : ndarray (Y, X) bool
        Where it still differs from the prediction.

    Returns
    -------
    splits, mergers : ndarray (Y, X) bool
    """
    splits, mergers = np.zeros_like(wrong), np.zeros_like(wrong)
    rows, columns = np.nonzero(wrong)
    cells = np.pad(components(warped), 1, constant_values=-1)
    around = np.sort(
        np.stack(
            [cells[rows + i, columns + j] for i in range(3) for j in range(3) if (i, j) != (1, 1)]
        ),
        axis=0,
    )  # (8, n)
    distinct = (around[0] >= 0).astype(int) + (np.diff(around, axis=0) > 0).sum(0)
    inside = warped[rows, columns]
    mergers[rows, columns] = (distinct > 2) & ~inside
    splits[rows, columns] = (distinct > 2) & inside
    doubtful = (distinct == 2) & inside
    splits[rows[doubtful], columns[doubtful]] = fall_apart(
        warped, rows[doubtful], columns[doubtful]
    )
    return splits, mergers


def fall_apart(
    warped: NDArray[np.bool_], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Tell for each pixel whether its cell is in pieces, near it, once that pixel is removed."""
    # A frame of background on all sides, and one more row that parts windows below one another.
    framed = np.pad(warped, ((RADIUS, RADIUS + 1), (RADIUS, RADIUS)))
    windows = sliding_window_view(framed, (2 * RADIUS + 2, 2 * RADIUS + 1))
    result = np.zeros(len(rows), bool)
    for first in range(0, len(rows), WINDOWS_AT_ONCE):
        part = slice(first, first + WINDOWS_AT_ONCE)
        near = windows[rows[part], columns[part]]  # (n, 42, 41), a copy
        near[:, RADIUS, RADIUS] = False
        near[:, -1] = False
        pieces = components(near.reshape(-1, near.shape[-1])).reshape(near.shape)
        middle = slice(RADIUS - 1, RADIUS + 2)
        around = np.sort(pieces[:, middle, middle].reshape(len(near), 9), axis=1)
        # The background is the first of the values that differ.
        result[part] = (np.diff(around, axis=1) > 0).sum(1) > 1
    return result


def warping_curve(
    probabilities: ArrayLike,
    labels: ArrayLike,
    known: ArrayLike | None = None,
    thresholds: tuple[float, ...] = WARPING_THRESHOLDS,
) -> tuple[float, ...]:
    """Compute the warping error at every threshold, by default the challenge's 0, 0.1, …, 0.9.

    Parameters, errors and source as in `warping_error`.
    """
    prob, true, mask = checked_input(probabilities, labels, known)
    counts = [0] * len(thresholds)
    for plane, reference, where in zip(prob, true, mask):
        for k, threshold in enumerate(thresholds):
            warped, wrong = warp_reference(plane, reference, threshold, where)
            splits, mergers = split_and_merger_pixels(warped, wrong)
            counts[k] += int(splits.sum()) + int(mergers.sum())
    total = int(mask.sum()) or float("nan")
    return tuple(number / total for number in counts)


def warping_error(
    probabilities: ArrayLike, labels: ArrayLike, known: ArrayLike | None = None
) -> float:
    """Warping error of ISBI-2012: the least share of pixels that split or merge cells.

    The reference is warped to the prediction by flipping simple points, which change neither the
    number of cells nor that of holes. What differs still is an error of topology; counted are the
    pixels of it that split or merge cells. Least over the thresholds 0, 0.1, …, 0.9.

    Parameters
    ----------
    probabilities : array_like (N, Y, X) or (Y, X), 0 … 1
        Probability of lying inside a cell.
    labels : array_like of the same shape
        Not zero inside a cell.
    known : array_like of bool, optional
        False where the reference is not annotated; such pixels are neither warped nor counted.

    Returns
    -------
    float
        Share of the known pixels.

    Raises
    ------
    InputError
        If the shapes do not fit or a probability is not in 0 … 1.

    References
    ----------
    Jain et al. (2010), Boundary learning by optimization with topological constraints,
    https://doi.org/10.1109/CVPR.2010.5539950
    """
    return min(warping_curve(probabilities, labels, known))
