"""What the pre-flight says: one sentence, how grave it is, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FIXES", "Finding", "Fix", "Severity", "listed"]

Severity = Literal["info", "warning", "error"]
Fix = Literal[
    "make gaps",
    "leave out empty slices",
    "leave out constant slices",
    "read as objects",
    "read as classes",
    "zoom",
    "read other axes",
    "give the image's pixel size",
    "give the file's pixel size",
    "take NaN as outside",
]
FIXES: dict[Fix, str] = {
    "make gaps": "Make gaps",
    "leave out empty slices": "Leave them out",
    "leave out constant slices": "Leave them out",
    "read as objects": "Read as objects",
    "read as classes": "Read as classes",
    "zoom": "Zoom",
    "read other axes": "Use them",
    "give the image's pixel size": "Give it",
    "give the file's pixel size": "Take it",
    "take NaN as outside": "Take as outside",
}
"""What can be put right, and what its button says."""

SHOWN = 6  # numbers in a list before it is cut short


@dataclass(frozen=True)
class Finding:
    """One thing that is so, and perhaps a way to put it right.

    Attributes
    ----------
    severity : {"info", "warning", "error"}
        "error": training cannot begin; "warning": its result may not be what one expects.
    text : str
        One sentence: what was found, what was expected, what to do.
    fix : str or None
        What `apply_fix` can do about it. "zoom" and "take NaN as outside" are settings of the
        training; axes and pixel sizes belong to what was opened.
    check : str
        Which check found it, for programs: "saturation", "touching", …
    zoom : float or None
        The setting that the fix "zoom" stands for.
    axes : str or None
        Those of the fix "read other axes".
    """

    severity: Severity
    text: str
    fix: Fix | None = None
    check: str = ""
    zoom: float | None = None
    axes: str | None = None

    def to_dict(self) -> dict[str, str | float | None]:
        """Return plain JSON values."""
        return {
            "severity": self.severity,
            "check": self.check,
            "text": self.text,
            "fix": self.fix,
            "zoom": self.zoom,
            "axes": self.axes,
        }


def listed(numbers: tuple[int, ...] | list[int]) -> str:
    """Return numbers as a list of at most six: "3, 7, 9"."""
    shown = ", ".join(map(str, numbers[:SHOWN]))
    return f"{shown}, …" if len(numbers) > SHOWN else shown
