"""Looks through stacks for places that a network is unsure of, a window at a time.

Every window is seen by the network that is shown and, mirrored, by the latest one: two views that
agree where the network is sure. The order jumps through all slices from the first window on, so
that a few windows say something about the whole stack. What is found depends on the weights, the
data and the seed alone.

Legend: C channels, K classes, (H, W) input, (h, w) output pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_unet.base.kept_memory import kept_heap
from napari_unet.network.choice import choose
from napari_unet.network.compute import limit_threads
from napari_unet.network.inference import forward_tiles, network_for_inference
from napari_unet.network.tiles import plan_tiles, read_mirrored
from napari_unet.training.data import TrainingData, like_model
from napari_unet.training.suggestions import SIDE, Place, rank, unsure_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.config.split import Region
    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack
    from napari_unet.network.compute import Compute
    from napari_unet.network.tiles import TileSlot
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.network.unet import UNet

__all__ = ["COUNT", "StackScan", "Views", "suggest"]

STREAM = 13  # tells these random numbers from others drawn with the same seed
GOLDEN = (math.sqrt(5) - 1) / 2
TILE = 284
"""px, side of an input tile: larger ones make a step wait, of smaller ones most is border."""

COUNT = 10  # places in a list
KEPT = 300  # windows of which is known what was found there
OUTSIDE = 0.5  # share of a place beyond the image from which on it is none


@dataclass(frozen=True, eq=False)
class Views:
    """Two views of the same pixels.

    Attributes
    ----------
    shown, latest
        From `network_for_inference`; the latter sees everything mirrored. Where there is only one
        network it is both.
    compute
        How they compute.
    """

    shown: UNet
    latest: UNet
    compute: Compute

    def of(self, tile: NDArray[np.generic]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities and object maps of a tile (C, H, W) in both views: (K + M, h, w) each."""
        x = torch.from_numpy(np.ascontiguousarray(tile))[None]
        one = forward_tiles(self.shown, x, self.compute)[0]
        other = forward_tiles(self.latest, x.flip(-1), self.compute)[0].flip(-1)
        return one.numpy(), other.numpy()


class StackScan:
    """Looks at the slices that may train.

    Parameters
    ----------
    data
        The stacks, as the network sees them.
    seed
        Of the window that is looked at first.
    tile
        px, largest side of an input tile.
    """

    def __init__(self, data: TrainingData, seed: int = 0, tile: int = TILE) -> None:
        self._data = data
        depth = data.config.network.depth
        self._slots = [plan_tiles(stack.plane_shape, depth, tile).slots for stack in data.stacks]
        sizes = [len(s.train) * len(slots) for s, slots in zip(data.splits, self._slots)]
        self._ends = np.cumsum(sizes)
        self.windows = int(self._ends[-1])
        self._stride = _coprime(round(GOLDEN * self.windows), self.windows)
        self._next = int(np.random.default_rng([seed, STREAM]).integers(max(1, self.windows)))
        self._found: dict[int, tuple[int, list[Place]]] = {}

    @property
    def places(self) -> Iterator[Place]:
        """All places of the windows that were looked at lately."""
        return chain.from_iterable(found for _, found in self._found.values())

    def is_fresh(self, step: int) -> bool:
        """Whether nothing new can be found: all was looked at when `step` steps were learnt."""
        seen = sum(at == step for at, _ in self._found.values())
        return seen == min(self.windows, KEPT)

    def look(self, views: Views, step: int) -> None:
        """Look at the next window.

        Parameters
        ----------
        views
            How it is seen.
        step
            Steps that the networks have learnt.

        Raises
        ------
        InputError
            When the window cannot be read; the next call goes on behind it.
        """
        number, self._next = self._next, (self._next + self._stride) % self.windows
        self._found.pop(number, None)
        if len(self._found) >= KEPT:
            self._found.pop(next(iter(self._found)))  # the oldest
        found: list[Place] = []
        self._found[number] = step, found
        k = int(np.searchsorted(self._ends, number, side="right"))
        within = number - (int(self._ends[k - 1]) if k else 0)
        at, slot = divmod(within, len(self._slots[k]))
        found += self._unsure(k, self._data.splits[k].train[at], self._slots[k][slot], views, step)

    def _unsure(self, k: int, i: int, slot: TileSlot, views: Views, step: int) -> Iterator[Place]:
        images, config = self._data.images(k), self._data.config.network
        crop = read_mirrored(
            lambda rows, cols: images.window(i, rows, cols),
            images.stack.plane_shape,
            slot.input_rows,
            slot.input_cols,
        )
        inside = (slice(config.classes), *slot.within_output(config.depth))
        one, other = (view[inside] for view in views.of(crop))
        for (y, x), score, reason in unsure_places(one, other, self._data.scheme.names):
            seen = self._box(k, slot.rows.start + y, slot.cols.start + x)
            if self._trains(k, i, seen):
                yield Place(k, i, self._given(k, seen), score, reason, step)

    def _box(self, k: int, y: int, x: int) -> Region:
        """A place around a pixel, moved into the plane."""
        sides = []
        for middle, n in zip((y, x), self._data.stacks[k].plane_shape):
            side = min(SIDE, n)
            start = min(max(0, middle - side // 2), n - side)
            sides += [start, start + side]
        return sides[0], sides[1], sides[2], sides[3]

    def _trains(self, k: int, i: int, box: Region) -> bool:
        """Whether a stroke there would be learnt from."""
        rows, cols = slice(box[0], box[1]), slice(box[2], box[3])
        if self._data.splits[k].untrained(rows, cols) is not None:
            return False
        outside = self._data.stacks[k].outside_crop(i, rows, cols)
        return outside is None or float(outside.mean()) < OUTSIDE

    def _given(self, k: int, box: Region) -> Region:
        """The same in pixels of the stack as it was opened."""
        sides = []
        for axis, scale in enumerate(self._data.placement(k).scale):
            low, high = (round(edge * scale) for edge in box[2 * axis : 2 * axis + 2])
            sides += [low, max(low + 1, high)]
        return sides[0], sides[1], sides[2], sides[3]


def _coprime(wanted: int, n: int) -> int:
    """The number from `wanted` on that has no divisor in common with n."""
    stride = max(1, wanted)
    while math.gcd(stride, n) != 1:
        stride += 1
    return stride


def suggest(
    model: TrainedModel, stack: Stack, config: TrainConfig, *, device: str = "auto"
) -> list[Place]:
    """Return places of a stack to paint at next, the best first.

    Parameters
    ----------
    model
        What is not sure.
    stack
        With labels: 0 where nothing was painted.
    config
        Of the training.
    device
        See `napari_unet.network.choice.choose`.

    Raises
    ------
    InputError
        When the stack cannot be trained on, or not be read.
    """
    painted = TrainingData(stack, like_model(config, model), limits=model.intensity, painted=True)
    scan = StackScan(painted, config.seed)
    compute = choose(device, model.network.config, purpose="predict")
    limit_threads(compute)
    network = network_for_inference(model.network, compute)
    with kept_heap():
        while not scan.is_fresh(0):
            scan.look(Views(network, network, compute), 0)

    def is_painted(place: Place) -> bool:
        y0, y1, x0, x1 = place.box
        return bool(stack.label_crop(place.slice_index, slice(y0, y1), slice(x0, x1)).any())

    return rank(scan.places, COUNT, step=0, is_done=is_painted)
