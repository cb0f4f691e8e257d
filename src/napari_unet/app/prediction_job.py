"""What the Predict dock runs in the background: finished tiles as pixels of the result layer."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_unet.app.found_objects import (
    KEPT_PIXELS,
    FoundObjects,
    ObjectsSoFar,
    objects_in_words,
)
from napari_unet.app.prediction_cost import prediction_cost
from napari_unet.base.measured_times import MeasuredTimes
from napari_unet.prediction.outputs import Output
from napari_unet.prediction.pieces import extent_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from napari_unet.config.outside import Outside
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.image_remarks import ImageRemark
    from napari_unet.prediction.object_table import TableMaker
    from napari_unet.prediction.pieces import Piece

__all__ = ["ModelRead", "PredictionRequest", "Remarked", "prediction_job", "read_model"]


@dataclass(frozen=True, eq=False)
class PredictionRequest:
    """All that one prediction needs.

    Attributes
    ----------
    model : TrainedModel or Path
        The model, or the file or run folder to read it from.
    stack : Stack
        What to predict; its labels are not looked at.
    slices : tuple of int or None
        Flat indices of the slices; None for all.
    output : Output
        What the result holds.
    tile : int or None
        Side of the input tile; None to choose by memory.
    device : str
        "auto", "cpu", "cuda", "mps".
    mirror_average : bool
        Average over the eight mirrored and rotated versions of every tile.
    match_pixels : bool
        Zoom the image to the pixels that the model learnt from, and the result back.
    grey_values : {"model", "image"}
        Dark and bright as the model learnt them, or measured on this image.
    outside : {"border", "all"}
        Which pixels that are NaN lie outside of the image.
    """

    model: TrainedModel | Path
    stack: Stack
    slices: tuple[int, ...] | None = None
    output: Output = field(default_factory=Output)
    tile: int | None = None
    device: str = "auto"
    mirror_average: bool = False
    match_pixels: bool = False
    grey_values: Literal["model", "image"] = "model"
    outside: Outside = "border"

    def identity(self, model: TrainedModel) -> str:
        """Return what tells the results of a model with these settings from others."""
        grey = (self.grey_values, self.outside)
        made_by = f"{model.identity()} {(self.mirror_average, self.match_pixels, *grey)}"
        return f"{made_by} {self.output}" if self.output.kind == "objects" else made_by

    def zoom(self, model: TrainedModel) -> tuple[float, float]:
        """Return how many times as many pixels along y and x the model sees as the image has."""
        from napari_unet.images.zoom import zoom_for

        return zoom_for(model, self.stack, match_pixels=self.match_pixels)

    def by(self, model: TrainedModel) -> dict[str, Any]:
        """Return which "model" predicts, and by which "settings": a dict of words."""
        step, sum_of_weights = model.run.get("step"), model.identity().rpartition(" ")[2]
        how = {
            "mirrored views": "averaged" if self.mirror_average else "",
            "pixel size": "the model's" if self.match_pixels else "",
            "grey values": "measured anew" if self.grey_values == "image" else "",
            "NaN pixels": "all outside" if self.outside == "all" else "",
        }
        if self.output.kind == "objects":
            how |= objects_in_words(self.output, self.output.decoding(model, self.zoom(model)))
        learnt = f", step {step:,}" if step else ""
        return {"model": f"{model.name}{learnt} ({sum_of_weights})", "settings": how}


@dataclass(frozen=True, eq=False)
class ModelRead:
    """The model was read from its file."""

    model: TrainedModel


@dataclass(frozen=True, eq=False)
class Remarked:
    """What is worth knowing about the image, said before the first piece."""

    remarks: tuple[ImageRemark, ...]


def prediction_job(
    request: PredictionRequest, table: TableMaker | None = None, *, is_written: bool = False
) -> Generator[ModelRead | Remarked | Piece | FoundObjects, None, None]:
    """Predict tile by tile.

    Parameters
    ----------
    request : PredictionRequest
        What to predict.
    table : TableMaker or None
        Measures its objects; then none are kept to be told apart anew.
    is_written : bool
        Pieces are written as they come, so that memory need not hold the result.

    Yields
    ------
    ModelRead, Remarked, Piece or FoundObjects
        The model first, so that the result layer can be made to fit; then, where the image
        differs from those that the model learnt from, in which way; then the pieces of the output;
        at the end, where planes are not larger than memory, the measured objects, unless there is
        a table.
    """
    from napari_unet.images.outside import mark_outside
    from napari_unet.network.choice import choose
    from napari_unet.prediction.image_remarks import image_remarks
    from napari_unet.prediction.predict import predict
    from napari_unet.prediction.room import check_room

    model = read_model(request.model)
    held = request.stack.n_slices if request.slices is None else len(request.slices)
    check_room(
        model, request.stack, request.output,
        slices=request.slices, tile=request.tile, held=0 if is_written else held,
        match_pixels=request.match_pixels,
    )  # fmt: skip
    yield ModelRead(model)
    stack = mark_outside(request.stack, request.outside, slices=request.slices, lazy=True)
    remarks = image_remarks(
        model, stack, slices=request.slices, match_pixels=request.match_pixels,
        grey_values=request.grey_values,
    )  # fmt: skip
    if table is None and request.output.kind == "objects" and not _can_measure(request):
        remarks = (*remarks, _unmeasured(stack))
    if remarks:
        yield Remarked(remarks)
    # One core stays free: torch on all of them would starve the window.
    compute = choose(request.device, model.network.config, purpose="predict", spare_cores=1)
    prediction = predict(
        model,
        stack,
        slices=request.slices,
        tile=request.tile,
        compute=compute,
        mirror_average=request.mirror_average,
        match_pixels=request.match_pixels,
        grey_values=request.grey_values,
    )
    clock, objects = _Clock(), None
    if table is None and _can_measure(request):
        objects = ObjectsSoFar.of(model, request.stack, request.output, held, request.zoom(model))
    with closing(prediction) as pieces:
        extent = extent_of(request.stack)
        watch = objects.add if objects is not None else table.add_plane if table else None
        yield from request.output.finished(clock.watched(pieces), model, extent, watch)
    if objects is not None:
        yield objects.found()
    if clock.seconds is not None:
        cost = prediction_cost(request, model)
        MeasuredTimes().remember(cost.task, clock.seconds / cost.slices)


class _Clock:
    """Measures a prediction without its preparation: from the first piece on."""

    seconds: float | None = None

    def watched(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        begun: float | None = None
        for n, piece in enumerate(pieces):
            begun = begun or time.perf_counter()
            yield piece
            if n and piece.done == piece.total:
                self.seconds = (time.perf_counter() - begun) * (n + 1) / n


def _can_measure(request: PredictionRequest) -> bool:
    """Whether there are objects, and memory holds a plane with all that they are made of."""
    height, width = request.stack.plane_shape
    return request.output.kind == "objects" and height * width <= KEPT_PIXELS


def _unmeasured(stack: Stack) -> ImageRemark:
    from napari_unet.prediction.image_remarks import ImageRemark

    height, width = stack.plane_shape
    return ImageRemark(
        "size",
        f"slices of {height} × {width} pixels are too large to be measured here, so the objects of "
        f"{stack.name} are in no table; `napari-unet predict --table` measures them",
    )


def read_model(model: TrainedModel | Path) -> TrainedModel:
    """Return a model as it is, and read one from its file or run folder."""
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.run_folder import load_model

    return model if isinstance(model, TrainedModel) else load_model(model)
