"""How many times as many pixels the network sees."""

from __future__ import annotations

from napari_unet.base.errors import InputError

__all__ = ["LARGEST", "SMALLEST", "check_zoom"]


SMALLEST, LARGEST = 0.05, 8.0


def check_zoom(zoom: float) -> None:
    """Refuse a factor that cannot be meant.

    Raises
    ------
    InputError
        Unless it is a number from 0.05 to 8.
    """
    if not (isinstance(zoom, int | float) and SMALLEST <= zoom <= LARGEST):
        msg = f"zoom must be from {SMALLEST:g} to {LARGEST:g}, got {zoom!r}: 1 is as it is"
        raise InputError(msg)
