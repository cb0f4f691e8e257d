"""How long things took on this computer, so that the same thing can be estimated the next time.

Only the same task compares: what a task is called names all that its time depends on, such as
device, network and tile. Where nothing compares there is no estimate, which is better than a
wrong one.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path

import platformdirs

__all__ = ["MeasuredTimes"]

VERSION = 1  # of the file; others are not read
MOST = 500
"""Tasks that are kept; the oldest go first."""


class MeasuredTimes:
    """Seconds that pieces of work took, by the name of the task.

    Parameters
    ----------
    file : Path, optional
        Where they are remembered; in the platform's cache folder by default. A file that cannot
        be read or written is no error: nothing is known then.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or Path(platformdirs.user_cache_dir("napari-unet")) / "times.json"

    def remember(self, task: str, seconds: float) -> None:
        """Keep how long one piece took; what is not a time is not kept.

        Parameters
        ----------
        task : str
            All that the time depends on.
        seconds : float
            Of one piece, such as a step or a slice.
        """
        if not (math.isfinite(seconds) and seconds > 0):
            return
        known = self._read()
        known.pop(task, None)  # the newest is the last
        known[task] = seconds
        kept = dict(list(known.items())[-MOST:])
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._file.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps({"version": VERSION, "seconds": kept}), encoding="utf-8")
            beside.replace(self._file)

    def seconds(self, task: str, pieces: float) -> float | None:
        """Estimate the time of so many pieces; None where the same task was never measured."""
        each = self._read().get(task)
        return None if each is None else pieces * each

    def _read(self) -> dict[str, float]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            if content["version"] != VERSION:
                return {}
            found = dict(content["seconds"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return {
            str(task): float(seconds)
            for task, seconds in found.items()
            if isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0
        }
