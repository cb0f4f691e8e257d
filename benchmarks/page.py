"""The results as a table for the terminal and as a page of the documentation."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.result import Line, Result

__all__ = ["NAMES", "described", "page", "table"]

HERE = Path(__file__).parent
NAMES = (
    "training",
    "prediction",
    "elastic",
    "weight_maps",
    "ceiling",
    "probe",
    "waiting",
    "start_up",
    "memory",
    "busy",
    "scaling",
    "compiling",
    "heap",
)


def table(results: Mapping[str, Result]) -> str:
    """One line for each number, for the terminal."""
    lines = []
    for name, result in results.items():
        for line in result.lines:
            mark = {True: "ok  ", False: "MISS", None: "    "}[line.kept]
            lines.append(
                f"{mark} {name:12s} {_number(line):>24s}  {_target(line):>8s}  {line.what}"
            )
            if line.detail:
                lines.append(f"{'':52s}{line.detail}")
    return "\n".join(lines)


def page(machine: Mapping[str, Any], results: Mapping[str, Result], picture: str | None) -> str:
    """The page: machine, picture, one section a comparison."""
    judged = [line for result in results.values() for line in result.lines if line.kept is not None]
    missed = [line for line in judged if not line.kept]
    filled = {
        "machine": _machine(machine),
        "kept": len(judged) - len(missed),
        "judged": len(judged),
        "missed": "".join(
            f"\n- {line.what}: {_number(line)}, target {_target(line)}" for line in missed
        ),
        "picture": f"\n![Measured ratios and curves]({picture})\n" if picture else "",
        "missing": _missing(results),
        "sections": "\n".join(_section(name, result) for name, result in results.items()),
    }
    template = (HERE / "page.md").read_text(encoding="utf-8")
    return template.format(**filled)


def _missing(results: Mapping[str, Result]) -> str:
    names = [f"`{name}`" for name in NAMES if name not in results]
    return f"\nNot measured on this machine: {', '.join(names)}.\n" if names else ""


def described(name: str) -> tuple[str, str]:
    """Title and text of a comparison: the docstring of its module, which need not be importable."""
    source = (HERE / f"{name}.py").read_text(encoding="utf-8")
    title, _, text = (ast.get_docstring(ast.parse(source)) or name).partition("\n")
    return title.rstrip("."), text.strip()


def _section(name: str, result: Result) -> str:
    title, text = described(name)
    rows = [
        f"| {line.what} | **{_number(line)}** | {_target(line)} | {_said(line)} | {line.detail} |"
        for line in result.lines
    ]
    parts = [f"## {title}", text]
    if result.agrees:
        parts.append(f"Checked first: {result.agrees}.")
    if rows:
        head = "| compared | median (range) | target | kept | measured |\n|---|---|---|---|---|"
        parts.append("\n".join([head, *rows]))
    parts += result.notes
    parts += [_numbers(curves) for curves in result.curves]
    about = result.about
    parts.append(
        f"`python -m benchmarks {name}`: {about['seconds']:.0f} s, "
        f"load {about['load_before']} before and {about['load_after']} after."
    )
    return "\n\n".join(parts) + "\n"


def _numbers(curves: Any) -> str:
    """The points of curves, as a table with one row a line."""
    at = sorted({x for points in curves.series.values() for x, _ in points})
    rows = [[f"{curves.title}: {curves.y}, by {curves.x}", *(f"{x:,g}" for x in at)]]
    rows.append(["---"] * len(rows[0]))
    for name, points in curves.series.items():
        found = {x: f"{y:.3g}" for x, y in points}
        rows.append([name, *(found.get(x, "") for x in at)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _number(line: Line) -> str:
    between = f" ({line.low:.3g} to {line.high:.3g})" if line.low is not None else ""
    return f"{line.value:.3g} {line.unit}{between}"


def _target(line: Line) -> str:
    if line.at_least is not None:
        return f"≥ {line.at_least:g}"
    return f"≤ {line.at_most:g}" if line.at_most is not None else ""


def _said(line: Line) -> str:
    return {True: "yes", False: "no", None: ""}[line.kept]


def _machine(machine: Mapping[str, Any]) -> str:
    peers = ", ".join(f"{name} {version}" for name, version in machine["peers"].items())
    gpu = machine["gpu"] or "none"
    return (
        f"{machine['processor']}, {machine['cores']} cores ({machine['instructions']}, bfloat16: "
        f"{machine['bfloat16']}), {machine['threads']} threads; GPU: {gpu}. {machine['system']}, "
        f"torch {machine['torch']}, {peers}. The 64-channel network trains in: "
        f"{machine['training']}; predicts in: {machine['prediction']}"
    )
