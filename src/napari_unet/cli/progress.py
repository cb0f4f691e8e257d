"""What the command line shows while it works, and how it is interrupted.

Progress and remarks go to standard error; standard output holds only results.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from napari_unet.base.plain_text import printable
from napari_unet.base.quantities import duration, rate
from napari_unet.cli.streams import remark_stream, say, show_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType, TracebackType

__all__ = [
    "INTERRUPTED",
    "Bar",
    "Interrupted",
    "StopOnInterrupt",
    "closed_after",
    "leaving_at_once",
    "say",
    "show_result",
]

T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818 - no error: the user asked for it
    """The user stopped the work; the text says what was kept and how to go on."""


ENDS = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None
)
"""Ctrl-C, the polite end that batch systems send, and a terminal that was closed."""

INTERRUPTED = 130


class StopOnInterrupt:
    """Context in which the first Ctrl-C asks to stop and the second one stops at once.

    A polite end (SIGTERM), as batch systems send, and a closed terminal (SIGHUP) are taken the
    same way. What is ignored, as under nohup, stays ignored.

    Attributes
    ----------
    requested : bool
        A loop looks at it between two pieces of work.
    """

    def __init__(self) -> None:
        self.requested = False
        self._handlers = _Handlers(ENDS, self._ask)

    def __enter__(self) -> StopOnInterrupt:
        self._handlers.set()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handlers.put_back()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            _leave(number, frame)
        self.requested = True
        say("stopping after this step (once more: at once)")


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Context in which Ctrl-C ends the process, as long as nothing is there to be kept.

    An exception might come up anywhere, in the middle of an import or of another's clean-up, and
    be told as something else. Files are written whole or not at all, so that none is half written.
    """
    handlers = _Handlers((signal.SIGINT,), _leave)
    handlers.set()
    try:
        yield
    finally:
        handlers.put_back()


def _leave(_number: int, _frame: FrameType | None) -> None:
    with suppress(OSError):
        os.write(2, b"napari-unet: stopped\n")
    os._exit(INTERRUPTED)


class _Handlers:
    """Handlers of signals, and those that were there before."""

    def __init__(
        self, numbers: Sequence[int], handler: Callable[[int, FrameType | None], None]
    ) -> None:
        self._numbers, self._handler = numbers, handler
        self._previous: dict[int, Any] = {}

    def set(self) -> None:
        # Only the main thread may set handlers; elsewhere Ctrl-C is not ours to catch.
        if threading.current_thread() is threading.main_thread():
            for number in self._numbers:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._handler)

    def put_back(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


class Bar:
    """Progress on standard error: how far, how fast, how long still.

    A bar on a terminal; elsewhere, as in a log file, a line now and then.

    Parameters
    ----------
    total
        Pieces of work; None: nobody knows.
    unit
        What a piece is called, such as "step".
    done
        Pieces that were done before, by a resumed run.
    """

    SILENT = 30.0  # seconds between two lines in a log file

    def __init__(self, total: int | None, unit: str, done: int = 0):
        self._total, self._unit = total, unit
        self._next_line = 0.0
        self._bar: Any = None
        if remark_stream().isatty():
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # no thread beside the work: this bar is moved by it
            layout = "{unit} {n_fmt}/{total_fmt} |{bar:20}| {desc}"
            if total is None:
                layout = "{unit} {n_fmt} {desc}"
            self._bar = tqdm(
                total=total,
                initial=done,
                unit=unit,
                dynamic_ncols=True,
                bar_format=layout,
                file=remark_stream(),
            )

    def show(self, done: int, seconds_left: float, per_second: float = 0.0, said: str = "") -> None:
        """Show the pieces done so far."""
        parts = [rate(per_second)] if per_second > 0 else []
        parts += [said] if said else []
        if math.isfinite(seconds_left) and (self._total is None or done < self._total):
            parts.append(f"{duration(seconds_left)} left")
        if self._bar is not None:
            self._bar.set_description_str(" · ".join(parts), refresh=False)
            self._bar.update(done - self._bar.n)
        elif time.monotonic() >= self._next_line or done == self._total:
            self._next_line = time.monotonic() + self.SILENT
            of = "" if self._total is None else f"/{self._total}"
            say(" · ".join([f"{self._unit} {done}{of}", *parts]))

    def say(self, text: str) -> None:
        """Print a remark above the bar."""
        if self._bar is None:
            say(text)
        else:
            self._bar.write(printable(text), file=remark_stream())

    def resize(self, total: int) -> None:
        """Change the number of pieces."""
        self._total = total
        if self._bar is not None:
            self._bar.total = total

    def close(self) -> None:
        """Draw the bar a last time."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()


@contextmanager
def closed_after(work: Iterator[T]) -> Iterator[Iterator[T]]:
    """Close a generator at the end of a block, so that it cleans up at once."""
    try:
        yield work
    finally:
        close = getattr(work, "close", None)
        if close is not None:
            close()
