"""From stacks to endless, repeatable batches of augmented tiles, and to planes for validation.

Tile ``index`` of step ``step`` depends on the seed, these two numbers and the
data, and on nothing else: not on the tiles before it, nor on threads. So a
resumed run, a preview and the trainer all see the same tiles.

Legend: ``B`` batch, ``C`` channels, ``K`` classes, ``(H, W)`` input tile,
``(h, w)`` output tile, ``M`` object maps, ``(Y, X)`` plane.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from napari_unet.annotation.weights import class_frequencies, class_weights
from napari_unet.base.errors import InputError
from napari_unet.config.size_rule import border, output_size
from napari_unet.training.augmentation import Deformation, Lookup, adjust_grey, draw
from napari_unet.training.places import SlicePlace, TilePlace, draw_corner, orders
from napari_unet.training.training_planes import UNKNOWN, PlaneCache, TrainingPlanes
from napari_unet.training.validation_planes import ValidationPlane, ValidationPlanes

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_unet.annotation.splits import Split
    from napari_unet.config.augmentation import AugmentConfig
    from napari_unet.config.network import ObjectMap
    from napari_unet.config.weights import WeightConfig
    from napari_unet.images.stack import Intensity, Stack

__all__ = ["Batch", "Tile", "TileSampler", "ValidationPlane", "ValidationPlanes"]

TILE_STREAM = 1  # tells these random numbers from those of other modules with the same seed
CACHE_BYTES = 2**30


@dataclass(frozen=True, eq=False)
class Tile:
    """One training example.

    Attributes
    ----------
    image
        (C, H, W) float32, normalised and augmented.
    classes
        (h, w) uint8 class index, 0 where it is not known.
    weights
        (h, w) float32, 0 where the class is not known.
    slice_index, stack_index
        Where it was taken from.
    centre
        Row and column of the slice that the middle of the tile shows.
    deformation
        How it was augmented.
    maps
        (M, h, w) float32 object maps, NaN where not known; None where none are wanted.
    """

    image: Tensor
    classes: Tensor
    weights: Tensor
    slice_index: int
    stack_index: int
    centre: tuple[float, float]
    deformation: Deformation
    maps: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """The tiles of one step.

    Attributes
    ----------
    image
        (B, C, H, W) float32.
    classes
        (B, h, w) int64.
    weights
        (B, h, w) float32.
    maps
        (B, M, h, w) float32, NaN where not known; None where none are wanted.
    """

    image: Tensor
    classes: Tensor
    weights: Tensor
    maps: Tensor | None = None


_Ready: TypeAlias = tuple[object, Batch]


class TileSampler:
    """Draws augmented tiles from the training slices of stacks.

    A slice is drawn in proportion to its pixels, so that a pixel of a small
    stack is seen as often as one of a large stack. The output tile lies
    anywhere in the slice: its middle is any pixel with the same probability,
    and what lies beyond the border is mirrored (also in labels and weights).
    Of slices that are annotated in part, tiles are drawn around the annotated
    pixels.

    Parameters
    ----------
    stacks
        With labels; all with the same number of channels and classes.
    splits
        One per stack.
    depth
        Poolings of the network.
    tile
        px, side of the input tile; a size that the network can take.
    batch
        Tiles per step.
    intensity
        Limits of grey values.
    weights
        None: every annotated pixel weighs 1.
    maps
        Object maps that are to be learnt beside the classes.
    augment
        Strengths of the augmentation.
    seed
        0 or more.
    device
        Where tiles are computed and kept.
    cache_bytes
        How much may be kept of prepared planes.

    Raises
    ------
    InputError
        If stacks, splits and settings do not fit together.
    """

    def __init__(
        self,
        stacks: Sequence[Stack],
        splits: Sequence[Split],
        *,
        depth: int,
        tile: int,
        batch: int,
        intensity: Intensity,
        weights: WeightConfig | None,
        augment: AugmentConfig,
        seed: int,
        maps: tuple[ObjectMap, ...] = (),
        device: torch.device | str = "cpu",
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        _check(stacks, splits, intensity, batch, seed)
        self.depth, self.tile_side, self.batch_size = depth, tile, batch
        self.output_side = output_size(tile, depth)
        self.augment, self.seed, self.device = augment, seed, torch.device(device)
        cache = PlaneCache(cache_bytes)
        self._sources = tuple(
            TrainingPlanes(
                stack, split, intensity=intensity, weights=weights, cache=cache, maps=maps,
                device=device, tile=tile,
            )
            for stack, split in zip(stacks, splits)
        )  # fmt: skip
        self._slices = [(k, i) for k, split in enumerate(splits) for i in split.train]
        pixels = [float(np.prod(stacks[k].plane_shape)) for k, _ in self._slices]
        self._chances = np.cumsum(pixels) / np.sum(pixels)
        self.class_weights = self._measure_class_weights(weights)
        for source in self._sources:
            source.class_weights = self.class_weights

    def _measure_class_weights(self, config: WeightConfig | None) -> NDArray[np.float64] | None:
        """w_c over the training slices; kept when labels are edited later."""
        if config is None or not config.balance:
            return None
        scheme = self._sources[0].stack.scheme
        assert scheme is not None
        targets = (target for source in self._sources for target in source.sample_targets())
        shares = class_frequencies(targets, scheme.n_classes)
        pixels = round(np.mean([np.prod(one.stack.plane_shape) for one in self._sources]))
        return class_weights(shares, config.balance, pixels)

    # -- tiles ------------------------------------------------------------------------------

    def tile(self, step: int, index: int) -> Tile:
        """Return tile `index` of step `step`: always the same one."""
        rng = np.random.default_rng([self.seed, TILE_STREAM, step, index])
        chosen = int(np.searchsorted(self._chances, rng.random(), side="right"))
        stack_index, i = self._slices[chosen]
        source = self._sources[stack_index]
        deformation = draw(self.augment, rng)
        place: TilePlace | SlicePlace
        if self.augment.about == "slice":
            shape, margin = source.stack.plane_shape, border(self.depth) // 2
            corner = draw_corner(shape, self.output_side, rng)
            place = SlicePlace(deformation, self.tile_side, corner, margin, shape)
        else:
            middle = source.draw_pixel(i, self.output_side, rng)
            place = TilePlace.around(deformation, self.tile_side, middle)
        image, classes, weights, maps = self._cut(source, i, place)
        return Tile(image, classes, weights, i, stack_index, place.centre, deformation, maps)

    def _cut(
        self, source: TrainingPlanes, i: int, place: TilePlace | SlicePlace
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        # Positions are counted from an anchor near the tile: float32 is too coarse for those of
        # a pixel far into a large plane.
        deformation, centre = place.deformation, place.centre
        anchor = (0, 0) if source.whole else (int(centre[0]), int(centre[1]))
        coords = place.coordinates(anchor, self.device)  # (2, H, W)
        margin = border(self.depth) // 2
        inner = coords[:, margin:-margin, margin:-margin]  # (2, h, w)

        planes, image_origin = source.image(i, *_window(source, coords, anchor))
        truth, truth_origin = source.truth(i, *_window(source, inner, anchor))
        if source.whole:
            at_image = Lookup(coords, source.stack.plane_shape)
            at_truth = at_image.inner(margin)
        else:
            at_truth = Lookup(_from(inner, anchor, truth_origin), _plane_shape(truth))
            at_image = Lookup(_from(coords, anchor, image_origin), _plane_shape(planes))

        of_image, of_classes, of_weights = orders(self.augment, deformation)
        image = at_image(planes, of_image)
        classes = at_truth.classes(truth[0], of_classes)
        weights = at_truth(truth[1:2], of_weights)[0]
        maps = None
        if len(truth) > 2:  # linear, so that what is not known spoils no more than its neighbours
            maps = at_truth(truth[2:], "nearest" if deformation.on_grid else "linear")
        unknown = classes == UNKNOWN
        return (
            adjust_grey(image, deformation),
            classes.masked_fill_(unknown, 0).to(torch.uint8),
            weights.masked_fill_(unknown, 0),
            maps,
        )

    def batch(self, step: int) -> Batch:
        """Return the tiles of step `step`: always the same ones."""
        tiles = [self.tile(step, index) for index in range(self.batch_size)]
        return Batch(
            torch.stack([tile.image for tile in tiles]),
            torch.stack([tile.classes for tile in tiles]).long(),
            torch.stack([tile.weights for tile in tiles]),
            torch.stack(maps) if (maps := [t.maps for t in tiles if t.maps is not None]) else None,
        )

    def batches(self, start_step: int = 0, prefetch: int = 2) -> Generator[Batch, None, None]:
        """Yield the batches from `start_step` on, prepared ahead by one background thread.

        Parameters
        ----------
        start_step
            The first step.
        prefetch
            Batches kept ready; 0 computes each when it is asked for, without a thread.

        Yields
        ------
        Batch
            Equal to ``batch(step)``. Labels edited meanwhile are in the next one. An error in
            the thread is raised here. Closing the generator ends the thread.
        """
        if prefetch <= 0:
            yield from map(self.batch, itertools.count(start_step))
            return
        ready: Queue[_Ready | BaseException] = Queue(prefetch)
        closed = threading.Event()
        thread = threading.Thread(
            target=self._prepare, args=(start_step, ready, closed), name="tiles", daemon=True
        )
        thread.start()
        try:
            for step in itertools.count(start_step):
                item = ready.get()
                if isinstance(item, BaseException):
                    raise item
                sources, batch = item
                yield batch if sources is self._sources else self.batch(step)
        finally:
            closed.set()
            _empty(ready)  # the thread may be waiting for room
            thread.join()

    def _prepare(
        self, step: int, ready: Queue[_Ready | BaseException], closed: threading.Event
    ) -> None:
        """Fill the queue until it is closed; what batches were made of goes with them."""
        try:
            while not closed.is_set():
                sources = self._sources
                ready.put((sources, self.batch(step)))
                step += 1
        except BaseException as error:  # handed to the consumer, which raises it
            ready.put(error)

    # -- edited labels ----------------------------------------------------------------------

    def refresh(self, stack_index: int, stack: Stack) -> None:
        """Use edited labels from the next batch on.

        Parameters
        ----------
        stack_index
            Which of the stacks was edited.
        stack
            The edited one; it may hold the same arrays, changed in place. Class
            weights stay, so that the loss keeps its scale.

        Raises
        ------
        InputError
            If it is not the same size, or has no labels.
        """
        sources = list(self._sources)
        _check_same_shape(sources[stack_index].stack, stack)
        sources[stack_index] = sources[stack_index].with_stack(stack)
        self._sources = tuple(sources)


def _window(
    source: TrainingPlanes, coords: Tensor, anchor: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns that linear or cubic interpolation at `coords` needs."""
    if source.whole:
        return (0, 0), (0, 0)  # all of it is there
    low = torch.floor(coords.amin((1, 2))).tolist()
    high = torch.floor(coords.amax((1, 2))).tolist()
    rows, cols = (
        (a + int(first) - 1, a + int(last) + 3) for a, first, last in zip(anchor, low, high)
    )
    return rows, cols


