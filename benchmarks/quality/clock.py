"""Processor seconds of a training, with what does not count left out.

Imported by the scripts of the peers too, in environments without this project: it needs nothing.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Clock"]


class Clock:
    """Seconds that this process has computed, all of its threads together.

    Other programs on the computer do not count, though they slow the memory down. The clock
    begins to run when it is made.
    """

    def __init__(self) -> None:
        self._begun = time.process_time()

    @property
    def seconds(self) -> float:
        """Processor seconds until now."""
        return time.process_time() - self._begun

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out what happens inside: measuring is not training."""
        before = time.process_time()
        try:
            yield
        finally:
            self._begun += time.process_time() - before
