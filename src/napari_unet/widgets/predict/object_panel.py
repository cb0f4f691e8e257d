"""Below a prediction of objects: their number, thresholds with a live result, table and files."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_unet.app.found_objects import objects_in_words
from napari_unet.base.errors import UNetError
from napari_unet.prediction.linking import Linking
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.clicks import on_click
from napari_unet.widgets.common.form import Form, Row
from napari_unet.widgets.common.latest import Latest
from napari_unet.widgets.common.layer_facts import tell, told
from napari_unet.widgets.common.notes import Heading, Note
from napari_unet.widgets.common.notices import sentence
from napari_unet.widgets.common.numbers import SliderField
from napari_unet.widgets.common.spotlight import go_to
from napari_unet.widgets.predict.object_list import ObjectList

if TYPE_CHECKING:
    from napari_unet.app.found_objects import FoundObjects
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.common.result_layers import GrowingLayer

__all__ = ["ObjectPanel"]

INSIDE = "How sure the network must be that a pixel is of an object. Lower: objects are larger."
SEEDS = "How sure it must be of the middle of an object. Higher: faint ones are lost."
VALLEYS = (
    "How much less sure it must be between two middles for them to be two objects. Lower: more "
    "touching objects are told apart. 0: all that is surer than a middle must be is one."
)
OVERLAP = (
    "Share of the smaller of two objects in neighbouring slices that both must have to be one. "
    "Lower where slices lie far apart or objects move far."
)


class ObjectPanel(QWidget):
    """Objects of the last prediction; hidden while there are none.

    Parameters
    ----------
    dock
        The dock it lies in.
    """

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock = dock
        self._found: FoundObjects | None = None
        self._result: GrowingLayer | None = None
        self._linked = False
        self.note = Note()
        self.latest = Latest(dock)
        self.latest.done.connect(self._on_found)
        self.latest.failed.connect(lambda error: self.note.say(sentence(error)))
        self.heading = Heading("Objects")
        self.inside = SliderField(0, 1, 0.5, INSIDE, step=0.05, decimals=2)
        self.seeds = SliderField(0, 1, 0.5, SEEDS, step=0.05, decimals=2)
        self.overlap = SliderField(0.05, 1, 0.5, OVERLAP, step=0.05, decimals=2)
        self.valleys = SliderField(0, 1, 0.2, VALLEYS, step=0.05, decimals=2)
        for slider in (self.inside, self.seeds, self.valleys, self.overlap):
            slider.changed.connect(self._on_slider)
        self.form = Form()
        self.form.add("Inside", self.inside)
        self.form.add("Middle", self.seeds)
        self.form.add("Valley", self.valleys)
        self.form.add("Overlap", self.overlap)
        self.list = ObjectList()
        on_click(dock.viewer, self._on_click)
        self.list.chosen.connect(self._go_to)
        self.save_table = button("Save table …", "Write the table as a CSV file.")
        self.save_table.clicked.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.heading, self.note, self.form, self.list, Row(self.save_table)):
            layout.addWidget(widget)
        self.hide()

    # -- from the prediction ----------------------------------------------------------------

    def begin(self) -> None:
        """Forget the objects of the prediction before."""
        self.latest.cancel()
        self._found = self._result = None
        self.hide()

    def show_objects(self, found: FoundObjects, result: GrowingLayer) -> None:
        """Show what was found, and offer to change it.

        Parameters
        ----------
        found
            Its thresholds are where the sliders begin.
        result
            The layer that shows it.
        """
        self._result, self._linked = result, found.output.link is not None
        decoding = found.decoding
        self.inside.value, self.seeds.value = decoding.threshold, decoding.seed
        self.valleys.value = decoding.valley
        self.overlap.value = (found.output.link or Linking()).overlap
        self.form.show_row(self.overlap, self._linked)
        self.form.setVisible(bool(found.planes))  # what memory does not hold is not changed
        for slider in (self.seeds, self.valleys):
            slider.setEnabled(bool(found.planes) and found.planes[0].height is not None)
        self._show(found)
        self.show()

    def link(self, linked: bool) -> None:
        """Give objects one id through the stack, or not."""
        if self._found is None or not self._found.planes:
            return
        self._linked = linked
        self.form.show_row(self.overlap, linked)
        self._on_slider()

    # -- thresholds -------------------------------------------------------------------------

    def _on_slider(self, _value: float = 0) -> None:
        if self._found is None:
            return
        decoding = replace(
            self._found.decoding,
            threshold=self.inside.value,
            seed=self.seeds.value,
            valley=self.valleys.value,
        )
        link = Linking(overlap=self.overlap.value) if self._linked else None
        self.latest.request(partial(self._found.anew, decoding, link))

    def _on_found(self, found: FoundObjects) -> None:
        if self._result is not None:
            self._write(found)
            self._tell_settings(found)
            self._show(found)

    def _show(self, found: FoundObjects) -> None:
        assert self._result is not None
        self._found = found
        self._result.layer.events.selected_label.connect(self._on_label)  # once for each layer
        self.note.say(found.table.summary)
        self.list.show_table(found.table)
        self._tell_features(found)

    def _write(self, found: FoundObjects) -> None:
        assert self._result is not None
        for plane in found.planes:
            piece = plane.piece
            dtype = np.uint16 if plane.objects.max(initial=0) < 2**16 else np.uint32
            where = (..., *piece.index, piece.rows, piece.cols)
            self._result.write(where, plane.objects.astype(dtype))
        self._result.finish()

    def _tell_settings(self, found: FoundObjects) -> None:
        """Keep with the layer how its objects were told apart, for whoever scores them."""
        assert self._result is not None
        layer = self._result.layer
        by = told(layer, "predicted", {"settings": {}})
        how = by["settings"] | objects_in_words(found.output, found.decoding)
        tell(layer, predicted={**by, "settings": how})

    def _tell_features(self, found: FoundObjects) -> None:
        """Let the layer show what was measured, where an id means one object."""
        assert self._result is not None
        layer, ids = self._result.layer, found.table.columns["id"]
        if len(np.unique(ids)) == len(ids) and self._is_all(found):
            layer.features = {"index": ids, **found.table.columns}
        elif "id" in layer.features:  # of objects that had these ids before
            layer.features = {}

    def _is_all(self, found: FoundObjects) -> bool:
        """Whether the layer shows no other objects, such as those of another slice."""
        assert self._result is not None
        if len(found.slices.per_slice) == found.stack.n_slices:
            return True
        pixels = np.count_nonzero(self._result.layer.data)
        return bool(found.slices.columns["area (px)"].sum() == pixels)

    # -- from row to object and back --------------------------------------------------------

    def _go_to(self, row: int) -> None:
        if self._found is None or self._result is None or self._result.taken_away:
            return
        layer = self._result.layer
        go_to(self._dock.viewer, layer, self._found.place(row))
        with layer.events.selected_label.blocker(self._on_label):
            layer.selected_label = int(self._found.table.columns["id"][row])

    def _on_click(self, event: Any) -> None:
        """Pick the object that was clicked in the canvas."""
        if self._result is None or self._result.taken_away or not self._result.layer.visible:
            return
        layer = self._result.layer
        number = layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        if number:
            with layer.events.selected_label.blocker(self._on_label):
                layer.selected_label = int(number)
            self._on_label()

    def _on_label(self, _event: object = None) -> None:
        """Mark the row of the object that was picked in the layer."""
        if self._found is None or self._result is None:
            return
        layer = self._result.layer
        shown = layer.world_to_data(self._dock.viewer.dims.point)
        stack = self._found.stack
        index = tuple(round(float(v)) for v in shown[: len(stack.leading_axes)])
        self.list.mark(index, stack.leading_axes, int(layer.selected_label))

    # -- files ------------------------------------------------------------------------------

    def _choose(self) -> None:
        dialog = QFileDialog(self, "Save table", "cells.csv", "Tables (*.csv)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("csv")
        dialog.fileSelected.connect(self.write_table)
        dialog.open()

    def write_table(self, file: str) -> None:
        """Write the table as CSV."""
        if self._found is None:
            return
        try:
            self._found.table.write(file)
        except (UNetError, OSError) as error:
            self.note.say(sentence(error))
        else:
            self.note.say(f"{self._found.table.summary}; the table is in {file}")
