"""Numbers as a person reads them: 6 min 20 s, 2.1 GB, 0.947, 12/s."""

from __future__ import annotations

import math

__all__ = ["about", "count", "duration", "rate", "score", "size"]


MOST_BYTES = 10**30
"""What a size is shown as at most: a header may claim more than a float holds."""


def duration(seconds: float) -> str:
    """Return a time span in at most two units.

    Parameters
    ----------
    seconds : float
        Time in seconds.

    Examples
    --------
    >>> duration(0.3), duration(41), duration(379.7), duration(7260)
    ('under 1 s', '41 s', '6 min 20 s', '2 h 1 min')
    """
    if not math.isfinite(seconds) or seconds < 0:
        return "unknown time"
    if seconds < 0.95:
        return "under 1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return _two(minutes // 60, "h", minutes % 60, "min")
    hours = round(seconds / 3600)
    return _two(hours // 24, "days", hours % 24, "h")


def about(seconds: float) -> str:
    """Return a time span rounded as an estimate deserves: 5 s, 10 s or a minute at a time.

    Examples
    --------
    >>> about(13), about(222), about(2000)
    ('about 15 s', 'about 3 min 40 s', 'about 33 min')
    """
    if not math.isfinite(seconds) or seconds < 0:
        return "unknown time"
    if seconds < 3:
        return "a few seconds"
    step = 5 if seconds < 60 else 10 if seconds < 600 else 60
    return "about " + duration(max(step, step * round(seconds / step)))


def size(n_bytes: float) -> str:
    """Return an amount of memory in decimal units (1 GB = 1e9 bytes).

    Examples
    --------
    >>> size(512), size(8_200_000), size(2.14e9)
    ('512 B', '8.2 MB', '2.1 GB')
    """
    value = float(min(n_bytes, MOST_BYTES))
    for unit in ("B", "kB", "MB", "GB"):
        # 999.6 kB would print as "1000 kB"
        if value < 999.5:
            return _three_digits(value, unit, whole=unit == "B")
        value /= 1000
    return _three_digits(value, "TB", whole=False)


def rate(per_second: float) -> str:
    """Return a rate; slow ones as the time each takes.

    Examples
    --------
    >>> rate(12.4), rate(1.25), rate(0.2)
    ('12/s', '1.2/s', '5 s each')
    """
    if not math.isfinite(per_second) or per_second <= 0:
        return "no rate yet"
    if per_second < 0.5:
        return f"{duration(1 / per_second)} each"
    return f"{per_second:.0f}/s" if per_second >= 9.95 else f"{per_second:.1f}/s"


def score(value: float, digits: int = 3) -> str:
    """Return a score between 0 and 1 with three digits, or that there is nothing to measure.

    Examples
    --------
    >>> score(0.94712), score(float("nan"))
    ('0.947', 'not measurable')
    """
    return f"{value:.{digits}f}" if math.isfinite(value) else "not measurable"


def count(n: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count(1, "slice"), count(24, "slice"), count(12000, "step")
    ('1 slice', '24 slices', '12,000 steps')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


def _three_digits(value: float, unit: str, *, whole: bool) -> str:
    return f"{value:.0f} {unit}" if whole or value >= 9.95 else f"{value:.1f} {unit}"
