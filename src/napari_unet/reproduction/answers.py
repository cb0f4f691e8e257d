"""The first page of the report: the questions, and what the article states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.reproduction.comparison import SEEDS, value_of
from napari_unet.reproduction.dots import Dots, draw_dots
from napari_unet.reproduction.markdown import NONE, mean_text, table
from napari_unet.reproduction.questions import QUESTIONS, STATEMENTS
from napari_unet.reproduction.table import EXPERIMENTS, SETS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_unet.reproduction.comparison import Outcome, Results
    from napari_unet.reproduction.questions import Question, Statement

__all__ = ["answer", "question_figure", "questions", "statements"]

SIGNS = {1: "better", -1: "worse", 0: "no different"}


def questions(results: Results, pictures: str) -> str:
    """Return every question with its answer.

    Parameters
    ----------
    results
        By experiment.
    pictures
        Where the figures are, as a link.
    """
    return "\n\n".join(_question(one, results, pictures) for one in QUESTIONS)


def _question(one: Question, results: Results, pictures: str) -> str:
    outcomes = [c.of(results) for c in one.comparisons]
    rows = [_evidence(outcome) for outcome in outcomes]
    head = [
        "data",
        "measure",
        "run",
        "against",
        "its value",
        "the other's",
        "difference",
        "verdict",
    ]
    parts = [
        f"### {one.text}",
        f"**Answer.** {answer(one, results)}",
        table(head, rows),
        f"**The article.** {one.article}",
        f"**Why that may differ.** {one.differs}",
    ]
    if any(results.get(name) for c in one.comparisons for name in (c.changed, c.usual)):
        parts.insert(2, f"![{one.text}]({pictures}/answer-{one.name}.png)")
    return "\n\n".join(parts)


def answer(one: Question, results: Results) -> str:
    """Return the answer in one sentence, or how far it is."""
    outcomes = [c.of(results) for c in one.comparisons]
    decided = [o for o in outcomes if o.sign is not None]
    open_ones = [o for o in outcomes if o.sign is None]
    said = "; ".join(f"{_named(o)}: {SIGNS[o.sign or 0]}" for o in decided)
    if not open_ones:
        return f"{said[0].upper()}{said[1:]}."
    names = {n for o in outcomes for n in (o.comparison.changed, o.comparison.usual)}
    done = sum(min(SEEDS, len(results.get(n, ()))) for n in names)
    missing = f"not decidable yet: {done} of {SEEDS * len(names)} trainings done"
    if not decided:
        return f"{missing[0].upper()}{missing[1:]}."
    return f"{said[0].upper()}{said[1:]}. The rest is {missing}."


def _named(outcome: Outcome) -> str:
    c = outcome.comparison
    return f"{SETS[c.data][0]}, `{c.changed}` against `{c.usual}`"


def _evidence(outcome: Outcome) -> list[str]:
    c = outcome.comparison
    return [
        SETS[c.data][0],
        c.measure,
        f"`{c.changed}`",
        f"`{c.usual}`",
        mean_text(outcome.changed),
        mean_text(outcome.usual),
        outcome.difference_text,
        outcome.verdict,
    ]


def question_figure(one: Question, results: Results) -> NDArray[np.uint8] | None:
    """Draw the trainings of a question; None while there is none."""
    rows = []
    for c in one.comparisons:
        changed, usual = (
            [value_of(r, c.measure) for r in results.get(name, ())] for name in (c.changed, c.usual)
        )
        if changed or usual:
            sign = c.of(results).sign
            said = "not decided yet" if sign is None else SIGNS[sign]
            name = " / ".join(n.removeprefix(f"{c.data}-") for n in (c.changed, c.usual))
            rows.append(Dots(f"{SETS[c.data][0]}, {c.measure}", name, changed, usual, said))
    return draw_dots(one.text, (one.changed, one.usual), rows) if rows else None


def statements(results: Results) -> str:
    """Return the table of what the article states."""
    rows = [[one.text, *_judged(one, results)] for one in STATEMENTS]
    return table(["the article", "here", "by"], rows)


def _judged(one: Statement, results: Results) -> tuple[str, str]:
    if one.by is not None:
        comparison, sign = one.by
        outcome = comparison.of(results)
        by = f"`{comparison.changed}` and `{comparison.usual}`: {comparison.measure} "
        by += outcome.difference_text if outcome.differences else NONE
        if outcome.sign is None:
            return outcome.verdict, by
        return ("confirmed" if outcome.sign == sign else "refuted"), by
    if one.verdict:
        return one.verdict, one.reason
    some = results.get("u373-adam", ())
    if len(some) < SEEDS:
        return f"not decidable yet: {len(some)} of {SEEDS} trainings done", one.reason
    diverged = sum(bool(r.training.diverged) or not r.scores.learnt for r in some)
    settings = EXPERIMENTS["u373-adam"].describe_settings()
    said = f"{one.reason} ({settings}): {diverged} of {len(some)} diverged or learnt nothing"
    return ("confirmed" if 2 * diverged > len(some) else "refuted"), said
