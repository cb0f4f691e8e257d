"""What trains and what validates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from napari_unet.base.errors import InputError
from napari_unet.config.bounds import LARGEST_SIDE, LARGEST_SLICE, check_bounds
from napari_unet.config.settings import Settings

__all__ = ["MODES", "Region", "SplitConfig"]


Region = tuple[int, int, int, int]  # y0, y1, x0, x1; y1 and x1 are the first outside


MODES = ("last", "slices", "region", "random", "none")


@dataclass(frozen=True)
class SplitConfig(Settings):
    """How labelled slices are divided between training and validation.

    Parameters
    ----------
    mode
        "last": a contiguous block at the end, of a stack with several axes along one of them.
        "slices": the chosen ones. "region": a rectangle in every labelled slice. "random": slices
        drawn at random, as the reproduction of 2025 does; they lie between training slices that
        look alike, so validation flatters. "none": train on everything.
    fraction
        Share of the labelled slices (or of the side of a single slice) that validates.
    slices
        Validation slices of mode "slices".
    region
        y0, y1, x0, x1 of mode "region".
    seed
        Of mode "random".
    axis
        Of mode "last": the letter of the axis along which the block lies; None: of several, the
        one along which planes look least alike; "": the slices as they follow one another.

    Raises
    ------
    InputError
        If a setting is not usable, or mode "slices" or "region" lacks its own.
    """

    described_as: ClassVar[str] = "validation settings"

    mode: Literal["last", "slices", "region", "random", "none"] = "last"
    fraction: float = 0.2
    slices: tuple[int, ...] = ()
    region: Region | None = None
    seed: int = 0
    axis: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"validation must be one of {', '.join(MODES)}, got {self.mode!r}.")
        if not (self.axis is None or (isinstance(self.axis, str) and len(self.axis) <= 1)):
            raise InputError(f"the axis of the block must be one letter, got {self.axis!r}.")
        if not 0 < self.fraction < 1:
            raise InputError(
                f"validation fraction must be between 0 and 1, got {self.fraction!r}; 0.2 is usual."
            )
        if self.mode == "slices" and not self.slices:
            raise InputError("validation by chosen slices needs at least one slice, got none.")
        if any(not 0 <= i <= LARGEST_SLICE for i in self.slices) or len(set(self.slices)) != len(
            self.slices
        ):
            raise InputError(
                f"validation slices must be different numbers from 0 to {LARGEST_SLICE:,}, got "
                f"{str(self.slices)[:100]}."
            )
        if self.mode == "region" and self.region is None:
            raise InputError("validation by region needs a region, got none; draw or give one.")
        check_bounds(self, "seed")
        if self.region is not None:
            _check_region(self.region)


def _check_region(region: Region, shape: tuple[int, int] | None = None) -> None:
    if len(region) != 4:
        raise InputError(f"a region must be y0, y1, x0, x1, got {len(region)} numbers.")
    y0, y1, x0, x1 = region
    if not (0 <= y0 < y1 <= LARGEST_SIDE and 0 <= x0 < x1 <= LARGEST_SIDE):
        raise InputError(
            "a region must have 0 <= y0 < y1 and 0 <= x0 < x1, in pixels of an image, got "
            f"{str(region)[:100]}."
        )
    if shape is not None and not (y1 <= shape[0] and x1 <= shape[1]):
        raise InputError(
            f"the validation region must lie inside the plane of shape {shape}, got {region}."
        )
