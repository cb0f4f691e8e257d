"""``python -m benchmarks.quality TOOL DATA [--seconds 120 600] [--environments DIR]``.

Trains from scratch with one thread and keeps a point of the curve for each number of processor
seconds; then ``python -m benchmarks.quality.page`` writes docs/quality.md.
"""

from __future__ import annotations

import argparse
import os
import platform
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
os.environ |= ONE_THREAD  # before torch is imported

from benchmarks.quality.results import RESULTS, Course  # noqa: E402
from benchmarks.quality.tools import TOOLS  # noqa: E402


def main() -> None:
    """Measure one tool on one kind of data, and keep every point as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("data", help="hela, u373 or em")
    parser.add_argument("--seconds", type=float, nargs="+", default=[120, 300, 600])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--environments", type=Path, help="where environments.sh made them")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    tool = TOOLS[options.tool]
    if options.data not in tool.tasks:
        parser.error(f"{tool.title} is measured on {', '.join(tool.tasks)}, got {options.data!r}")
    if options.tool != "ours" and options.environments is None:
        parser.error("a peer needs --environments: the folder that environments.sh was given")
    tasks = import_module("benchmarks.quality.tasks").TASKS
    course = Course.begun(options.tool, options.data, options.seed, options.output)
    task, seconds = tasks[options.data], sorted(options.seconds)
    if options.tool == "ours":
        ours = import_module("benchmarks.quality.ours")
        points = ours.train(task, seconds, options.seed)
        versions = {"torch": version("torch")}
    else:
        peers = import_module("benchmarks.quality.peers")
        peer = peers.Peer(options.tool, tool, options.environments)
        points, versions = peer.train(task, seconds, options.seed), peer.versions()
    course.about = {
        "processor": import_module("benchmarks.machine").describe()["processor"],
        "python": platform.python_version(),
        "versions": versions,
    }
    for point in points:
        course.add(point)
        course.write(options.output)
        print(options.tool, options.data, point["seconds"], point["scores"], flush=True)


if __name__ == "__main__":
    main()
