"""Numbers on a command line, with the bounds of `config.bounds`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["bounded"]


def bounded(name: str) -> Callable[[str], float]:
    """Return what argparse reads a number with.

    Parameters
    ----------
    name
        A key of `config.bounds.BOUNDS`.
    """

    def read(text: str) -> float:
        from napari_unet.config.bounds import BOUNDS  # help needs no settings

        bound = BOUNDS[name]
        try:
            value: float = int(text) if bound.whole else float(text)
        except ValueError:
            value = float("nan")
        if not bound.allows(value):
            shown = text if len(text) <= 24 else text[:23] + "…"
            raise argparse.ArgumentTypeError(f"must be {bound}, got {shown!r}")
        return value

    return read
