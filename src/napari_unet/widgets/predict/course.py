"""How far a prediction is, in words."""

from __future__ import annotations

from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING

from napari_unet.base.quantities import count, duration

if TYPE_CHECKING:
    from napari_unet.prediction.pieces import Piece

__all__ = ["Course"]


class Course:
    """Follows the pieces of one prediction.

    Parameters
    ----------
    slices
        How many it is of.
    """

    def __init__(self, slices: int) -> None:
        self._slices, self._begun = slices, monotonic()
        self.done = self.total = 0  # tiles

    def take(self, piece: Piece) -> str:
        """Return how far it is with this piece."""
        self.done, self.total = piece.done, piece.total
        known = piece.done < piece.total and isfinite(piece.seconds_left)
        left = f" · {duration(piece.seconds_left)} left" if known else ""
        return f"tile {piece.done:,}/{piece.total:,}{left}"

    def at_the_end(self, *, failed: bool) -> str:
        """Return what came of it."""
        tiles = count(self.total, "tile")
        if self.total > 0 and self.done == self.total:
            spent = duration(monotonic() - self._begun)
            return f"{count(self._slices, 'slice')} in {spent}, {tiles}"
        if self.done:
            return f"Stopped after {self.done:,} of {tiles}; these stay in the result."
        return "" if failed else "Stopped before the first tile."
