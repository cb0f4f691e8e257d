"""Seeing images smaller or larger than they are: for training, and for prediction and back.

A network sees a fixed number of pixels. Objects that are larger than that are learnt better from
a smaller image, thin ones from a larger one. The result is brought back to the pixels of the
image by linear interpolation of probabilities.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import InputError
from napari_unet.images.resampling import LARGEST_ZOOM, relative_pixel_size, resample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = [
    "BLOCK",
    "Block",
    "blocks",
    "bring_back",
    "zoom_for",
    "zoom_stack",
    "zoomed_shape",
]


SAME = 1e-3
"""Pixels that differ by less than this share are the same."""

BLOCK = 2048
"""px, largest side of the parts in which a prediction is brought back."""


def zoom_stack(stack: Stack, zoom: tuple[float, float], *, lazy: bool = False) -> Stack:
    """Return a stack with `zoom` times as many pixels along y and x.

    Parameters
    ----------
    stack
        The stack.
    zoom
        Along y and x.
    lazy
        Resample a plane when it is read, even of an array in memory.
    """
    if all(abs(z - 1) < SAME for z in zoom):
        return stack
    y, x = (size / z for size, z in zip(stack.pixel_size, zoom))
    return resample(stack, (y, x), lazy=lazy)


# -- prediction -------------------------------------------------------------------------------


def zoom_for(
    model: TrainedModel, stack: Stack, *, match_pixels: bool = False
) -> tuple[float, float]:
    """By how much a stack is to be zoomed before a model sees it.

    Parameters
    ----------
    model
        Says how it was trained.
    stack
        What is to be predicted.
    match_pixels
        Bring the stack to the size of the pixels that the model learnt from,
        even if it learnt from images as they were.

    Returns
    -------
    (float, float)
        Along y and x. A model that learnt from zoomed images always has them
        zoomed: to the pixels it knows where sizes can be compared, else by the
        same factor as in training. (1, 1) where nothing is to be done.

    Raises
    ------
    InputError
        When pixels are to be matched but cannot be compared.
    """
    if model.zoom == 1.0 and not match_pixels:
        return 1.0, 1.0
    unit = model.run.get("unit")
    relative = relative_pixel_size(stack, model.pixel_size, unit)
    if relative is not None:
        y, x = relative
        if max(y, x) > LARGEST_ZOOM or 0 in zoomed_shape(stack.plane_shape, relative):
            raise InputError(
                f"the pixels of {stack.name!r} are {y:.3g} × {x:.3g} times as large as those that "
                "the model learnt from, and cannot be made alike: check the pixel size in its "
                "file, or predict it as it is."
            )
        return _rounded(y), _rounded(x)
    if match_pixels:
        raise InputError(
            f"pixels can be matched only where their sizes can be compared, but {stack.name!r} is "
            f"in {stack.unit} and the model in {unit or 'pixel'}: save the image with its "
            "pixel size, or predict it as it is."
        )
    return model.zoom, model.zoom


def _rounded(factor: float) -> float:
    return 1.0 if abs(factor - 1) < SAME else factor


def zoomed_shape(shape: tuple[int, int], zoom: tuple[float, float]) -> tuple[int, int]:
    """Return the shape of a zoomed plane, as `resample` has it."""
    return round(shape[0] * zoom[0]), round(shape[1] * zoom[1])


@dataclass(frozen=True)
class Block:
    """A part of a plane, and the part of the zoomed plane that it is interpolated from.

    Attributes
    ----------
    rows, cols
        Of the plane.
    region
        y0, y1, x0, x1 of the zoomed plane.
    """

    rows: slice
    cols: slice
    region: Region


def blocks(
    shape: tuple[int, int], zoomed: tuple[int, int], region: Region | None = None
) -> Iterator[Block]:
    """Cut a plane, or a region of it, into parts to be brought back one after another.

    Parameters
    ----------
    shape
        (Y, X) of the plane.
    zoomed
        The same of the zoomed plane.
    region
        y0, y1, x0, x1 of the plane.
    """
    y0, y1, x0, x1 = region or (0, shape[0], 0, shape[1])
    for rows in _parts(y0, y1):
        for cols in _parts(x0, x1):
            near = (
                _between(part.start, part.stop, n, m)
                for part, n, m in zip((rows, cols), shape, zoomed)
            )
            (top, bottom), (left, right) = near
            yield Block(rows, cols, (top, bottom, left, right))


def _parts(start: int, stop: int) -> list[slice]:
    count = -(-(stop - start) // BLOCK)
    edges = [start + (stop - start) * k // count for k in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _positions(start: int, stop: int, n: int, m: int) -> NDArray[np.float64]:
    """Where the centres of pixels start … stop of n lie among those of m, held inside them."""
    return np.clip((np.arange(start, stop) + 0.5) * m / n - 0.5, 0, m - 1)


def _between(start: int, stop: int, n: int, m: int) -> tuple[int, int]:
    """Pixels of m that interpolation needs."""
    at = _positions(start, stop, n, m)
    return math.floor(at[0]), math.floor(at[-1]) + 1 + (at[-1] % 1 > 0)


def bring_back(
    values: NDArray[Any], block: Block, shape: tuple[int, int], zoomed: tuple[int, int]
) -> NDArray[np.float32]:
    """Interpolate the zoomed values of a block at the pixels of the plane.

    A pixel comes out the same whatever block it lies in.

    Parameters
    ----------
    values
        (K, h, w) of ``block.region``.
    block
        From `blocks`.
    shape, zoomed
        As given to `blocks`.

    Returns
    -------
    ndarray of float32
        (K, rows, cols) of the block.
    """
    y0, _, x0, _ = block.region
    rows = _positions(block.rows.start, block.rows.stop, shape[0], zoomed[0]) - y0
    cols = _positions(block.cols.start, block.cols.stop, shape[1], zoomed[1]) - x0
    return _interpolate(_interpolate(values, rows, -2), cols, -1).astype(np.float32)


def _interpolate(values: NDArray[Any], at: NDArray[np.float64], axis: int) -> NDArray[Any]:
    below = np.minimum(at.astype(np.intp), values.shape[axis] - 1)
    above = np.minimum(below + 1, values.shape[axis] - 1)
    share = (at - below).astype(np.float32)
    share = share[:, None] if axis == -2 else share
    low, high = values.take(below, axis), values.take(above, axis)
    result: NDArray[Any] = low + (high - low) * share
    return result