def _from(coords: Tensor, anchor: tuple[int, int], origin: tuple[int, int]) -> Tensor:
    """Copy positions; they count from `origin` instead of `anchor`."""
    shift = [float(a - o) for a, o in zip(anchor, origin)]
    return coords + torch.tensor(shift, device=coords.device)[:, None, None]


def _plane_shape(planes: Tensor) -> tuple[int, int]:
    return planes.shape[-2], planes.shape[-1]


def _empty(queue: Queue[_Ready | BaseException]) -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        pass


def _check(
    stacks: Sequence[Stack], splits: Sequence[Split], intensity: Intensity, batch: int, seed: int
) -> None:
    if not stacks or len(stacks) != len(splits):
        raise InputError(f"every stack needs one split, got {len(stacks)} and {len(splits)}.")
    if batch < 1:
        raise InputError(f"batch must be 1 tile or more, got {batch}.")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, got {seed}.")
    for stack in stacks:
        if stack.labels is None or stack.scheme is None:
            raise InputError(f"{stack.name!r} has no labels to train on: choose its labels.")
        if stack.channels != len(intensity.low):
            raise InputError(
                f"all stacks must have {len(intensity.low)} channels, but {stack.name!r} has "
                f"{stack.channels}: train on stacks of one kind."
            )
    classes = {stack.scheme.n_classes for stack in stacks if stack.scheme is not None}
    if len(classes) > 1:
        raise InputError(
            f"all stacks must have the same classes, got {sorted(classes)} classes: give them "
            "one label scheme."
        )
    if not any(split.train for split in splits):
        raise InputError(
            "expected at least one labelled slice to train on, got none: label another slice or "
            "validate on fewer."
        )


def _check_same_shape(old: Stack, new: Stack) -> None:
    before = (old.n_slices, old.channels, *old.plane_shape)
    after = (new.n_slices, new.channels, *new.plane_shape)
    if before != after:
        raise InputError(
            f"edited labels must belong to an image of the same size (slices, channels, y, x) "
            f"{before}, got {after}: start a new run for another image."
        )
    if new.labels is None or new.scheme is None:
        raise InputError(f"{new.name!r} has lost its labels: choose its labels again.")
