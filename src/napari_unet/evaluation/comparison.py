"""Comparing a prediction with a reference, slice by slice: scores, and where it is wrong.

`compare` is the one comparison: a generator of what is found, which a window shows as it comes.
`evaluate` is the same for scripts. Every number that any face shows comes from here.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet.annotation.labels import propose_scheme, read_target
from napari_unet.base.errors import InputError
from napari_unet.evaluation import metrics
from napari_unet.evaluation.groups import (
    GROUPS,
    METRICS,
    Compared,
    area_scores,
    offered_metrics,
    seconds_needed,
)
from napari_unet.evaluation.reading import Kind, PredictedPlanes, guess_kind
from napari_unet.evaluation.scores import Curves, Score, Scores

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from napari_unet.annotation.labels import LabelScheme, Target
    from napari_unet.evaluation.metrics.error_map import ErrorKind
    from napari_unet.evaluation.metrics.objects import Progress

__all__ = [
    "ERROR_KINDS",
    "METRICS",
    "Counted",
    "Curves",
    "Doing",
    "ErrorPlane",
    "EvaluationRequest",
    "ReadAs",
    "Score",
    "Scores",
    "compare",
    "evaluate",
    "guess_kind",
    "offered_metrics",
    "seconds_needed",
]

ERROR_KINDS: tuple[ErrorKind, ...] = ("false merge", "false split", "missed", "invented")


@dataclass(frozen=True, eq=False)
class EvaluationRequest:
    """What to compare.

    Attributes
    ----------
    prediction : array
        Any that slices like numpy: leading axes + (Y, X) as the reference; or probabilities of
        all classes, leading axes + (K, Y, X), or (K - 1,) + leading axes + (Y, X) of those but
        the background.
    reference : array, leading axes + (Y, X)
        Label values, or ids of objects.
    kind : {"labels", "mask", "objects", "probabilities"} or None
        What the prediction holds: label values as the reference has, foreground that is not 0,
        object ids with background 0, or the probability of foreground (whole numbers up to the
        greatest of their type, such as 255, stand for 0 to 1). None: what it looks like, see
        `napari_unet.evaluation.reading.guess_kind`.
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
class ReadAs:
    """How the values of the prediction are read, in a line."""

    text: str


@dataclass(frozen=True)
class Counted:
    """The slices that were compared, and how many of their pixels are annotated."""

    slices: tuple[int, ...]
    pixels: int


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


def evaluate(
    prediction: Any,
    reference: Any,
    metrics: str | Sequence[str] = "overlap",
    *,
    kind: Kind | None = None,
    scheme: LabelScheme | None = None,
    annotation: Literal["dense", "sparse"] = "dense",
    slices: Sequence[int] | None = None,
    told: Callable[[Doing | ReadAs], object] | None = None,
) -> Scores:
    """Compare a prediction with a reference.

    Parameters
    ----------
    prediction
        Labels, a mask, objects or probabilities; see `EvaluationRequest`.
    reference
        (..., Y, X) label values or ids of objects; or a stack with labels, which says itself
        what they mean and which of its slices are annotated.
    metrics
        Names of `METRICS`: "overlap", "isbi2012", "rand", "ctc", "objects", "thresholded-iou".
    kind
        What the prediction holds; None: what it looks like.
    scheme
        What the values of the reference mean; None: what they look like.
    annotation
        "sparse": 0 means not annotated in a reference whose scheme is not given.
    slices
        Flat indices of those that count; None: all that are annotated.
    told
        Called with how the prediction is read, then with what is being done.

    Returns
    -------
    Scores
        Name -> float, NaN where nothing can be measured; ``print`` shows a table.

    Raises
    ------
    InputError
        When the two do not fit together, or there is no such metric.

    Examples
    --------
    >>> evaluate(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]]))["IoU"]
    0.5
    """
    if hasattr(reference, "label_plane"):
        scheme = scheme or reference.scheme
        slices = reference.labelled_slices if slices is None else slices
        reference = _StackLabels(reference)
    else:
        reference = _array(reference, "the reference")
    if scheme is None:
        scheme = propose_scheme(reference, annotation)[0]
    request = EvaluationRequest(
        _array(prediction, "the prediction"),
        reference,
        kind,
        scheme,
        None if slices is None else tuple(slices),
        (metrics,) if isinstance(metrics, str) else tuple(dict.fromkeys(metrics)),
        regions=False,
    )
    rows: list[Score] = []
    curves: list[Curves] = []
    counted = Counted((), 0)
    for event in compare(request):
        if isinstance(event, Score):
            rows.append(event)
        elif isinstance(event, Curves):
            curves.append(event)
        elif isinstance(event, Counted):
            counted = event
        elif isinstance(event, Doing | ReadAs) and told is not None:
            told(event)
    return Scores(tuple(rows), counted.slices, counted.pixels, tuple(curves))


