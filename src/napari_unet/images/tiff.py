"""TIFF files: what they hold, and label stacks as TIFF files.

A file that does not fit comfortably in memory is mapped or read plane by plane.
Where its pixels lie in the world is the matter of `tiff_metadata`.
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
import threading
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.base.quantities import count
from napari_unet.images.pixels import LAZY_ABOVE, Pixels, check_file, file_errors
from napari_unet.images.tiff_metadata import describe, places_of, read_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack
    from napari_unet.images.tiff_metadata import Place

__all__ = [
    "LAZY_ABOVE",
    "TIFF_SUFFIXES",
    "read_tiff",
    "tiff_form",
    "write_labels",
    "write_probabilities",
]

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".lsm")
ADVICE = "it is damaged or incomplete, copy or download it again"
# What tifffile only logs about planes that it then leaves out or fills with zeros.
LOST = (
    *("invalid page offset", "failed to reshape", "corrupted", "invalid value offset"),
    *("Missing data are zeroed", "contains index out of range", "is missing files"),
)
LARGE = 2**26  # bytes
RAW_COLOURS = {5: "inks (CMYK)", 6: "YCbCr", 8: "CIELAB", 9: "CIELAB", 10: "CIELAB"}
"""Photometric interpretations whose channels are no red, green and blue."""
LOSSY = (6, 7, 34892)  # JPEG


def read_tiff(path: str | Path, *, series: int = 0, lazy_above: int = LAZY_ABOVE) -> Pixels:
    """Read one series of a TIFF file, whatever its layout and compression.

    Parameters
    ----------
    path
        TIFF, OME-TIFF (also of several files), ImageJ hyperstack or BigTIFF with any compression
        that imagecodecs knows.
    series
        Which of several images or positions.
    lazy_above
        Bytes from which on pixels are not loaded: memory-mapped when uncompressed, else a zarr
        array over the file.

    Raises
    ------
    DataSetError
        When the file is missing, truncated, no TIFF, or one of several that are missing.
    InputError
        When there is no such series.
    """
    path = Path(path)
    with _opened(path) as tif:
        keep_open = False
        try:
            chosen, notes = _series(path, tif, series)
            _check_within(chosen)
            if chosen.nbytes > lazy_above:
                array = _lazy(path, tif, chosen)
                keep_open = not isinstance(array, np.ndarray)
            else:
                # Of small files several are read at a time, each by one thread.
                array = chosen.asarray(maxworkers=1 if chosen.nbytes < LARGE else None)
        finally:
            if keep_open:
                weakref.finalize(array, tif.close)
            else:
                tif.close()
        axes = _letters(chosen.axes)
        places, channels, more = read_places(tif, axes, series)
        page = chosen.keyframe
        orientation = _whole(_tag(page, "Orientation", 1), 1)
        lossy, parts = _whole(page.compression, 1) in LOSSY, _parts(path, chosen)
        photometric = _whole(page.photometric, 1)
        white_is_zero = photometric == 0 and not _by_imagej(tif)
    if orientation != 1:
        said = f"{path.name} has the TIFF orientation {orientation}, which is not followed"
        notes += (f"{said}: rows and columns are as stored, as Fiji and napari show them.",)
    if colours := RAW_COLOURS.get(photometric) if not lossy else None:
        notes += (f"{path.name} is stored as {colours}: its channels are taken as stored.",)
    if white_is_zero:
        said = f"{path.name} is stored with 0 as white"
        notes += (f"{said}: its values are taken as stored, as Fiji and napari read them.",)
    return Pixels(
        _stem(path),
        array,
        axes,
        places,
        channels,
        notes=(*notes, *(f"{path.name}: {note}" for note in more)),
        samples="S" in chosen.axes,
        lossy=lossy,
        white_is_zero=white_is_zero,
        orientation=orientation if 2 <= orientation <= 8 else 1,
        parts=parts,
    )


def tiff_form(path: Path) -> tuple[Any, ...]:
    """Return shape, dtype and meaning of 0 of a TIFF's first series; no pixel is read."""
    with _opened(path) as tif, tif:
        series = _series(path, tif, 0)[0]
        return tuple(series.shape), str(series.dtype), series.keyframe.photometric == 0


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a TIFF; what goes wrong with it, or is only logged about it, is one sentence."""
    check_file(path, "a TIFF file")
    with file_errors(path, "TIFF", ADVICE), _complaints() as said:
        yield tifffile.TiffFile(path)
        if said:
            raise DataSetError(f"{path} cannot be read as TIFF ({said[0]}): {ADVICE}.")


def _series(path: Path, tif: Any, index: int) -> tuple[Any, tuple[str, ...]]:
    """The series asked for, and what to say about the others: thumbnails are none."""
    every = list(tif.series)
    if not every:
        raise DataSetError(f"{path} holds no image that can be read: save it again.")
    if not 0 <= index < len(every):
        raise InputError(
            f"series must be one of 0 … {len(every) - 1} of {path}, got {index}: choose another."
        )
    size = every[0].nbytes
    others = [one for one in every[1:] if 4 * one.nbytes >= size]
    if index > 0 or not others:
        return every[index], ()
    named = ", ".join(one.name for one in others[:3] if one.name)
    said = f"{path.name} holds {count(len(others) + 1, 'image')}, of which the first is read"
    return every[0], (f"{said}; others {f'({named}) ' if named else ''}are series 1 and so on.",)


def _by_imagej(tif: Any) -> bool:
    """ImageJ writes masks as they are, and says 0 is white because of their look-up table."""
    return bool(tif.is_imagej) or "ImageJ" in str(_tag(tif.pages[0], "ImageDescription", ""))


def _tag(page: Any, name: str, otherwise: Any) -> Any:
    tag = page.tags.get(name)
    return otherwise if tag is None or tag.value is None else tag.value


def _whole(value: Any, usual: int) -> int:
    """Return a tag that is one whole number; of a damaged one the usual value."""
    return int(value) if isinstance(value, int) else usual


def _parts(path: Path, series: Any) -> tuple[Path, ...]:
    if not series.is_multifile:
        return ()
    names = {page.parent.filehandle.path for page in series.pages if page is not None}
    return tuple(sorted(Path(name) for name in {*names, str(path)}))


def _check_within(series: Any) -> None:
    """Refuse pixels beyond the end of a file, or never stored, before room is made for them."""
    for page in (series.keyframe, series.pages[-1] if len(series.pages) else None):
        if page is None or page.is_virtual:
            continue
        if len(page.dataoffsets) < math.prod(series.keyframe.chunked):
            raise ValueError("it holds only a part of the pixels that it describes")
        end = max((a + n for a, n in zip(page.dataoffsets, page.databytecounts)), default=0)
        if end > page.parent.filehandle.size:
            raise ValueError("the file ends before its last plane")
    plain = series.dataoffset is not None and not series.is_multifile
    if plain and series.dataoffset + series.nbytes > series.keyframe.parent.filehandle.size:
        raise ValueError("the file ends before its last plane")


def _lazy(path: Path, tif: Any, series: Any) -> Any:
    if series.dataoffset is not None and not series.is_multifile:
        dtype = series.dtype.newbyteorder(tif.byteorder)
        return np.memmap(path, dtype, "r", series.dataoffset, series.shape)
    import zarr

    opened = zarr.open(series.aszarr(), mode="r")
    return opened["0"] if isinstance(opened, zarr.Group) else opened


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what tifffile logs in this thread about planes that it leaves out."""
    said: list[str] = []
    here = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if record.thread == here and any(words in text for words in LOST):
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
        Ending in .tif or .tiff: an ImageJ hyperstack where it can hold them; in .ome.tif: an
        OME-TIFF. Replaced only once the new file is complete.
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
    return _write(path, labels, axes, places_of(stack, region))


def write_probabilities(path: str | Path, values: NDArray[Any], stack: Stack) -> Path:
    """Write probabilities of a stack as a compressed OME-TIFF, in place.

    Parameters
    ----------
    path
        As of `write_labels`.
    values
        Leading axes of the stack + (Y, X), or + (K, Y, X) for several classes.
    stack
        What was predicted.
    """
    several = values.ndim > len(stack.leading_axes) + 2
    axes = stack.leading_axes + ("cyx" if several else "yx")
    return _write(Path(path), np.asarray(values, np.float32), axes, places_of(stack))


def _write(path: Path, values: NDArray[Any], axes: str, places: dict[str, Place]) -> Path:
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"results are written as TIFF, got {path.name!r}: let it end in .tif.")
    imagej = not path.stem.lower().endswith(".ome")
    keywords = describe(axes, values.shape, values.dtype, places, imagej=imagej)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(".tif", f".{path.stem}-", path.parent)
        os.close(handle)
        try:
            # The shape is said to tifffile in full: one slice along an axis stays an axis.
            tifffile.imwrite(
                temporary, values, compression="deflate", photometric="minisblack", **keywords
            )
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise DataSetError(
            f"the result cannot be written to {path} ({error}): choose another folder."
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
