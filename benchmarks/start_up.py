"""Start-up: the help, and the first training step.

In fresh processes: ``napari-unet --help`` from call to end, and
``napari-unet train isbi2012-em`` (or the synthetic stack) from call to the end of the first step,
with the choice of precision remembered, and on the very first time, when it is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.result import Line, Result
from benchmarks.timing import spread, timed
from napari_unet.datasets import registry as datasets

__all__ = ["run"]

HELP = "import sys; from napari_unet.cli import main; sys.exit(main(['--help']))"
TRAIN = """
import os, sys
from napari_unet.cli import main, train
show = train.Monitor.show
def until_the_first_step(self, event):
    show(self, event)
    if type(event).__name__ == "Step":
        os._exit(0)
train.Monitor.show = until_the_first_step
sys.exit(main(["train", sys.argv[1], "-o", sys.argv[2]]))
"""


def run(quick: bool) -> Result:
    """Start each several times."""
    repeats = 2 if quick else 5
    _start(HELP)
    shown = spread([timed(lambda: _start(HELP)) for _ in range(repeats)])
    lines = [Line("napari-unet --help", shown.median, "s", shown.low, shown.high, at_most=0.3)]
    name = "isbi2012-em" if datasets.path("isbi2012-em") else "synthetic"
    with tempfile.TemporaryDirectory() as cache:
        first = _first_step(name, cache)
        later = spread([_first_step(name, cache) for _ in range(repeats)])
    lines += [
        Line(
            f"first step of napari-unet train {name}",
            later.median,
            "s",
            later.low,
            later.high,
            at_most=5.0,
        ),
        Line("the same on the very first time, the probe included", first, "s", at_most=8.0),
    ]
    return Result("", lines)


def _first_step(name: str, cache: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        _start(TRAIN, name, str(Path(folder) / "run"), cache=cache)
        return time.perf_counter() - begun


def _start(program: str, *arguments: str, cache: str | None = None) -> None:
    environment = dict(os.environ)
    if cache is not None:
        environment["XDG_CACHE_HOME"] = cache
    subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        check=True,
    )