def _array(given: Any, what: str) -> Any:
    """Return an array, or numbers in lists as one; refuse whatever only leads to one."""
    if given is None or isinstance(given, str | os.PathLike) or hasattr(given, "label_plane"):
        kind = "stack" if hasattr(given, "label_plane") else type(given).__name__
        raise InputError(
            f"{what} must be an array, got a {kind}: give what predict_labels returns, or the "
            "image of a stack that open_image gives."
        )
    return given if hasattr(given, "shape") else np.asarray(given)


class _StackLabels:
    """The labels of a stack by the leading index of a slice."""

    def __init__(self, stack: Any) -> None:
        self._stack = stack
        self.shape = (*stack.leading_shape, *stack.plane_shape)

    def __getitem__(self, lead: tuple[int, ...]) -> np.ndarray:
        leading = self._stack.leading_shape
        i = int(np.ravel_multi_index(lead, leading)) if leading else 0
        plane: np.ndarray = self._stack.label_plane(i)
        return plane


def compare(
    request: EvaluationRequest,
) -> Iterator[ReadAs | Doing | Counted | Score | Curves | ErrorPlane]:
    """Compare slice by slice, then compute the metrics that need all slices at once.

    The reference counts as it is: no gap is made between touching objects, but for the metrics of
    ISBI-2012, to which touching cells are one.

    Yields
    ------
    ReadAs, Doing, Counted, Score, Curves or ErrorPlane
        Progress, scores as they are known, error regions of each slice.

    Raises
    ------
    InputError
        When the two layers do not fit together.
    """
    unknown = [name for name in request.metrics if name not in METRICS]
    if unknown:
        msg = f"metrics must be some of {', '.join(METRICS)}, got {unknown[0]!r}: choose one."
        raise InputError(msg)
    shape = tuple(request.reference.shape)
    leading = shape[:-2]
    slices = tuple(range(int(np.prod(leading)))) if request.slices is None else request.slices
    scheme = request.scheme or propose_scheme(np.asarray(request.reference))[0]
    if not slices:
        raise InputError("no slice is left to compare: choose slices that are annotated.")
    for i in slices:
        if not 0 <= i < max(1, int(np.prod(leading))):
            raise InputError(
                f"the reference has slices 0 to {int(np.prod(leading)) - 1}, got {i}: choose one "
                "of these."
            )
    leads = [tuple(map(int, np.unravel_index(i, leading))) if leading else () for i in slices]
    predicted = PredictedPlanes(request.prediction, shape, scheme, request.kind)
    kind, scheme = predicted.settle(leads), predicted.scheme
    as_drawn = replace(scheme, gap=False)
    table = np.zeros((scheme.n_classes, scheme.n_classes), np.int64)
    yield ReadAs(predicted.describe())
    through = kind == scheme.kind == "objects"
    found = Compared(graded=kind == "probabilities", through=through)
    for done, (i, index) in enumerate(zip(slices, leads)):
        yield Doing(f"comparing slice {i}", done / len(slices))
        reference = np.asarray(request.reference[index])
        target, mine = read_target(reference, as_drawn), predicted.read(index)
        table += metrics.confusion(mine.classes, target.classes, scheme.n_classes, target.known)
        if request.regions:
            yield _error_plane(index, mine.objects, target)
        if request.metrics != ("overlap",):
            found.objects.append(mine.objects)
            found.foreground.append(mine.foreground)
            found.targets.append(target)
            found.of.append(index[:-1])
        if not {"isbi2012", "rand"}.isdisjoint(request.metrics):
            found.apart.append(read_target(reference, scheme).classes > 0)
    yield Counted(slices, int(table.sum()))
    names = set(request.metrics)
    for name in request.metrics:
        if name == "rand" and "isbi2012" in names:
            continue  # which has the same scores
        if name == "overlap":
            yield from area_scores(table, scheme)
        else:
            yield from (yield from _told(METRICS[name][0], partial(GROUPS[name], found)))


class _NotWantedError(Exception):
    """Raised inside a long metric whose result nobody waits for any more."""


def _told(
    name: str, compute: Callable[[Progress], list[Score | Curves]]
) -> Generator[Doing, None, list[Score | Curves]]:
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


def _error_plane(index: tuple[int, ...], objects: np.ndarray, target: Target) -> ErrorPlane:
    found = metrics.error_map(objects, target.objects, target.known)
    values = np.zeros(objects.shape, np.uint8)
    for k, kind in enumerate(ERROR_KINDS):
        values[found.layers[kind][0] > 0] = k + 1
    return ErrorPlane(index, values, found.errors)
