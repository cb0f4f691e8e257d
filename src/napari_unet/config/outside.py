"""Which pixels that are not a number lie outside of the image."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["OUTSIDE", "Outside"]

Outside: TypeAlias = Literal["border", "all"]

OUTSIDE: tuple[Outside, ...] = ("border", "all")
"""NaN that reach the border of a plane, or all of them."""
