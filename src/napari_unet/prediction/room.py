"""Whether a prediction makes sense as a whole, found out before anything is computed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_unet.base.errors import InputError
from napari_unet.base.quantities import size
from napari_unet.images.ome_zarr import holds_at_least
from napari_unet.network.compute import available_memory
from napari_unet.prediction.predict import plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.outputs import Output

__all__ = ["check_room"]

LARGE, DENSEST = 1e11, 1e4
"""Bytes of an image from which it is asked for, and how often its files at most go into them."""

SHARE = 0.8
"""Of the free memory that a result may take beside the computation."""

OBJECT_BYTES = 24
"""For each pixel of a plane whose objects are told apart: probabilities, seeds, numbers, copies."""


def check_room(
    model: TrainedModel,
    stack: Stack,
    output: Output,
    region: Region | None = None,
    *,
    slices: Sequence[int] | None = None,
    tile: int | None = None,
    held: int = 0,
    match_pixels: bool = False,
) -> None:
    """Refuse a prediction whose result memory cannot hold, or of what is next to nothing.

    Parameters
    ----------
    model, stack, region, slices, tile, match_pixels
        As given to `napari_unet.prediction.predict.predict`.
    output
        What is made of it.
    held
        Slices whose result stays in memory; 0 where it is written as it comes.

    Raises
    ------
    InputError
        With a part that would fit; or where next to none of a huge image's pixels are there.
    """
    laid_out = plan(model, stack, tile, region=region, match_pixels=match_pixels)
    y0, y1, x0, x1 = region or (0, stack.plane_shape[0], 0, stack.plane_shape[1])
    rows, columns = y1 - y0, x1 - x0
    scheme = model.scheme
    each = output.dtype(scheme).itemsize * math.prod(output.channels(scheme))  # bytes of a pixel
    if output.kind == "objects":
        per_pixel = float(OBJECT_BYTES)
    elif output.channels(scheme):
        per_pixel = 2.0 * each  # a plane, put together from its bands
    else:  # bands of rows pass; two are held, and the rest of one before
        per_pixel = 3.0 * each * min(1.0, laid_out.tiles.input[0] / rows)
    needed = rows * columns * (per_pixel + held * each)
    free = available_memory("cpu")
    if needed <= SHARE * free:
        if region is None:
            _check_is_there(stack, stack.n_slices if slices is None else len(slices))
        return
    fits = SHARE * free / 2 / max(per_pixel + held * each, 3.0 * each)
    side = max(1, int(math.sqrt(fits)) // 1000 * 1000 or int(math.sqrt(fits)))
    part = f"{y0} {min(y1, y0 + side)} {x0} {min(x1, x0 + side)}"
    raise InputError(
        f"the {output.kind} of {rows:,} × {columns:,} pixels take {size(needed)} of memory, of "
        f"which {size(free)} are free: predict it part by part, such as --region {part}."
    )


def _check_is_there(stack: Stack, slices: int) -> None:
    """Refuse a huge zarr whose files hold next to nothing: it would be days of black pixels."""
    said = math.prod(stack.image.shape) * stack.image.dtype.itemsize
    if said * slices / stack.n_slices >= LARGE and not holds_at_least(stack.image, said / DENSEST):
        raise InputError(
            f"{stack.name} says that it has {size(said)} of pixels, but its files hold less than "
            f"{size(said / DENSEST)}: copy it again if chunks are missing, or predict the part "
            "that is there, with --region."
        )
