"""``python -m tests.fuzz``: hours of mutated files, bad command lines, kills and a soak.

``python -m tests.fuzz --report`` prints the figures of the last hunt into docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fuzz.hunt import hunt
from tests.fuzz.kills import kill_and_resume
from tests.fuzz.report import FIGURES, write_report
from tests.fuzz.soak import soak


def main() -> int:
    """Hunt, or report; return 1 where anything was answered badly."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--files", type=int, default=10_000, help="mutated files")
    parser.add_argument("--commands", type=int, default=2_000, help="bad command lines")
    parser.add_argument("--kills", type=int, default=1_000, help="trainings that are killed")
    parser.add_argument("--rounds", type=int, default=300, help="rounds of the soak")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--hours", type=float, default=8.0, help="when to stop")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="where they are kept")
    parser.add_argument("--report", action="store_true", help="only print them into the page")
    args = parser.parse_args()
    if not args.report:
        _hunt(args)
    return write_report(args.figures) if args.report or args.figures == FIGURES else 0


def _hunt(args: argparse.Namespace) -> None:
    deadline = time.monotonic() + 3600 * args.hours
    figures: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    begun = time.monotonic()

    def keep(kind: str, found: Any) -> None:
        figures[kind] = asdict(found)
        figures["seconds"] = round(time.monotonic() - begun)
        args.figures.write_text(json.dumps(figures, indent=1) + "\n")
        bad = len(getattr(found, "bad", []))
        print(f"\r{kind}: {_tried(found)} tried, {bad} badly", end="", file=sys.stderr)

    numbers = lambda n: range(args.first, args.first + n)  # noqa: E731
    keep("commands", hunt("commands", numbers(args.commands), deadline=deadline,
                          each=lambda f: keep("commands", f)))  # fmt: skip
    keep("files", hunt("files", numbers(args.files), deadline=deadline,
                       each=lambda f: keep("files", f)))  # fmt: skip
    keep("kills", kill_and_resume(None, args.kills, deadline=deadline,
                                  each=lambda f: keep("kills", f)))  # fmt: skip
    keep("soak", soak(args.rounds, deadline=deadline, each=lambda f: keep("soak", f)))


def _tried(found: Any) -> int:
    for name in ("tried", "rounds"):
        if hasattr(found, name):
            return int(getattr(found, name))
    return int(found.at_points + found.at_random)


if __name__ == "__main__":
    sys.exit(main())
