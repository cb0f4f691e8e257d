"""Tables of Markdown, and numbers in them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["mean_text", "number", "table"]

NONE = "–"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is aligned left, the others right."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many decimals; a dash where there is none."""
    return NONE if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def mean_text(values: Sequence[float], digits: int = 3) -> str:
    """Return a mean, with the standard deviation and the number of values when there are several.

    Values that are not finite make it a dash.

    Examples
    --------
    >>> mean_text([0.5]), mean_text([0.4, 0.6], 2), mean_text([])
    ('0.500', '0.50 ± 0.14 (2)', '–')
    """
    if not values or not all(math.isfinite(v) for v in values):
        return NONE
    mean = sum(values) / len(values)
    if len(values) == 1:
        return number(mean, digits)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return f"{mean:.{digits}f} ± {spread:.{digits}f} ({len(values)})"
