"""What the Predict dock runs in the background: finished tiles as pixels of the result layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_unet.app.live_prediction import label_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.predict import PredictedTile

__all__ = ["ModelRead", "Output", "Piece", "PredictionRequest", "prediction_job"]

Output = Literal["labels", "probabilities", "instances"]


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
    output : {"labels", "probabilities", "instances"}
        What the result holds.
    tile : int or None
        Side of the input tile; None to choose by memory.
    device : str
        "auto", "cpu", "cuda", "mps".
    mirror_average : bool
        Average over the eight mirrored and rotated versions of every tile.
    match_pixels : bool
        Zoom the image to the pixels that the model learnt from, and the result back.
    min_size : int
        Pixels below which an instance is left out.
    fill_holes : bool
        Make holes of an instance a part of it.
    """

    model: TrainedModel | Path
    stack: Stack
    slices: tuple[int, ...] | None = None
    output: Output = "labels"
    tile: int | None = None
    device: str = "auto"
    mirror_average: bool = False
    match_pixels: bool = False
    min_size: int = 0
    fill_holes: bool = False


@dataclass(frozen=True, eq=False)
class ModelRead:
    """The model was read from its file."""

    model: TrainedModel


@dataclass(frozen=True, eq=False)
class Piece:
    """A finished part of the result.

    Attributes
    ----------
    index : tuple of int
        Leading index of the slice.
    rows, cols : slice
        Where it lies in the plane.
    values : ndarray, shape (h, w) or (K - 1, h, w)
        Label values, object ids, or probabilities of the classes other than background.
    done, total : int
        Tiles so far, of all.
    seconds_left : float
        Time until the last tile.
    note : str
        What had to be adjusted on the way, or nothing.
    """

    index: tuple[int, ...]
    rows: slice
    cols: slice
    values: np.ndarray
    done: int
    total: int
    seconds_left: float
    note: str = ""


def prediction_job(request: PredictionRequest) -> Iterator[ModelRead | Piece]:
    """Predict tile by tile.

    Parameters
    ----------
    request : PredictionRequest
        What to predict.

    Yields
    ------
    ModelRead or Piece
        The model first, so that the result layer can be made to fit; then the pieces. Instances
        come a slice at a time, as objects cross the edges of tiles.
    """
    from napari_unet.network.choice import choose
    from napari_unet.prediction.predict import predict

    model = _read(request.model)
    yield ModelRead(model)
    # One core stays free: torch on all of them would starve the window.
    compute = choose(request.device, model.network.config, purpose="predict", spare_cores=1)
    tiles = predict(
        model,
        request.stack,
        slices=request.slices,
        tile=request.tile,
        compute=compute,
        mirror_average=request.mirror_average,
        match_pixels=request.match_pixels,
    )
    if request.output == "instances":
        yield from _whole_slices(tiles, request)
        return
    for tile in tiles:
        if request.output == "labels":
            values = label_values(tile, model)
        else:
            values = (
                tile.probabilities[1:] if len(tile.probabilities) > 2 else tile.probabilities[1]
            )
        yield _piece(tile, values)


def _read(model: TrainedModel | Path) -> TrainedModel:
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.run_folder import load_model

    return model if isinstance(model, TrainedModel) else load_model(model)


def _piece(tile: PredictedTile, values: np.ndarray) -> Piece:
    return Piece(
        tile.index,
        tile.rows,
        tile.cols,
        values,
        tile.done,
        tile.total,
        tile.seconds_left,
        tile.note,
    )


def _whole_slices(tiles: Iterator[PredictedTile], request: PredictionRequest) -> Iterator[Piece]:
    """Collect the foreground of each slice and label its objects once the slice is complete."""
    from napari_unet.prediction.objects import instances

    plane_shape = request.stack.plane_shape
    foreground = np.full(plane_shape, np.nan, np.float32)
    whole = slice(0, plane_shape[0]), slice(0, plane_shape[1])
    for tile in tiles:
        foreground[tile.rows, tile.cols] = 1.0 - tile.probabilities[0]
        if np.isnan(foreground).any():
            yield _piece(tile, np.zeros((0, 0), np.uint16))
            continue
        objects = instances(foreground, min_size=request.min_size, fill_holes=request.fill_holes)
        dtype = np.uint16 if objects.max(initial=0) < 2**16 else np.uint32
        finished = _piece(tile, objects.astype(dtype))
        yield replace(finished, rows=whole[0], cols=whole[1])
        foreground[:] = np.nan
