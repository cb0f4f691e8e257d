"""Comparing a prediction with a reference, slice by slice: scores, and where it is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from napari_unet import metrics
from napari_unet.errors import InputError
from napari_unet.labels import propose_scheme, read_target

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari_unet.labels import LabelScheme, Target
    from napari_unet.metrics.error_map import ErrorKind

__all__ = [
    "ERROR_KINDS",
    "Doing",
    "ErrorPlane",
    "EvaluationRequest",
    "Row",
    "evaluate",
    "offered_metrics",
]

ERROR_KINDS: tuple[ErrorKind, ...] = ("false merge", "false split", "missed", "invented")

Kind = Literal["labels", "instances", "probabilities"]

ISBI = (
    "Rand, warping and pixel error of the EM challenge, and V_Rand and V_Info after thinning. "
    "Exact with a probability layer; labels are all the thresholds at once."
)
METRICS = {
    "overlap": ("IoU, Dice, pixel accuracy", "How well the areas agree, pixel by pixel."),
    "isbi2012": ("ISBI-2012 (membranes)", ISBI),
    "ctc": (
        "Cell Tracking Challenge",
        "SEG: how well cells are outlined; DET: how many are found.",
    ),
    "objects": ("objects (average precision)", "Objects found, by how well they must fit."),
}
"""Name of each group of metrics: what it is called, what it says."""


@dataclass(frozen=True, eq=False)
class EvaluationRequest:
    """What to compare.

    Attributes
    ----------
    prediction, reference : array, leading axes + (Y, X)
        Any array that slices like numpy.
    kind : {"labels", "instances", "probabilities"}
        What the prediction holds: label values, object ids, or the probability of foreground.
    scheme : LabelScheme or None
        What the values of the reference mean; proposed from it when None.
    slices : tuple of int or None
        Flat indices over the leading axes; None for all.
    metrics : tuple of str
        Names of `METRICS`.
    regions : bool
        Find out where it is wrong, too.
    """

    prediction: Any
    reference: Any
    kind: Kind = "labels"
    scheme: LabelScheme | None = None
    slices: tuple[int, ...] | None = None
    metrics: tuple[str, ...] = ("overlap",)
    regions: bool = True


@dataclass(frozen=True)
class Doing:
    """What is being computed, and how far it is, 0 to 1."""

    text: str
    share: float


@dataclass(frozen=True)
class Row:
    """One score of the table."""

    name: str
    value: float
    meaning: str


@dataclass(frozen=True, eq=False)
class ErrorPlane:
    """Where one slice is wrong.

    Attributes
    ----------
    index : tuple of int
        Leading index of the slice.
    values : ndarray, shape (Y, X), uint8
        1 + the place of the kind of error in `ERROR_KINDS`; 0 where nothing is wrong.
    errors : tuple of SegmentationError
        The gravest first; their slice index is 0.
    """

    index: tuple[int, ...]
    values: np.ndarray
    errors: tuple[metrics.SegmentationError, ...] = ()


@dataclass(eq=False)
class _Planes:
    """Both segmentations of the slices compared, as the metrics want them."""

    foreground: list[np.ndarray]  # (Y, X) float32 probability, or 0 and 1
    objects: list[np.ndarray]  # (Y, X) predicted ids
    targets: list[Target]


def offered_metrics() -> tuple[str, ...]:
    """Return the names of the groups of metrics that can be computed."""
    return tuple(METRICS)


def evaluate(request: EvaluationRequest) -> Iterator[Doing | Row | ErrorPlane]:
    """Compare slice by slice, then compute the metrics that need all slices at once.

    Yields
    ------
    Doing, Row or ErrorPlane
        Progress, scores as they are known, error regions of each slice.

    Raises
    ------
    InputError
        When the two layers do not fit together.
    """
    shape = _checked_shape(request)
    leading = shape[:-2]
    slices = tuple(range(int(np.prod(leading)))) if request.slices is None else request.slices
    scheme = request.scheme or propose_scheme(np.asarray(request.reference))[0]
    table = np.zeros((scheme.n_classes, scheme.n_classes), np.int64)
    planes = _Planes([], [], [])
    for done, i in enumerate(slices):
        yield Doing(f"comparing slice {i}", done / len(slices))
        index = tuple(int(v) for v in np.unravel_index(i, leading)) if leading else ()
        target = read_target(np.asarray(request.reference[index]), scheme)
        read = _read_prediction(np.asarray(request.prediction[index]), scheme, request.kind)
        classes, objects, foreground = read
        table += metrics.confusion(classes, target.classes, scheme.n_classes, target.known)
        if request.regions:
            yield _error_plane(index, objects, target)
        if request.metrics != ("overlap",):
            planes.objects.append(objects)
            planes.foreground.append(foreground)
            planes.targets.append(target)
    if "overlap" in request.metrics:
        yield from _overlap_rows(table, scheme)
    for name in request.metrics:
        if name in GROUPS:
            rows = yield from _told(METRICS[name][0], partial(GROUPS[name], planes))
            yield from rows


class _NotWantedError(Exception):
    """Raised inside a long metric whose result nobody waits for any more."""


def _told(
    name: str, compute: Callable[[Callable[[int, int], None]], list[Row]]
) -> Generator[Doing, None, list[Row]]:
    """Run a long metric that calls back, and tell how far it is; closing this ends it."""
    share, wanted = float("nan"), True

    def progress(done: int, total: int) -> None:
        nonlocal share
        if not wanted:
            raise _NotWantedError
        share = done / max(1, total)

    with ThreadPoolExecutor(1, "napari-unet-metric") as thread:
        future = thread.submit(compute, progress)
        try:
            while not future.done():
                yield Doing(f"computing {name}", share)
                wait([future], timeout=0.1)
        finally:
            wanted = False
        return future.result()


def _checked_shape(request: EvaluationRequest) -> tuple[int, ...]:
    mine, theirs = tuple(request.prediction.shape), tuple(request.reference.shape)
    if mine != theirs or len(mine) < 2:
        raise InputError(
            f"prediction and reference must have the same shape, got {mine} and {theirs}: choose "
            "two layers of the same image."
        )
    return theirs


def _error_plane(index: tuple[int, ...], objects: np.ndarray, target: Target) -> ErrorPlane:
    found = metrics.error_map(objects, target.objects, target.known)
    values = np.zeros(objects.shape, np.uint8)
    for k, kind in enumerate(ERROR_KINDS):
        values[found.layers[kind][0] > 0] = k + 1
    return ErrorPlane(index, values, found.errors)


def _read_prediction(
    plane: np.ndarray, scheme: LabelScheme, kind: Kind
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the class of each pixel, object ids and foreground, each (Y, X)."""
    if kind == "labels" and scheme.kind == "classes":
        target = read_target(plane, scheme)
        return target.classes, target.objects, (target.classes > 0).astype(np.float32)
    if kind == "probabilities":
        probabilities = plane.astype(np.float32)
        inside = probabilities > 0.5
        return inside.astype(np.uint8), ndimage.label(inside)[0], probabilities
    background = 0 if kind == "instances" else scheme.values[0]
    inside = plane > background
    objects = plane if kind == "instances" else ndimage.label(inside)[0]
    return inside.astype(np.uint8), np.where(inside, objects, 0), inside.astype(np.float32)


