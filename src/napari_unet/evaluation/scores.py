"""What a comparison gives: scores under the names that every face shows, and curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_unet.base.quantities import score

__all__ = ["Curves", "Score", "Scores"]


@dataclass(frozen=True)
class Score:
    """One score.

    Attributes
    ----------
    name : str
        The same for people and programs, such as "IoU" or "V_Rand".
    value : float
        NaN where it cannot be measured, such as IoU where the reference has no object.
    meaning : str
        One line for people.
    digits : int
        Decimals that are worth showing.
    """

    name: str
    value: float
    meaning: str
    digits: int = 4

    @property
    def text(self) -> str:
        """The value as a person reads it."""
        return score(self.value, self.digits)


@dataclass(frozen=True)
class Curves:
    """Scores at every threshold, of a prediction that is not the same at all of them.

    Attributes
    ----------
    over : str
        What the threshold is of.
    thresholds : tuple of float
        Ascending.
    values : dict
        Name of a score -> its value at each threshold; shorter where a score leaves out the last.
    """

    over: str
    thresholds: tuple[float, ...]
    values: dict[str, tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class Scores(Mapping[str, float]):
    """All scores of one comparison: a mapping from name to value that prints as a table.

    Attributes
    ----------
    rows : tuple of Score
        In the order of the table.
    slices : tuple of int
        Flat indices of the slices compared.
    pixels : int
        Pixels compared: those that are annotated.
    curves : tuple of Curves
        Scores at every threshold, where a metric has them.

    Examples
    --------
    >>> scores = Scores((Score("IoU", 0.5, "shared / united area", 3),), (0,), 4)
    >>> scores["IoU"], dict(scores)
    (0.5, {'IoU': 0.5})
    >>> print(scores)
    IoU  0.500
    """

    rows: tuple[Score, ...]
    slices: tuple[int, ...] = ()
    pixels: int = 0
    curves: tuple[Curves, ...] = field(default=())

    def __getitem__(self, name: str) -> float:
        for row in self.rows:
            if row.name == name:
                return row.value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter([row.name for row in self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        width = max((len(row.name) for row in self.rows), default=0)
        return "\n".join(f"{row.name:<{width}}  {row.text}" for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON: name -> value, None where it is not measurable."""
        return {row.name: row.value if math.isfinite(row.value) else None for row in self.rows}
