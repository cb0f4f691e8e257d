"""The figures of a hunt, as a table in docs/reliability.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["FIGURES", "PAGE", "write_report"]

DOCS = Path(__file__).resolve().parents[2] / "docs"
FIGURES = DOCS / "reliability.json"
PAGE = DOCS / "reliability.md"
BEGIN, END = "<!-- figures: python -m tests.fuzz --report -->", "<!-- end of the figures -->"


def write_report(figures: Path = FIGURES) -> int:
    """Print the figures into the page; return 1 where anything was answered badly."""
    found: dict[str, Any] = json.loads(figures.read_text())
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(found)}\n{END}{after}")
    return int(any(found.get(kind, {}).get("bad") for kind in ("files", "commands", "kills")))


def table(found: dict[str, Any]) -> str:
    """Return the figures as a table, and a line that says where they are from."""
    rows = ["| what | tried | answered badly | most that one took |", "|---|---|---|---|"]
    for kind, name in (("files", "mutated files"), ("commands", "bad command lines")):
        if kind in found:
            one = found[kind]
            took = f"{one['most_seconds']:.1f} s, {one['most_bytes'] / 1e6:,.0f} MB"
            rows.append(f"| {name} | {one['tried']:,} | {len(one['bad']):,} | {took} |")
    if "kills" in found:
        one = found["kills"]
        tried = one["at_points"] + one["at_random"]
        detail = (
            f"{one['at_points']:,} at writes, fsyncs and renames, {one['at_random']:,} at random"
        )
        rows.append(
            f"| trainings killed and resumed ({detail}) | {tried:,} | {len(one['bad']):,} | |"
        )
    if "soak" in found:
        one = found["soak"]
        rows.append(
            f"| trainings, readings and predictions in one process | {one['rounds']:,} | "
            f"memory grew by {one['growth'] / 1e6:,.1f} MB | |"
        )
    where = f"{found['system']}, Python {found['python']}, one core, {found['date']}"
    return "\n".join([*rows, "", f"Measured on {where}."])
