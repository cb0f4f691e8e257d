"""PNG, JPEG, BMP and WebP files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import DataSetError
from napari_unet.images.pixels import Pixels, check_file, file_errors, turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PICTURE_SUFFIXES", "picture_form", "read_picture"]

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
ADVICE = "it is damaged, missing or too large, copy it again or save it as TIFF"
LARGEST = 2**31  # bytes in memory
MOST_SQUEEZED = 1100  # times; deflate cannot do more, and more is a trap
EXIF_ORIENTATION = 0x0112


def read_picture(path: str | Path) -> Pixels:
    """Read a PNG, JPEG, BMP or WebP file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Pixels
        (Y, X), or (Y, X, C) for colour; bool, uint8, uint16, int32 or float32. Indices of a
        palette stay indices.

    Raises
    ------
    DataSetError
        When the file is missing, truncated, too large or no picture.
    """
    from PIL import Image

    path = Path(path)
    size = check_file(path, "a picture")
    with file_errors(path, "a picture", ADVICE), Image.open(path) as picture:
        _check_size(path, picture, size)
        deep = _has_deep_colour(picture)  # told before anything is decoded
        step = _step_of_few_bits(picture)
        notes = _notes_on_frames(path, picture)
        orientation = _orientation(picture)
        if orientation != 1:
            said = f"{path.name} is turned as its Exif orientation ({orientation}) says"
            notes += (f"{said}, as viewers show it.",)
        lossy = picture.format in ("JPEG", "MPO") or _is_lossy_webp(path, picture)
        palette = _palette(picture)
        array = _read_deep_png(path) if deep else _decoded(picture)
        if step > 1:
            array = array // step
    array = turned(array, orientation)
    return Pixels(
        path.stem,
        array,
        "yxc" if array.ndim == 3 else "yx",
        notes=notes,
        samples=array.ndim == 3,
        lossy=lossy,
        palette=palette,
    )


def picture_form(path: Path) -> tuple[Any, ...]:
    """Return shape, mode and depth of a picture, of which only the description is read."""
    from PIL import Image

    check_file(path, "a picture")
    with file_errors(path, "a picture", ADVICE), Image.open(path) as picture:
        deep = _has_deep_colour(picture)
        bits = {85: " of 2 bits", 17: " of 4 bits"}.get(_step_of_few_bits(picture), "")
        width, height = picture.size
        sides = (width, height) if _orientation(picture) > 4 else (height, width)
        return sides, picture.mode + bits, deep


def _check_size(path: Path, picture: Any, size: int) -> None:
    width, height = picture.size
    needed = width * height * len(picture.getbands())
    trap = picture.format == "PNG" and needed > MOST_SQUEEZED * max(size, 1)
    if needed > LARGEST or trap:
        raise DataSetError(
            f"{path} says that it holds {width} × {height} pixels, which is "
            f"{'more than a file of its size can' if trap else 'too large for a picture'}: save "
            "it as TIFF or OME-Zarr."
        )


def _decoded(picture: Any) -> NDArray[Any]:
    if picture.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        picture = picture.convert("RGB")
    elif picture.mode == "PA":
        picture = picture.convert("RGBA")
    return np.asarray(picture)


def _palette(picture: Any) -> NDArray[np.uint8] | None:
    if picture.mode != "P":
        return None
    colours = picture.getpalette("RGB") or []
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours) // 3] = np.array(colours, np.uint8).reshape(-1, 3)
    return table


def _orientation(picture: Any) -> int:
    found = picture.getexif().get(EXIF_ORIENTATION, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _notes_on_frames(path: Path, picture: Any) -> tuple[str, ...]:
    frames = getattr(picture, "n_frames", 1)
    if frames == 1:
        return ()
    return (f"{path.name} holds {frames} pictures, of which the first is read.",)


def _is_lossy_webp(path: Path, picture: Any) -> bool:
    if picture.format != "WEBP":
        return False
    with path.open("rb") as stream:
        return b"VP8 " in stream.read(64)


def _has_deep_colour(picture: Any) -> bool:
    """Tell a PNG of several channels of 16 bits, of which Pillow would keep 8."""
    if picture.format != "PNG":
        return False
    rawmode = picture.tile[0][3] if picture.tile else ""
    return picture.mode in ("LA", "RGB", "RGBA") and ";16" in str(rawmode)


def _step_of_few_bits(picture: Any) -> int:
    """By what Pillow multiplies grey values of 2 or 4 bits, so that they fill 8; else 1."""
    rawmode = str(picture.tile[0][3]) if picture.tile else ""
    return {"L;2": 85, "L;4": 17}.get(rawmode, 1) if picture.mode == "L" else 1


def _read_deep_png(path: Path) -> NDArray[Any]:
    import imagecodecs

    pixels: NDArray[Any] = imagecodecs.png_decode(path.read_bytes())
    return pixels
