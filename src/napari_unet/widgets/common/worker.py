"""Run a generator of events in a thread and bring its events to the window.

One plain thread per worker, not the shared pool: a training that lasts an
hour must not keep napari's own short tasks waiting. The thread only puts events
into a queue; a timer in the window's thread takes them out, so every signal is
emitted in the window's thread, a few times a second.
"""

from __future__ import annotations

import logging
import threading
import traceback
import warnings
from collections import deque
from contextlib import contextmanager
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication, QWidget

from napari_unet.base.errors import DeviceError, UNetError
from napari_unet.widgets.common.garbage import Garbage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["UnexpectedError", "Worker", "once", "stop_with_window"]

log = logging.getLogger("napari_unet")

PERIOD = 120  # ms between deliveries to the window
BUDGET = 0.012  # s that one delivery may take before the window gets its turn
BACKLOG = 64  # events kept before the thread waits for the window
PATIENCE = 20.0  # s that a closing window waits for the thread


class UnexpectedError(UNetError):
    """A failure of the computation that nobody foresaw."""


def is_step(event: object) -> bool:
    """Tell whether only the latest of several such events matters (``train.Step``)."""
    return type(event).__name__ == "Step"


def once(function: Callable[[], object]) -> Callable[[], Iterator[object]]:
    """Make a generator function of a plain one: its result is the only event."""

    def generate() -> Iterator[object]:
        yield function()

    return generate


