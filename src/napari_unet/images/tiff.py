"""TIFF files as stacks, and label stacks as TIFF files.

A file that does not fit comfortably in memory is mapped or read plane by plane.
Where its pixels lie in the world is the matter of `tiff_metadata`.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import tifffile

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.images.stack import Stack
from napari_unet.images.tiff_metadata import describe, places_of, read_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.config.split import Region

__all__ = ["TIFF_SUFFIXES", "read_plane", "read_tiff", "write_labels"]

logger = logging.getLogger(__name__)

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".lsm")
LAZY_ABOVE = 2**29  # bytes; a larger image is not loaded but read where it is needed


def read_tiff(path: str | Path, *, axes: str | None = None, lazy_above: int = LAZY_ABOVE) -> Stack:
    """Open the first series of a TIFF file.

    Parameters
    ----------
    path
        TIFF, OME-TIFF, ImageJ hyperstack or BigTIFF with any compression that
        imagecodecs knows.
    axes
        One letter per axis when the file does not say or says it wrong.
    lazy_above
        Bytes of the image from which on it is not loaded: memory-mapped when
        uncompressed, else a zarr array over the file.

    Raises
    ------
    DataSetError
        When the file is missing, truncated or no TIFF.
    """
    path = Path(path)
    with _tiff_errors(path):
        tif = tifffile.TiffFile(path)
        keep_open = False
        try:
            series = tif.series[0]
            if series.nbytes > lazy_above:
                image = _lazy(path, tif, series)
                if not isinstance(image, np.ndarray):
                    weakref.finalize(image, tif.close)
                    keep_open = True
            else:
                image = series.asarray(maxworkers=None)
            names = axes or _letters(series.axes)
            places, channels = read_places(tif, names)
        finally:
            if not keep_open:
                tif.close()
    return Stack(
        _stem(path),
        image,
        names,
        scale=tuple(one.size for one in places.values()),
        translate=tuple(one.start for one in places.values()),
        units=tuple(one.unit for one in places.values()),
        channel_names=channels,
    )


def read_plane(path: str | Path) -> NDArray[Any]:
    """Read a small TIFF whole, as an array.

    Raises
    ------
    DataSetError
        When the file is missing, truncated or no TIFF.
    """
    plane: NDArray[Any]
    try:  # libtiff decodes six times as many small files a second as tifffile does
        plane = imagecodecs.tiff_decode(Path(path).read_bytes(), index=None)
        if plane.ndim == 2:
            return plane
    except Exception as error:
        logger.debug("%s is left to tifffile: %s", path, error)
    with _tiff_errors(Path(path)), tifffile.TiffFile(path) as tif:
        plane = tif.series[0].asarray(maxworkers=1)
    return plane


def _lazy(path: Path, tif: Any, series: Any) -> Any:
    last = series.pages[-1] if len(series.pages) else None
    if last is not None and last.dataoffsets:
        end = max(a + n for a, n in zip(last.dataoffsets, last.databytecounts))
        if end > tif.filehandle.size:
            raise ValueError("the file ends before its last plane")
    if series.dataoffset is not None:
        return tifffile.memmap(path, series=0, mode="r")
    import zarr

    opened = zarr.open(series.aszarr(), mode="r")
    return opened["0"] if isinstance(opened, zarr.Group) else opened


@contextmanager
def _tiff_errors(path: Path) -> Iterator[None]:
    """Turn whatever a broken file raises, or is only logged about it, into one sentence."""
    advice = "it is damaged or incomplete, copy or download it again"
    if not path.is_file():
        raise DataSetError(f"expected a TIFF file, but {path} does not exist: check its name.")
    try:
        with _complaints() as said:
            yield
    except (InputError, DataSetError):
        raise
    except Exception as error:
        raise DataSetError(f"{path} cannot be read as TIFF ({error}): {advice}.") from error
    if said:
        raise DataSetError(f"{path} cannot be read as TIFF ({said[0]}): {advice}.")


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what tifffile logs in this thread about planes that it leaves out."""
    said: list[str] = []
    here = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            lost = ("invalid page offset", "failed to reshape", "corrupted", "invalid value offset")
            if record.thread == here and any(words in text for words in lost):
                said.append(text.split("> ", 1)[-1])

    listener = Listener(logging.WARNING)
    tifffile_logger = logging.getLogger("tifffile")
    tifffile_logger.addHandler(listener)
    try:
        yield said
    finally:
        tifffile_logger.removeHandler(listener)


