"""What the window leaves is destroyed in the window's thread, whoever computes meanwhile."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import ClassVar

import pytest

from napari_unet.widgets.common.worker import Worker

from .conftest import until


class Loop:
    """Refers to itself, as widgets and layers do, and tells in which thread it is destroyed."""

    destroyed_in: ClassVar[list[threading.Thread]] = []

    def __init__(self):
        self.me = self

    def __del__(self):
        self.destroyed_in.append(threading.current_thread())


def allocating(times):
    """What a computation does that makes Python look for garbage in its thread."""
    kept = []
    for k in range(times):
        kept.append([[] for _ in range(3000)])
        yield k


@pytest.mark.usefixtures("qapp")
def test_it_is_destroyed_in_the_windows_thread_while_another_computes():
    Loop.destroyed_in.clear()
    enough = threading.Event()

    def generate():
        for k in allocating(10_000):
            yield k
            if enough.wait(0.001):
                return

    worker = Worker(generate, period=10)
    worker.yielded.connect(lambda _: Loop())
    worker.start()
    until(lambda: len(Loop.destroyed_in) > 20, 60)
    enough.set()
    until(lambda: not worker.is_running)
    assert set(Loop.destroyed_in) == {threading.main_thread()}


@pytest.mark.usefixtures("qapp")
def test_python_collects_by_itself_again_after_the_last():
    assert gc.isenabled()
    before = Loop()
    known = weakref.ref(before)
    until_then = threading.Event()
    workers = [Worker(lambda: iter([1])), Worker(lambda: iter([until_then.wait()]))]
    for worker in workers:
        worker.start()
    assert gc.get_freeze_count()
    del before
    until(lambda: not workers[0].is_running)
    assert not gc.isenabled()
    until_then.set()
    until(lambda: not workers[1].is_running)
    assert gc.isenabled()
    assert not gc.get_freeze_count()
    gc.collect()
    assert known() is None