def _overlap_rows(table: np.ndarray, scheme: LabelScheme) -> Iterator[Row]:
    by_class = metrics.iou_by_class(table)
    meaning = "shared area / united area of all pixels compared; 1 is perfect"
    for name, value in list(zip(scheme.names, by_class))[1:]:
        yield Row(f"IoU {name}", float(value), meaning)
    present = by_class[~np.isnan(by_class)]
    mean = float(present.mean()) if present.size else 1.0
    yield Row("IoU mean", mean, "mean over all classes, background included")
    for name, value in list(zip(scheme.names, metrics.dice_by_class(table)))[1:]:
        yield Row(f"Dice {name}", float(value), "the pixel F-score: 2·shared / sum of both areas")
    accuracy = float(np.trace(table) / table.sum()) if table.sum() else 1.0
    yield Row("pixel accuracy", accuracy, "share of pixels with the right class")


def _stacked(planes: _Planes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return foreground, reference foreground and known, each (N, Y, X)."""
    return (
        np.stack(planes.foreground),
        np.stack([target.classes > 0 for target in planes.targets]),
        np.stack([target.known for target in planes.targets]),
    )


def _isbi_rows(planes: _Planes, progress: Callable[[int, int], None]) -> list[Row]:
    foreground, inside, known = _stacked(planes)
    result = metrics.isbi2012(foreground, inside, known=known, progress=progress)
    return [
        Row(name, float(getattr(result, field)), meaning)
        for field, name, meaning in (
            ("rand_error", "Rand error", "merged and split cells, unthinned; 0 is perfect"),
            ("warping_error", "warping error", "merges and splits bending cannot undo; 0 is best"),
            ("pixel_error", "pixel error", "1 − best pixel F-score; 0 is perfect"),
            ("v_rand", "V_Rand", "the challenge's main score, after thinning; 1 is perfect"),
            ("v_info", "V_Info", "information shared, after thinning; 1 is perfect"),
        )
    ]


def _cell_rows(planes: _Planes, progress: Callable[[int, int], None]) -> list[Row]:
    truth = [target.objects for target in planes.targets]
    known = [target.known for target in planes.targets]
    seg = metrics.ctc_seg(planes.objects, truth, known)
    progress(1, 2)
    det = metrics.ctc_det(planes.objects, truth, known)
    return [
        Row("SEG", seg, "mean IoU of reference cells with what covers most of them; 1 is perfect"),
        Row("DET", det, "1 − cost of adding, removing and parting cells; 1 is perfect"),
    ]


def _object_rows(planes: _Planes, progress: Callable[[int, int], None]) -> list[Row]:
    truth = [target.objects for target in planes.targets]
    known = [target.known for target in planes.targets]
    rows = []
    for k, threshold in enumerate((0.5, 0.75, 0.9)):
        progress(k, 3)
        value = metrics.average_precision(planes.objects, truth, threshold, known)
        rows.append(Row(f"AP {threshold:g}", value, f"objects that fit with IoU ≥ {threshold:g}"))
    return rows


GROUPS = {"isbi2012": _isbi_rows, "ctc": _cell_rows, "objects": _object_rows}
"""Metrics that need all slices at once."""
