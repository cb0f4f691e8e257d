"""Comparing a prediction with a reference, slice by slice: scores, and where it is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from napari_unet.annotation.labels import propose_scheme, read_target
from napari_unet.base.errors import InputError
from napari_unet.evaluation import metrics
from napari_unet.evaluation.metrics.objects import IOU_THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from napari_unet.annotation.labels import LabelScheme, Target
    from napari_unet.evaluation.metrics.error_map import ErrorKind
    from napari_unet.evaluation.metrics.objects import Progress

__all__ = [
    "ERROR_KINDS",
    "Curves",
    "Doing",
    "ErrorPlane",
    "EvaluationRequest",
    "Row",
    "evaluate",
    "guess_kind",
    "offered_metrics",
    "seconds_needed",
]

ERROR_KINDS: tuple[ErrorKind, ...] = ("false merge", "false split", "missed", "invented")

Kind = Literal["labels", "mask", "objects", "probabilities"]

ISBI = (
    "Rand, warping and pixel error of the EM challenge, and V_Rand and V_Info after thinning. "
    "Exact with a probability layer; labels are all the thresholds at once."
)
CELLS = (
    "SEG: how well cells are outlined; DET: how many are found (the challenge takes DET on its "
    "tracking markers)."
)
METRICS = {
    "overlap": ("IoU, Dice, pixel accuracy", "How well the areas agree, pixel by pixel."),
    "isbi2012": ("ISBI-2012 (membranes)", ISBI),
    "ctc": (
        "Cell Tracking Challenge",
        CELLS,
    ),
    "objects": ("objects (average precision)", "Objects found, by how well they must fit."),
    "thresholded-iou": (
        "thresholded IoU (the reproduction's)",
        "The score of the 2025 reproduction: IoU in ten steps from 0.5 on. It is not an IoU.",
    ),
}
"""Name of each group of metrics: what it is called, what it says."""


SECONDS = {"isbi2012": 8e-6, "ctc": 2e-7, "objects": 1e-7}
"""A pixel takes on an ordinary core, for the metrics that take long."""

SECONDS_FOR_ALL, SECONDS_FOR_REGIONS = 5e-8, 1.2e-6


@dataclass(frozen=True, eq=False)
class EvaluationRequest:
    """What to compare.

    Attributes
    ----------
    prediction, reference : array, leading axes + (Y, X)
        Any array that slices like numpy.
    kind : {"labels", "mask", "objects", "probabilities"} or None
        What the prediction holds: label values as the reference has, foreground that is not 0,
        object ids with background 0, or the probability of foreground (whole numbers up to the
        greatest of their type, such as 255, stand for 0 to 1). None: what it looks like, see
        `guess_kind`.
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
    kind: Kind | None = "labels"
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


@dataclass(frozen=True)
class Curves:
    """Scores at every threshold, of a prediction that is not the same at all of them.

    Attributes
    ----------
    over : str
        What the threshold is of.
    thresholds : tuple of float
        Ascending.
    values : dict
        Name of a score -> its value at each threshold; shorter where a score leaves out the last.
    """

    over: str
    thresholds: tuple[float, ...]
    values: dict[str, tuple[float, ...]]


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
    apart: list[np.ndarray]  # (Y, X) reference foreground, touching objects parted
    graded: bool  # whether foreground is more than 0 and 1


def offered_metrics() -> tuple[str, ...]:
    """Return the names of the groups of metrics that can be computed."""
    return tuple(METRICS)


def seconds_needed(pixels: int, names: Iterable[str], *, regions: bool) -> float:
    """Estimate what a comparison of so many pixels with these metrics costs."""
    each = SECONDS_FOR_ALL + SECONDS_FOR_REGIONS * regions
    return pixels * (each + sum(SECONDS.get(name, 0.0) for name in names))


