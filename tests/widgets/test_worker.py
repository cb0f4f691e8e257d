"""The worker: nothing is lost, nothing hangs, whatever the generator does."""

from __future__ import annotations

import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
from qtpy.QtWidgets import QWidget

from napari_unet.base.errors import DeviceError, InputError, UNetError
from napari_unet.widgets.common import worker as module
from napari_unet.widgets.common.worker import UnexpectedError, Worker, once, stop_with_window

from .conftest import pump, until


@dataclass(frozen=True)
class Step:
    step: int


@dataclass(frozen=True)
class Validated:
    step: int


class Log:
    """Everything a worker emitted, in order; a plain object with bound methods."""

    def __init__(self, worker: Worker) -> None:
        self.told: list[tuple[str, Any]] = []
        self.threads: set[int] = set()
        worker.yielded.connect(self.on_yielded)
        worker.errored.connect(self.on_errored)
        worker.warned.connect(self.on_warned)
        worker.returned.connect(self.on_returned)
        worker.paused.connect(self.on_paused)
        worker.resumed.connect(self.on_resumed)
        worker.finished.connect(self.on_finished)

    def add(self, name: str, value: Any = None) -> None:
        self.told.append((name, value))
        self.threads.add(threading.get_ident())

    def on_yielded(self, event: Any) -> None:
        self.add("yielded", event)

    def on_errored(self, error: Any) -> None:
        self.add("errored", error)

    def on_warned(self, text: str) -> None:
        self.add("warned", text)

    def on_returned(self, value: Any) -> None:
        self.add("returned", value)

    def on_paused(self) -> None:
        self.add("paused")

    def on_resumed(self) -> None:
        self.add("resumed")

    def on_finished(self) -> None:
        self.add("finished")

    def named(self, name: str) -> list[Any]:
        return [value for one, value in self.told if one == name]


class Endless:
    """A generator that steps until it is closed, and says so."""

    def __init__(self, pause: float = 0.002) -> None:
        self.steps = 0
        self.closed = False
        self.seconds = pause

    def __call__(self):
        try:
            while True:
                self.steps += 1
                time.sleep(self.seconds)
                yield Step(self.steps)
        finally:
            self.closed = True


def run(generate: Any, **options: Any) -> tuple[Worker, Log]:
    worker = Worker(generate, **options)
    log = Log(worker)
    worker.start()
    return worker, log


def finish(generate: Any, **options: Any) -> Log:
    worker, log = run(generate, **options)
    until(lambda: not worker.is_running)
    return log


@pytest.fixture(autouse=True)
def _application(qapp: Any) -> None:
    """Workers need an event loop."""


def test_events_arrive_in_order_then_the_value_then_the_end():
    def generate():
        yield "a"
        yield "b"
        return 7

    log = finish(generate)
    assert log.told == [
        ("yielded", "a"),
        ("yielded", "b"),
        ("returned", 7),
        ("finished", None),
    ]


def test_everything_is_emitted_in_the_thread_of_the_window():
    seen: list[int] = []

    def generate():
        seen.append(threading.get_ident())
        yield 1

    log = finish(generate, prepare=lambda: seen.append(threading.get_ident()))
    assert log.threads == {threading.get_ident()}
    assert len(set(seen)) == 1
    assert seen[0] != threading.get_ident()


def test_of_many_steps_the_window_gets_a_few_and_always_the_last():
    def generate():
        for k in range(5000):
            yield Step(k)
        yield Validated(4999)
        for k in range(5000, 6000):
            yield Step(k)

    log = finish(generate)
    got = log.named("yielded")
    assert len(got) < 100
    assert got[-1] == Step(5999)
    assert got[got.index(Validated(4999)) - 1] == Step(4999)
    assert [e.step for e in got] == sorted(e.step for e in got)


def test_no_event_but_steps_is_dropped_and_the_backlog_is_bounded():
    made = []

    def generate():
        for k in range(1000):
            made.append(k)
            yield Validated(k)

    worker, log = run(generate)
    time.sleep(0.3)  # the window is busy: the thread must wait for it
    assert len(made) <= module.BACKLOG + 2
    until(lambda: not worker.is_running)
    assert [e.step for e in log.named("yielded")] == list(range(1000))


