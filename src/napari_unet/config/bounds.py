"""How large a number may be: one table for settings, the command line and the docks.

The bounds are far beyond what anybody means, and near enough that nothing overflows, and that no
list as long as the number is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_unet.base.errors import InputError
from napari_unet.config.settings import is_number

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BOUNDS", "LARGEST_SIDE", "LARGEST_SLICE", "Bound", "check_bounds", "check_number"]

LARGEST_SIDE = 2**31 - 1
"""Pixels of a side of an image."""

LARGEST_SLICE = 10**6
"""Number of a slice."""


@dataclass(frozen=True)
class Bound:
    """What a number may be.

    Attributes
    ----------
    low, high
        The least and the greatest.
    whole
        Without a fraction.
    above, below
        `low` or `high` itself is not allowed.
    """

    low: float
    high: float
    whole: bool = False
    above: bool = False
    below: bool = False

    def allows(self, value: object) -> bool:
        """Tell whether a value is such a number."""
        if self.whole and not isinstance(value, int):
            return False
        if not is_number(value):
            return False
        number: float = value  # type: ignore[assignment]
        if not self.low <= number <= self.high or math.isnan(number):
            return False
        return not (self.above and number == self.low) and not (self.below and number == self.high)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f"above {self.low:g}" if self.above else f"from {_short(self.low)}"
        high = f"below {_short(self.high)}" if self.below else f"to {_short(self.high)}"
        return f"{kind} {low} {'and' if self.above or self.below else ''} {high}".replace("  ", " ")


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) and value < 10**12 else f"{value:.3g}"


BOUNDS: Mapping[str, Bound] = {
    # a training
    "steps": Bound(1, 10**9, whole=True),
    "batch": Bound(1, 4096, whole=True),
    "patience": Bound(1, 10**9, whole=True),
    "validate_every": Bound(1, 10**9, whole=True),
    "checkpoint_every": Bound(1, 10**9, whole=True),
    "tile": Bound(1, 16384, whole=True),
    "learning_rate": Bound(0, 1000.0, above=True),
    "momentum": Bound(0, 1, below=True),
    "average": Bound(0, 1, below=True),
    "consistency": Bound(0, 1e6),
    "stroke_share": Bound(0, 1, below=True),
    "weight_decay": Bound(0, 1000.0),
    "seed": Bound(0, 2**64 - 1, whole=True),  # what torch takes
    "seeds": Bound(1, 1000, whole=True),
    "width": Bound(1, 1024, whole=True),
    "pixel_size": Bound(1e-9, 1e9),
    # tiles that are deformed
    "displacement": Bound(0, 1e4),
    "rotation": Bound(0, 1e4),
    "brightness": Bound(0, 100.0),
    "contrast": Bound(0, 100.0),
    "gamma": Bound(0, 100.0),
    "noise": Bound(0, 100.0),
    "tiles": Bound(1, 10_000, whole=True),
    # a prediction
    "threshold": Bound(0, 1),
    "seed_height": Bound(0, 1),
    "valley": Bound(0, 1),
    "link_overlap": Bound(0, 1, above=True),
    "side": Bound(0, LARGEST_SIDE, whole=True),
    "series": Bound(0, LARGEST_SLICE, whole=True),
    "min_size": Bound(0, 2**53, whole=True),
    "ignore": Bound(-(2**31), 2**31 - 1, whole=True),
}
"""Bounds by the name of a setting."""


def check_number(name: str, value: object, described: str = "") -> None:
    """Refuse a value that is out of its bounds.

    Parameters
    ----------
    name
        A key of `BOUNDS`.
    value
        What was given.
    described
        What to call it; by default the name with spaces.

    Raises
    ------
    InputError
        Unless it is a number within the bounds.
    """
    bound = BOUNDS[name]
    if not bound.allows(value):
        shown = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "more digits"
        raise InputError(f"{described or name.replace('_', ' ')} must be {bound}, got {shown}.")


def check_bounds(settings: object, *names: str) -> None:
    """Refuse settings of which one of these fields is out of its bounds.

    Raises
    ------
    InputError
        Names the field.
    """
    for name in names:
        check_number(name, getattr(settings, name), name)
