"""The picture: ratios against peers as bars, shares of the ceiling, and curves."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.result import Curves, Line, Result

__all__ = ["draw"]

OURS, PEER, TARGET = "#0072b2", "#9a9a9a", "#d55e00"  # colour-blind-safe
WRAPPED = 52  # characters of a label's lines


def draw(results: Mapping[str, Result], file: Path) -> Path:
    """Draw all results into a PNG."""
    ratios = [
        line
        for name in ("training", "prediction", "elastic", "weight_maps")
        if name in results
        for line in results[name].lines
        if line.unit == "×"
    ]
    shares = results["ceiling"].lines if "ceiling" in results else []
    curves = [one for result in results.values() for one in result.curves]
    rows = 1 + -(-len(curves) // 3)
    figure = plt.figure(figsize=(15, 4.6 + 3.4 * (rows - 1)), layout="constrained", dpi=110)
    grid = figure.add_gridspec(rows, 6, height_ratios=[4.6, *[3.4] * (rows - 1)])
    _bars(figure.add_subplot(grid[0, :3]), ratios, "Times as fast as the peer", log=True)
    _bars(figure.add_subplot(grid[0, 3:]), shares, "% of the bfloat16 matrix product", log=False)
    for k, one in enumerate(curves):
        row, column = divmod(k, 3)
        _lines(figure.add_subplot(grid[row + 1, 2 * column : 2 * column + 2]), one)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    plt.close(figure)
    return file


def _bars(axes: Any, lines: list[Line], title: str, *, log: bool) -> None:
    axes.set_title(title)
    for row, line in enumerate(reversed(lines)):
        axes.barh(row, line.value, color=OURS, height=0.6)
        if line.low is not None:
            axes.plot([line.low, line.high], [row, row], color="black", lw=1)
        if line.at_least:
            axes.plot([line.at_least] * 2, [row - 0.4, row + 0.4], color=TARGET, lw=2.5)
        axes.text(
            max(line.value, line.high or 0), row, f"   {line.value:.3g}", va="center", fontsize=8
        )
    axes.set_yticks(
        range(len(lines)), [fill(line.what, WRAPPED) for line in reversed(lines)], fontsize=7
    )
    if log:
        axes.set_xscale("log")
        axes.axvline(1, color=PEER, lw=1)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def _lines(axes: Any, curves: Curves) -> None:
    axes.set_title(curves.title)
    for name, points in curves.series.items():
        axes.plot(*zip(*points), "o-", label=name)
    if curves.log:
        axes.set_xscale("log", base=2 if points[-1][0] <= 16384 and points[0][0] != 10 else 10)
        axes.set_xticks([x for x, _ in points], [f"{x:,g}" for x, _ in points])
        axes.minorticks_off()
    axes.set(xlabel=curves.x, ylabel=curves.y)
    axes.set_ylim(0, 1.15 * max(y for points in curves.series.values() for _, y in points))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