def test_a_flood_of_events_leaves_the_window_its_turn():
    class Slow(Log):
        def on_yielded(self, event: Any) -> None:
            time.sleep(0.004)
            super().on_yielded(event)

    worker = Worker(lambda: (Validated(k) for k in range(200)))
    log = Slow(worker)
    gaps, last = [], [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        gaps.append(now - last[0])
        last[0] = now

    from qtpy.QtCore import QTimer

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(5)
    worker.start()
    until(lambda: not worker.is_running)
    timer.stop()
    assert len(log.named("yielded")) == 200
    assert sorted(gaps)[int(len(gaps) * 0.95)] < 0.05


def test_stop_closes_the_generator_within_one_step():
    endless = Endless()
    worker, log = run(endless)
    until(lambda: endless.steps > 5)
    worker.stop()
    at = endless.steps
    until(lambda: not worker.is_running)
    assert endless.closed
    assert endless.steps <= at + 2
    assert log.told[-1] == ("finished", None)
    assert not log.named("returned")
    assert not log.named("errored")


def test_pause_holds_between_two_steps_and_resume_goes_on():
    endless, released = Endless(), []
    worker, log = run(endless, on_pause=lambda: released.append(threading.get_ident()))
    until(lambda: endless.steps > 3)
    worker.pause()
    until(lambda: log.named("paused"))
    at = endless.steps
    pump(0.2)
    assert endless.steps == at
    assert len(released) == 1
    assert released[0] != threading.get_ident()
    worker.resume()
    until(lambda: endless.steps > at + 3)
    until(lambda: log.named("resumed"))
    worker.stop()
    until(lambda: not worker.is_running)


def test_stop_works_while_paused():
    endless = Endless()
    worker, log = run(endless)
    worker.pause()
    until(lambda: log.named("paused"))
    worker.stop()
    until(lambda: not worker.is_running, 2)
    assert endless.closed
    assert log.told[-1] == ("finished", None)


def test_runtime_errors_arrive_as_something_qt_does_not_swallow():
    def generate():
        yield 1
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)\nmore")

    log = finish(generate)
    (error,) = log.named("errored")
    assert isinstance(error, UnexpectedError)
    assert not isinstance(error, RuntimeError)
    assert "shapes cannot be multiplied" in str(error)
    assert "more" not in str(error)
    assert isinstance(error.__cause__, RuntimeError)
    assert log.told[-1] == ("finished", None)


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError])
def test_out_of_memory_says_what_to_do(kind: type[BaseException]):
    def generate():
        raise kind("CUDA out of memory. Tried to allocate 2.00 GiB")
        yield

    (error,) = finish(generate).named("errored")
    assert isinstance(error, DeviceError)
    assert "smaller tile or batch" in str(error)


def test_errors_for_the_user_arrive_as_they_are():
    def generate():
        yield 1
        raise InputError("expected x, got y: do z.")

    (error,) = finish(generate).named("errored")
    assert type(error) is InputError
    assert isinstance(error, UNetError)


def test_an_error_while_closing_is_told():
    def generate():
        try:
            while True:
                yield Step(1)
        finally:
            raise OSError(28, "No space left on device")

    worker, log = run(generate)
    until(lambda: log.named("yielded"))
    worker.stop()
    until(lambda: not worker.is_running)
    (error,) = log.named("errored")
    assert isinstance(error, OSError)


def test_an_error_in_prepare_is_told():
    def refuse():
        raise InputError("no.")

    log = finish(lambda: iter([1]), prepare=refuse)
    assert len(log.named("errored")) == 1
    assert not log.named("yielded")


def test_the_frames_of_an_error_keep_nothing_alive():
    import gc
    import weakref

    class Model:
        pass

    held = []

    def generate():
        model = Model()
        held.append(weakref.ref(model))
        yield 1
        raise RuntimeError("boom")

    log = finish(generate)
    gc.collect()
    assert log.named("errored")
    assert held[0]() is None


def test_warnings_of_the_thread_are_forwarded_and_the_others_are_not():
    def generate():
        warnings.warn("the learning rate is high", stacklevel=1)
        yield 1

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = warnings.showwarning
        worker, log = run(generate)
        until(lambda: not worker.is_running)
        assert warnings.showwarning is before
        warnings.warn("mine", stacklevel=1)
    assert log.named("warned") == ["the learning rate is high"]
    assert [str(w.message) for w in caught] == ["mine"]


def test_overlapping_workers_keep_their_warnings_apart():
    gate = threading.Event()

    def long():
        yield 1
        gate.wait(5)
        warnings.warn("long", stacklevel=1)

    def short():
        warnings.warn("short", stacklevel=1)
        yield 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = warnings.showwarning
        first, log1 = run(long)
        second, log2 = run(short)
        until(lambda: not second.is_running)
        gate.set()
        until(lambda: not first.is_running)
        assert warnings.showwarning is before
    assert log1.named("warned") == ["long"]
    assert log2.named("warned") == ["short"]


def test_once_makes_one_event_of_a_function():
    assert finish(once(lambda: 42)).named("yielded") == [42]


def test_an_abandoned_worker_says_nothing_but_that_it_ended():
    endless = Endless()
    worker, log = run(endless)
    until(lambda: endless.steps > 2)
    worker.abandon()
    before = len(log.told)
    until(lambda: not worker.is_running)
    assert endless.closed
    assert log.told[before:] == [("finished", None)]


def test_workers_leave_nothing_on_the_window():
    window = QWidget()
    for _ in range(3):
        worker = Worker(once(int))
        stop_with_window(worker, window)
        worker.start()
        worker.abandon()
        until(lambda w=worker: not w.is_running)
    pump(0.05)
    assert not [one for one in window.children() if type(one) is module._Closing]


def test_closing_the_window_stops_and_waits():
    window, endless = QWidget(), Endless(0.05)
    worker = Worker(endless)
    stop_with_window(worker, window)
    worker.start()
    until(lambda: endless.steps > 1)
    window.close()
    assert endless.closed
    assert not worker.is_running
    window.deleteLater()


def test_a_closed_window_waits_no_longer_than_told():
    gate = threading.Event()

    def stubborn():
        gate.wait(20)
        yield 1

    worker, _ = run(stubborn)
    start = time.monotonic()
    assert not worker.shut(0.2)
    assert time.monotonic() - start < 2
    gate.set()
    assert worker.wait(5)


def test_a_receiver_that_is_gone_harms_nobody():
    class Receiver(QWidget):
        def on_yielded(self, event: Any) -> None:
            self.setWindowTitle(str(event))

    receiver = Receiver()
    endless = Endless()
    worker = Worker(endless)
    worker.yielded.connect(receiver.on_yielded)
    worker.start()
    until(lambda: endless.steps > 5)
    receiver.deleteLater()
    del receiver
    pump(0.3)
    worker.stop()
    until(lambda: not worker.is_running)
