"""How good a network is on its validation planes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows

from napari_unet.config.size_rule import border, next_valid_size, smallest_plan
from napari_unet.evaluation.metrics.overlap import AreaScores, confusion
from napari_unet.network.compute import available_memory, free_memory
from napari_unet.network.inference import (
    LARGEST_TILE,
    MEMORY_SHARE_BESIDE_TRAINING,
    bytes_per_pixel,
    forward_logits,
    network_for_inference,
)
from napari_unet.network.tiles import plan_tiles, read_mirrored
from napari_unet.training.fitting import DecodingFit
from napari_unet.training.loss import dice_loss, map_loss

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_unet.config.network import UNetConfig
    from napari_unet.network.compute import Compute
    from napari_unet.network.unet import UNet
    from napari_unet.training.fitting import Fitted
    from napari_unet.training.loss import Loss
    from napari_unet.training.validation_planes import ValidationPlane

__all__ = ["Measurement", "logits_of_plane", "measure"]


@dataclass(frozen=True, eq=False)
class Measurement:
    """Result of a validation.

    Attributes
    ----------
    loss : float
        As in training, over all planes.
    table : ndarray (K, K) int64
        Annotated pixels by true (rows) and predicted (columns) class.
    fitted : Fitted or None
        Thresholds of the decoder, of a network with object maps.
    first : ndarray (Y, X) uint8 or None
        Predicted classes of the first plane.
    """

    loss: float
    table: NDArray[np.int64]
    fitted: Fitted | None = None
    first: NDArray[np.uint8] | None = None

    @property
    def iou(self) -> float:
        """Intersection over union; NaN where the reference has no foreground. See `AreaScores`."""
        return AreaScores(self.table).iou

    @property
    def f_score(self) -> float:
        """Pixel F-score, the Dice coefficient."""
        return AreaScores(self.table).dice

    @property
    def pixel_accuracy(self) -> float:
        """Share of annotated pixels with the right class."""
        return AreaScores(self.table).pixel_accuracy


def measure(
    network: UNet, planes: Iterable[ValidationPlane], compute: Compute, by: Loss
) -> Measurement:
    """Measure a network on planes that are neither augmented nor trained on.

    Parameters
    ----------
    network : UNet
        As it is in training; a copy of it is measured.
    planes : iterable of ValidationPlane
        Pixels of weight 0 do not count.
    compute : Compute
        How to compute.
    by : {"mean", "weighted mean", "dice"}
        See `napari_unet.training.loss.batch_share`.
    """
    ready = network_for_inference(network, compute)
    classes = network.config.classes
    table = np.zeros((classes, classes), np.int64)
    total = mass = apart = known_apart = 0.0
    dice = []
    fit, first = DecodingFit(), None
    for plane in planes:
        output = logits_of_plane(ready, plane.image, compute)
        logits, maps = output[:classes], torch.from_numpy(plane.maps)
        if len(maps):
            apart += float(map_loss(output[None, classes:], maps[None]))
            known_apart += float((~maps[0].isnan()).sum())
            fit.add(
                1 - torch.softmax(logits, 0)[0].numpy(),
                output[classes:].numpy(),
                network.config.object_maps,
                plane.objects,
                plane.weights > 0,
            )
        target = torch.from_numpy(plane.classes.astype(np.int64))
        losses = F.cross_entropy(logits[None], target[None], reduction="none")[0]
        total += float((losses * torch.from_numpy(plane.weights)).sum(dtype=torch.float64))
        known = plane.weights > 0
        mass += float(known.sum()) if by == "mean" else float(plane.weights.sum())
        predicted = logits.argmax(0).numpy()
        table += confusion(predicted, plane.classes, classes, known)
        first = predicted.astype(np.uint8) if first is None else first
        if by == "dice":
            dice.append(float(dice_loss(logits[None], target[None], torch.from_numpy(known)[None])))
    loss = total / mass if mass else 0.0
    loss += apart / known_apart if known_apart else 0.0
    loss += float(np.mean(dice)) if dice else 0.0
    return Measurement(loss, table, fit.best(), first)


def _affordable(config: UNetConfig, compute: Compute, shape: tuple[int, int]) -> int:
    """Pixels of a tile that memory holds; the smallest tile at least is tried."""

    def pixels() -> int:
        return int(
            MEMORY_SHARE_BESIDE_TRAINING * available_memory(compute.device)
        ) // bytes_per_pixel(config)

    side = (next_valid_size(n + border(config.depth), config.depth) for n in shape)
    if pixels() < min(LARGEST_TILE**2, math.prod(side)):
        # Much of what the system calls taken may be what a training step has freed.
        free_memory(compute.device)
    return max(pixels(), smallest_plan(config.depth))


def logits_of_plane(network: UNet, image: NDArray[Any], compute: Compute) -> Tensor:
    """Logits and object maps of a whole plane, in tiles that memory holds.

    Parameters
    ----------
    network : UNet
        From `napari_unet.network.inference.network_for_inference`.
    image : ndarray (C, Y, X) float32
        Normalised.
    compute : Compute
        How to compute.

    Returns
    -------
    Tensor (K + M, Y, X) float32
        On the CPU.
    """
    config = network.config
    shape = (image.shape[-2], image.shape[-1])
    plan = plan_tiles(
        shape, config.depth, LARGEST_TILE, max_pixels=_affordable(config, compute, shape)
    )
    result = torch.empty(config.outputs, *shape)
    for slot in plan.slots:
        window = read_mirrored(
            lambda rows, cols: image[:, rows, cols], shape, slot.input_rows, slot.input_cols
        )
        tile = torch.from_numpy(np.ascontiguousarray(window))[None]
        logits = forward_logits(network, tile, compute)[0]
        height, width = slot.rows.stop - slot.rows.start, slot.cols.stop - slot.cols.start
        result[:, slot.rows, slot.cols] = logits[:, :height, :width]
    return result
