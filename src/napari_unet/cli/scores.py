"""Comparing a prediction with a reference, whichever of the forms predict writes it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import InputError
from napari_unet.evaluation.comparison import Doing, EvaluationRequest, Row
from napari_unet.evaluation.comparison import evaluate as compare
from napari_unet.evaluation.metrics.overlap import confusion, iou_by_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme

__all__ = ["evaluate", "evaluate_field"]


def evaluate_field(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    names: tuple[str, ...],
    *,
    scheme: LabelScheme,
    told: Callable[[str], None] = lambda _text: None,
) -> dict[str, float]:
    """Compute the metrics that papers report.

    Parameters
    ----------
    prediction, reference
        As for `evaluate`.
    names
        Keys of `napari_unet.evaluation.comparison.METRICS`.
    scheme
        What the values of the reference mean.
    told
        Called with what is being done, and how far it is.

    Returns
    -------
    dict
        Score by name.
    """
    if prediction.dtype.kind == "f" and prediction.ndim == reference.ndim + 1:
        prediction = 1 - prediction[..., 0, :, :]
    request = EvaluationRequest(prediction, reference, None, scheme, metrics=names, regions=False)
    result = {}
    for event in compare(request):
        if isinstance(event, Doing):
            told(event.text if np.isnan(event.share) else f"{event.text}: {event.share:.0%}")
        elif isinstance(event, Row):
            result[event.name] = event.value
    return result


def evaluate(
    prediction: NDArray[Any], reference: NDArray[Any], scheme: LabelScheme
) -> dict[str, Any]:
    """Compare a prediction with a reference, pixel by pixel.

    Parameters
    ----------
    prediction
        Label values as in the reference, objects, or probabilities: (..., Y, X) of the
        foreground, or (..., K, Y, X) of all classes.
    reference
        (..., Y, X) label values: classes or objects.
    scheme
        What the values of the reference mean.

    Returns
    -------
    dict
        ``iou`` of the foreground (mean over the classes but the background), ``iou_by_class``,
        ``pixel_accuracy``.
    """
    true, known = _classes(reference, scheme)
    found = _predicted_classes(prediction, reference.shape, scheme)
    table = confusion(found, true, scheme.n_classes, known)
    by_class = iou_by_class(table)
    names = scheme.names or ("background", "foreground")
    present = by_class[1:][np.isfinite(by_class[1:])]
    return {
        "iou": float(present.mean()) if present.size else 1.0,
        "iou_by_class": {
            name: None if np.isnan(value) else float(value) for name, value in zip(names, by_class)
        },
        "pixel_accuracy": float(np.trace(table) / max(1, table.sum())),
        "pixels": int(table.sum()),
    }


def _classes(
    labels: NDArray[Any], scheme: LabelScheme
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return class index and known, both (..., Y, X), of label values."""
    known = np.ones(labels.shape, bool) if scheme.annotation == "dense" else labels != 0
    if scheme.ignore is not None:
        known &= labels != scheme.ignore
    if scheme.kind == "objects":
        background = 0 if scheme.annotation == "dense" else 1
        return (labels > background).astype(np.int64), known
    classes = np.zeros(labels.shape, np.int64)
    for k, value in enumerate(scheme.values):
        classes[labels == value] = k
    return classes, known


def _predicted_classes(
    prediction: NDArray[Any], shape: tuple[int, ...], scheme: LabelScheme
) -> NDArray[np.int64]:
    """Return class indices (..., Y, X) of whatever ``napari-unet predict`` writes."""
    if prediction.dtype.kind == "f":
        if prediction.shape == shape:  # of the foreground
            return np.asarray(prediction > 0.5, np.int64)
        if prediction.ndim == len(shape) + 1 and prediction.shape[-3] == scheme.n_classes:
            return np.asarray(prediction.argmax(-3), np.int64)
    if prediction.shape != shape:
        raise InputError(
            f"prediction and reference must have the same shape, got {prediction.shape} and "
            f"{shape}; predict the image that the reference belongs to."
        )
    # Instances have background 0, also where the reference is sparse and its background 1.
    background = 0 if (prediction == 0).any() else scheme.values[0]
    if scheme.kind == "objects":
        return np.asarray(prediction > background, np.int64)
    unknown = np.setdiff1d(prediction, scheme.values)
    if not unknown.size:
        return _classes(prediction, scheme)[0]
    if scheme.n_classes == 2:  # instances, or another value for the foreground
        return np.asarray(prediction != background, np.int64)
    raise InputError(
        f"the prediction must hold the classes {scheme.values} of the reference, got "
        f"{int(unknown[0])}; give the file that predict wrote with --output labels."
    )
