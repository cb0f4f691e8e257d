"""How long things took on this computer, so that the same thing can be estimated the next time.

Only the same task compares: what a task is called names all that its time depends on, such as
device, network and tile. Where nothing compares there is no estimate, which is better than a
wrong one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_unet.base.kept_answers import KeptAnswers
from napari_unet.base.places import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MeasuredTimes"]

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
        self._kept = KeptAnswers(file or cache_folder() / "times.json", float, MOST)

    def remember(self, task: str, seconds: float) -> None:
        """Keep how long one piece took; what is not a time is not kept.

        Parameters
        ----------
        task : str
            All that the time depends on.
        seconds : float
            Of one piece, such as a step or a slice.
        """
        if math.isfinite(seconds) and seconds > 0:
            self._kept.put(task, float(seconds))

    def seconds(self, task: str, pieces: float) -> float | None:
        """Estimate the time of so many pieces; None where the same task was never measured."""
        each = self._kept.get(task)
        return pieces * each if each is not None and 0 < each < math.inf else None
