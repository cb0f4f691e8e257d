"""How strongly tiles are deformed and their grey values changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from napari_unet.base.errors import InputError
from napari_unet.config.bounds import check_bounds
from napari_unet.config.settings import Settings, is_number

__all__ = ["MAX_GRID", "AugmentConfig"]


MAX_GRID = 64  # more control points than this are no smooth deformation any more

CHOICES = {
    "interpolation": ("linear", "cubic", "spline"),
    "labels": ("nearest", "spline"),
    "about": ("tile", "slice"),
}


@dataclass(frozen=True)
class AugmentConfig(Settings):
    """How strongly tiles are deformed and their grey values changed.

    The defaults are what docs/recipe.md found to help: grey values as they are,
    which all slices of a stack share, and no more blur than needed.

    Parameters
    ----------
    displacement
        px, standard deviation of the displacement of every control point; 0 = off.
        The paper's value is 10.
    grid
        Control points per side of the tile, the outer ones in its corners; 3 in the paper.
    rotation
        Degrees, uniform in ± this.
    turn
        Degrees by which every tile is turned besides.
    zoom
        Smallest and largest magnification, log-uniform between them.
    flips
        Mirror each axis with probability 1/2.
    brightness
        Standard deviation of an offset, as a part of the 0..1 range.
    contrast
        Grey values are multiplied about 0.5 by exp(u), u uniform in ± this.
    gamma
        Grey values are raised to the power exp(u), u uniform in ± this.
    noise
        Standard deviation of Gaussian noise, as a part of the 0..1 range.
    interpolation
        Of the image: "linear", "cubic", which blurs it less, or "spline", which blurs it most: a
        cubic B-spline without the filter that would make it pass through the grey values.
    labels
        "nearest", or "spline": the class that weighs most in the B-spline, and weights blurred by
        it as well.
    about
        What is deformed: the "tile", about its own middle, or the whole "slice", of which a tile
        is then cut. Whatever a zoom above 1 moves out of a slice is then never seen.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    described_as: ClassVar[str] = "augmentation settings"

    displacement: float = 10.0
    grid: int = 3
    rotation: float = 180.0
    turn: float = 0.0
    zoom: tuple[float, float] = (0.8, 1.25)
    flips: bool = True
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    interpolation: Literal["linear", "cubic", "spline"] = "cubic"
    labels: Literal["nearest", "spline"] = "nearest"
    about: Literal["tile", "slice"] = "tile"

    def __post_init__(self) -> None:
        object.__setattr__(self, "zoom", tuple(self.zoom))
        check_bounds(self, "displacement", "rotation", "brightness", "contrast", "gamma", "noise")
        if isinstance(self.grid, bool) or not isinstance(self.grid, int):
            raise InputError(f"grid must be a whole number, got {self.grid!r}: 3 is the paper's.")
        if not 2 <= self.grid <= MAX_GRID:
            raise InputError(f"grid must be 2 to {MAX_GRID} control points, got {self.grid}.")
        if not _is_number(self.turn) or not -360 <= self.turn <= 360:
            raise InputError(f"turn must be -360 to 360 degrees, got {self.turn!r}: 0 is upright.")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} must be {' or '.join(choices)}, got {getattr(self, name)!r}: "
                    "choose one."
                )
        if len(self.zoom) != 2 or not all(_is_number(z) for z in self.zoom):
            raise InputError(f"zoom must be two numbers, smallest and largest, got {self.zoom!r}.")
        if not 0.05 <= self.zoom[0] <= self.zoom[1] <= 20:
            raise InputError(
                f"zoom must be two numbers between 0.05 and 20, the smaller first, "
                f"got {self.zoom}: (0.8, 1.25) is usual, (1, 1) turns it off."
            )

    @classmethod
    def none(cls) -> AugmentConfig:
        """Return the configuration that changes nothing: tiles are crops."""
        return cls(
            displacement=0.0, rotation=0.0, turn=0.0, zoom=(1.0, 1.0), flips=False,
            brightness=0.0, contrast=0.0, gamma=0.0, noise=0.0,
        )  # fmt: skip


def _is_number(value: object) -> bool:
    return is_number(value) and math.isfinite(value)  # type: ignore[arg-type]
