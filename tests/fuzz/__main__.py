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
from functools import partial
from pathlib import Path
from typing import Any

from napari_unet.base.atomic_files import write_atomically
from tests.fuzz.hunt import hunt
from tests.fuzz.kills import kill_and_resume
from tests.fuzz.report import FIGURES, write_report
from tests.fuzz.soak import soak


def main() -> int:
    """Hunt, or report; return 1 where anything was answered badly."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--files", type=int, default=10_000, help="mutated files")
    parser.add_argument("--commands", type=int, default=2_000, help="bad command lines")
    parser.add_argument("--kills", type=int, default=600, help="kills at random, besides")
    parser.add_argument("--rounds", type=int, default=300, help="rounds of the soak")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--hours", type=float, default=8.0, help="when to stop")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="where they are kept")
    parser.add_argument("--only", nargs="+", choices=("commands", "files", "kills", "soak"))
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
        write_atomically(args.figures, (json.dumps(figures, indent=1) + "\n").encode())
        bad = len(getattr(found, "bad", []))
        print(f"\r{kind}: {_tried(found)} tried, {bad} badly", end="", file=sys.stderr)

    numbers = range(args.first, args.first + max(args.files, args.commands))
    hunts = {
        "commands": lambda **kw: hunt("commands", numbers[: args.commands], **kw),
        "files": lambda **kw: hunt("files", numbers[: args.files], **kw),
        "kills": lambda **kw: kill_and_resume(None, args.kills, **kw),
        "soak": lambda **kw: soak(args.rounds, **kw),
    }
    for kind in args.only or hunts:
        keep(kind, hunts[kind](each=partial(keep, kind), deadline=deadline))
        print(file=sys.stderr)


def _tried(found: Any) -> int:
    for name in ("tried", "rounds"):
        if hasattr(found, name):
            return int(getattr(found, name))
    return int(found.at_points + found.at_random)


if __name__ == "__main__":
    sys.exit(main())
