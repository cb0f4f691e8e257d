"""What is painted in a layer, as edits: in the window's thread, a few milliseconds a stroke."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.base.errors import UNetError
from napari_unet.widgets.common.layers import shown_slice

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_unet.app.session import StackSource
    from napari_unet.images.stack import Stack
    from napari_unet.training.painting import Painting

__all__ = ["LabelsWatch"]

SOON = 30
"""ms from the first event to the look: a stroke of the mouse tells of every move."""


class LabelsWatch(QObject):
    """Brings what the user does to a labels layer into a training.

    Painting and filling say where; undo, redo and new data do not, so then the slice that is shown
    (or every slice, of new data) is compared with what was painted so far.

    Parameters
    ----------
    viewer
        Shows the layer.
    source
        Makes the stack of the layers, as they are.
    painting
        Of the training.
    """

    failed = Signal(object)
    """An edit that cannot be learnt, or not be saved: the error."""

    def __init__(self, viewer: Any, source: StackSource, painting: Painting) -> None:
        super().__init__()
        self._viewer, self._source, self._painting = viewer, source, painting
        self._slices: dict[int, tuple[int, int, int, int] | None] = {}  # where to look
        self._everywhere = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SOON)
        self._timer.timeout.connect(self.look)
        layer = source.labels_layer
        assert layer is not None  # somebody paints in it
        self._layer: Labels = layer
        events = self._layer.events
        events.paint.connect(self._on_paint)
        events.labels_update.connect(self._on_changed)
        events.set_data.connect(self._on_changed)
        events.data.connect(self._on_data)

    def stop(self) -> None:
        """Look a last time, and listen no more."""
        self.look()
        events = self._layer.events
        events.paint.disconnect(self._on_paint)
        events.labels_update.disconnect(self._on_changed)
        events.set_data.disconnect(self._on_changed)
        events.data.disconnect(self._on_data)

    def _on_paint(self, event: Any) -> None:
        """A stroke, a fill or an erasure: which pixels."""
        stack = self._source.stack()
        if stack is None:
            return
        axes = stack.axes.replace("c", "")
        strokes = event.value if isinstance(event.value, list) else [event.value]
        for indices, *_ in strokes:
            if len(indices) == len(axes):
                self._add(stack, dict(zip(axes, map(_places, indices))))
        self._timer.start()

    def _add(self, stack: Stack, where: dict[str, NDArray[np.int64]]) -> None:
        y, x = where["y"], where["x"]
        if not (y.size and x.size):
            return
        box = int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1
        leading = [np.unique(where[axis]).tolist() for axis in stack.leading_axes]
        for index in itertools.product(*leading):
            i = int(np.ravel_multi_index(index, stack.leading_shape)) if index else 0
            former = self._slices.get(i, box)
            self._slices[i] = None if former is None else _around(former, box)

    def _on_changed(self, _: object = None) -> None:
        """Undo and redo tell of nothing else; turning to another slice does as well."""
        stack = self._source.stack()
        if stack is not None and self._source.image_layer is not None:
            shown = shown_slice(self._viewer, stack, self._source.image_layer)
            self._slices.setdefault(shown, None)
            self._timer.start()

    def _on_data(self, _: object = None) -> None:
        self._everywhere = True
        self._timer.start()

    def look(self) -> None:
        """Compare, and hand over what differs."""
        stack = self._source.stack()
        if stack is None or stack.labels is None:
            return
        if self._everywhere:
            self._slices = dict.fromkeys(range(stack.n_slices))
        slices, self._slices, self._everywhere = self._slices, {}, False
        Y, X = stack.plane_shape
        for i, box in slices.items():
            y0, y1, x0, x1 = box or (0, Y, 0, X)
            try:
                labels = stack.label_crop(i, slice(y0, y1), slice(x0, x1))
                edit = self._painting.difference(0, i, labels, (y0, x0))
                if edit is not None:
                    self._painting.add(edit)
            except UNetError as error:
                self.failed.emit(error)


def _places(index: Any) -> NDArray[np.int64]:
    """Where along an axis something was painted: a fill says it by a slice."""
    if isinstance(index, slice):
        return np.arange(index.start or 0, index.stop)
    return np.atleast_1d(index)


def _around(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """The smallest box around both."""
    return (
        min(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), max(one[3], other[3])
    )  # fmt: skip
