"""Overlap-tile prediction: a generator of finished tiles.

Every tile is predicted from its mirrored surround, and tiles are aligned with
the network's poolings (see `napari_unet.network.tiles`), so that the stitched result
is the result of one pass over the whole slice, without seams.

Legend: C channels, K classes, M object maps, (Y, X) plane, (H, W) input, (h, w) output pixels.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from napari_unet.base.errors import DeviceError, InputError
from napari_unet.base.kept_memory import kept_heap
from napari_unet.base.prefetch import ahead
from napari_unet.config.size_rule import previous_valid_size, smallest_plan
from napari_unet.images.intensity import check_finite
from napari_unet.images.outside import mark_outside
from napari_unet.images.stack import Intensity, Stack, as_array, guess_axes
from napari_unet.images.zoom import blocks, bring_back, zoom_for, zoom_stack, zoomed_shape
from napari_unet.network.choice import choose
from napari_unet.network.compute import (
    Compute,
    available_memory,
    free_memory,
    is_out_of_memory,
    limit_threads,
)
from napari_unet.network.inference import (
    LARGEST_TILE,
    MEMORY_SHARE,
    bytes_per_pixel,
    forward_logits,
    forward_tiles,
    network_for_inference,
)
from napari_unet.network.tiles import TilePlan, TileSlot, checked_region, plan_tiles, read_mirrored
from napari_unet.network.trained_model import TrainedModel
from napari_unet.prediction.pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.config.outside import Outside
    from napari_unet.config.split import Region
    from napari_unet.network.unet import UNet

__all__ = [
    "PredictionPlan",
    "as_stack",
    "plan",
    "predict",
]

UNZOOMED = (1.0, 1.0)

FIXED_BYTES = 32 * 2**20
"""What a computation takes whatever its tiles: buffers of threads, compiled kernels."""


@dataclass(frozen=True)
class PredictionPlan:
    """What a prediction will compute.

    Attributes
    ----------
    tiles : TilePlan
        The tiles of each slice, or of its zoomed plane.
    slices : int
        Number of slices.
    total : int
        Number of tiles that `predict` will yield.
    bytes : int
        Estimated peak memory of the computation.
    """

    tiles: TilePlan
    slices: int
    total: int
    bytes: int


def plan(
    model: TrainedModel | UNet,
    stack: Stack,
    tile: int | None = None,
    *,
    slices: Sequence[int] | None = None,
    region: Region | None = None,
    match_pixels: bool = False,
    batch: int = 1,
    memory: int | None = None,
    compute: Compute | None = None,
) -> PredictionPlan:
    """Lay out the tiles of a prediction without computing anything.

    Parameters
    ----------
    model : TrainedModel or UNet
        The network.
    stack : Stack
        What is to be predicted.
    tile : int, optional
        Largest side of an input tile; 2048 when omitted.
    slices : sequence of int, optional
        Flat indices; all when omitted.
    region : (int, int, int, int), optional
        ``y0, y1, x0, x1`` of the plane, y1 and x1 the first outside; the whole
        plane when omitted.
    match_pixels : bool
        As in `predict`.
    batch : int
        Tiles computed together, which share the memory.
    memory : int, optional
        Bytes the computation may take; 40 % of what is free when omitted.
    compute : Compute, optional
        Where it will run; the CPU in float32 when omitted.
    """
    config = _network(model).config
    compute = compute or Compute()
    per_pixel = batch * bytes_per_pixel(config, 4 if compute.dtype == "float32" else 2)
    budget = memory or int(MEMORY_SHARE * available_memory(compute.device))
    shape, parts = stack.plane_shape, 0
    zoom = _zoom(model, stack, match_pixels=match_pixels)
    if zoom != UNZOOMED:
        shape = zoomed_shape(stack.plane_shape, zoom)
        cut = list(blocks(stack.plane_shape, shape, checked_region(region, stack.plane_shape)))
        corners = np.array([part.region for part in cut])
        region = tuple(f(corners[:, k]) for k, f in enumerate((np.min, np.max) * 2))
        parts = len(cut)
    fixed = min(FIXED_BYTES, budget // 5)
    pixels = (budget - fixed) // per_pixel
    if memory is None:  # of what little is free, the smallest tile is at least tried
        pixels = max(pixels, smallest_plan(config.depth))
    tiles = plan_tiles(
        shape,
        config.depth,
        tile or LARGEST_TILE,
        max_pixels=pixels,
        region=region,
        seconds_per_pixel=compute.seconds_per_pixel,
    )
    count = stack.n_slices if slices is None else len(slices)
    used = fixed + tiles.input[0] * tiles.input[1] * per_pixel
    return PredictionPlan(tiles, count, count * (parts or len(tiles.slots)), used)


def predict(
    model: TrainedModel | UNet,
    image: Stack | Any,
    axes: str | None = None,
    *,
    slices: Sequence[int] | None = None,
    region: Region | None = None,
    tile: int | None = None,
    batch: int = 1,
    device: str = "auto",
    logits: bool = False,
    mirror_average: bool = False,
    match_pixels: bool = False,
    grey_values: Literal["model", "image"] = "model",
    outside: Outside = "border",
    memory: int | None = None,
    compute: Compute | None = None,
    lookahead: bool = True,
) -> Generator[Piece, None, None]:
    """Predict a stack tile by tile.

    Parameters
    ----------
    model : TrainedModel or UNet
        A bare network takes the image's values as they are.
    image : Stack or array
        Any axes and dtype; read tile by tile, never as a whole.
    axes : str, optional
        Axes of an array, such as ``"zyx"``; guessed when omitted.
    slices : sequence of int, optional
        Flat indices of the slices to predict, in this order; all when omitted.
    region : (int, int, int, int), optional
        ``y0, y1, x0, x1``: only these pixels of each slice are predicted, and
        come out as they do in the prediction of the whole slice.
    tile : int, optional
        Largest side of an input tile; rounded down to what the network takes.
    batch : int
        Tiles computed together.
    device : str
        See `napari_unet.network.choice.choose`.
    logits : bool
        Yield the network's raw output instead of probabilities.
    mirror_average : bool
        Average over the eight mirrored and rotated versions of each tile.
    match_pixels : bool
        Zoom the image so that its pixels have the size of those that the model
        learnt from, and the result back. A model that learnt from zoomed images
        always does so.
    grey_values : {"model", "image"}
        Which grey values become 0 and 1: those that the model learnt from, or
        those of this image, measured as the model's were.
    outside : {"border", "all"}
        Pixels that are NaN and lie outside of the image: those that reach the border of their
        slice, or all of them. The image is mirrored there, and the result is 0.
    memory : int, optional
        Bytes the computation may take; 40 % of what is free when omitted.
    compute : Compute, optional
        How to compute; overrides `device`.
    lookahead : bool
        Compute a tile while the one before is used, in a thread. Without it
        nothing is computed but when a tile is asked for.

    Yields
    ------
    Piece
        Values (K + M, h, w) float32: probabilities that sum to 1 over K, or logits where they
        were asked for, then the network's object maps. Slice by slice, row by row. A consumer
        that stops asking stops the computation. Of a zoomed image parts of up to 2048² pixels
        come, not tiles.

    Raises
    ------
    InputError
        If the image has other channels than the model, or a slice or region is
        not there.
    DeviceError
        If even the smallest tile does not fit into memory.
    """
    stack = as_stack(image, axes)
    network = _network(model)
    chosen = range(stack.n_slices) if slices is None else tuple(slices)
    _check_request(stack, network, chosen, tile, batch)
    stack = mark_outside(stack, outside, slices=chosen, lazy=True)
    if grey_values == "image" and isinstance(model, TrainedModel):
        measured = Intensity.measure(stack, model.intensity.percentiles)
        model = replace(model, intensity=measured)
    compute = compute or choose(device, network.config, purpose="predict")
    zoom = _zoom(model, stack, match_pixels=match_pixels)
    limit_threads(compute)
    seen = zoom_stack(stack, zoom, lazy=True)
    run = _Run(
        seen, model, compute, logits=logits, mirror_average=mirror_average, lookahead=lookahead
    )

    def lay_out(part: Region | None) -> TilePlan:
        laid_out = plan(
            network, seen, tile, region=part, batch=batch, memory=memory, compute=compute
        )
        return laid_out.tiles

    with kept_heap():
        if zoom == UNZOOMED:
            pieces = run.tiles(chosen, lay_out(region), batch)
        else:
            pieces = _zoomed(run, stack, zoom, chosen, region, lay_out, batch)
        with closing(pieces):
            for piece in pieces:
                yield _nothing_outside(stack, piece)


def _check_request(
    stack: Stack, network: UNet, slices: Sequence[int], tile: int | None, batch: int
) -> None:
    _check_channels(stack, network)
    for i in slices:
        if not 0 <= i < stack.n_slices:
            msg = f"the stack has slices 0 to {stack.n_slices - 1}, got {i}: choose one of these"
            raise InputError(msg)
    if batch < 1:
        raise InputError(f"a batch needs at least 1 tile, got {batch}: give 1 or more")
    if tile is not None and tile < 1:
        raise InputError(f"a tile needs at least 1 pixel a side, got {tile}: give 1 or more")


def _nothing_outside(stack: Stack, piece: Piece) -> Piece:
    """Return a piece with 0 wherever no image is."""
    outside = stack.outside_crop(piece.slice_index, piece.rows, piece.cols)
    if outside is None or not outside.any():
        return piece
    return piece.with_values(np.where(outside, np.float32(0), piece.values))


def _zoom(model: TrainedModel | UNet, stack: Stack, *, match_pixels: bool) -> tuple[float, float]:
    if not isinstance(model, TrainedModel):
        return UNZOOMED
    return zoom_for(model, stack, match_pixels=match_pixels)


def _zoomed(
    run: _Run,
    stack: Stack,
    zoom: tuple[float, float],
    slices: Sequence[int],
    region: Region | None,
    lay_out: Callable[[Region | None], TilePlan],
    batch: int,
) -> Generator[Piece, None, None]:
    """Predict the zoomed stack part by part, and bring each part back."""
    shape, small = stack.plane_shape, run.stack.plane_shape
    parts = list(blocks(shape, small, checked_region(region, shape)))
    pace = _Pace()
    total, done = len(slices) * len(parts), 0
    for i in slices:
        for part in parts:
            y0, y1, x0, x1 = part.region
            values = np.empty((run.network.config.outputs, y1 - y0, x1 - x0), np.float32)
            notes = []
            for tile in run.tiles((i,), lay_out(part.region), batch):
                rows = slice(tile.rows.start - y0, tile.rows.stop - y0)
                cols = slice(tile.cols.start - x0, tile.cols.stop - x0)
                values[:, rows, cols] = tile.values
                notes += [tile.note] if tile.note else []
            done += 1
            yield Piece(
                stack.index(i), i, part.rows, part.cols, bring_back(values, part, shape, small),
                done, total, pace.seconds_left(done, total), "; ".join(notes), zoom,
            )  # fmt: skip


class _Pace:
    """Estimates the time left from the pieces after the first, which is slow for other reasons."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def seconds_left(self, done: int, total: int) -> float:
        """NaN while there is nothing to tell it from."""
        now = time.perf_counter()
        if done == total:
            return 0.0
        if self._first is None:
            self._first = done, now
            return float("nan")
        before, begun = self._first
        return (now - begun) / (done - before) * (total - done)


