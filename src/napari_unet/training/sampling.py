"""From planes to endless, repeatable batches of augmented tiles.

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

from napari_unet.config.size_rule import border, output_size
from napari_unet.training.augmentation import Deformation, Lookup, adjust_grey, draw
from napari_unet.training.interest import Aim, Interest, Spot
from napari_unet.training.places import SlicePlace, TilePlace, draw_corner, orders
from napari_unet.training.plane_cache import PlaneCache
from napari_unet.training.plane_tensors import PlaneTensors
from napari_unet.training.planes import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_unet.config.augmentation import AugmentConfig
    from napari_unet.training.planes import SeenImages, SeenTruth

__all__ = ["Batch", "Tile", "TileSampler"]

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


@dataclass(frozen=True, eq=False)
class _View:
    """All that tiles are made of; replaced as a whole when labels are edited."""

    sources: tuple[PlaneTensors, ...]
    interest: Interest | None = None


_Ready: TypeAlias = tuple[_View, Batch]


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
    images, truths
        One each per stack, blind to what validates.
    depth
        Poolings of the network.
    tile
        px, side of the input tile; a size that the network can take.
    batch
        Tiles per step.
    augment
        Strengths of the augmentation.
    seed
        0 or more.
    stroke_share
        Of a painted training: the share of tiles that are drawn at recent strokes. Tiles are
        drawn from slices that `edited` named, and classes weigh by what is annotated by then.
    device
        Where tiles are computed and kept.
    cache_bytes
        How much may be kept of prepared planes.
    """

    def __init__(
        self,
        images: Sequence[SeenImages],
        truths: Sequence[SeenTruth],
        *,
        depth: int,
        tile: int,
        batch: int,
        augment: AugmentConfig,
        seed: int,
        stroke_share: float | None = None,
        device: torch.device | str = "cpu",
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.depth, self.tile_side, self.batch_size = depth, tile, batch
        self.output_side = output_size(tile, depth)
        self.augment, self.seed, self.device = augment, seed, torch.device(device)
        cache = PlaneCache(cache_bytes)
        sources = tuple(
            PlaneTensors(*pair, cache, device=device, tile=tile)
            for pair in zip(images, truths, strict=True)
        )
        self._view = _View(sources)
        self._slices = [(k, i) for k, truth in enumerate(truths) for i in truth.split.train]
        pixels = [float(np.prod(truths[k].stack.plane_shape)) for k, _ in self._slices]
        self._chances = np.cumsum(pixels) / np.sum(pixels)
        self._stroke_share = stroke_share
        self._counts: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._spots: list[Spot] = []

    # -- tiles ------------------------------------------------------------------------------

    def tile(self, step: int, index: int) -> Tile:
        """Return tile `index` of step `step`: always the same one."""
        view = self._view
        rng = np.random.default_rng([self.seed, TILE_STREAM, step, index])
        if view.interest is not None:
            aim = view.interest.draw(index, self.output_side, rng)
        else:
            chosen = int(np.searchsorted(self._chances, rng.random(), side="right"))
            aim = Aim(*self._slices[chosen])
        stack_index, i = aim.stack_index, aim.slice_index
        source = view.sources[stack_index]
        deformation = draw(self.augment, rng)
        place: TilePlace | SlicePlace
        if self.augment.about == "slice":
            shape, margin = source.stack.plane_shape, border(self.depth) // 2
            corner = draw_corner(shape, self.output_side, rng)
            place = SlicePlace(deformation, self.tile_side, corner, margin, shape)
        else:
            middle = aim.middle
            if middle is None:
                middle = source.draw_pixel(i, self.output_side, rng, aim.of_class)
            place = TilePlace.around(deformation, self.tile_side, middle)
        image, classes, weights, maps = self._cut(source, i, place)
        if view.interest is not None and view.interest.class_weights is not None:
            balance = torch.from_numpy(view.interest.class_weights).to(weights)
            weights = weights * balance[classes.long()]
        return Tile(image, classes, weights, i, stack_index, place.centre, deformation, maps)

    def _cut(
        self, source: PlaneTensors, i: int, place: TilePlace | SlicePlace
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
                view, batch = item
                yield batch if view is self._view else self.batch(step)
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
                view = self._view  # an edit meanwhile replaces it, and this batch does not count
                try:
                    batch = self.batch(step)
                except Exception:
                    if view is self._view:
                        raise
                    continue  # labels changed under it
                ready.put((view, batch))
                step += 1
        except BaseException as error:  # handed to the consumer, which raises it
            ready.put(error)

    # -- edited labels ----------------------------------------------------------------------

    def refresh(self, stack_index: int, images: SeenImages, truth: SeenTruth) -> None:
        """Use the edited labels of one stack from the next batch on.

        Parameters
        ----------
        stack_index
            Which of the stacks was edited.
        images, truth
            Of the edited one, whose arrays may be the same, changed in place.
        """
        sources = list(self._view.sources)
        sources[stack_index] = sources[stack_index].edited(images, truth)
        self._view = _View(tuple(sources), self._view.interest)

    def edited(self, spots: Sequence[Spot], *, known: bool = True) -> bool:
        """Draw from what was painted, from the next batch on; the labels hold it already.

        Parameters
        ----------
        spots
            Where, in the order in which it was painted.
        known
            Whether the boxes hold all that changed in the pixels that are seen; otherwise their
            slices are read anew.

        Returns
        -------
        bool
            Whether there is something to tell apart: two classes that train.
        """
        assert self._stroke_share is not None, "the sampler is not of a painted training"
        sources = list(self._view.sources)
        for spot in spots:
            k, i = spot.stack_index, spot.slice_index
            sources[k] = sources[k].renewed(i, spot.box if known else None)
        for k, i in {(spot.stack_index, spot.slice_index) for spot in spots}:
            if i in sources[k].seen_truth.split.train:
                self._counts[k, i] = sources[k].class_counts(i)
        self._spots += spots
        config = sources[0].seen_truth.weights
        balance = config is not None and bool(config.balance) and config.preset != "fiji"
        interest = Interest(self._counts, self._spots, self._stroke_share, balance=balance)
        self._view = _View(tuple(sources), interest)
        return interest.ready


def _window(
    source: PlaneTensors, coords: Tensor, anchor: tuple[int, int]
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
