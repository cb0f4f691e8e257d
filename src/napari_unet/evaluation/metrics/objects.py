"""Which predicted object is which reference object, and how many are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics.overlap import check_shapes, known_mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Detections",
    "ObjectOverlaps",
    "average_precision",
    "average_precision_curve",
    "count_detections",
    "match_objects",
    "object_overlaps",
]

Frames = Sequence[Any]
"""Frames of a sequence, each an array of object ids; a frame of None is not annotated."""

Progress = Callable[[int, int], None]

IOU_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True, eq=False)
class ObjectOverlaps:
    """Objects of a reference and of a prediction, and the pixels that they share.

    Attributes
    ----------
    reference_ids, predicted_ids : ndarray (R,), (P,)
        Ids of the objects, ascending.
    reference_areas, predicted_areas : ndarray (R,), (P,) int64
        Known pixels of each.
    judged : ndarray (P,) bool
        Whether at least half of a predicted object is known; if not it is no false positive.
    reference, predicted : ndarray (n,) int64
        Indices, not ids, of the two objects of every overlapping pair.
    shared : ndarray (n,) int64
        Known pixels that both have, > 0.
    """

    reference_ids: NDArray[Any]
    reference_areas: NDArray[np.int64]
    predicted_ids: NDArray[Any]
    predicted_areas: NDArray[np.int64]
    judged: NDArray[np.bool_]
    reference: NDArray[np.int64]
    predicted: NDArray[np.int64]
    shared: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every overlapping pair, (n,)."""
        union = self.reference_areas[self.reference] + self.predicted_areas[self.predicted]
        ratio: NDArray[np.float64] = self.shared / (union - self.shared)
        return ratio


def object_overlaps(
    prediction: ArrayLike, reference: ArrayLike, known: ArrayLike | None = None
) -> ObjectOverlaps:
    """Count the pixels that predicted and reference objects share.

    Parameters
    ----------
    prediction, reference : array_like of int, any shape
        Object ids; 0 is background.
    known : array_like of bool, optional
        False where the reference is not annotated; such pixels do not count.

    Returns
    -------
    ObjectOverlaps

    Raises
    ------
    InputError
        If the shapes differ.
    """
    found, true = np.asarray(prediction), np.asarray(reference)
    check_shapes(found, true)
    mask = known_mask(known, true.shape)
    everywhere = np.ones(true.shape, bool) if mask is None else mask
    in_true, in_found = (true > 0) & everywhere, (found > 0) & everywhere
    reference_ids, reference_areas = np.unique(true[in_true], return_counts=True)
    predicted_ids, predicted_areas = np.unique(found[in_found], return_counts=True)
    all_ids, all_areas = np.unique(found[found > 0], return_counts=True)
    both = in_true & in_found
    rows = np.searchsorted(reference_ids, true[both])
    columns = np.searchsorted(predicted_ids, found[both])
    width = max(len(predicted_ids), 1)
    pairs, shared = np.unique(rows * width + columns, return_counts=True)
    return ObjectOverlaps(
        reference_ids=reference_ids,
        reference_areas=reference_areas,
        predicted_ids=predicted_ids,
        predicted_areas=predicted_areas,
        judged=2 * predicted_areas >= all_areas[np.isin(all_ids, predicted_ids)],
        reference=pairs // width,
        predicted=pairs % width,
        shared=shared,
    )


def match_objects(overlaps: ObjectOverlaps, threshold: float) -> NDArray[np.intp]:
    """Pair objects one to one wherever their IoU reaches a threshold.

    Above one half no object has two such partners; else as many pairs as possible are made, and
    of these those with the greatest sum of IoU.

    Returns
    -------
    ndarray (m,) intp
        Which of the overlapping pairs of ``overlaps`` are matches.
    """
    good = np.flatnonzero(overlaps.iou >= threshold)
    if threshold > 0.5 or good.size == 0:
        return good
    rows, row = np.unique(overlaps.reference[good], return_inverse=True)
    columns, column = np.unique(overlaps.predicted[good], return_inverse=True)
    gain = np.zeros((len(rows), len(columns)))
    # One more pair outweighs any sum of overlaps.
    gain[row, column] = min(gain.shape) + 1 + overlaps.iou[good]
    which = np.full(gain.shape, -1)
    which[row, column] = good
    chosen = which[linear_sum_assignment(gain, maximize=True)]
    return np.sort(chosen[chosen >= 0])


