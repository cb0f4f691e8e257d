"""Times of interleaved repeats, their medians and spread."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Spread", "check", "interleaved", "ratio", "spread", "timed"]


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest."""

    median: float
    low: float
    high: float

    def show(self, scale: float = 1.0) -> str:
        """Text such as "12.1 ms (11.9 to 12.6)"; `scale` divides, for one of several pieces."""
        m, a, b = (value / scale for value in (self.median, self.low, self.high))
        factor, unit = (1, "s") if m >= 1 else (1e3, "ms") if m >= 1e-3 else (1e6, "µs")
        return f"{m * factor:.3g} {unit} ({a * factor:.3g} to {b * factor:.3g})"


def spread(values: Sequence[float]) -> Spread:
    """Return median and range."""
    return Spread(statistics.median(values), min(values), max(values))


def timed(function: Callable[[], object]) -> float:
    """Seconds of one call, waiting for a GPU before and after."""
    _wait()
    begun = time.perf_counter()
    function()
    _wait()
    return time.perf_counter() - begun


def interleaved(
    ways: Mapping[str, Callable[[], object]], repeats: int, warm: int = 1
) -> dict[str, list[float]]:
    """Time several ways in turn, so that a slow moment of the machine meets all of them."""
    for _ in range(warm):
        for function in ways.values():
            function()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, function in ways.items():
            seconds[name].append(timed(function))
    return seconds


def ratio(slower: Sequence[float], faster: Sequence[float]) -> Spread:
    """Return how many times as long the one takes, of each round."""
    return spread([a / b for a, b in zip(slower, faster)])


def check(difference: float, within: float, what: str) -> None:
    """Stop where outputs do not agree: times of different results cannot be compared."""
    if not difference <= within:
        raise SystemExit(f"{what} differ by {difference:.3g}, more than {within:g}: nothing timed")


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
