"""Segmentation and detection accuracy of the Cell Tracking Challenge: SEG and DET."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.evaluation.metrics.objects import annotated_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.evaluation.metrics.objects import Frames, ObjectOverlaps, Progress

__all__ = ["ctc_det", "ctc_seg", "seg_scores"]

# Costs of correcting one error, from the challenge's measure for matching acyclic oriented graphs.
SPLIT, MISSED, INVENTED = 5, 10, 1


def majority_pairs(overlaps: ObjectOverlaps) -> NDArray[np.intp]:
    """Choose the pairs where the predicted object covers more than half of the reference object.

    A reference object is in one such pair at most, a predicted object may be in several.
    """
    return np.flatnonzero(2 * overlaps.shared > overlaps.reference_areas[overlaps.reference])


def seg_scores(overlaps: ObjectOverlaps) -> NDArray[np.float64]:
    """IoU of every reference object (R,) with the object that covers most of it, else 0."""
    scores = np.zeros(len(overlaps.reference_ids))
    pairs = majority_pairs(overlaps)
    scores[overlaps.reference[pairs]] = overlaps.iou[pairs]
    return scores


def ctc_seg(
    predictions: Frames,
    references: Frames,
    known: Frames | None = None,
    *,
    progress: Progress | None = None,
) -> float:
    """SEG of the Cell Tracking Challenge: how well the cells are outlined.

    Each reference object R takes the predicted object S that covers more than half of it,
    |R∩S| > |R|/2, and scores |R∩S| / |R∪S|, or 0 if there is none. SEG is the mean over the
    reference objects of all annotated frames. Objects that are only predicted do not matter.

    Parameters
    ----------
    predictions, references : sequence of array_like (Y, X) or (Z, Y, X) of int
        Object ids of each frame, 0 background. Frames whose reference is None do not count.
    known : sequence of array_like of bool, optional
        For each frame False where the reference is not annotated (None: all is); such pixels do
        not count.
    progress : callable (done, total), optional
        Called before every frame. What it raises stops the computation.

    Returns
    -------
    float
        0 … 1; NaN if there is no reference object.

    Raises
    ------
    InputError
        If the shapes or numbers of frames differ.

    References
    ----------
    Maška et al. (2014), A benchmark for comparison of cell tracking algorithms,
    https://doi.org/10.1093/bioinformatics/btu080
    """
    frames = annotated_frames(predictions, references, known, progress)
    scores = np.concatenate([np.zeros(0), *(seg_scores(frame) for frame in frames)])
    return float(scores.mean()) if scores.size else float("nan")


def ctc_det(
    predictions: Frames,
    references: Frames,
    known: Frames | None = None,
    *,
    progress: Progress | None = None,
) -> float:
    """DET of the Cell Tracking Challenge: how well the cells are found.

    A predicted object finds every reference object more than half of which it covers::

        D = 5 splits needed + 10 reference objects missed + 1 objects invented
        D0 = 10 reference objects,   DET = 1 − min(D, D0) / D0

    A predicted object that finds m > 1 reference objects needs m − 1 splits; one that finds none
    is invented. All frames are summed.

    Parameters
    ----------
    predictions, references : sequence of array_like (Y, X) or (Z, Y, X) of int
        Object ids of each frame, 0 background; as reference the markers of the TRA folder.
        Frames whose reference is None do not count.
    known : sequence of array_like of bool, optional
        For each frame False where the reference is not annotated (None: all is). Predicted
        objects that lie there with more than half of their area are not counted as invented.
    progress : callable (done, total), optional
        Called before every frame. What it raises stops the computation.

    Returns
    -------
    float
        0 … 1; NaN if there is no reference object.

    Raises
    ------
    InputError
        If the shapes or numbers of frames differ.

    References
    ----------
    Matula et al. (2015), Cell tracking accuracy measurement based on comparison of acyclic
    oriented graphs, https://doi.org/10.1371/journal.pone.0144959
    """
    cost = objects = 0
    for frame in annotated_frames(predictions, references, known, progress):
        pairs = majority_pairs(frame)
        found = np.bincount(frame.predicted[pairs], minlength=len(frame.predicted_ids))
        splits = int(np.maximum(found - 1, 0).sum())
        missed = len(frame.reference_ids) - len(pairs)
        invented = int(((found == 0) & frame.judged).sum())
        cost += SPLIT * splits + MISSED * missed + INVENTED * invented
        objects += len(frame.reference_ids)
    return 1 - min(cost / (MISSED * objects), 1.0) if objects else float("nan")
