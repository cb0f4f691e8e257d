"""What a prediction will cost: tiles and memory by counting, time from predictions of the same."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from napari_unet.base.measured_times import MeasuredTimes

if TYPE_CHECKING:
    from napari_unet.app.prediction_job import PredictionRequest
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["PredictionCost", "prediction_cost"]


@dataclass(frozen=True)
class PredictionCost:
    """What a prediction will cost.

    Attributes
    ----------
    slices, tiles : int
        How many there are.
    bytes : int
        Estimated peak memory of the computation.
    task : str
        Under which the time of a slice is remembered: device, network, tile, size of the plane,
        and how it is predicted.
    seconds : float or None
        None where the same was never predicted on this computer.
    """

    slices: int
    tiles: int
    bytes: int
    task: str
    seconds: float | None


def prediction_cost(request: PredictionRequest, model: TrainedModel) -> PredictionCost:
    """Lay out a prediction, and estimate its time where that is known.

    Parameters
    ----------
    request : PredictionRequest
        What is to be predicted.
    model : TrainedModel
        The one that predicts.
    """
    from napari_unet.prediction.predict import plan

    laid_out = plan(
        model,
        request.stack,
        request.tile,
        slices=request.slices,
        match_pixels=request.match_pixels,
    )
    parts = {
        "device": request.device,
        "network": asdict(model.network.config),
        "tile": laid_out.tiles.input,
        "plane": request.stack.plane_shape,
        "seen": laid_out.tiles.shape,
        "views": 8 if request.mirror_average else 1,
    }
    task = f"predict a slice: {json.dumps(parts, sort_keys=True)}"
    seconds = MeasuredTimes().seconds(task, laid_out.slices)
    return PredictionCost(laid_out.slices, laid_out.total, laid_out.bytes, task, seconds)
