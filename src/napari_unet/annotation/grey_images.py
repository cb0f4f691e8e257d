"""Grey images taken for labels: every grey value would be an object, or a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FEW_IDS", "count_neighbours", "refuse_picture"]

FEW_IDS = 8
"""As many different values can still be classes, and are no grey image."""

FEWEST = 256  # marked neighbours that tell it
MARKED = 0.25  # share of the pixels from which on what is marked can be a picture
ALIKE = 0.5  # share of neighbours with one value that objects of 2 × 2 pixels have


def count_neighbours(plane: NDArray[Any]) -> NDArray[np.int64]:
    """Count the pixels of (Y, X) labels, the marked ones beside a marked one, and their like."""
    here, next_one = plane[:, 1:], plane[:, :-1]
    marked = (here != 0) & (next_one != 0)
    same = np.count_nonzero(marked & (here == next_one))
    return np.array([plane.size, np.count_nonzero(marked), same], np.int64)


def refuse_picture(neighbours: NDArray[np.int64], what: str) -> None:
    """Refuse many values that are no ids: those of a grey image change from pixel to pixel.

    Parameters
    ----------
    neighbours
        Sum of what `count_neighbours` returns.
    what
        They should be, for the error.

    Raises
    ------
    InputError
        When a good part of the pixels is marked, and most of them differ from their neighbour.
    """
    pixels, marked, same = neighbours
    if marked >= max(FEWEST, MARKED * pixels) and same < ALIKE * marked:
        raise InputError(
            f"{what} must have one value for each object, but {1 - same / marked:.0%} of "
            "neighbouring pixels differ, as in a grey image: choose the file that holds labels."
        )
