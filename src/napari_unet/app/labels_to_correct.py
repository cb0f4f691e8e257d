"""Labels of one's own from a prediction, to be corrected; what was painted is never changed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation.labels import likeliest
from napari_unet.app.prediction_job import PredictionRequest, prediction_job
from napari_unet.base.errors import InputError
from napari_unet.prediction.outputs import Output
from napari_unet.prediction.pieces import Piece
from napari_unet.training.painting import in_axes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["CorrectionRequest", "LabelsMade", "labels_of", "labels_to_correct"]

NOTHING_YET = "there is no network to predict with yet: train first."


@dataclass(frozen=True, eq=False)
class CorrectionRequest:
    """What labels are wanted.

    Attributes
    ----------
    model
        Called in the background; returns the network as it is then, None where there is none.
    stack
        The image, with the labels that are painted: where they are, they win.
    slices
        Flat indices of the slices to predict; None: all.
    sure
        Probability from which a pixel gets its likeliest class; below it stays 0, "not
        annotated". 0: every pixel gets one.
    match_pixels
        As in `napari_unet.app.prediction_job.PredictionRequest`.
    """

    model: Callable[[], TrainedModel | None]
    stack: Stack
    slices: tuple[int, ...] | None = None
    sure: float = 0.0
    match_pixels: bool = False


@dataclass(frozen=True, eq=False)
class LabelsMade:
    """The last event: new labels.

    Attributes
    ----------
    values
        With the axes of the stack but for channels.
    given
        How many pixels have a label that nobody painted.
    """

    values: NDArray[Any]
    given: int


def labels_to_correct(request: CorrectionRequest) -> Iterator[Piece | LabelsMade]:
    """Predict, and put what was painted on top; yields a piece after every tile.

    Raises
    ------
    InputError
        There is no network, or one of other classes than are painted.
    """
    stack, model = request.stack, request.model()
    scheme = stack.scheme
    if model is None:
        raise InputError(NOTHING_YET)
    if scheme is None or model.scheme.n_classes != scheme.n_classes:
        raise InputError(
            f"the network knows {model.scheme.n_classes} classes, which are not those of the "
            "labels: train with these labels first."
        )
    planes = np.zeros((stack.n_slices, *stack.plane_shape), scheme.encode([0]).dtype)
    asked = PredictionRequest(
        model,
        stack.with_labels(None),
        slices=request.slices,
        output=Output("probabilities"),
        match_pixels=request.match_pixels,
    )
    with closing(prediction_job(asked)) as events:
        for event in events:
            if isinstance(event, Piece):
                part = planes[event.slice_index, event.rows, event.cols]
                part[:] = labels_of(event.values, scheme, request.sure)
                yield event
    painted = 0
    for i in range(stack.n_slices):  # as they are now: painting may have gone on
        own = stack.label_plane(i)
        if own.max(initial=0) > np.iinfo(planes.dtype).max:
            planes = planes.astype(np.int32)
        np.copyto(planes[i], own, where=own != 0, casting="unsafe")
        painted += int(np.count_nonzero(own))
    made = np.ascontiguousarray(in_axes_of(stack, planes))
    yield LabelsMade(made, int(np.count_nonzero(made)) - painted)


def labels_of(probabilities: NDArray[Any], scheme: LabelScheme, sure: float = 0.0) -> NDArray[Any]:
    """Return the label value of the likeliest class of every pixel.

    Parameters
    ----------
    probabilities
        (K, ...) of all classes, background first.
    scheme
        Says which value stands for which class.
    sure
        Probability below which a pixel stays 0, "not annotated", as what is outside of the image
        does; 0: every pixel gets a class, which is all that dense labels can mean.
    """
    labels = scheme.encode(likeliest(probabilities))
    if scheme.annotation == "dense":
        return labels
    greatest = probabilities.max(0)
    labels[(greatest < sure) | (greatest <= 0)] = 0
    return labels
