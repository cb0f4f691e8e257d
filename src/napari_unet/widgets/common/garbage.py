"""What the window leaves behind is destroyed in the window's thread, also while others compute.

Python destroys what refers to itself in whichever thread happens to allocate next. What Qt makes
and is no QObject (options of a style, palettes, icons, items of a plot) is then torn down in a
thread that is not its own, which can damage the heap; and every look at all that napari and torch
have loaded holds the window up.
"""

from __future__ import annotations

import gc
from typing import ClassVar

from qtpy.QtCore import QObject, QTimer

__all__ = ["Garbage"]

EVERY = 250  # ms between two looks


class Garbage(QObject):
    """Collects in the thread that it is made in, as long as it is; made and ended there.

    What was there before is not looked at meanwhile. Several may overlap.
    """

    _present: ClassVar[set[Garbage]] = set()
    _was_automatic: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        if not Garbage._present:
            Garbage._was_automatic = gc.isenabled()
            gc.disable()
            gc.collect(1)  # nothing young is kept with what is not looked at
            gc.freeze()
        Garbage._present.add(self)
        self._timer = QTimer(self)
        self._timer.timeout.connect(collect)
        self._timer.start(EVERY)

    def end(self) -> None:
        """Let Python collect again, if this was the last."""
        self._timer.stop()
        Garbage._present.discard(self)
        if not Garbage._present:
            gc.unfreeze()
            if Garbage._was_automatic:
                gc.enable()


def collect() -> None:
    """Do what Python would have done by itself by now."""
    for generation in (2, 1, 0):
        threshold = gc.get_threshold()[generation]
        if threshold and gc.get_count()[generation] > threshold:
            gc.collect(generation)
            return