class _Run:
    """The state of one prediction: the prepared network and how far it is."""

    def __init__(
        self,
        stack: Stack,
        model: TrainedModel | UNet,
        compute: Compute,
        *,
        logits: bool,
        mirror_average: bool,
        lookahead: bool,
    ) -> None:
        self.stack = stack
        self.lookahead = lookahead
        self.compute = compute
        self.logits = logits
        self.mirror_average = mirror_average
        self.intensity = model.intensity if isinstance(model, TrainedModel) else None
        self.network = network_for_inference(_network(model), compute)
        self._limits: tuple[int, Intensity | None] = (-1, None)
        self._unwanted = threading.Event()
        for layer in (*self.network.down, *self.network.merge):
            layer.register_forward_pre_hook(partial(_break_off, self._unwanted))

    def tiles(
        self, slices: Sequence[int], plan: TilePlan, batch: int
    ) -> Generator[Piece, None, None]:
        """Predict slice after slice; when memory ends, go on with smaller tiles."""
        pace = _Pace()
        remaining = list(slices)
        done, note = 0, ""
        while remaining:
            total = done + len(remaining) * len(plan.slots)
            try:
                for i, slot, probabilities in self._pass(remaining, plan, batch):
                    done += 1
                    yield Piece(
                        self.stack.index(i), i, slot.rows, slot.cols, probabilities,
                        done, total, pace.seconds_left(done, total), note,
                    )  # fmt: skip
                    note = ""
                    if slot is plan.slots[-1]:
                        remaining.remove(i)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                # The slice under way is predicted anew: its finished tiles are the same again.
                plan, batch, note = self._smaller(plan, batch)
                pace = _Pace()

    def _pass(
        self, slices: Sequence[int], plan: TilePlan, batch: int
    ) -> Iterator[tuple[int, TileSlot, NDArray[np.float32]]]:
        """Read one tile, compute another and hand out a third, all at the same time."""
        jobs = [(i, slot) for i in slices for slot in plan.slots]
        groups = [jobs[k : k + batch] for k in range(0, len(jobs), batch)]
        self._unwanted.clear()
        with closing(self._results(groups)) as results:
            try:
                for group, result in zip(groups, results):
                    for (i, slot), tile in zip(group, result):
                        inside = slot.within_output(self.network.config.depth)
                        yield i, slot, tile[:, *inside]
            finally:
                self._unwanted.set()  # the tile under way need not be finished

    def _results(
        self, groups: Sequence[Sequence[tuple[int, TileSlot]]]
    ) -> Generator[NDArray[np.float32], None, None]:
        if not self.lookahead:
            for group in groups:
                yield self._forward(self._read(group))
            return
        with (
            closing(ahead(self._read, groups, "napari-unet-reader")) as images,
            closing(ahead(self._forward, images, "napari-unet-network")) as results,
        ):
            yield from results

    def _read(self, group: Sequence[tuple[int, TileSlot]]) -> torch.Tensor:
        images = [self._read_tile(i, slot) for i, slot in group]
        return torch.from_numpy(np.stack(images))

    def _read_tile(self, i: int, slot: TileSlot) -> NDArray[np.float32]:
        raw = read_mirrored(
            lambda rows, cols: self.stack.image_crop(i, rows, cols),
            self.stack.plane_shape,
            slot.input_rows,
            slot.input_cols,
        )
        limits = self._limits_of(i)
        tile = raw.astype(np.float32) if limits is None else limits.normalise(raw)
        check_finite(tile, raw, i, self.stack)
        return tile

    def _limits_of(self, i: int) -> Intensity | None:
        if self.intensity is None:
            return None
        if self._limits[0] != i:
            self._limits = (i, self.intensity.for_slice(self.stack, i))
        return self._limits[1]

    def _forward(self, images: torch.Tensor) -> NDArray[np.float32]:
        if self.logits:
            result = forward_logits(self.network, images, self.compute)
        else:
            result = forward_tiles(
                self.network, images, self.compute, mirror_average=self.mirror_average
            )
        array: NDArray[np.float32] = result.numpy()
        return array

    def _smaller(self, plan: TilePlan, batch: int) -> tuple[TilePlan, int, str]:
        free_memory(self.compute.device)
        if batch > 1:
            return (
                plan,
                batch // 2,
                f"{batch // 2} tiles at a time instead of {batch}, for want of memory",
            )
        depth = self.network.config.depth
        side = previous_valid_size(max(plan.input) * 7 // 10, depth)
        smaller = plan_tiles(plan.shape, depth, side, region=plan.region)
        if max(smaller.input) >= max(plan.input):
            msg = (
                f"memory on {self.compute.describe()} does not hold a single tile of "
                f"{plan.input[0]} × {plan.input[1]} pixels: close other programs or use the CPU"
            )
            raise DeviceError(msg)
        size = f"{smaller.input[0]} × {smaller.input[1]}"
        return smaller, 1, f"smaller tiles ({size} pixels), for want of memory"


def _break_off(unwanted: threading.Event, *_: object) -> None:
    """Leave a forward pass that nobody waits for; called before every layer."""
    if unwanted.is_set():
        raise CancelledError


def _network(model: TrainedModel | UNet) -> UNet:
    return model.network if isinstance(model, TrainedModel) else model


def as_stack(image: Stack | Any, axes: str | None = None) -> Stack:
    """Return a stack as it is, and an array as a stack; axes are guessed when omitted."""
    if isinstance(image, Stack):
        return image
    array = as_array(image, "image")
    return Stack("image", array, axes or guess_axes(array.shape, array.dtype)[0])


def _check_channels(stack: Stack, network: UNet) -> None:
    wanted = network.config.in_channels
    if stack.channels != wanted:
        msg = (
            f"the model was trained on {wanted} channel{'s' if wanted > 1 else ''}, but "
            f"{stack.name!r} has {stack.channels}: choose an image like the training stack"
        )
        raise InputError(msg)
