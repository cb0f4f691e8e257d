"""Sends cases to a worker, watches its time and memory, and keeps count."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Tally", "hunt"]

MOST_SECONDS = 10.0  # of the processor, for one case
MOST_WAITING = 120.0  # by the clock, without any work of the processor
MOST_BYTES = 2 * 10**9
LONG, HANGS = f"more than {MOST_SECONDS:g} seconds", "it hangs"
SLOW = (LONG, HANGS)
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Tally:
    """How many cases were tried, and those that were answered badly.

    Attributes
    ----------
    tried
        All of them.
    refused
        Those answered by a sentence; the others were done.
    bad
        One entry for each bad answer.
    most_seconds, most_bytes
        Of any single case, and of the process.
    """

    tried: int = 0
    refused: int = 0
    bad: list[dict[str, Any]] = field(default_factory=list)
    most_seconds: float = 0.0
    most_bytes: int = 0


def hunt(
    kind: str,
    numbers: Iterable[int],
    *,
    each: Callable[[Tally], object] | None = None,
    deadline: float | None = None,
) -> Tally:
    """Try cases of a kind, "files" or "commands", one after the other.

    Parameters
    ----------
    kind, numbers
        Which cases.
    each
        Called after every case.
    deadline
        In `time.monotonic` seconds; no case begins later.
    """
    from tests.fuzz.world import build

    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder)
        build(world)
        worker = _Worker(world, kind)
        try:
            for number in numbers:
                if deadline is not None and time.monotonic() > deadline:
                    break
                answer = worker.ask(number)
                if answer.get("why") in SLOW:  # the machine may have had no time for it
                    answer = worker.ask(number)
                tally.tried += 1
                tally.refused += answer.get("code") == 2
                tally.most_seconds = max(tally.most_seconds, answer.get("seconds", 0.0))
                tally.most_bytes = max(tally.most_bytes, worker.bytes())
                if not answer["good"]:
                    tally.bad.append(answer)
                if each is not None:
                    each(tally)
        finally:
            worker.end()
    return tally


class _Worker:
    def __init__(self, world: Path, kind: str) -> None:
        self._arguments = [sys.executable, "-m", "tests.fuzz.worker", str(world), kind]
        self._begin()

    def _begin(self) -> None:
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": os.pathsep.join((str(CHECKOUT), os.environ.get("PYTHONPATH", ""))),
        }  # fmt: skip
        self._process = subprocess.Popen(
            self._arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=CHECKOUT, env=environment,
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self._process, self._lines))
        self._reader.start()
        self._watched = psutil.Process(self._process.pid)
        self._cases = 0

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                lines.put(line)
        lines.put("")

    def ask(self, number: int) -> dict[str, Any]:
        """Try one case; a worker that takes too much is ended, and the case is bad."""
        if self._process.poll() is not None:
            self.end()
            self._begin()
        self._cases += 1
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        begun: dict[str, Any] = {}
        start = 0.0
        worked, seen = time.monotonic(), 0.0  # when the processor was last seen at work
        while True:
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                line = None
            if line == "":
                return {**begun, "number": number, "good": False, "why": "the process died"}
            if line:
                found: dict[str, Any] = json.loads(line)
                if "begun" not in found:
                    found["seconds"] = self._seconds() - start if begun else 0.0
                    return found
                begun, start = found, self._seconds()
                continue
            if self._seconds() > seen or self._wants_to_work():
                worked, seen = time.monotonic(), self._seconds()
            why = self._too_much(start if begun and self._cases > 3 else None)
            if why or time.monotonic() > worked + MOST_WAITING:
                self.end()
                return {**begun, "number": number, "good": False, "why": why or HANGS}

    def _too_much(self, start: float | None) -> str:
        if self.bytes() > MOST_BYTES:
            return f"{self.bytes()} bytes of memory"
        if start is not None and self._seconds() - start > MOST_SECONDS:
            return LONG
        return ""

    def _seconds(self) -> float:
        try:
            times = self._watched.cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def _wants_to_work(self) -> bool:
        """Whether the worker only waits for other programs, which hold the machine."""
        try:
            return bool(self._watched.status() == psutil.STATUS_RUNNING)
        except psutil.Error:
            return False

    def bytes(self) -> int:
        """Memory of the worker now."""
        try:
            return int(self._watched.memory_info().rss)
        except psutil.Error:
            return 0

    def end(self) -> None:
        """End the worker."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
