"""One image file, of whatever format, as pixels; and the same file as label values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import DataSetError
from napari_unet.images.axes import guess_axes
from napari_unet.images.label_values import label_values
from napari_unet.images.labels_on_disk import label_values_on_disk
from napari_unet.images.pictures import PICTURE_SUFFIXES, picture_form, read_picture
from napari_unet.images.pixels import LAZY_ABOVE, Pixels, check_file, file_errors
from napari_unet.images.stack import Stack
from napari_unet.images.tiff import TIFF_SUFFIXES, read_tiff, tiff_form
from napari_unet.images.tiff_metadata import Place

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SUFFIXES", "image_form", "read_image_file", "read_label_file", "stack_of"]

SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES, ".npy")


def read_image_file(path: Path, *, series: int = 0, lazy_above: int = LAZY_ABOVE) -> Pixels:
    """Read one file as an image.

    Parameters
    ----------
    path
        Of any known format.
    series
        Which of several images in it.
    lazy_above
        Bytes from which on the pixels are read when they are needed.

    Raises
    ------
    DataSetError
        When the file is missing, damaged, no regular file, or of no known kind.
    """
    pixels = _read(path, series, lazy_above)
    if pixels.palette is not None:
        coloured = pixels.palette[pixels.array]
        return replace(pixels, array=coloured, axes="yxc", samples=True, palette=None)
    if pixels.samples and _is_grey(pixels):
        said = f"{path.name} is a grey image saved as colour, since its channels are equal"
        note = f"{said}: for a model of grey images save it as grey (Fiji: Image › Type › 8-bit)."
        return replace(pixels, notes=(*pixels.notes, note))
    return pixels


def read_label_file(
    path: Path, *, series: int = 0, probabilities: bool = False, lazy_above: int = LAZY_ABOVE
) -> Pixels:
    """Read one file as label values; as `read_image_file`.

    Parameters
    ----------
    path, series, lazy_above
        As of an image.
    probabilities
        Whether fractions are probabilities, which stay as they are, and no blurred mask.
    """
    pixels = _read(path, series, lazy_above)
    in_memory = isinstance(pixels.array, np.ndarray) and not isinstance(pixels.array, np.memmap)
    if not in_memory:
        if pixels.samples:
            raise DataSetError(
                f"{path} is a colour picture, but labels must be one whole number per pixel: save "
                "them as a grey image."
            )
        later, said = label_values_on_disk(
            pixels.array, path.name, lossy=pixels.lossy, probabilities=probabilities
        )
        return replace(pixels, array=later, notes=(*pixels.notes, *said))
    array, notes = label_values(pixels, path.name, probabilities=probabilities)
    axes = pixels.axes.replace("c", "") if pixels.samples else pixels.axes
    return replace(pixels, array=array, axes=axes, samples=False, notes=(*pixels.notes, *notes))


def image_form(path: Path) -> tuple[Any, ...]:
    """Return what images of one series have in common: shape first, then dtype and the like.

    Of most files only the description is read.
    """
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return picture_form(path)
    if suffix in TIFF_SUFFIXES:
        return tiff_form(path)
    array = _read_npy(path, lazy_above=-1)
    return tuple(array.shape), str(array.dtype)


def stack_of(pixels: Pixels, axes: str | None = None) -> Stack:
    """Make a stack of what a file holds.

    Parameters
    ----------
    pixels
        As an image.
    axes
        One letter per axis, where the file does not say them, or says them wrong.
    """
    shape, dtype = tuple(int(n) for n in pixels.array.shape), pixels.array.dtype
    names = axes or pixels.axes or guess_axes(shape, dtype)[0]
    places = [pixels.places.get(axis, Place()) for axis in names.replace("c", "")]
    channels = shape[names.index("c")] if "c" in names and len(names) == len(shape) else 1
    named = len(pixels.channel_names) == channels
    return Stack(
        pixels.name,
        pixels.array,
        names,
        scale=tuple(one.size for one in places),
        translate=tuple(one.start for one in places),
        units=tuple(one.unit for one in places),
        channel_names=pixels.channel_names if named else (),
        notes=pixels.notes,
    )


def _is_grey(pixels: Pixels) -> bool:
    """Tell three equal channels, but for what is transparent."""
    if not isinstance(pixels.array, np.ndarray) or isinstance(pixels.array, np.memmap):
        return False
    colours = np.moveaxis(pixels.array, pixels.axes.index("c"), 0)[:3]
    return len(colours) == 3 and bool((colours == colours[0]).all())


def _read(path: Path, series: int, lazy_above: int) -> Pixels:
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return read_tiff(path, series=series, lazy_above=lazy_above)
    if suffix in PICTURE_SUFFIXES:
        return read_picture(path)
    if suffix == ".npy":
        return Pixels(path.stem, _read_npy(path, lazy_above))
    check_file(path, "an image")
    raise DataSetError(
        f"{path.name} is of no known kind: save it as TIFF, PNG or OME-Zarr (known: "
        f"{', '.join(SUFFIXES)})."
    )


def _read_npy(path: Path, lazy_above: int) -> Any:
    size = check_file(path, "a numpy array")
    advice = "save it again with numpy.save"
    with file_errors(path, "a numpy array", advice):
        if size == 0:
            raise ValueError("it is empty")
        mapped = np.lib.format.open_memmap(path, mode="r")
        return np.array(mapped) if mapped.nbytes <= lazy_above else mapped
