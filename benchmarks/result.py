"""What a comparison found: lines of a table, and curves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Curves", "Line", "Result"]


@dataclass(frozen=True)
class Line:
    """One number that is judged, or shown beside others.

    Attributes
    ----------
    what : str
        What was compared with what.
    value, low, high : float
        Median, smallest and largest of the repeats.
    unit : str
        "×" is a ratio of times, the peer's by ours: more is better.
    at_least, at_most : float, optional
        The target, where there is one.
    detail : str
        The times behind the ratio.
    """

    what: str
    value: float
    unit: str = "×"
    low: float | None = None
    high: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    detail: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        if self.at_most is not None:
            return self.value <= self.at_most
        return None


@dataclass(frozen=True)
class Curves:
    """Lines over one axis.

    Attributes
    ----------
    title, x, y : str
        Of the figure and its axes.
    series : dict of str to list of (float, float)
        Points of each line.
    log : str
        Axes that are logarithmic: "", "x" or "xy".
    """

    title: str
    x: str
    y: str
    series: dict[str, list[tuple[float, float]]]
    log: str = "x"


@dataclass
class Result:
    """Outcome of one comparison.

    Attributes
    ----------
    agrees : str
        What was checked before anything was timed, and within what.
    lines : list of Line
        The table.
    curves : list of Curves
        For the picture.
    notes : list of str
        Sentences for the page.
    about : dict
        When and under which load it was measured; filled in by the command.
    """

    agrees: str = ""
    lines: list[Line] = field(default_factory=list)
    curves: list[Curves] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Result:
        """Return the result that ``to_dict`` wrote."""
        lines = [Line(**line) for line in plain["lines"]]
        curves = [Curves(**curves) for curves in plain["curves"]]
        return cls(plain["agrees"], lines, curves, plain["notes"], plain["about"])