def evaluate(request: EvaluationRequest) -> Iterator[Doing | Row | Curves | ErrorPlane]:
    """Compare slice by slice, then compute the metrics that need all slices at once.

    The reference counts as it is: no gap is made between touching objects, but for the metrics of
    ISBI-2012, to which touching cells are one.

    Yields
    ------
    Doing, Row, Curves or ErrorPlane
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
    as_drawn = replace(scheme, gap=False)
    table = np.zeros((scheme.n_classes, scheme.n_classes), np.int64)
    leads = [tuple(map(int, np.unravel_index(i, leading))) if leading else () for i in slices]
    kind = request.kind or guess_kind((request.prediction[lead] for lead in leads), scheme)
    planes = _Planes([], [], [], [], kind == "probabilities")
    for done, (i, index) in enumerate(zip(slices, leads)):
        yield Doing(f"comparing slice {i}", done / len(slices))
        reference = np.asarray(request.reference[index])
        target = read_target(reference, as_drawn)
        read = _read_prediction(np.asarray(request.prediction[index]), scheme, kind)
        classes, objects, foreground = read
        table += metrics.confusion(classes, target.classes, scheme.n_classes, target.known)
        if request.regions:
            yield _error_plane(index, objects, target)
        if request.metrics != ("overlap",):
            planes.objects.append(objects)
            planes.foreground.append(foreground)
            planes.targets.append(target)
        if "isbi2012" in request.metrics:
            planes.apart.append(read_target(reference, scheme).classes > 0)
    if "overlap" in request.metrics:
        yield from _overlap_rows(table, scheme)
    for name in request.metrics:
        if name in GROUPS:
            found = yield from _told(METRICS[name][0], partial(GROUPS[name], planes))
            yield from found


def guess_kind(planes: Iterable[Any], scheme: LabelScheme) -> Kind:
    """Tell what a prediction holds that does not say so itself.

    Parameters
    ----------
    planes
        (Y, X) arrays.
    scheme
        What the values of the reference mean.

    Returns
    -------
    {"labels", "mask", "objects", "probabilities"}
        Probabilities are floating-point numbers. Zeros and one other value are a mask, if there
        are two classes. Values that the labels of the scheme do not have are ids of objects.
    """
    every: set[int] = set()
    for plane in planes:
        array = np.asarray(plane)
        if array.dtype.kind == "f":
            return "probabilities"
        every |= set(np.unique(array).tolist())
    if scheme.n_classes == 2 and len(every - {0}) < 2 and (0 in every or 0 in scheme.values):
        return "mask"
    return "objects" if every - set(scheme.values) else "labels"


class _NotWantedError(Exception):
    """Raised inside a long metric whose result nobody waits for any more."""


def _told(
    name: str, compute: Callable[[Progress], list[Row | Curves]]
) -> Generator[Doing, None, list[Row | Curves]]:
    """Run a long metric that calls back, and tell how far it is.

    Closing this does not wait for the metric, which ends at its next call.
    """
    share, wanted = float("nan"), True

    def progress(done: int, total: int) -> None:
        nonlocal share
        if not wanted:
            raise _NotWantedError
        share = done / max(1, total)

    thread = ThreadPoolExecutor(1, "napari-unet-metric")
    future = thread.submit(compute, progress)
    try:
        while not future.done():
            yield Doing(f"computing {name}", share)
            wait([future], timeout=0.1)
    finally:
        wanted = False
        thread.shutdown(wait=False)
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
        probabilities = _as_probabilities(plane)
        inside = probabilities > 0.5
        return inside.astype(np.uint8), ndimage.label(inside)[0], probabilities
    background = scheme.values[0] if kind == "labels" else 0
    inside = plane > background
    objects = plane if kind == "objects" else ndimage.label(inside)[0]
    return inside.astype(np.uint8), np.where(inside, objects, 0), inside.astype(np.float32)


def _as_probabilities(plane: np.ndarray) -> np.ndarray:
    """Return 0 to 1 as float32, of an 8-bit or 16-bit picture as well."""
    if plane.dtype.kind in "ui":
        return (plane / np.float64(np.iinfo(plane.dtype).max)).astype(np.float32)
    return plane.astype(np.float32)


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


def _isbi_rows(planes: _Planes, progress: Progress) -> list[Row | Curves]:
    result = metrics.isbi2012(
        np.clip(np.stack(planes.foreground), 0, 1),  # a softmax may end at 1 + 1e-7
        np.stack(planes.apart),
        np.stack([target.known for target in planes.targets]),
        progress=progress,
    )
    rows: list[Row | Curves] = [
        Row(name, float(getattr(result, field)), meaning)
        for field, name, meaning in (
            ("rand_error", "Rand error", "merged and split cells, unthinned; 0 is perfect"),
            ("warping_error", "warping error", "merges and splits bending cannot undo; 0 is best"),
            ("pixel_error", "pixel error", "1 − best pixel F-score; 0 is perfect"),
            ("v_rand", "V_Rand", "the challenge's main score, after thinning; 1 is perfect"),
            ("v_info", "V_Info", "information shared, after thinning; 1 is perfect"),
        )
    ]
    if planes.graded:
        curves = {
            "Rand F": result.rand_curve,
            "pixel F": result.pixel_curve,
            "V_Rand": result.v_rand_curve,
            "V_Info": result.v_info_curve,
            "warping error": result.warping_curve,
        }
        rows.append(Curves("probability", result.thresholds, curves))
    return rows


def _cell_rows(planes: _Planes, progress: Progress) -> list[Row | Curves]:
    truth, known = _objects_and_known(planes)
    n = len(truth)
    seg = metrics.ctc_seg(
        planes.objects, truth, known, progress=lambda done, _: progress(done, 2 * n)
    )
    det = metrics.ctc_det(
        planes.objects, truth, known, progress=lambda done, _: progress(n + done, 2 * n)
    )
    return [
        Row("SEG", seg, "mean IoU of reference cells with what covers most of them; 1 is perfect"),
        Row("DET", det, "1 − cost of adding, removing and parting cells; 1 is perfect"),
    ]


def _object_rows(planes: _Planes, progress: Progress) -> list[Row | Curves]:
    truth, known = _objects_and_known(planes)
    values = metrics.average_precision_curve(
        planes.objects, truth, IOU_THRESHOLDS, known, progress=progress
    )
    at = dict(zip(IOU_THRESHOLDS, values))
    rows: list[Row | Curves] = [
        Row(f"AP {t:g}", at[t], f"objects that fit with IoU ≥ {t:g}, of all")
        for t in (0.5, 0.75, 0.9)
    ]
    rows.append(Row("AP mean", float(np.mean(values)), "mean of AP 0.5, 0.55, …, 0.95"))
    return [*rows, Curves("IoU", IOU_THRESHOLDS, {"average precision": values})]


def _thresholded_rows(planes: _Planes, progress: Progress) -> list[Row | Curves]:
    progress(0, 1)
    value = metrics.thresholded_iou(
        [plane > 0.5 for plane in planes.foreground],
        [target.classes > 0 for target in planes.targets],
        [target.known for target in planes.targets],
    )
    return [Row("thresholded IoU", value, "IoU of each slice in ten steps from 0.5, mean; no IoU")]


def _objects_and_known(planes: _Planes) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return ids and annotated pixels of the reference, slice by slice."""
    return (
        [target.objects for target in planes.targets],
        [target.known for target in planes.targets],
    )


GROUPS = {
    "isbi2012": _isbi_rows,
    "ctc": _cell_rows,
    "objects": _object_rows,
    "thresholded-iou": _thresholded_rows,
}
"""Metrics that need all slices at once."""