def _stem(path: Path) -> str:
    name = path.name
    for suffix in (".ome.tif", ".ome.tiff", path.suffix):
        name = name[: -len(suffix)] if suffix and name.lower().endswith(suffix.lower()) else name
    return name


def _letters(axes: str) -> str:
    """Axis letters of tifffile as different lower-case letters, S (samples) as channels.

    An axis of unknown meaning (Q, I) counts slices.
    """
    letters = axes.lower()
    letters = letters.replace("s", "p" if "c" in letters else "c")
    free = [a for a in "ztpqruvw" if a not in letters.replace("q", "").replace("i", "")]
    result = ""
    for letter in letters:
        unknown = letter in "qi" or letter in result
        result += free.pop(0) if unknown else letter
    return result


def write_labels(
    path: str | Path,
    labels: NDArray[Any],
    stack: Stack | None = None,
    *,
    region: Region | None = None,
) -> Path:
    """Write labels as a compressed TIFF that Fiji, napari and this package open in place.

    Parameters
    ----------
    path
        Ending in .tif or .tiff. Replaced only once the new file is complete.
    labels
        Leading axes of the stack + (Y, X), whole numbers from 0 on; written as
        the smallest of uint8, uint16 and uint32.
    stack
        The stack they belong to: gives axes, scale, position and units.
    region
        y0, y1, x0, x1 where they are of this part of its planes only.

    Raises
    ------
    InputError
        When the labels are negative, fractional or of another shape.
    DataSetError
        When the file cannot be written.
    """
    path = Path(path)
    labels = _smallest(np.asarray(labels))
    axes = stack.leading_axes + "yx" if stack else ("zyx" if labels.ndim == 3 else "yx")
    if stack:
        _check_shape(labels, stack, region)
    if len(axes) != labels.ndim:
        raise InputError(
            f"labels of shape {labels.shape} need their stack for the meaning of the axes: give it."
        )
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"labels are written as TIFF, got {path.name!r}: let it end in .tif.")
    keywords = describe(axes, labels.shape, labels.dtype, places_of(stack, region))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(".tif", f".{path.stem}-", path.parent)
        os.close(handle)
        try:
            # The shape is said to tifffile in full: one slice along an axis stays an axis.
            tifffile.imwrite(
                temporary, labels, compression="deflate", photometric="minisblack", **keywords
            )
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise DataSetError(
            f"labels cannot be written to {path} ({error}): choose another folder."
        ) from error
    return path


def _check_shape(labels: NDArray[Any], stack: Stack, region: Region | None) -> None:
    plane = stack.plane_shape
    if region is not None:
        plane = region[1] - region[0], region[3] - region[2]
    if labels.shape != (*stack.leading_shape, *plane):
        raise InputError(
            f"labels must have shape {(*stack.leading_shape, *plane)} as the stack "
            f"{stack.name!r}, got {labels.shape}: write them with the stack they belong to."
        )


def _smallest(labels: NDArray[Any]) -> NDArray[Any]:
    whole = labels.dtype.kind in "bui" or (
        labels.dtype.kind == "f" and bool((labels == np.round(labels)).all())
    )
    top = int(labels.max()) if whole and labels.size else 0
    if not whole or labels.size == 0 or labels.min() < 0 or top > 2**32 - 1:
        raise InputError("labels to be written must be whole numbers from 0 to 4294967295.")
    dtype = np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.uint32
    return labels.astype(dtype, copy=False)
