"""What the Predict dock runs in the background: finished tiles as pixels of the result layer."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_unet.prediction.outputs import Output
from napari_unet.prediction.pieces import extent_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.pieces import Piece

__all__ = ["ModelRead", "PredictionRequest", "prediction_job"]


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
    """

    model: TrainedModel | Path
    stack: Stack
    slices: tuple[int, ...] | None = None
    output: Output = field(default_factory=Output)
    tile: int | None = None
    device: str = "auto"
    mirror_average: bool = False
    match_pixels: bool = False


@dataclass(frozen=True, eq=False)
class ModelRead:
    """The model was read from its file."""

    model: TrainedModel


def prediction_job(request: PredictionRequest) -> Iterator[ModelRead | Piece]:
    """Predict tile by tile.

    Parameters
    ----------
    request : PredictionRequest
        What to predict.

    Yields
    ------
    ModelRead or Piece
        The model first, so that the result layer can be made to fit; then the pieces of the
        output.
    """
    from napari_unet.network.choice import choose
    from napari_unet.prediction.predict import predict

    model = _read(request.model)
    yield ModelRead(model)
    # One core stays free: torch on all of them would starve the window.
    compute = choose(request.device, model.network.config, purpose="predict", spare_cores=1)
    prediction = predict(
        model,
        request.stack,
        slices=request.slices,
        tile=request.tile,
        compute=compute,
        mirror_average=request.mirror_average,
        match_pixels=request.match_pixels,
    )
    with closing(prediction) as pieces:
        yield from request.output.finished(pieces, model, extent_of(request.stack))


def _read(model: TrainedModel | Path) -> TrainedModel:
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.run_folder import load_model

    return model if isinstance(model, TrainedModel) else load_model(model)
