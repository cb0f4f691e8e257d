"""How well two segmentations overlap, pixel by pixel: IoU, Dice, pixel accuracy.

Every function takes ``known``: pixels where it is False count neither for nor against.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "AreaScores",
    "Counts",
    "confusion",
    "count",
    "dice_by_class",
    "iou",
    "iou_by_class",
    "iou_by_image",
]


class Counts(NamedTuple):
    """Pixels of two binary images that agree and disagree; ``a + b`` pools two of them."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        return Counts(*(mine + theirs for mine, theirs in zip(self, other)))

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN); NaN where both images are empty."""
        union = self.true_positive + self.false_positive + self.false_negative
        return self.true_positive / union if union else float("nan")

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); NaN where both images are empty."""
        total = 2 * self.true_positive + self.false_positive + self.false_negative
        return 2 * self.true_positive / total if total else float("nan")


def check_shapes(prediction: NDArray[Any], reference: NDArray[Any]) -> None:
    """Raise InputError unless two images have the same shape."""
    if prediction.shape != reference.shape:
        raise InputError(
            f"prediction and reference must have the same shape, got {prediction.shape} and "
            f"{reference.shape}; crop or resample one of them."
        )


def known_mask(known: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Check and broadcast a mask of known pixels; None (all known) stays None."""
    if known is None:
        return None
    mask = np.asarray(known, bool)
    try:
        return np.broadcast_to(mask, shape)
    except ValueError:
        raise InputError(
            f"known must have the shape of the reference {shape}, got {mask.shape}."
        ) from None


def count(prediction: ArrayLike, reference: ArrayLike, known: ArrayLike | None = None) -> Counts:
    """Count agreeing and disagreeing pixels of two binary images.

    Parameters
    ----------
    prediction, reference : array_like of any shape
        Foreground is whatever is not zero.
    known : array_like of bool, optional
        False where the reference is not annotated; such pixels are not counted.

    Returns
    -------
    Counts
        True and false positives and negatives, in pixels.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    found, true = np.asarray(prediction) != 0, np.asarray(reference) != 0
    check_shapes(found, true)
    mask = known_mask(known, true.shape)
    if mask is not None:
        found, true = found[mask], true[mask]
    both = int(np.count_nonzero(found & true))
    n_found, n_true = int(np.count_nonzero(found)), int(np.count_nonzero(true))
    return Counts(both, n_found - both, n_true - both, true.size - n_found - n_true + both)


def iou(prediction: ArrayLike, reference: ArrayLike, known: ArrayLike | None = None) -> float:
    """Intersection over union (Jaccard index) of two binary images: |P∩R| / |P∪R|.

    Parameters as in `count`; NaN where both images are empty.

    References
    ----------
    Jaccard (1912), The distribution of the flora in the alpine zone,
    https://doi.org/10.1111/j.1469-8137.1912.tb05611.x
    """
    return count(prediction, reference, known).iou


def confusion(
    prediction: ArrayLike,
    reference: ArrayLike,
    n_classes: int,
    known: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Count pixels by reference class and predicted class.

    Parameters
    ----------
    prediction, reference : array_like of int
        Class index (0 … n_classes − 1) of every pixel; the same shape.
    n_classes : int
        K.
    known : array_like of bool, optional
        Pixels where it is False are not counted, whatever their value.

    Returns
    -------
    ndarray (K, K) int64
        Row: class in the reference; column: class in the prediction. Confusion matrices of
        several images add up.

    Raises
    ------
    InputError
        If shapes differ or a counted value is not a class index.
    """
    found, true = np.asarray(prediction), np.asarray(reference)
    check_shapes(found, true)
    mask = known_mask(known, true.shape)
    found, true = (found.ravel(), true.ravel()) if mask is None else (found[mask], true[mask])
    for name, values in (("prediction", found), ("reference", true)):
        if values.size and not (values.min() >= 0 and values.max() < n_classes):
            raise InputError(
                f"{name} must hold class indices 0 to {n_classes - 1}, got values "
                f"{values.min()} to {values.max()}; give the number of classes that it has."
            )
    codes = true.astype(np.int64) * n_classes + found.astype(np.int64)
    table: NDArray[np.int64] = np.bincount(codes, minlength=n_classes**2)
    return table.reshape(n_classes, n_classes)


def quotient(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, with NaN where the divisor is 0."""
    result = np.full(len(part), np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def iou_by_class(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of every class of a `confusion` matrix.

    Returns
    -------
    ndarray (K,) float64
        NaN for a class that neither image has.
    """
    both = np.diagonal(table).astype(float)
    union = table.sum(0) + table.sum(1) - both
    return quotient(both, union)


def dice_by_class(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dice coefficient of every class of a `confusion` matrix; NaN as in `iou_by_class`."""
    both = np.diagonal(table).astype(float)
    total = (table.sum(0) + table.sum(1)).astype(float)
    return quotient(2 * both, total)


@dataclass(frozen=True, eq=False)
class AreaScores:
    """The scores of a `confusion` matrix: how well areas agree, class by class and in one number.

    What cannot be measured is NaN: everything where no pixel is known, and what is about finding
    the foreground where the reference has none, whatever was predicted.

    Attributes
    ----------
    table : ndarray (K, K) int64
        Known pixels by true (rows) and predicted (columns) class; class 0 is the background.
    """

    table: NDArray[np.int64]

    @property
    def iou(self) -> float:
        """Intersection over union, mean over the classes but the background that appear."""
        return self._of_foreground(iou_by_class(self.table))

    @property
    def dice(self) -> float:
        """Dice coefficient, the pixel F-score; mean as for `iou`."""
        return self._of_foreground(dice_by_class(self.table))

    @property
    def mean_iou(self) -> float:
        """Intersection over union, mean over all classes that appear, the background included."""
        return _mean(iou_by_class(self.table))

    @property
    def pixel_accuracy(self) -> float:
        """Share of the known pixels with the right class."""
        pixels = int(self.table.sum())
        return float(np.trace(self.table)) / pixels if pixels else float("nan")

    def _of_foreground(self, by_class: NDArray[np.float64]) -> float:
        return _mean(by_class[1:]) if self.table[1:].any() else float("nan")


def _mean(values: NDArray[np.float64]) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else float("nan")


def iou_by_image(
    predictions: Sequence[ArrayLike],
    references: Sequence[ArrayLike],
    known: Sequence[ArrayLike] | None = None,
) -> float:
    """Intersection over union of each image, mean over those that have any foreground.

    A small image counts as much as a large one, and a slice with few cells as much as one with
    many: it is not the `iou` of all pixels together.

    Parameters
    ----------
    predictions, references : sequence of array_like (Y, X)
        Foreground (not zero) of each image.
    known : sequence of array_like of bool, optional
        For each image False where the reference is not annotated.

    Returns
    -------
    float
        0 … 1; NaN where no reference has any foreground.
    """
    masks = [None] * len(references) if known is None else known
    counts = [count(*one) for one in zip(predictions, references, masks)]
    return _mean(np.array([c.iou for c in counts if c.true_positive + c.false_negative]))
