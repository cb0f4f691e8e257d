"""How weight maps are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from napari_unet.base.errors import InputError
from napari_unet.config.settings import Settings, is_number

__all__ = ["DEFAULTS", "MAX_SIGMA", "Balance", "Preset", "WeightConfig"]


Preset = Literal["paper", "fiji", "none"]

Balance = bool | Literal["pixels"]


DEFAULTS = {"paper": (10.0, 5.0), "fiji": (50.0, 6.0), "none": (0.0, 5.0)}  # w0, σ in px


MAX_SIGMA = 1000.0  # px; the time for one map grows with it


@dataclass(frozen=True)
class WeightConfig(Settings):
    """How weight maps are made.

    Parameters
    ----------
    preset
        "paper" (2015), "fiji" (2019), or "none": class weights only, no border term unless it is
        given a `w0`.
    w0, sigma
        Height and width in px of the border term; None: the preset's (10 and 5; 50 and 6).
    balance
        paper, none: True: class weights w_c = N / (K·N_c) over the training slices, of mean 1.
        False: all 1. "pixels": 1 / (pixels of the class in a slice), as the reproduction of 2025
        has it, so that next to the border term all but nothing is left of them.
    background
        fiji: v, the weight of background far from every object.
    sigma1
        fiji: width in px of the rim around objects in which background counts more.

    Raises
    ------
    InputError
        If the preset is unknown or a number is not usable.
    """

    described_as: ClassVar[str] = "weight map settings"

    preset: Preset = "paper"
    w0: float | None = None
    sigma: float | None = None
    balance: Balance = True
    background: float = 0.1
    sigma1: float = 10.0

    def __post_init__(self) -> None:
        if self.preset not in DEFAULTS:
            raise InputError(
                f"weight map preset must be 'paper', 'fiji' or 'none', got {self.preset!r}."
            )
        if self.balance not in (True, False, "pixels"):
            raise InputError(
                f"balance must be true, false or 'pixels', got {self.balance!r}: choose one."
            )
        _check_number("w0", self.resolved_w0, 0, 1e6)
        _check_number("background weight", self.background, 0, 1)
        for name, width in (("sigma", self.resolved_sigma), ("sigma1", self.sigma1)):
            _check_number(name, width, 0, MAX_SIGMA)
            if width == 0:
                raise InputError(f"{name} must be more than 0 px, got 0; try the preset's.")

    @property
    def resolved_w0(self) -> float:
        """w0: the one given, else the preset's."""
        return DEFAULTS[self.preset][0] if self.w0 is None else self.w0

    @property
    def resolved_sigma(self) -> float:
        """σ in px: the one given, else the preset's."""
        return DEFAULTS[self.preset][1] if self.sigma is None else self.sigma


def _check_number(name: str, value: float, low: float, high: float) -> None:
    if not (is_number(value) and low <= value <= high):
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}.")
