"""Says how many slices of labels are newer than the model: reason to train on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_unet.base.quantities import count
from napari_unet.images.label_sums import newer_slices
from napari_unet.widgets.common.latest import Latest
from napari_unet.widgets.common.notes import Note

if TYPE_CHECKING:
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.train.start_from import StartFrom

__all__ = ["NewerLabels"]

STROKES_OVER = 700  # ms after a brush stroke; more strokes may follow
EDITS = ("labels_update", "set_data")  # of a labels layer: painted, undone


class NewerLabels(Note):
    """A line that compares the labels as they are with those that the current model learned.

    Parameters
    ----------
    dock
        With which it ends.
    start_from
        Says whether the model is trained on.
    """

    def __init__(self, dock: Dock, start_from: StartFrom) -> None:
        super().__init__(role="warning")
        self._session, self._start_from = dock.session, start_from
        self._count = 0
        self._layer: Any = None
        self._latest = Latest(dock)
        self._latest.done.connect(self._on_count)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(STROKES_OVER)
        self._later.timeout.connect(self.look)
        start_from.chosen.connect(self._say)
        dock.listen(self._session.stack_changed, self._on_changed)
        dock.listen(self._session.added_changed, self._on_changed)
        dock.listen(self._session.model_changed, self._on_changed)
        self._on_changed()

    def look(self) -> None:
        """Compare, in the background."""
        model = self._session.model
        seen = () if model is None else model.run.get("labels", ())
        if not seen:  # no model, or one of a version that did not note them
            self._on_count(0)
        else:
            self._latest.request(partial(newer_slices, seen, self._session.stacks))

    def _on_changed(self, _: object = None) -> None:
        layer = self._session.labels_layer
        if layer is not self._layer:
            self._follow(layer)
        self.look()

    def _follow(self, layer: Any) -> None:
        for one, act in ((self._layer, "disconnect"), (layer, "connect")):
            for name in EDITS if one is not None else ():
                getattr(getattr(one.events, name), act)(self._on_edit)
        self._layer = layer

    def _on_edit(self, _: object = None) -> None:
        self._later.start()

    def _on_count(self, newer: int) -> None:
        self._count = newer
        self._say()

    def _say(self, _: object = None) -> None:
        if not self._count:
            self.say("")
            return
        slices = count(self._count, "slice")
        verb = "is" if self._count == 1 else "are"
        self.say(
            f"{slices} of labels newer than this model: train on."
            if self._start_from.model is not None
            else f"{slices} of labels {verb} newer than the current model: choose it under "
            "Start from, and train on."
        )
