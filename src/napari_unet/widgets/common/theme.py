"""Colours: those of the viewer's theme, and those that mean something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari.utils.theme import get_theme

__all__ = [
    "INVENTED",
    "MERGE",
    "MISSED",
    "SPLIT",
    "VALIDATION",
    "WEIGHT_COLORMAP",
    "Colours",
    "colours",
]

# Colour-blind safe (after Okabe and Ito), the same in every dock.
VALIDATION = "#00ffff"  # cyan outline
MERGE = "#e69f00"  # orange: false merges
SPLIT = "#56b4e9"  # blue: false splits
MISSED = "#cc79a7"  # purple
INVENTED = "#f0e442"  # yellow
WEIGHT_COLORMAP = "magma"


@dataclass(frozen=True)
class Colours:
    """The colours of a theme, each as "#rrggbb"."""

    canvas: str
    background: str
    foreground: str
    primary: str
    secondary: str
    highlight: str
    text: str
    current: str
    warning: str
    error: str
    is_dark: bool

    @property
    def quiet_text(self) -> str:
        """Text that explains: halfway between text and background, still readable."""
        return _mix(self.text, self.background, 0.68)

    @property
    def accent(self) -> str:
        """What marks the one primary button: theme-independent enough to stand out."""
        return "#2f7fd1" if self.is_dark else "#1f6fc0"


def colours(viewer: Any) -> Colours:
    """Return the colours of the viewer's theme as it is now.

    Connect to ``viewer.events.theme`` to hear of changes.
    """
    theme = get_theme(viewer.theme)
    named = {
        name: theme_colour(getattr(theme, name))
        for name in Colours.__dataclass_fields__
        if name != "is_dark"
    }
    red, green, blue = (int(named["background"][i : i + 2], 16) for i in (1, 3, 5))
    return Colours(**named, is_dark=0.3 * red + 0.59 * green + 0.11 * blue < 128)


def theme_colour(colour: Any) -> str:
    """Return a theme's colour as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour.as_rgb_tuple(alpha=False))


def _mix(one: str, other: str, share: float) -> str:
    parts = (
        round(share * int(one[i : i + 2], 16) + (1 - share) * int(other[i : i + 2], 16))
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in parts)
