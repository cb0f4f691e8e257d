"""How the outputs of a network become objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_unet.base.errors import InputError
from napari_unet.config.settings import Settings

__all__ = ["Decoding"]


@dataclass(frozen=True)
class Decoding(Settings):
    """How the outputs of a network with object maps become objects.

    Attributes
    ----------
    threshold : float
        A pixel can be of an object where the probability of foreground is more, 0 to 1.
    seed : float
        Height of the object map, 0 to 1, above which pixels that hang together are the middle of
        one object. Higher: more objects are told apart, and faint ones are lost.
    min_size : int
        Objects of fewer pixels are left out.
    """

    described_as: ClassVar[str] = "settings of the objects"

    threshold: float = 0.5
    seed: float = 0.5
    min_size: int = 0

    def __post_init__(self) -> None:
        for name in ("threshold", "seed"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and 0 <= value <= 1):
                raise InputError(f"{name} must be from 0 to 1, got {value!r}; 0.5 is usual.")
        if not (isinstance(self.min_size, int) and self.min_size >= 0):
            raise InputError(
                f"the smallest object must be 0 pixels or more, got {self.min_size!r}."
            )
