"""Two runs of the table compared, seed by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from napari_unet.reproduction.markdown import mean_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_unet.reproduction.result import Result

    Results = Mapping[str, Sequence[Result]]

__all__ = ["SEEDS", "Comparison", "Outcome", "value_of"]

SEEDS = 3  # of both runs, before an answer rests on them


def value_of(result: Result, measure: str) -> float:
    """Return a metric of the field by its name, or "IoU" of whole slices."""
    if measure == "IoU":
        return result.scores.whole.iou
    return result.scores.field.get(measure, math.nan)


@dataclass(frozen=True)
class Comparison:
    """A run, and what it is measured against.

    Attributes
    ----------
    data
        Key of a data set.
    changed, usual
        Names of experiments.
    measure
        See `value_of`; more is better.
    """

    data: str
    changed: str
    usual: str
    measure: str

    def of(self, results: Results) -> Outcome:
        """Compare the seeds that both have."""
        runs = [{r.seed: r for r in results.get(name, ())} for name in (self.changed, self.usual)]
        seeds = sorted(set(runs[0]) & set(runs[1]))
        dull = tuple(
            name
            for name, some in zip((self.changed, self.usual), runs)
            if any(not r.scores.learnt for r in some.values())
        )
        changed, usual = (
            tuple(value_of(some[seed], self.measure) for seed in seeds) for some in runs
        )
        done = sum(min(SEEDS, len(some)) for some in runs)
        return Outcome(self, changed, usual, done, dull)


@dataclass(frozen=True)
class Outcome:
    """What came of a comparison.

    Attributes
    ----------
    comparison
        What was compared.
    changed, usual
        Values of the seeds that both runs have.
    done
        Trainings of both, of 2 · `SEEDS`.
    dull
        Runs whose network overlaps no more than what calls every pixel a cell.
    """

    comparison: Comparison
    changed: tuple[float, ...]
    usual: tuple[float, ...]
    done: int
    dull: tuple[str, ...]

    @property
    def differences(self) -> tuple[float, ...]:
        """Changed minus usual, seed by seed."""
        return tuple(a - b for a, b in zip(self.changed, self.usual))

    @property
    def sign(self) -> int | None:
        """1: better, -1: worse, 0: no difference beyond the spread; None: not decidable yet.

        Better or worse takes all seeds, and a mean beyond their standard deviation.
        """
        d = self.differences
        if len(d) < SEEDS or self.dull or not all(map(math.isfinite, d)):
            return None
        if abs(fmean(d)) <= stdev(d) or min(d) * max(d) <= 0:
            return 0
        return 1 if d[0] > 0 else -1

    @property
    def verdict(self) -> str:
        """A word, or what is missing."""
        if self.sign is not None:
            return ("no difference beyond the spread", "**better**", "**worse**")[self.sign]
        if self.dull:
            listed = ", ".join(f"`{name}`" for name in self.dull)
            return f"not decidable: {listed} learnt nothing"
        return f"not decidable yet: {self.done} of {2 * SEEDS} trainings done"

    @property
    def difference_text(self) -> str:
        """Mean and spread of the differences, with their sign."""
        text = mean_text(self.differences)
        return f"+{text}" if self.differences and fmean(self.differences) > 0 else text
