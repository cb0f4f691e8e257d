"""How well two segmentations overlap, pixel by pixel: IoU, Dice, F-score, pixel accuracy.

Every function takes ``known``: pixels where it is False count neither for nor against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Counts",
    "confusion",
    "count",
    "dice",
    "dice_by_class",
    "f_score",
    "iou",
    "iou_by_class",
    "mean_iou",
    "pixel_accuracy",
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
        """TP / (TP + FP + FN); 1 where both images are empty."""
        union = self.true_positive + self.false_positive + self.false_negative
        return self.true_positive / union if union else 1.0

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where both images are empty."""
        total = 2 * self.true_positive + self.false_positive + self.false_negative
        return 2 * self.true_positive / total if total else 1.0

    @property
    def accuracy(self) -> float:
        """(TP + TN) / all; 1 where no pixel is known."""
        total = sum(self)
        return (self.true_positive + self.true_negative) / total if total else 1.0


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

    Parameters as in `count`; 1 where both images are empty.

    References
    ----------
    Jaccard (1912), The distribution of the flora in the alpine zone,
    https://doi.org/10.1111/j.1469-8137.1912.tb05611.x
    """
    return count(prediction, reference, known).iou


def dice(prediction: ArrayLike, reference: ArrayLike, known: ArrayLike | None = None) -> float:
    """Dice coefficient of two binary images: 2|P∩R| / (|P| + |R|).

    Parameters as in `count`; 1 where both images are empty.

    References
    ----------
    Dice (1945), Measures of the amount of ecologic association between species,
    https://doi.org/10.2307/1932409
    """
    return count(prediction, reference, known).dice


def f_score(prediction: ArrayLike, reference: ArrayLike, known: ArrayLike | None = None) -> float:
    """Pixel F-score: the harmonic mean of precision and recall, 2TP / (2TP + FP + FN).

    Of binary images this is the Dice coefficient under its name in detection.
    """
    return count(prediction, reference, known).dice


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


def mean_iou(
    prediction: ArrayLike,
    reference: ArrayLike,
    n_classes: int,
    known: ArrayLike | None = None,
) -> float:
    """Mean over classes of intersection over union, background included.

    Classes that neither image has are left out of the mean; with no known pixel it is 1.
    Parameters as in `confusion`.
    """
    scores = iou_by_class(confusion(prediction, reference, n_classes, known))
    present = scores[~np.isnan(scores)]
    return float(present.mean()) if present.size else 1.0


def pixel_accuracy(
    prediction: ArrayLike, reference: ArrayLike, known: ArrayLike | None = None
) -> float:
    """Share of known pixels whose label is the same in both images.

    Parameters
    ----------
    prediction, reference : array_like
        Labels (class indices or booleans) of the same shape, compared for equality.
    known : array_like of bool, optional
        Pixels where it is False are not counted.

    Returns
    -------
    float
        0 … 1; 1 where no pixel is known.
    """
    found, true = np.asarray(prediction), np.asarray(reference)
    check_shapes(found, true)
    same = found == true
    mask = known_mask(known, true.shape)
    same = same if mask is None else same[mask]
    return float(same.mean()) if same.size else 1.0
