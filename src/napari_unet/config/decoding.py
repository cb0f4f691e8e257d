"""How the outputs of a network become objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_unet.base.errors import InputError
from napari_unet.config.settings import Settings

__all__ = ["USUAL", "Decoding"]


@dataclass(frozen=True)
class Decoding(Settings):
    """How the outputs of a network with object maps become objects.

    Attributes
    ----------
    threshold : float
        A pixel can be of an object where the probability of foreground is more, 0 to 1.
    seed : float
        Height of the object map, 0 to 1, that the middle of an object must exceed. Higher: faint
        objects are lost.
    min_size : int
        Objects of fewer pixels are left out.
    valley : float
        How much lower, 0 to 1, the object map must become between two middles for them to be two
        objects. Lower: more objects are told apart. 0, as in models written before this was there:
        middles are what hangs together above the seed height.
    """

    described_as: ClassVar[str] = "settings of the objects"

    threshold: float = 0.5
    seed: float = 0.5
    min_size: int = 0
    valley: float = 0.0

    def __post_init__(self) -> None:
        for name, usual in (("threshold", 0.5), ("seed", 0.2), ("valley", 0.2)):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and 0 <= value <= 1):
                raise InputError(f"{name} must be from 0 to 1, got {value!r}; {usual} is usual.")
        if not (isinstance(self.min_size, int) and self.min_size >= 0):
            raise InputError(
                f"the smallest object must be 0 pixels or more, got {self.min_size!r}."
            )


USUAL = Decoding(seed=0.2, valley=0.2)
"""How a network that learns object maps is read as long as nothing was fitted."""
