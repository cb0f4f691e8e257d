"""A prediction written into a TIFF, as it comes: complete or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Full, Queue
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.atomic_files import replaced_file
from napari_unet.base.output_guard import SOFTWARE
from napari_unet.prediction.pieces import Piece, bands, extent_of, whole_planes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack
    from napari_unet.prediction.outputs import Output

__all__ = ["write_passing", "write_tiff"]

BIG = 2**32 - 2**25  # bytes from which a TIFF needs 64-bit offsets
PATIENCE = 0.1  # seconds between two looks whether the writer still lives
STRIP = 2**18  # bytes, about, of the rows that are compressed together


def write_tiff(
    path: Path,
    pieces: Iterable[Piece],
    output: Output,
    scheme: LabelScheme,
    stack: Stack,
    *,
    region: Region | None = None,
) -> tuple[tuple[int, ...], str]:
    """Write an output of every slice of a stack, with the stack's axes, scale, place and units.

    Rows are written as soon as they are complete: no plane is held, but those of outputs that
    have several channels. The file is an OME-TIFF, unless the stack has axes that OME does not
    know.

    Parameters
    ----------
    path
        The file; a previous one is replaced once the new one is complete.
    pieces
        From `output.finished`, slice by slice, row by row.
    output, scheme
        What the pieces hold.
    stack
        What was predicted.
    region
        y0, y1, x0, x1 where the pieces are only this part of the stack's planes.

    Returns
    -------
    shape : tuple of int
        Leading axes + channels + (Y, X).
    dtype : str
        Of the file.

    Raises
    ------
    CheckpointError
        The disk is full or the place cannot be written. A previous file stays.
    """
    import tifffile

    from napari_unet.images.tiff_metadata import describe, places_of

    extent = extent_of(stack, region)
    y0, y1, x0, x1 = extent
    dtype, channels = output.dtype(scheme), output.channels(scheme)
    axes = stack.leading_axes + "c" * len(channels) + "yx"
    shape = (*stack.leading_shape, *channels, y1 - y0, x1 - x0)
    keywords = describe(axes, shape, dtype, places_of(stack, region), imagej=False)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    per_strip = min(y1 - y0, max(1, STRIP // ((x1 - x0) * dtype.itemsize)))
    with (
        replaced_file(path) as stream,
        tifffile.TiffWriter(stream, ome=keywords["ome"], bigtiff=size > BIG) as writer,
    ):
        writer.write(
            _strips(_pages(pieces, extent, channels), y1, per_strip, dtype),
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            compression="deflate",
            rowsperstrip=per_strip,
            metadata=keywords["metadata"],
            software=SOFTWARE,
        )
    return shape, str(dtype)


def write_passing(
    path: Path, events: Iterable[Any], output: Output, scheme: LabelScheme, stack: Stack
) -> Generator[Any, None, None]:
    """Write pieces while they pass, for whoever wants to see them as well; as `write_tiff`.

    Parameters
    ----------
    path, output, scheme, stack
        As in `write_tiff`.
    events
        Pieces, and whatever else.

    Yields
    ------
    The events. No more than two pieces are held. The file is there when this ends; where somebody
    stops asking, or an error comes, it is as it was before.
    """
    waiting: Queue[Piece | None] = Queue(1)
    complete = False

    def pieces() -> Iterator[Piece]:
        while (piece := waiting.get()) is not None:
            yield piece
        if not complete:
            raise _GivenUpError

    with ThreadPoolExecutor(1, "napari-unet-writer") as thread:
        writing = thread.submit(write_tiff, path, pieces(), output, scheme, stack)
        try:
            for event in events:
                if isinstance(event, Piece):
                    _hand_over(event, waiting, writing)
                yield event
            complete = True
        finally:
            with suppress(Exception):  # what went wrong is raised below, or is being raised
                _hand_over(None, waiting, writing)
        writing.result()


class _GivenUpError(Exception):
    """Raised in the writer where no more pieces will come."""


def _hand_over(piece: Piece | None, waiting: Queue[Piece | None], writing: Future[Any]) -> None:
    """Give the writer a piece, None the last time; its error is raised here."""
    while True:
        if writing.done():
            writing.result()
            return None  # it has all that it needs
        with suppress(Full):
            return waiting.put(piece, timeout=PATIENCE)


def _pages(
    pieces: Iterable[Piece], extent: Region, channels: tuple[int, ...]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield rows (n, X) in the order of the file, and the row of the plane where they end."""
    if not channels:
        for band in bands(pieces, extent):
            if band.values.size:
                yield band.rows.stop, band.values
        return
    for plane in whole_planes(pieces, extent, lambda values: values):
        for channel in plane.values if plane.values.size else ():
            yield plane.rows.stop, channel


def _strips(
    rows: Iterable[tuple[int, NDArray[Any]]], last: int, per_strip: int, dtype: np.dtype[Any]
) -> Iterator[bytes]:
    """Cut rows into strips of a fixed number, fewer at the end of a page, and compress them."""
    import imagecodecs

    rest: NDArray[Any] | None = None
    for stop, values in rows:
        new = values.astype(dtype, copy=False)
        known = new if rest is None else np.concatenate([rest, new])
        usable = len(known) if stop == last else len(known) // per_strip * per_strip
        for first in range(0, usable, per_strip):
            yield bytes(imagecodecs.deflate_encode(known[first : first + per_strip].tobytes()))
        rest = known[usable:] if usable < len(known) else None
