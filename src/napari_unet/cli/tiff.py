"""Writing planes to a TIFF as they come, complete or not at all."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack

__all__ = ["write_planes"]

BIG = 2**32 - 2**25  # bytes from which a TIFF needs 64-bit offsets


def write_planes(
    path: Path,
    planes: Iterable[NDArray[Any]],
    stack: Stack,
    channels: int | None = None,
    *,
    region: Region | None = None,
) -> tuple[tuple[int, ...], str]:
    """Write one plane per slice of a stack, with the stack's axes, scale, position and units.

    Only one plane is in memory at a time. The file is an OME-TIFF, unless the stack has axes
    that OME does not know.

    Parameters
    ----------
    path
        The file; a previous one is replaced once the new one is complete.
    planes
        (Y, X), or (channels, Y, X), in the order of the slices; all of one dtype.
    stack
        Where axes, scale, position and units come from.
    channels
        Channels of each plane. None: none.
    region
        y0, y1, x0, x1 where the planes are only this part of the stack's.

    Returns
    -------
    shape : tuple of int
        Leading axes + (channels,) + (Y, X).
    dtype : str
        Of the file.

    Raises
    ------
    CheckpointError
        The disk is full or the place cannot be written. A previous file stays.
    """
    import tifffile

    from napari_unet.base.atomic_files import replaced_file
    from napari_unet.images.tiff_metadata import describe, places_of

    pages = _pages(planes, channels)
    first = next(pages)
    axes = stack.leading_axes + ("" if channels is None else "c") + "yx"
    shape = (*stack.leading_shape, *(() if channels is None else (channels,)), *first.shape[-2:])
    keywords = describe(axes, shape, first.dtype, places_of(stack, region), imagej=False)
    size = int(np.prod(shape, dtype=np.int64)) * first.dtype.itemsize
    with (
        replaced_file(path) as stream,
        tifffile.TiffWriter(stream, ome=keywords["ome"], bigtiff=size > BIG) as writer,
    ):
        writer.write(
            chain([first], pages),
            shape=shape,
            dtype=first.dtype,
            photometric="minisblack",
            compression="deflate",
            metadata=keywords["metadata"],
        )
    return shape, str(first.dtype)


def _pages(planes: Iterable[NDArray[Any]], channels: int | None) -> Iterator[NDArray[Any]]:
    for plane in planes:
        if channels is None:
            yield plane
        else:
            yield from plane.copy()  # the plane's memory is used again for the next one
