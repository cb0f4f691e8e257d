"""What one image file holds: pixels, and all that the file says about them.

The one way from a file to an array, for images and for labels, alone or in a folder.

What tags that change the meaning or the place of pixels do to us:

============================  ======================================================================
Exif orientation (pictures)   turned, as every viewer shows them; said
TIFF Orientation              not turned, as no program of the field does; said. Turned where labels
                              fit only so
TIFF photometric, 0 is white  values as stored, as Fiji and napari read them; said. Not mixed with
                              the other meaning in one folder
TIFF fill order               the bits of a byte are put in order (tifffile)
TIFF sample format            integers, signed ones and floats as they are; complex numbers refused
TIFF palette                  indices: in this field they are data, the colours a look-up table
PNG palette                   colours for images, indices for labels (grey values where all are
                              grey)
CMYK, YCbCr, CIELAB           red, green, blue; of TIFF but JPEG in it as stored, said
Alpha                         a channel of images; left out of labels, unless it alone is the mask
============================  ======================================================================
"""

from __future__ import annotations

import stat
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import DataSetError, UNetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.images.tiff_metadata import Place

__all__ = ["LAZY_ABOVE", "Pixels", "check_file", "file_errors", "reason", "turned"]

LAZY_ABOVE = 2**29  # bytes; a larger image is not loaded but read where it is needed


@dataclass(frozen=True, eq=False)
class Pixels:
    """What one file holds.

    Attributes
    ----------
    name
        Of the file, without suffix.
    array
        Pixels of any shape, in memory or lazy.
    axes
        One letter per axis; "" where the file does not say them.
    places
        Of the axes but "c": size of a pixel, position and unit.
    channel_names
        One per channel, or none.
    notes
        What is to be said about the way it was read, one sentence each.
    samples
        Whether "c" are the samples of one pixel, as of colour, and no channels of a microscope.
    lossy
        Whether compression has changed values.
    palette
        (n, 3) colours, where the values of ``array`` are indices of a picture.
    white_is_zero
        Whether the darkest value is to be seen white.
    orientation
        1 to 8, as TIFF and Exif count, where the pixels are still to be turned to be seen upright.
    parts
        All files that it was read from, where they are several.
    """

    name: str
    array: Any
    axes: str = ""
    places: dict[str, Place] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    samples: bool = False
    lossy: bool = False
    palette: NDArray[np.uint8] | None = None
    white_is_zero: bool = False
    orientation: int = 1
    parts: tuple[Path, ...] = ()

    def in_order(self, axes: str) -> Pixels:
        """Return the same pixels with their axes in this order, which holds the same letters."""
        array = self.array
        if not hasattr(array, "transpose"):  # zarr
            import dask.array as da

            array = da.from_array(array)
        order = [self.axes.index(a) for a in axes]
        return replace(self, array=array.transpose(order), axes=axes)

    def upright(self) -> Pixels:
        """Return the same pixels turned as they are to be seen."""
        if self.orientation == 1 or not self.axes.removesuffix("c").endswith("yx"):
            return self
        places = dict(self.places)
        if self.orientation > 4 and {"y", "x"} <= set(places):
            places |= {"y": places["x"], "x": places["y"]}
        array = turned(self.array, self.orientation, self.axes.index("y"))
        return replace(self, array=array, places=places, orientation=1)


def turned(array: Any, orientation: int, first: int = 0) -> Any:
    """Return pixels as they are to be seen.

    Parameters
    ----------
    array
        (..., Y, X, ...).
    orientation
        2 mirrored left to right, 3 turned by half, 4 mirrored top to bottom, 5 to 8 rows and
        columns exchanged, as the tags of TIFF and Exif count; anything else leaves them.
    first
        Position of the axis Y.
    """
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, first, first + 1)
    mirrored = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    where = [slice(None)] * array.ndim
    for axis in mirrored:
        where[first + axis] = slice(None, None, -1)
    return array[tuple(where)]


def check_file(path: Path, what: str) -> int:
    """Return the bytes of a regular file, before anything is read of it.

    Parameters
    ----------
    path
        The file; links are followed.
    what
        It is expected to be, such as "a TIFF file".

    Raises
    ------
    DataSetError
        When it is not there, cannot be looked at, or is no regular file.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise DataSetError(f"expected {what}, but {path} does not exist: check its name.") from None
    except (OSError, ValueError) as error:
        raise DataSetError(f"{path} cannot be opened ({reason(error)}): check it.") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe"
        raise DataSetError(f"expected {what}, but {path} is {kind}: choose a regular file.")
    return found.st_size


@contextmanager
def file_errors(path: Path, what: str, advice: str) -> Iterator[None]:
    """Turn whatever a broken file raises into one sentence that names it.

    Parameters
    ----------
    path
        The file.
    what
        It was to be read as, such as "TIFF".
    advice
        What to do, after a colon.
    """
    try:
        yield
    except UNetError:
        raise
    except Exception as error:  # libraries raise anything at all about broken files
        raise DataSetError(
            f"{path} cannot be read as {what} ({reason(error)}): {advice}."
        ) from error


def reason(error: BaseException) -> str:
    """Say in a few words, on one line, what a library complains of."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return f"{status} {getattr(error, 'message', '')}".strip()
    text = getattr(error, "strerror", None) or str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0][:200]
