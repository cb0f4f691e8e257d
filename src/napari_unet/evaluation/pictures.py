"""Pictures for reports: arrays become coloured planes, planes become captioned panels.

Only Pillow is needed. Legend: (Y, X, 3) uint8 RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Panel", "colour_objects", "grey", "magma", "mark_errors", "montage", "panels"]

FALSE_POSITIVE = (230, 159, 0)  # orange and blue, told apart by colour-blind readers too
FALSE_NEGATIVE = (86, 180, 233)
PAPER, INK = (255, 255, 255), (40, 40, 40)

# Nine points of matplotlib's magma (S. van der Walt and N. Smith, public domain).
MAGMA = np.array(
    [
        [0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122],
        [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191],
    ],
    np.float32,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture with a line of text above it.

    Parameters
    ----------
    caption
        What is shown.
    picture
        (Y, X, 3) uint8.
    """

    caption: str
    picture: NDArray[np.uint8]


def grey(planes: ArrayLike) -> NDArray[np.uint8]:
    """Return normalised grey values as RGB.

    Parameters
    ----------
    planes
        (C, Y, X) float, 0 black to 1 white. Three channels are red, green and blue; of another
        number the first is shown.

    Returns
    -------
    ndarray (Y, X, 3) uint8
    """
    values = np.clip(np.asarray(planes, np.float32), 0, 1)
    colours = values if len(values) == 3 else np.repeat(values[:1], 3, axis=0)
    return np.asarray(np.rint(np.moveaxis(colours, 0, -1) * 255), np.uint8)


def magma(values: ArrayLike, top: float | None = None) -> NDArray[np.uint8]:
    """Return values from 0 to ``top`` (the greatest, when omitted) in the colours of magma."""
    array = np.asarray(values, np.float32)
    top = float(array.max(initial=0)) if top is None else top
    place = np.clip(array / max(top, 1e-9), 0, 1) * (len(MAGMA) - 1)
    low = np.minimum(place.astype(np.intp), len(MAGMA) - 2)
    share = (place - low)[..., None]
    return np.asarray(np.rint(MAGMA[low] * (1 - share) + MAGMA[low + 1] * share), np.uint8)


def colour_objects(
    picture: NDArray[np.uint8], objects: ArrayLike, opacity: float = 0.45
) -> NDArray[np.uint8]:
    """Tint every object of a picture in a colour of its own; 0 stays as it is.

    Parameters
    ----------
    picture
        (Y, X, 3) uint8.
    objects
        (Y, X) ids, or any label values.
    opacity
        Of the tint.
    """
    ids = np.asarray(objects)
    # The golden ratio spreads hues of neighbouring ids as far as can be.
    hue = (ids.astype(np.float64) * 0.61803398875) % 1.0 * 2 * np.pi
    thirds = np.array([0.0, 2.0, 4.0]) * np.pi / 3
    tint = 140 + 100 * np.cos(hue[..., None] - thirds)
    return _blend(picture, tint, (ids != 0), opacity)


def mark_errors(
    picture: NDArray[np.uint8], predicted: ArrayLike, reference: ArrayLike, known: ArrayLike
) -> NDArray[np.uint8]:
    """Mark wrong foreground orange and missed foreground blue.

    Parameters
    ----------
    picture
        (Y, X, 3) uint8.
    predicted, reference
        (Y, X) bool, foreground.
    known
        (Y, X) bool, where the reference is annotated.
    """
    found, true, counts = (np.asarray(a, bool) for a in (predicted, reference, known))
    marked = _blend(picture, np.array(FALSE_POSITIVE, float), found & ~true & counts, 0.9)
    return _blend(marked, np.array(FALSE_NEGATIVE, float), ~found & true & counts, 0.9)


def _blend(
    picture: NDArray[np.uint8], colour: NDArray[Any], where: NDArray[np.bool_], opacity: float
) -> NDArray[np.uint8]:
    share = np.where(where, opacity, 0.0)[..., None]
    return np.asarray(np.rint(picture * (1 - share) + colour * share), np.uint8)


def outline(
    picture: NDArray[np.uint8], rows: slice, cols: slice, colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Draw a frame of 2 pixels around a part of a picture."""
    framed = picture.copy()
    top, bottom, left, right = rows.start, rows.stop, cols.start, cols.stop
    for y in (slice(top, top + 2), slice(bottom - 2, bottom)):
        framed[y, cols] = colour
    for x in (slice(left, left + 2), slice(right - 2, right)):
        framed[rows, x] = colour
    return framed


def montage(pictures: Sequence[NDArray[np.uint8]], columns: int, gap: int = 6) -> NDArray[np.uint8]:
    """Lay pictures of one size out row by row, white between them."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for k, picture in enumerate(pictures):
        y, x = k // columns * (height + gap), k % columns * (width + gap)
        sheet[y : y + height, x : x + width] = picture
    return sheet


def panels(items: Sequence[Panel], columns: int, side: int = 400) -> Image.Image:
    """Lay captioned pictures out row by row, each scaled to fit a square of ``side`` pixels."""
    font = ImageFont.load_default(17)
    gap, head = 14, 28
    rows = -(-len(items) // columns)
    sheet = Image.new(
        "RGB", (columns * (side + gap) + gap, rows * (side + head + gap) + gap), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    for k, item in enumerate(items):
        x = gap + k % columns * (side + gap)
        y = gap + k // columns * (side + head + gap)
        draw.text((x, y), item.caption, INK, font)
        picture = Image.fromarray(item.picture)
        scale = side / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        sheet.paste(picture.resize(size, Image.Resampling.LANCZOS), (x, y + head))
    return sheet
