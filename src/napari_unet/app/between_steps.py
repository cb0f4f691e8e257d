"""A look at a training from another thread: between two of its events, never within one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BetweenSteps"]

T = TypeVar("T")


class BetweenSteps:
    """Lets other threads have a turn after every event, also while nobody asks for the next."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._is_stepping, self._lookers = False, 0

    def events(self, events: Iterator[T]) -> Iterator[T]:
        """Yield the events; each is made while nobody looks."""
        while True:
            with self._turn:
                self._turn.wait_for(lambda: not self._lookers)
                self._is_stepping = True
            try:
                event = next(events)
            except StopIteration:
                return
            finally:
                with self._turn:
                    self._is_stepping = False
                    self._turn.notify_all()
            yield event

    def look(self, function: Callable[[], T]) -> T:
        """Call a function before the next event, which waits for it; return its result."""
        with self._turn:
            self._lookers += 1
            try:
                self._turn.wait_for(lambda: not self._is_stepping)
                return function()
            finally:
                self._lookers -= 1
                self._turn.notify_all()
