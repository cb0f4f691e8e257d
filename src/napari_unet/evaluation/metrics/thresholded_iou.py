"""The score that a 2025 reproduction of the U-Net paper reports as IoU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics.overlap import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = ["thresholded_iou"]

SMOOTH = 1e-6


def thresholded_iou(
    predictions: Sequence[ArrayLike],
    references: Sequence[ArrayLike],
    known: Sequence[ArrayLike] | None = None,
) -> float:
    """Mean over images of IoU in steps: 0 up to 0.5, then 0.1 more for every 0.05, 1 above 0.95.

    Of each image::

        IoU = (I + 1e-6) / (U + 1e-6),   score = ceil(clip(20 (IoU − 0.5), 0, 10)) / 10

    It is no intersection over union and cannot be compared with one: an IoU of 0.86 scores 0.8,
    and one of 0.951 scores 1.

    Parameters
    ----------
    predictions, references : sequence of array_like (Y, X)
        Foreground (not zero) of each image.
    known : sequence of array_like of bool, optional
        For each image False where the reference is not annotated; such pixels do not count, nor
        does an image without any other.

    Returns
    -------
    float
        0 … 1; NaN if nothing is annotated.

    Raises
    ------
    InputError
        If the shapes or numbers of images differ, or there is none.
    """
    if len(predictions) != len(references) or len(references) == 0:
        raise InputError(
            "prediction and reference must have the same number of images, at least one, got "
            f"{len(predictions)} and {len(references)}."
        )
    masks = [None] * len(references) if known is None else known
    scores = []
    for found, true, mask in zip(predictions, references, masks):
        counts = count(found, true, mask)
        if mask is not None and sum(counts) == 0:
            continue
        union = counts.true_positive + counts.false_positive + counts.false_negative
        iou = (counts.true_positive + SMOOTH) / (union + SMOOTH)
        scores.append(np.ceil(np.clip(20 * (iou - 0.5), 0, 10)) / 10)
    return float(np.mean(scores)) if scores else float("nan")
