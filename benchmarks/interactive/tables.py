"""The curves of a folder: beside one another, as a picture, and what a score cost."""

from __future__ import annotations

import json
import math
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.interactive.ways import WAYS
from napari_unet.report.curves import Curve, draw_curves

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["costs", "curves", "picture", "table"]

SCORES = {"em": "V_Rand", "hela": "IoU", "u373": "IoU"}
COLOURS = ("blue", "orange", "green", "purple", "sky", "ground")

Curves = dict[tuple[str, str, int], list[dict[str, Any]]]
"""(task, where, seed) -> points."""


def curves(folder: Path) -> Curves:
    """Read the curves of a folder."""
    read: Curves = {}
    for file in sorted(folder.glob("*-seed-*.json")):
        task, where, _, seed = file.stem.split("-")
        read[task, where, int(seed)] = json.loads(file.read_text(encoding="utf-8"))
    return dict(sorted(read.items(), key=lambda one: _place(one[0])))


def _place(name: tuple[str, str, int]) -> tuple[int, int, int]:
    return list(SCORES).index(name[0]), list(WAYS).index(name[1]), name[2]


def table(read: Curves) -> str:
    """Return the scores over the seconds, and the strokes that they took."""
    times = sorted({point["seconds"] for curve in read.values() for point in curve})
    times = [at for at in times if at in (30, 60) or at % 120 == 0]
    heads = " | ".join(f"{at} s" for at in times)
    lines = [f"| data | where | seed | {heads} |", "|---" * (3 + len(times)) + "|"]
    for (task, where, seed), curve in read.items():
        points = {point["seconds"]: point for point in curve}
        cells = (_cell(points.get(at), SCORES[task]) for at in times)
        lines.append(f"| {task} | {where} | {seed} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(point: dict[str, Any] | None, score: str) -> str:
    return "" if point is None else f"{point[score]:.3f} ({point['strokes']})"


def _by_way(read: Curves) -> Iterator[tuple[str, dict[str, list[dict[str, float]]]]]:
    """Return for each task what every way had on the way, mean over its seeds."""
    for task, group in groupby(read.items(), key=lambda one: one[0][0]):
        many: dict[str, list[list[dict[str, Any]]]] = {}
        for (_, where, _), curve in group:
            many.setdefault(where, []).append(curve)
        yield task, {where: _means(several, SCORES[task]) for where, several in many.items()}


def _means(several: list[list[dict[str, Any]]], score: str) -> list[dict[str, float]]:
    keys = ("seconds", "strokes", score)
    return [
        {key: float(np.mean([one[key] for one in same])) for key in keys} for same in zip(*several)
    ]


def costs(read: Curves) -> str:
    """Return after how many strokes and seconds the ways of a task had the same score.

    The score is the best that the worst of them had, mean over its seeds.
    """
    lines = ["| data | score | where | strokes | seconds |", "|---|---|---|---|---|"]
    for task, ways in _by_way(read):
        score = SCORES[task]
        goal = min(max(point[score] for point in curve) for curve in ways.values())
        for where, curve in ways.items():
            first = next(point for point in curve if point[score] >= goal)
            spent = f"{first['strokes']:.0f} | {first['seconds']:.0f}"
            lines.append(f"| {task} | {score} {goal:.3f} | {where} | {spent} |")
    return "\n".join(lines)


def picture(read: Curves) -> NDArray[np.uint8]:
    """Draw the mean over the seeds of every way, a frame for each kind of data."""
    frames = []
    for task, ways in _by_way(read):
        drawn = []
        for where, curve in ways.items():
            x = [point["seconds"] for point in curve]
            y = [point[SCORES[task]] for point in curve]
            drawn.append(Curve(where, x, y, COLOURS[list(WAYS).index(where)]))
        longest = max(x for one in drawn for x in one.x)
        least = math.floor(10 * min(y for one in drawn for y in one.y)) / 10
        title = f"{task}: {SCORES[task]} over seconds"
        frames.append(draw_curves(drawn, title, (520, 320), (0, 1.25 * longest), (least, 1.0)))
    return np.concatenate(frames, axis=1)
