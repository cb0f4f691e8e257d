"""Short computations that follow controls: the latest request counts, the others are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_unet.widgets.common.worker import Worker, once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_unet.widgets.common.dock import Dock

__all__ = ["Latest"]

PERIOD = 15  # ms until an answer reaches the window


class Latest(QObject):
    """Runs one function at a time in the background, always the one asked for last.

    Parameters
    ----------
    dock
        The dock it works for, and ends with.
    """

    done = Signal(object)
    """The result of a function, or an event of a generator."""
    failed = Signal(object)
    """The exception of either."""

    def __init__(self, dock: Dock) -> None:
        super().__init__(dock)
        self._dock = dock
        self._worker: Worker | None = None
        self._next: Callable[[], Iterable[object]] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is computed, or waits for it."""
        return self._worker is not None

    def request(self, function: Callable[[], object]) -> None:
        """Compute this as soon as what is being computed is done."""
        self._next = once(function)
        if self._worker is None:
            self._begin()

    def follow(self, generate: Callable[[], Iterable[object]]) -> None:
        """Run a generator, every event of which is a result; what runs is stopped for it."""
        self._next = generate
        if self._worker is None:
            self._begin()
        else:
            self._worker.abandon()

    def cancel(self) -> None:
        """Want nothing any more."""
        self._next = None
        if self._worker is not None:
            self._worker.abandon()

    def _begin(self) -> None:
        generate, self._next = self._next, None
        if generate is None:
            return
        self._worker = Worker(generate, period=PERIOD)
        self._worker.yielded.connect(self.done)
        self._worker.errored.connect(self.failed)
        self._worker.finished.connect(self._on_finished)
        self._dock.run(self._worker)

    def _on_finished(self) -> None:
        self._worker = None
        self._begin()
