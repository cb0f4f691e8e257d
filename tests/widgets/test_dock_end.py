"""The end of a dock, also when the garbage collector brings it about."""

from __future__ import annotations

import gc
import weakref

import pytest
from psygnal import Signal
from qtpy.QtCore import QObject

from napari_unet.widgets.common.dock import Dock, _End


class Bell:
    rung = Signal()


class Ears(Dock):
    heard = 0

    def hear(self):
        self.heard += 1


@pytest.mark.parametrize("kept", [True, False])
def test_what_qt_calls_at_the_end_may_have_been_emptied(qapp, kept):
    """A partial in this place is emptied by the collector, and calling it is a crash."""
    for _ in range(20):
        end = _End([])  # older than the list that is the last to hold the object
        last: list = []
        dying = QObject()
        dying.destroyed.connect(end)
        if kept:
            weakref.finalize(dying, end)
        last.append(dying)
        dying.last = last
        del dying, last, end
        gc.collect()


def test_a_dock_that_is_gone_hears_nothing_and_is_kept_by_nothing(model, qapp):
    bell = Bell()
    for cycle in (True, False):
        dock = Ears(model)
        dock.listen(bell.rung, dock.hear)
        gone = weakref.ref(dock)
        heard = dock._heard
        if cycle:
            dock.me = dock
        del dock
        gc.collect()
        assert gone() is None
        assert not heard
        bell.rung.emit()


def test_a_dock_hears_nothing_any_more_once_it_was_shut(model, qtbot):
    bell, dock = Bell(), Ears(model)
    qtbot.addWidget(dock)
    dock.listen(bell.rung, dock.hear)
    bell.rung.emit()
    dock.unlisten(bell.rung, dock.hear)
    bell.rung.emit()
    dock.listen(bell.rung, dock.hear)
    dock.shut()
    bell.rung.emit()
    assert dock.heard == 1
