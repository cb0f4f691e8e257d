"""A peer, trained and asked in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.exchange import Request, points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.quality.tasks import Task
    from benchmarks.quality.tools import Tool

__all__ = ["Peer"]

HERE = Path(__file__).parent
LOOK_EVERY = 2.0  # s


class Peer:
    """One of the peers.

    Parameters
    ----------
    name
        Key of `benchmarks.quality.tools.TOOLS`: its script is ``with_NAME.py``.
    tool
        What there is to know of it.
    environments
        The folder that ``environments.sh`` filled.
    """

    def __init__(self, name: str, tool: Tool, environments: Path) -> None:
        self.script, self.tool = HERE / f"with_{name}.py", tool
        self.python = environments.resolve() / name / "bin" / "python"
        if not self.python.exists():
            sys.exit(f"{self.python} is not there: bash {HERE / 'environments.sh'} DIR {name}")

    def versions(self) -> dict[str, str]:
        """Return the versions of what it is made of."""
        code = "import json, sys; from importlib.metadata import version as v\n"
        code += "print(json.dumps({name: v(name) for name in sys.argv[1:]}))"
        command = [self.python, "-c", code, *self.tool.packages]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found: dict[str, str] = json.loads(done.stdout)
        return found

    def train(self, task: Task, seconds: Sequence[float], seed: int) -> Iterator[dict[str, Any]]:
        """Train, and yield each point of the curve as soon as it is predicted."""
        stack = task.train()
        slices = stack.labelled_slices
        with tempfile.TemporaryDirectory() as place:
            folder, known = Path(place), set[float]()
            images = np.stack([stack.image_plane(i)[0] for i in slices])
            labels = np.stack([stack.label_plane(i) for i in slices])
            if not task.has_objects:
                labels = (labels > 0).astype(np.uint8)
            Request(images, labels, task.test(), seconds, seed).write(folder)
            running = subprocess.Popen([self.python, "-u", self.script, folder])
            try:
                while running.poll() is None or len(known) < len(seconds):
                    ended = running.poll()
                    for point, found in points(folder, known):
                        yield {**point, "scores": {"plain": task.scores(found)}}
                    if ended is not None:
                        break
                    time.sleep(LOOK_EVERY)
            finally:
                if running.poll() is None:
                    running.kill()
        if running.returncode or len(known) < len(seconds):
            sys.exit(f"{self.script.name} ended before its last point; what it said is above")
