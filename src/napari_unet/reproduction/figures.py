"""The figures of the report: training loss, validation loss and IoU side by side."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_unet.report.curves import Curve, draw_curves
from napari_unet.reproduction.answers import question_figure
from napari_unet.reproduction.course import read_course
from napari_unet.reproduction.questions import QUESTIONS
from napari_unet.reproduction.table import EXPERIMENTS, SETS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.reproduction.result import Result

__all__ = ["FIGURES", "Figure", "Row", "draw_answers", "draw_figure"]

PANEL = (480, 300)  # px
COLOURS = ("blue", "orange", "green", "purple", "sky")
ALL_CELL = "every pixel called cell"
AS_RUN = ("em-baseline", *(n for n, one in EXPERIMENTS.items() if one.group == "as-run"))


@dataclass(frozen=True)
class Row:
    """Runs that share one row of three panels.

    Parameters
    ----------
    title
        Above the first panel.
    runs
        Names of experiments and what the legend calls them.
    """

    title: str
    runs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figure:
    """Rows below one another: one question, every data set.

    Parameters
    ----------
    name
        Of the file.
    title
        Above the figure.
    rows
        Left out where fewer than `least` of their runs are done.
    least
        2 where a row compares.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    least: int = 1

    @property
    def file(self) -> str:
        """Name of the picture."""
        return f"{self.name}.png"

    def drawn(self, done: Collection[str]) -> tuple[Row, ...]:
        """Return the rows that can be drawn of the runs that are done."""
        return tuple(
            row for row in self.rows if sum(name in done for name, _ in row.runs) >= self.least
        )


def draw_figure(figure: Figure, results: Mapping[str, Sequence[Result]], output: Path) -> bytes:
    """Draw the runs of a figure that are done, with their first seed.

    Parameters
    ----------
    figure
        One of `FIGURES`.
    results
        By experiment, see `napari_unet.reproduction.result.read_results`.
    output
        Folder of the runs.

    Returns
    -------
    bytes
        A PNG file; empty when nothing of it can be drawn.
    """
    strips = [_row(row, results, output) for row in figure.drawn(results)]
    return _png(np.concatenate(strips)) if strips else b""


def draw_answers(results: Mapping[str, Sequence[Result]]) -> Iterator[tuple[str, bytes]]:
    """Yield name and PNG file of the figure of every question; empty while there is nothing."""
    for question in QUESTIONS:
        picture = question_figure(question, results)
        yield f"answer-{question.name}.png", b"" if picture is None else _png(picture)


def _row(row: Row, results: Mapping[str, Sequence[Result]], output: Path) -> NDArray[np.uint8]:
    losses, validation, ious = [], [], []
    last = 1
    sets, trivial = set(), []
    for k, (name, legend) in enumerate(row.runs):
        if name not in results:
            continue
        folder = output / "runs" / name / f"seed-{results[name][0].seed}"
        course, colour = read_course(folder), COLOURS[k % len(COLOURS)]
        losses.append(Curve(legend, course.steps, course.losses, colour))
        validation.append(Curve("", course.validated, course.validation_losses, colour))
        ious.append(Curve("", course.validated, course.ious, colour))
        last = max([last, *course.steps])
        sets.add(EXPERIMENTS[name].data)
        trivial += [results[name][0].scores.everything]
    span = (0.0, 1.05 * last)  # room for the last number of the axis
    if len(sets) == 1 and trivial[0] is not None:
        ious.insert(0, Curve(ALL_CELL, span, [trivial[0].iou] * 2, "ground"))
    return np.concatenate(
        [
            draw_curves(losses, f"{row.title}: training loss by step", PANEL, span),
            draw_curves(validation, "validation loss, whole slices", PANEL, span),
            draw_curves(ious, "IoU, whole slices", PANEL, span, (0.0, 1.0)),
        ],
        axis=1,
    )


def _png(picture: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    # 256 colours are plenty for thin lines, and the file is much smaller.
    Image.fromarray(picture).quantize(256).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _legend(name: str) -> str:
    """Return what tells a run from the others of its row."""
    s = EXPERIMENTS[name].settings
    rate = f"{'SGD' if s.optimiser == 'sgd' else 'Adam'} {s.learning_rate:g}"
    tiles = f"{s.batch} tiles of {s.tile} px"  # the font has neither × nor ²
    return f"{rate}, {tiles}" if s.weights is not None else f"{rate}, {tiles}, no weight map"


def _by_set(names: Iterable[str]) -> tuple[Row, ...]:
    """One row for each data set, with the runs of these names that it has."""
    rows = []
    for key, (title, _) in SETS.items():
        runs = [f"{key}-{name}" for name in names if f"{key}-{name}" in EXPERIMENTS]
        rows.append(Row(title, tuple((name, _legend(name)) for name in runs)))
    return tuple(rows)


def _all_sets(name: str, title: str) -> tuple[Row, ...]:
    """One row with a run of every data set."""
    return (Row(title, tuple((f"{key}-{name}", one[0]) for key, one in SETS.items())),)


def _held_out(prefix: str, title: str) -> Row:
    names = [n for n, one in EXPERIMENTS.items() if one.group == "stricter" and one.data == prefix]
    return Row(title, tuple((name, f"tested on {EXPERIMENTS[name].held_out}") for name in names))


FIGURES: tuple[Figure, ...] = (
    Figure("baselines", "The baselines", _all_sets("baseline", "baseline")),
    Figure("tiles", "Larger tiles or a larger batch", _by_set(("baseline", "batch16")), 2),
    Figure("weights", "Weight map or not", _by_set(("baseline", "no-weights"))[:1], 2),
    Figure("optimiser", "SGD or Adam", _by_set(("baseline", "adam", "adam-3e-4")), 2),
    Figure(
        "as-run",
        "What the article says and what the code does",
        (Row("ISBI-2012 EM", tuple((n, n.removeprefix("em-")) for n in AS_RUN)),),
        2,
    ),
    Figure("paper", "The paper's own setting", _all_sets("paper", "paper")),
    Figure(
        "stricter",
        "Stricter protocols",
        tuple(_held_out(key, title) for key, (title, _) in SETS.items()),
    ),
)
"""In the order of the report."""
