"""``python -m benchmarks [NAME …] [--quick] [-o DIR]``: measure, keep, report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.drawing import draw
from benchmarks.machine import describe, load
from benchmarks.page import NAMES, described, page, table
from benchmarks.result import Result
from napari_unet.base.kept_memory import kept_heap, share_one_heap


def main() -> int:
    """Run the comparisons asked for; 1 when a target is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure against peers and against the limit of this machine.",
        epilog="\n".join(f"{name:12s} {described(name)[0]}" for name in NAMES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="comparisons; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes and few repeats")
    parser.add_argument("--report", action="store_true", help="only draw what was measured before")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmark-results"))
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no comparison {', '.join(unknown)}: choose of {', '.join(NAMES)}")
    file = options.output / "performance.json"
    share_one_heap()
    if not options.report:
        for name in options.names or NAMES:
            _keep(file, name, _measure(name, options.quick))
    machine, results = _read(file)
    shown = {n: r for n, r in results.items() if options.report or n in (options.names or NAMES)}
    print(table(shown))
    _report(options.output, machine, results)
    return 0 if all(line.kept is not False for r in shown.values() for line in r.lines) else 1


def _measure(name: str, quick: bool) -> Result:
    print(f"{name}: {described(name)[0]} …", file=sys.stderr, flush=True)
    before, begun = load(), time.perf_counter()
    module = import_module(f"benchmarks.{name}")
    with kept_heap():  # as in every training and prediction; peers have it too
        result: Result = module.run(quick)
    result.about = {
        "seconds": round(time.perf_counter() - begun, 1),
        "load_before": before,
        "load_after": load(),
        "quick": quick,
    }
    return result


def _keep(file: Path, name: str, result: Result) -> None:
    """Add one result to those measured before."""
    _, results = _read(file) if file.exists() else ({}, {})
    results[name] = result
    plain = {
        "machine": describe(),
        "results": {n: results[n].to_dict() for n in NAMES if n in results},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _read(file: Path) -> tuple[dict[str, object], dict[str, Result]]:
    if not file.exists():
        raise SystemExit(f"{file} is not there: measure first, without --report")
    plain = json.loads(file.read_text(encoding="utf-8"))
    return plain["machine"], {n: Result.from_dict(r) for n, r in plain["results"].items()}


def _report(folder: Path, machine: dict[str, object], results: dict[str, Result]) -> None:
    picture = draw(results, folder / "images" / "performance.png")
    text = page(machine, results, str(picture.relative_to(folder).as_posix()))
    (folder / "performance.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
