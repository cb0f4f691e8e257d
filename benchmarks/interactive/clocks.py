"""Times of a simulated session: as this process takes them, or a set time for every step."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Clock", "SetPace"]

WINDOW = 0.4
"""Of a step: two passes over a window, where a step takes twelve over smaller tiles."""

EVERY = 5
"""Steps from one window to the next, at the share of the time that a search gets."""


class Clock:
    """Processor seconds, without those of measuring."""

    def __init__(self) -> None:
        self._begun = time.process_time()

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.process_time() - self._begun

    def stepped(self) -> None:
        """A step is done."""

    def wait(self, seconds: float) -> None:
        """Let time pass in which nothing is computed."""
        self._begun -= seconds

    def may_search(self) -> bool | None:
        """Whether a window may be looked at now; None: as its own clock says."""
        return None

    def searched(self) -> None:
        """A window was looked at."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count what is done within."""
        begun = time.process_time()
        yield
        self._begun += time.process_time() - begun


class SetPace(Clock):
    """Every step takes the same time, so that a busy machine gives the same curve."""

    def __init__(self, seconds: float) -> None:
        self._step, self._now, self._steps = seconds, 0.0, 0

    def now(self) -> float:
        """Seconds since the beginning."""
        return self._now

    def stepped(self) -> None:
        """A step is done."""
        self._now += self._step
        self._steps += 1

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds

    def may_search(self) -> bool:
        """Every few steps."""
        return self._steps % EVERY == 0

    def searched(self) -> None:
        """A window was looked at."""
        self._now += WINDOW * self._step

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time stands still anyway."""
        yield