@dataclass(frozen=True)
class Detections:
    """Objects found, invented and missed; ``a + b`` pools two images."""

    true_positive: int
    false_positive: int
    false_negative: int

    def __add__(self, other: Detections) -> Detections:
        return Detections(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
        )

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN); NaN where there is nothing to find."""
        if self.true_positive + self.false_negative == 0:
            return float("nan")
        return self.true_positive / (self.true_positive + self.false_positive + self.false_negative)


def count_detections(overlaps: ObjectOverlaps, threshold: float = 0.5) -> Detections:
    """Count the objects of one image that are found with at least a given IoU."""
    matches = match_objects(overlaps, threshold)
    invented = overlaps.judged.copy()
    invented[overlaps.predicted[matches]] = False
    missed = len(overlaps.reference_ids) - len(matches)
    return Detections(len(matches), int(invented.sum()), missed)


def annotated_frames(
    predictions: Frames, references: Frames, known: Frames | None, progress: Progress | None = None
) -> Iterator[ObjectOverlaps]:
    """Compare the annotated frames of a sequence one by one; arguments as of the metrics."""
    if len(predictions) != len(references) or (known is not None and len(known) != len(references)):
        raise InputError(
            f"prediction and reference must have the same number of frames, got {len(predictions)} "
            f"and {len(references)}; give None for frames that are not annotated."
        )
    masks = () if known is None else known
    for done, (found, true, mask) in enumerate(zip_longest(predictions, references, masks)):
        if progress is not None:
            progress(done, len(references))
        if true is None:
            continue
        if np.ndim(true) < 2:
            raise InputError(
                f"every frame must be (Y, X) or (Z, Y, X), got shape {np.shape(true)}; put a "
                "single frame into a list."
            )
        yield object_overlaps(found, true, mask)


def average_precision(
    predictions: Frames,
    references: Frames,
    threshold: float = 0.5,
    known: Frames | None = None,
) -> float:
    """Share of objects that are found, TP / (TP + FP + FN), at an IoU threshold.

    An object is found if a predicted one reaches the threshold of intersection over union with
    it, each standing for one object at most. Objects are counted over all frames.

    Parameters
    ----------
    predictions, references : sequence of array_like (Y, X) of int
        Object ids of each frame, 0 background. Frames whose reference is None do not count.
    threshold : float
        The least IoU of a match, 0 … 1.
    known : sequence of array_like of bool, optional
        For each frame False where the reference is not annotated (None: all is). Predicted
        objects that lie there with more than half of their area are not counted as wrong.

    Returns
    -------
    float
        0 … 1; NaN where there is nothing to find.

    Raises
    ------
    InputError
        If the shapes or numbers of frames differ.

    References
    ----------
    Caicedo et al. (2019), Nucleus segmentation across imaging experiments: the 2018 Data Science
    Bowl, https://doi.org/10.1038/s41592-019-0612-7
    """
    return average_precision_curve(predictions, references, (threshold,), known)[0]


def average_precision_curve(
    predictions: Frames,
    references: Frames,
    thresholds: tuple[float, ...] = IOU_THRESHOLDS,
    known: Frames | None = None,
    *,
    progress: Progress | None = None,
) -> tuple[float, ...]:
    """Compute `average_precision` at several thresholds, by default 0.5, 0.55, …, 0.95.

    ``progress(done, total)`` is called before every frame; what it raises stops the computation.
    """
    frames = list(annotated_frames(predictions, references, known, progress))
    counts = [
        sum((count_detections(frame, threshold) for frame in frames), Detections(0, 0, 0))
        for threshold in thresholds
    ]
    return tuple(count.average_precision for count in counts)
