"""What the command line shows while it works, and how it is interrupted.

Progress and remarks go to standard error; standard output holds only results.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from napari_unet.base.quantities import duration, rate

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from types import FrameType, TracebackType

__all__ = ["Bar", "Interrupted", "StopOnInterrupt", "closed_after", "say", "show_result"]

T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818 - no error: the user asked for it
    """The user stopped the work; the text says what was kept and how to go on."""


class StopOnInterrupt:
    """Context in which the first Ctrl-C asks to stop and the second one stops at once.

    A polite end (SIGTERM), as batch systems send, is taken the same way.

    Attributes
    ----------
    requested : bool
        A loop looks at it between two pieces of work.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopOnInterrupt:
        # Only the main thread may set handlers; elsewhere Ctrl-C is not ours to catch.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        say("stopping after this step (once more: at once)")


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
        if sys.stderr.isatty():
            from tqdm import tqdm

            layout = "{unit} {n_fmt}/{total_fmt} |{bar:20}| {desc}"
            if total is None:
                layout = "{unit} {n_fmt} {desc}"
            self._bar = tqdm(
                total=total, initial=done, unit=unit, dynamic_ncols=True, bar_format=layout
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
            self._bar.write(text, file=sys.stderr)

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


def say(text: str) -> None:
    """Print a remark on standard error."""
    print(text, file=sys.stderr, flush=True)


def show_result(args: Namespace, *lines: str) -> None:
    """Print a result for people: on standard output, which ``--json`` keeps for machines."""
    print(*lines, sep="\n", file=sys.stderr if args.json else sys.stdout, flush=True)
