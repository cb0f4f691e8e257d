"""What is painted in a layer, as edits: in the window's thread, a few milliseconds a stroke."""

from __future__ import annotations

import itertools
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.base.errors import UNetError
from napari_unet.widgets.common.layers import label_axes, labelled_slice, shown_index

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_unet.app.session import StackSource
    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack
    from napari_unet.training.painting import Painting

__all__ = ["LabelsWatch"]

SOON = 30
"""ms from an event to the look: a stroke of the mouse tells of every move."""

LATEST = 600
"""ms from the first event to the look: a long stroke is learnt and saved while it is painted."""


class LabelsWatch(QObject):
    """Brings what the user does to a labels layer into a training.

    Painting and filling say where, the layer's history what was undone and done again. The slice
    that is shown (or every slice, of new data) is compared with what was painted so far.

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
        self._slices: dict[int, Region | None] = {}  # where to look
        self._everywhere = False
        self._undone = 0  # how much of the layer's history is undone
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.look)
        self._since = 0.0
        layer = source.labels_layer
        assert layer is not None  # somebody paints in it
        self._layer: Labels = layer
        for event, react in self._reactions().items():
            getattr(layer.events, event).connect(react)
        self._on_data()  # what was painted while nobody watched

    def _reactions(self) -> dict[str, Callable[[Any], None]]:
        return {
            "paint": self._on_paint,
            "labels_update": self._on_update,
            "set_data": self._on_undo,
            "data": self._on_data,
        }

    @property
    def is_looking(self) -> bool:
        """Whether there is something left to compare."""
        return self._everywhere or bool(self._slices)

    def stop(self) -> None:
        """Look at what is left, and listen no more."""
        self._note_undone()  # of a hidden layer nothing was told
        while self.is_looking and self._source.stack() is not None:
            self.look()
        try:
            self._painting.save()
        except UNetError as error:
            self.failed.emit(error)
        self._timer.stop()
        for event, react in self._reactions().items():
            getattr(self._layer.events, event).disconnect(react)

    def _on_paint(self, event: Any) -> None:
        """A stroke, a fill or an erasure: which pixels."""
        self._note_undone()
        self._note_item(event.value)

    def _note_item(self, item: Any) -> None:
        """Look where something of the layer's history is, which has a part or several."""
        for indices, *_ in item if isinstance(item, list) else [item]:
            self._note_places([_places(index) for index in indices])
        self._look_soon()

    def _note_places(self, places: Sequence[NDArray[np.int64]]) -> None:
        """Look at pixels of which the places along every axis of the layer are told."""
        stack = self._source.stack()
        axes = "" if stack is None else label_axes(self._layer, stack)
        if stack is None or len(places) != len(axes):
            return
        y, x = (places[axes.index(axis)] for axis in "yx")
        if not (y.size and x.size):
            return
        box = int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1
        leading = [np.unique(one).tolist() for one, axis in zip(places, axes) if axis not in "yx"]
        for index in itertools.product(*leading):
            self._note(labelled_slice(self._layer, stack, index), box)

    def _on_update(self, event: Any) -> None:
        """A part of what is shown, while the mouse is still down."""
        places = [np.array([n]) for n in shown_index(self._viewer, self._layer)]
        before = self._viewer.dims.ndim - self._layer.ndim
        shown = [axis - before for axis in self._viewer.dims.displayed]
        if len(shown) == len(event.offset) == np.ndim(event.data) and min(shown) >= 0:
            for axis, first, size in zip(shown, event.offset, np.shape(event.data)):
                places[axis] = np.arange(first, first + size)
            self._note_places(places)
            self._look_soon()

    def _on_undo(self, _: Any) -> None:
        """Undo and redo tell of nothing else; turning to another slice may as well."""
        self._note_undone()
        stack = self._source.stack()
        if stack is not None:
            index = zip(shown_index(self._viewer, self._layer), label_axes(self._layer, stack))
            leading = [n for n, axis in index if axis not in "yx"]
            self._note(labelled_slice(self._layer, stack, leading), None)
            self._look_soon()

    def _note_undone(self) -> None:
        """Look where something was undone or done again, which may be in any slice.

        Only the layer's history, which is not public, tells where; of a napari without it, the
        slice that is shown is looked at alone.
        """
        done, undone = (getattr(self._layer, f"_{name}_history", ()) for name in ("undo", "redo"))
        more = len(undone) - self._undone
        self._undone = len(undone)
        for item in [*undone][-more:] if more > 0 else [*done][more:] if more < 0 else ():
            self._note_item(item)

    def _note(self, i: int, box: Region | None) -> None:
        """Look at a slice soon, in a box or everywhere."""
        former = self._slices.get(i, box)
        self._slices[i] = None if box is None or former is None else _around(former, box)

    def _on_data(self, _: object = None) -> None:
        self._everywhere = True
        self._look_soon()

    def _look_soon(self) -> None:
        """Look when nothing more comes, or when it has come for too long."""
        if not self._timer.isActive():
            self._since = monotonic()
        left = LATEST - round(1000 * (monotonic() - self._since))
        self._timer.start(max(0, min(SOON, left)))

    def look(self) -> None:
        """Compare, and hand over what differs: all boxes, and one whole slice at a time."""
        stack = self._source.stack()
        if stack is None or stack.labels is None:
            return
        if self._everywhere:
            self._slices = dict.fromkeys(range(stack.n_slices))
            self._everywhere = False
        whole = [i for i, box in self._slices.items() if box is None]
        due = {i: box for i, box in self._slices.items() if box is not None or i in whole[:1]}
        self._slices = {i: box for i, box in self._slices.items() if i not in due}
        for i, box in due.items():
            self._compare(stack, i, box or (0, stack.plane_shape[0], 0, stack.plane_shape[1]))
        if self._slices:
            self._look_soon()

    def _compare(self, stack: Stack, i: int, box: Region) -> None:
        y0, y1, x0, x1 = box
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


def _around(one: Region, other: Region) -> Region:
    """The smallest box around both."""
    return (
        min(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), max(one[3], other[3])
    )  # fmt: skip
