"""``python -m benchmarks.interactive [--data em] [--seeds 0] [--where order] -o FOLDER``.

Trains from an image and nothing else while a simulated annotator paints, and keeps a curve: at
which processor second, with how many strokes, the held-out slices had which score. Processor
seconds are those of this process alone, so that other programs do not count; it uses one thread.

``--where`` says how the annotator comes to its next place: it leafs through the stack in "order",
goes to "random" places, or to the "suggested" ones of *Paint here next*, whose search is part of
the time. "typical" is at random places, too, but paints a class drawn by lot, right or wrong.
"rounds" leafs as well, but paints ten strokes while nothing is trained, trains 120 steps, and so
on. ``--step-seconds`` sets how long a step takes, so that a busy machine gives the same curve.
With ``--table`` the curves of the folder are printed beside one another, and drawn.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

from PIL import Image

from benchmarks.interactive.session import session
from benchmarks.interactive.tables import costs, curves, picture, table
from benchmarks.interactive.tasks import TASKS
from benchmarks.interactive.ways import WAYS


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interactive", description=__doc__)
    parser.add_argument("--data", nargs="+", choices=TASKS, default=["em"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--where", nargs="+", choices=WAYS, default=["order"])
    parser.add_argument("--step-seconds", type=float, default=0, help="0: as it is measured")
    parser.add_argument("--table", action="store_true", help="measure nothing, print and draw")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of your own"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/interactive"))
    options = parser.parse_args()
    if options.table:
        read = curves(options.output)
        print(table(read), costs(read), sep="\n\n")
        Image.fromarray(picture(read)).save(options.output / "curves.png")
        return
    options.output.mkdir(parents=True, exist_ok=True)
    changes = {name: json.loads(value) for name, value in (c.split("=", 1) for c in options.set)}
    for seed, data, where in product(options.seeds, options.data, options.where):
        name = "-".join([data, where, *options.set])
        file = options.output / f"{name}-seed-{seed}.json"
        if not file.exists():
            pace = options.step_seconds
            curve = session(TASKS[data](), seed, options.seconds, where, pace, changes)
            file.write_text(json.dumps(curve, indent=1) + "\n")


if __name__ == "__main__":
    main()
