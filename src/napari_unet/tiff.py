"""TIFF files as stacks, and label stacks as TIFF files.

Axes, pixel sizes and channel names are taken from OME-XML, from ImageJ's
description, or from the resolution tags. A file that does not fit comfortably
in memory is mapped or read plane by plane.
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

import imagecodecs
import numpy as np
import tifffile

from napari_unet.errors import DataSetError, InputError
from napari_unet.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["TIFF_SUFFIXES", "read_plane", "read_tiff", "write_labels"]

logger = logging.getLogger(__name__)

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".lsm")
LAZY_ABOVE = 2**29  # bytes; a larger image is not loaded but read where it is needed
LARGEST_PIXEL = 20.0  # µm; a coarser resolution tag speaks of paper (1200 dpi), not of a sample

UNITS = {
    "µm": "micrometer",
    "μm": "micrometer",
    "um": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
    "\\u00b5m": "micrometer",
    "nm": "nanometer",
    "pm": "picometer",
    "å": "angstrom",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "inch": "inch",
    "in": "inch",
    "ms": "millisecond",
    "s": "second",
    "sec": "second",
    "min": "minute",
    "h": "hour",
}


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
            described = _describe(tif, names)
        finally:
            if not keep_open:
                tif.close()
    return Stack(_stem(path), image, names, **described)


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


def _describe(tif: Any, axes: str) -> dict[str, Any]:
    """Scale, units and channel names per axis, from whichever metadata there is."""
    if tif.is_ome:
        sizes, channels = _from_ome(tif.ome_metadata)
    elif tif.is_imagej:
        sizes, channels = _from_imagej(tif)
    else:
        sizes, channels = _from_resolution(tif), ()
    plane_axes = axes.replace("c", "")
    size_and_unit = [sizes.get(a, (1.0, "pixel")) for a in plane_axes]
    usable = [s if math.isfinite(s[0]) and s[0] > 0 else (1.0, "pixel") for s in size_and_unit]
    return {
        "scale": tuple(size for size, _ in usable),
        "units": tuple(unit for _, unit in usable),
        "channel_names": channels if len(channels) == _channels(tif, axes) else (),
    }


def _channels(tif: Any, axes: str) -> int:
    shape = tif.series[0].shape
    return int(shape[axes.index("c")]) if "c" in axes else 1


_Sizes = dict[str, tuple[float, str]]


def _from_ome(xml: str) -> tuple[_Sizes, tuple[str, ...]]:
    images = tifffile.xml2dict(xml).get("OME", {}).get("Image", {})
    pixels = (images[0] if isinstance(images, list) else images).get("Pixels", {})
    sizes: _Sizes = {}
    for letter, key, unit in (
        ("x", "PhysicalSizeX", "µm"),
        ("y", "PhysicalSizeY", "µm"),
        ("z", "PhysicalSizeZ", "µm"),
        ("t", "TimeIncrement", "s"),
    ):
        if key in pixels:
            sizes[letter] = (float(pixels[key]), _unit(pixels.get(key + "Unit", unit)))
    channels = pixels.get("Channel", [])
    channels = channels if isinstance(channels, list) else [channels]
    names = tuple(str(c["Name"]) for c in channels if "Name" in c)
    return sizes, names if len(names) == len(channels) else ()


def _from_imagej(tif: Any) -> tuple[_Sizes, tuple[str, ...]]:
    metadata = tif.imagej_metadata or {}
    unit = _unit(str(metadata.get("unit", "pixel")))
    sizes: _Sizes = {}
    for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
        per_unit = _resolution(tif, tag)
        if per_unit and unit != "pixel":
            sizes[letter] = (1 / per_unit, unit)
    if "spacing" in metadata and unit != "pixel":
        sizes["z"] = (float(metadata["spacing"]), unit)
    if metadata.get("finterval"):
        sizes["t"] = (float(metadata["finterval"]), "second")
    return sizes, ()


def _from_resolution(tif: Any) -> _Sizes:
    """Pixel size in µm from pixels per centimetre, as microscopes write it."""
    unit = tif.pages[0].tags.get("ResolutionUnit")
    micrometres = {2: 25400.0, 3: 10000.0}.get(int(unit.value) if unit else 0)
    sizes: _Sizes = {}
    for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
        per_unit = _resolution(tif, tag)
        if micrometres and per_unit and micrometres / per_unit < LARGEST_PIXEL:
            sizes[letter] = (round(micrometres / per_unit, 9), "micrometer")
    return sizes if len(sizes) == 2 else {}


def _resolution(tif: Any, tag: str) -> float:
    value = tif.pages[0].tags.get(tag)
    numerator, denominator = value.value if value else (0, 1)
    return numerator / denominator if denominator else 0.0


def _unit(text: str) -> str:
    return UNITS.get(text.strip().lower(), text.strip().lower() or "pixel")


def write_labels(path: str | Path, labels: NDArray[Any], stack: Stack | None = None) -> Path:
    """Write labels as a compressed TIFF that Fiji, napari and this package open in place.

    Parameters
    ----------
    path
        Ending in .tif or .tiff. Replaced only once the new file is complete.
    labels
        Leading axes of the stack + (Y, X), whole numbers from 0 on; written as
        the smallest of uint8, uint16 and uint32.
    stack
        The stack they belong to: gives axes, scale and units.

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
    if stack and labels.shape != (*stack.leading_shape, *stack.plane_shape):
        raise InputError(
            f"labels must have shape {(*stack.leading_shape, *stack.plane_shape)} as the stack "
            f"{stack.name!r}, got {labels.shape}: write them with the stack they belong to."
        )
    if len(axes) != labels.ndim:
        raise InputError(
            f"labels of shape {labels.shape} need their stack for the meaning of the axes: give it."
        )
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"labels are written as TIFF, got {path.name!r}: let it end in .tif.")
    sizes = _sizes_of(stack)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(".tif", f".{path.stem}-", path.parent)
        os.close(handle)
        try:
            _write(temporary, labels, axes, sizes)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise DataSetError(
            f"labels cannot be written to {path} ({error}): choose another folder."
        ) from error
    return path


