"""Thinning of ISBI-2012: predicted membranes shrink to watershed lines before comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.evaluation.metrics.challenge import (
    THRESHOLDS,
    above,
    checked_input,
    components,
    overlap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from napari_unet.evaluation.metrics.challenge import Overlap
    from napari_unet.evaluation.metrics.rand import Score

__all__ = ["mean_over_slices", "thin", "thinned_overlaps"]

LINE = 0  # on a watershed line, where basins meet
UNSEEN = -1  # not flooded yet
UNDECIDED = -2  # flooded from lines only, so far
OUTSIDE = -3  # the frame around the image


def thin(binary: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Grow the cells of a binary prediction until one-pixel watershed lines part them.

    The watershed of Vincent and Soille of a two-level image, 4-connected: cells are the lower
    level, membranes the upper one. Membrane pixels queue by their city-block distance from the
    cells, those at distance 1 column by column, all others in the order in which they were met.
    A pixel joins the basin of those neighbours that were flooded before it; if these lie in
    several basins, or only on lines, it becomes line. Whole distances are flooded at once; only
    pixels beside another basin at the same distance, where the order matters, are visited one by
    one.

    Parameters
    ----------
    binary : ndarray (Y, X) bool
        True inside predicted cells.

    Returns
    -------
    ndarray (Y, X) int32
        Basins 1, 2, …, never touching each other, and watershed lines 0. Without any cell the
        image is a single basin.

    References
    ----------
    Vincent and Soille (1991), Watersheds in digital spaces: an efficient algorithm based on
    immersion simulations, https://doi.org/10.1109/34.87344
    """
    if not binary.any():
        return np.ones(binary.shape, np.int32)
    # Transposed: the queue starts column by column.
    cells = np.ascontiguousarray(components(binary).T)
    framed = np.pad(cells, 1, constant_values=OUTSIDE)
    framed[framed == 0] = UNSEEN
    basins, width = framed.reshape(-1), framed.shape[1]
    steps = np.array([-width, -1, 1, width])
    # Place of every pixel in the layer being flooded; -1 in any other layer.
    place = np.full(basins.size, -1, np.intp)
    shore = np.flatnonzero(basins == UNSEEN)
    layer = shore[(basins[shore[:, None] + steps] > 0).any(1)]
    while layer.size:
        around = layer[:, None] + steps
        place[layer] = np.arange(layer.size)
        flood(basins, place, layer, around)
        place[layer] = -1
        layer = first_met(around.ravel(), basins, place)
    return np.ascontiguousarray(framed[1:-1, 1:-1].T)


def flood(
    basins: NDArray[np.int32],
    place: NDArray[np.intp],
    layer: NDArray[np.intp],
    around: NDArray[np.intp],
) -> None:
    """Decide one layer of pixels (n,), given as flat indices with their neighbours (n, 4)."""
    before = basins[around]
    high = before.max(1)
    low = np.where(before > 0, before, high[:, None]).min(1)
    basins[layer] = np.where(high > 0, np.where(low == high, high, LINE), UNDECIDED)
    beside = place[around] >= 0
    differs = (basins[around] != basins[layer][:, None]) & beside
    for k in np.flatnonzero(differs.any(1) & (basins[layer] != LINE)).tolist():
        decide(basins, place, int(layer[k]), around[k].tolist(), k)
    undecided = layer[basins[layer] == UNDECIDED]
    basins[undecided] = LINE


def decide(
    basins: NDArray[np.int32], place: NDArray[np.intp], pixel: int, around: list[int], k: int
) -> None:
    """Decide the k-th pixel of a layer, knowing those before it in the same layer."""
    label = basins[pixel]
    for neighbour in around:
        if 0 <= place[neighbour] < k and basins[neighbour] > 0:
            if label == UNDECIDED:
                label = basins[neighbour]
            elif label != basins[neighbour]:
                label = LINE
    basins[pixel] = label


def first_met(
    candidates: NDArray[np.intp], basins: NDArray[np.int32], place: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Keep the unseen pixels, each where it comes first; ``place`` is scratch."""
    unseen = candidates[basins[candidates] == UNSEEN]
    turn = np.arange(unseen.size)
    # Of several values written to one place the last one stays: write backwards.
    place[unseen[::-1]] = turn[::-1]
    first: NDArray[np.intp] = unseen[place[unseen] == turn]
    place[unseen] = -1
    return first


def thinned_overlaps(
    probabilities: ArrayLike,
    labels: ArrayLike,
    known: ArrayLike | None = None,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> Iterator[list[Overlap]]:
    """Overlap the thinned prediction with the reference: per threshold one `Overlap` a slice."""
    prob, true, mask = checked_input(probabilities, labels, known)
    references = [components(plane) for plane in true]
    for threshold in thresholds:
        yield [
            overlap(reference, thin(above(plane, threshold)), where)
            for plane, reference, where in zip(prob, references, mask)
        ]


def mean_over_slices(score: Callable[[Overlap], Score], overlaps: Iterable[Overlap]) -> float:
    """Average the F-score over the slices whose reference is not empty; NaN if all are."""
    scores = [score(counts).f_score for counts in overlaps if counts.total]
    return float(np.mean(scores)) if scores else float("nan")
