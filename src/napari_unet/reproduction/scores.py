"""A trained network measured in the reproduction's way and in ways that can be compared.

Legend: ``C`` channels, ``K`` classes, ``(H, W)`` input tile, ``(h, w)`` output tile,
``(Y, X)`` plane.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows

from napari_unet.config.size_rule import border
from napari_unet.evaluation.metrics.overlap import iou_by_image
from napari_unet.evaluation.metrics.thresholded_iou import thresholded_iou
from napari_unet.network.inference import forward_logits, network_for_inference
from napari_unet.reproduction.result import Reading
from napari_unet.training.augmentation import Lookup, draw
from napari_unet.training.measuring import logits_of_plane
from napari_unet.training.places import SlicePlace, TilePlace, draw_corner, orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_unet.config.augmentation import AugmentConfig
    from napari_unet.network.compute import Compute
    from napari_unet.network.unet import UNet
    from napari_unet.training.validation_planes import ValidationPlane

__all__ = [
    "TILES_PER_SLICE",
    "Example",
    "Tally",
    "cut_tiles",
    "read_everything",
    "read_tiles",
    "read_whole",
]

TILE_STREAM = 11  # tells these random numbers from others drawn with the same seed
TILES_PER_SLICE = 10


@dataclass(frozen=True, eq=False)
class Example:
    """An input tile and what its output should be.

    Attributes
    ----------
    image
        (C, H, W) float32.
    classes
        (h, w) int64.
    weights
        (h, w) float32.
    """

    image: Tensor
    classes: Tensor
    weights: Tensor


@dataclass
class Tally:
    """Sums up readings of several images."""

    weighted: float = 0.0
    plain: float = 0.0
    pixels: int = 0
    found: list[NDArray[np.bool_]] = field(default_factory=list)
    true: list[NDArray[np.bool_]] = field(default_factory=list)
    known: list[NDArray[np.bool_]] = field(default_factory=list)

    def add(self, logits: Tensor, classes: Tensor, weights: Tensor) -> None:
        """Take one image: logits (K, h, w), classes (h, w), weights (h, w)."""
        losses = F.cross_entropy(logits[None], classes[None], reduction="none")[0].double()
        known = weights > 0
        self.weighted += float((losses * weights).sum())
        self.plain += float(losses[known].sum())
        self.pixels += int(known.sum())
        self.found.append((logits.argmax(0) > 0).numpy())
        self.true.append((classes > 0).numpy())
        self.known.append(known.numpy())

    def spread(self) -> float:
        """Spread of the thresholded IoU of every `TILES_PER_SLICE`-th image, see `cut_tiles`."""
        each = [
            thresholded_iou(
                *(some[k::TILES_PER_SLICE] for some in (self.found, self.true, self.known))
            )
            for k in range(min(TILES_PER_SLICE, len(self.found)))
        ]
        return float(np.std(each, ddof=1)) if len(each) > 1 else np.nan

    def reading(self) -> Reading:
        """Return the means; NaN where there was no image."""
        if not self.found:
            return Reading(np.nan, np.nan, np.nan, np.nan, 0)
        return Reading(
            loss=self.weighted / max(1, self.pixels),
            cross_entropy=self.plain / max(1, self.pixels),
            iou=iou_by_image(self.found, self.true, self.known),
            thresholded_iou=thresholded_iou(self.found, self.true, self.known),
            images=len(self.found),
        )


def read_whole(
    network: UNet, planes: Iterable[ValidationPlane], compute: Compute
) -> tuple[Reading, dict[int, NDArray[np.float32]]]:
    """Measure on whole planes, which are not augmented.

    Returns
    -------
    reading : Reading
        Of all planes.
    foreground : dict
        Flat index of a slice -> (Y, X) probability of not being background.
    """
    ready, tally = network_for_inference(network, compute), Tally()
    foreground: dict[int, NDArray[np.float32]] = {}
    for plane in planes:
        logits = logits_of_plane(ready, plane.image, compute)
        tally.add(logits, torch.from_numpy(plane.classes).long(), torch.from_numpy(plane.weights))
        foreground[plane.slice_index] = 1 - torch.softmax(logits, 0)[0].numpy()
    return tally.reading(), foreground


def read_everything(planes: Iterable[ValidationPlane]) -> Reading:
    """Measure what calls every pixel a cell: a network that learns must be better than that."""
    true = [plane.classes > 0 for plane in planes]
    known = [plane.weights > 0 for plane in planes]
    found = [np.ones_like(one) for one in true]
    if not true:
        return Reading(np.nan, np.nan, np.nan, np.nan, 0)
    return Reading(
        loss=np.nan,
        cross_entropy=np.nan,
        iou=iou_by_image(found, true, known),
        thresholded_iou=thresholded_iou(found, true, known),
        images=len(true),
    )


def read_tiles(network: UNet, tiles: Iterable[Example], compute: Compute) -> Reading:
    """Measure on single output tiles."""
    ready, tally = network_for_inference(network, compute), Tally()
    for tile in tiles:
        logits = forward_logits(ready, tile.image[None], compute)[0]
        tally.add(logits, tile.classes, tile.weights)
    return replace(tally.reading(), spread=tally.spread())


def cut_tiles(
    planes: Iterable[ValidationPlane], side: int, depth: int, augment: AugmentConfig, seed: int
) -> Iterator[Example]:
    """Cut tiles out of planes as the reproduction does: the *output* tile lies inside the image.

    Its corner is anywhere with the same chance, and what the input needs around it is mirrored.
    Where an image is smaller than the output, its middle is taken.

    Parameters
    ----------
    planes
        Whole validation planes.
    side
        px, of the input tile.
    depth
        Poolings of the network.
    augment
        Strengths; `AugmentConfig.none()` gives plain crops at the same places.
    seed
        The same seed gives the same places and draws.

    Yields
    ------
    Example
        `TILES_PER_SLICE` of one plane, then those of the next.
    """
    margin = border(depth) // 2
    for plane in planes:
        shape = (plane.classes.shape[0], plane.classes.shape[1])
        for k in range(TILES_PER_SLICE):
            key = [seed, TILE_STREAM, plane.stack_index, plane.slice_index, k]
            at, deform = (np.random.default_rng([*key, part]) for part in (0, 1))
            corner, drawn = draw_corner(shape, side - 2 * margin, at), draw(augment, deform)
            place: TilePlace | SlicePlace
            if augment.about == "slice":
                place = SlicePlace(drawn, side, corner, margin, shape)
            else:
                place = TilePlace.of_output(drawn, side, corner, margin)
            yield _cut(plane, place, margin, augment)


def _cut(
    plane: ValidationPlane, place: TilePlace | SlicePlace, margin: int, augment: AugmentConfig
) -> Example:
    shape = (plane.classes.shape[0], plane.classes.shape[1])
    at_image = Lookup(place.coordinates((0, 0)), shape)
    at_truth = at_image.inner(margin)
    of_image, of_classes, of_weights = orders(augment, place.deformation)
    image, classes, weights = (
        torch.from_numpy(np.ascontiguousarray(values))
        for values in (plane.image, plane.classes, plane.weights)
    )
    return Example(
        image=at_image(image, of_image),
        classes=at_truth.classes(classes, of_classes).long(),
        weights=at_truth(weights[None], of_weights)[0],
    )