def _sizes_of(stack: Stack | None) -> _Sizes:
    if stack is None:
        return {}
    return dict(zip(stack.axes.replace("c", ""), zip(stack.scale, stack.units)))


def _smallest(labels: NDArray[Any]) -> NDArray[Any]:
    whole = labels.dtype.kind in "bui" or (
        labels.dtype.kind == "f" and bool((labels == np.round(labels)).all())
    )
    top = int(labels.max()) if whole and labels.size else 0
    if not whole or labels.size == 0 or labels.min() < 0 or top > 2**32 - 1:
        raise InputError("labels to be written must be whole numbers from 0 to 4294967295.")
    dtype = np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.uint32
    return labels.astype(dtype, copy=False)


def _write(path: str, labels: NDArray[Any], axes: str, sizes: _Sizes) -> None:
    """Write as ImageJ hyperstack where it has the dtype and the axes, else as OME-TIFF."""
    unit = sizes.get("x", (1.0, "pixel"))[1]
    imagej = labels.dtype.itemsize <= 2 and _is_subsequence(axes, "tzyx")
    metadata: dict[str, Any] = {"axes": axes.upper()}
    resolution = None
    if imagej and unit != "pixel":
        metadata["unit"] = {"micrometer": "um", "nanometer": "nm"}.get(unit, unit)
        resolution = tuple(1 / sizes[a][0] for a in "xy")
        if "z" in sizes:
            metadata["spacing"] = sizes["z"][0]
    if imagej and sizes.get("t", (1.0, "pixel"))[1] != "pixel":
        metadata["finterval"] = sizes["t"][0] * _seconds(sizes["t"][1])
    ome = not imagej and _is_subsequence(axes, "tzyx")
    if ome:
        metadata |= _ome_sizes(sizes)
    # The shape is said to tifffile in full: one slice along an axis stays an axis.
    tifffile.imwrite(
        path,
        labels,
        imagej=imagej,
        ome=ome,
        compression="deflate",
        photometric="minisblack",
        metadata=metadata,
        resolution=resolution,
    )


def _ome_sizes(sizes: _Sizes) -> dict[str, Any]:
    keys = {"x": "PhysicalSizeX", "y": "PhysicalSizeY", "z": "PhysicalSizeZ"}
    symbols = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}
    described: dict[str, Any] = {}
    for letter, key in keys.items():
        size, unit = sizes.get(letter, (1.0, "pixel"))
        if unit in symbols:
            described |= {key: size, key + "Unit": symbols[unit]}
    size, unit = sizes.get("t", (1.0, "pixel"))
    if unit != "pixel":
        described |= {"TimeIncrement": size * _seconds(unit), "TimeIncrementUnit": "s"}
    return described


def _seconds(unit: str) -> float:
    return {"minute": 60.0, "hour": 3600.0, "millisecond": 1e-3}.get(unit, 1.0)


def _is_subsequence(axes: str, order: str) -> bool:
    rest = iter(order)
    return all(a in rest for a in axes)