class Worker(QObject):
    """Consume a generator in a thread of its own.

    All signals are emitted in the thread that made the worker. ``finished``
    comes last, exactly once, whatever happened.

    Parameters
    ----------
    generate
        Called in the thread; returns the iterator. Import torch inside.
    prepare
        Called in the thread before ``generate`` (for example to limit torch's threads).
    on_pause
        Called in the thread when it pauses (for example to release the device's memory).
    latest_only
        Of consecutive events for which this is true, the window gets the last one.
    period
        ms between deliveries; shorter where somebody waits for one short answer.
    """

    yielded = Signal(object)
    """Every event, in order; see ``latest_only``."""
    drained = Signal()
    """After the events that were waiting: the moment to refresh what is shown."""
    warned = Signal(str)
    """The text of a warning raised in the thread."""
    paused = Signal()
    resumed = Signal()
    returned = Signal(object)
    """The generator's return value; not after ``stop``."""
    errored = Signal(object)
    """The exception; never a RuntimeError."""
    finished = Signal()

    running: ClassVar[set[Worker]] = set()
    """Workers between ``start`` and ``finished``; keeps them alive."""

    def __init__(
        self,
        generate: Callable[[], Iterable[Any]],
        *,
        prepare: Callable[[], object] | None = None,
        on_pause: Callable[[], object] | None = None,
        latest_only: Callable[[object], bool] = is_step,
        period: int = PERIOD,
    ) -> None:
        super().__init__()
        self._generate, self._prepare, self._on_pause = generate, prepare, on_pause
        self._latest_only, self._period = latest_only, period
        self._changed = threading.Condition()
        self._queue: deque[tuple[str, Any]] = deque()
        self._stop = self._pause = self._ended = self._silent = False
        self._thread = threading.Thread(target=self._work, name="napari-unet", daemon=True)
        self._timer = QTimer(self)
        self._timer.setInterval(period)
        self._timer.timeout.connect(self._deliver)

    # -- in the window's thread -------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        Worker.running.add(self)
        self._garbage = Garbage()
        self._timer.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop before the next event, also while paused; the generator is closed."""
        self._set(stop=True)

    def pause(self) -> None:
        """Wait after the current event until ``resume`` or ``stop``."""
        self._set(pause=True)

    def resume(self) -> None:
        """Go on after ``pause``."""
        self._set(pause=False)

    @property
    def is_running(self) -> bool:
        """True from ``start`` until just before ``finished``."""
        return self in Worker.running

    def wait(self, seconds: float = PATIENCE) -> bool:
        """Wait until the thread has ended, then emit what is left.

        Returns
        -------
        bool
            False when the thread is still busy after ``seconds``.
        """
        deadline = monotonic() + seconds
        while self._thread.is_alive() and monotonic() < deadline:
            self._thread.join(0.02)
            with self._changed:  # a full queue must not keep the thread from ending
                self._changed.notify_all()
            self._deliver()
        while self.is_running and not self._thread.is_alive():
            self._deliver()
        return not self.is_running

    def abandon(self) -> None:
        """Stop, and emit nothing but ``finished``: the answer is not wanted any longer."""
        self._silent = True
        self.stop()

    def shut(self, seconds: float = PATIENCE) -> bool:
        """Stop for good, silently: nobody is left to hear. Bounded, as ``wait``."""
        self.blockSignals(True)
        self.stop()
        return self.wait(seconds)

    def _set(self, *, stop: bool | None = None, pause: bool | None = None) -> None:
        with self._changed:
            self._stop = self._stop if stop is None else stop
            self._pause = self._pause if pause is None else pause
            self._changed.notify_all()

    def _deliver(self) -> None:
        deadline = perf_counter() + BUDGET
        delivered = False
        while (item := self._take()) is not None:
            name, values = item
            if self._silent:
                continue
            delivered = True
            getattr(self, name).emit(*values)
            if perf_counter() > deadline:
                break
        if delivered:
            self.drained.emit()
        with self._changed:
            waiting, ended = bool(self._queue), self._ended
        self._timer.setInterval(1 if waiting else self._period)
        if ended and not waiting and self.is_running:
            self._timer.stop()
            Worker.running.discard(self)
            self._garbage.end()
            self.finished.emit()

    def _take(self) -> tuple[str, Any] | None:
        with self._changed:
            item = self._queue.popleft() if self._queue else None
            self._changed.notify_all()
        return item

    # -- in the worker's thread -------------------------------------------------------------

    def _put(self, name: str, *values: object, wait: bool = False) -> None:
        with self._changed:
            while wait and len(self._queue) >= BACKLOG and not self._stop:
                self._changed.wait()
            last = self._queue[-1] if self._queue else ("", ())
            if name == last[0] == "yielded" and all(map(self._latest_only, values + last[1])):
                self._queue.pop()
            self._queue.append((name, values))

    def _work(self) -> None:
        try:
            with _warnings_to(self._warn):
                self._consume()
        except BaseException as error:  # also SystemExit: a thread has nobody to tell
            self._put("errored", _for_user(error))
        finally:
            # Whatever the generator holds (a model, gigabytes) goes before anybody is told.
            self._generate = self._prepare = self._on_pause = None  # type: ignore[assignment]
            with self._changed:
                self._ended = True

    def _warn(self, text: str) -> None:
        self._put("warned", text)

    def _consume(self) -> None:
        if self._prepare is not None:
            self._prepare()
        events = iter(self._generate())
        try:
            while self._may_go_on():
                try:
                    event = next(events)
                except StopIteration as end:
                    self._put("returned", end.value)
                    return
                self._put("yielded", event, wait=True)
                del event
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()

    def _should_wait(self) -> bool:
        return self._pause and not self._stop

    def _may_go_on(self) -> bool:
        """Wait while paused; False once stopped."""
        if self._should_wait():
            if self._on_pause is not None:
                self._on_pause()
            self._put("paused")
            with self._changed:
                while self._should_wait():
                    self._changed.wait()
            self._put("resumed")
        return not self._stop


def _for_user(error: BaseException) -> Exception:
    """Log the traceback, free what its frames hold, and return an exception that Qt cannot eat."""
    if not isinstance(error, UNetError):
        log.error("the computation failed", exc_info=error)
    text = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    told: Exception
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        told = DeviceError(
            f"expected enough memory for this tile and batch, but it ran out ({text}): choose a "
            "smaller tile or batch under Advanced, or close other programs that use the device."
        )
    elif isinstance(error, Exception) and not isinstance(error, RuntimeError):
        told = error
    else:
        told = UnexpectedError(f"the computation failed unexpectedly: {text}.")
    told.__cause__ = error if told is not error else error.__cause__
    for one in (error, error.__cause__, error.__context__):
        if one is not None and one.__traceback__ is not None:
            traceback.clear_frames(one.__traceback__)
    return told


# -- warnings -------------------------------------------------------------------------------
# warnings.catch_warnings in a thread changes the whole process, and two workers that overlap
# would leave one another's hook behind. So one hook, by thread, while any worker runs.

_receivers: dict[int, Callable[[str], None]] = {}
_lock = threading.Lock()
_shown_before: Callable[..., None] = warnings.showwarning


def _show_warning(
    message: Warning | str, category: type[Warning], *where: Any, **more: Any
) -> None:
    receive = _receivers.get(threading.get_ident())
    if receive is None:
        _shown_before(message, category, *where, **more)
    else:
        receive(str(message))


@contextmanager
def _warnings_to(receive: Callable[[str], None]) -> Iterator[None]:
    """Send the warnings of this thread to ``receive``; those of others go where they went."""
    global _shown_before
    with _lock:
        if warnings.showwarning is not _show_warning:
            _shown_before = warnings.showwarning
            warnings.showwarning = _show_warning
        _receivers[threading.get_ident()] = receive
    try:
        yield
    finally:
        with _lock:
            del _receivers[threading.get_ident()]
            if not _receivers and warnings.showwarning is _show_warning:
                warnings.showwarning = _shown_before


# -- the end --------------------------------------------------------------------------------


class _Closing(QObject):
    """Notices when a window is really closed; a question may still cancel a user's click on X."""

    def __init__(self, window: QWidget, shut: Callable[[], object]) -> None:
        super().__init__(window)
        self._shut = shut
        self._asked = False
        window.installEventFilter(self)

    def eventFilter(  # noqa: N802 (Qt's name)
        self,
        watched: QObject,  # noqa: ARG002 (Qt's signature)
        event: QEvent,
    ) -> bool:
        """Qt's hook; never swallows the event."""
        if event.type() == QEvent.Type.Close:
            self._asked = True
            if not event.spontaneous():
                self._shut()
        elif event.type() == QEvent.Type.Hide and self._asked and not event.spontaneous():
            self._shut()
        return False


def stop_with_window(worker: Worker, widget: QWidget) -> None:
    """Stop ``worker`` when the window of ``widget`` closes or the program ends, and wait for it.

    The wait is bounded; a generator that is closed within it has saved its work.
    """
    window = widget.window()
    closing = _Closing(window, worker.shut)
    worker.finished.connect(closing.deleteLater)
    application = QApplication.instance()
    if application is not None:
        application.aboutToQuit.connect(worker.shut)
