"""Below a prediction of objects: their number, thresholds with a live result, table and files."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_unet.app.found_objects import FoundObjects
from napari_unet.base.errors import UNetError
from napari_unet.base.quantities import count
from napari_unet.images.tiff import write_labels
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.form import Form, Row
from napari_unet.widgets.common.latest import Latest
from napari_unet.widgets.common.notes import Heading, Note
from napari_unet.widgets.common.notices import sentence
from napari_unet.widgets.common.numbers import SliderField
from napari_unet.widgets.common.spotlight import go_to
from napari_unet.widgets.predict.object_list import ObjectList

if TYPE_CHECKING:
    from napari_unet.config.decoding import Decoding
    from napari_unet.images.stack import Stack
    from napari_unet.prediction.outputs import ObjectPlane
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.common.result_layers import GrowingLayer

__all__ = ["ObjectPanel"]

INSIDE = "How sure the network must be that a pixel is of an object. Lower: objects are larger."
SEEDS = (
    "How sure it must be of the middle of an object. Higher: more touching objects are told "
    "apart, and faint ones are lost."
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
        self._planes: list[ObjectPlane] = []
        self._found: FoundObjects | None = None
        self._result: GrowingLayer | None = None
        self._decoding: Decoding | None = None
        self.note = Note()
        self.latest = Latest(dock)
        self.latest.done.connect(self._on_found)
        self.latest.failed.connect(lambda error: self.note.say(sentence(error)))
        self.heading = Heading("Objects")
        self.inside = SliderField(0, 1, 0.5, INSIDE, step=0.05, decimals=2)
        self.seeds = SliderField(0, 1, 0.5, SEEDS, step=0.05, decimals=2)
        for slider in (self.inside, self.seeds):
            slider.changed.connect(self._on_slider)
        self.form = Form()
        self.form.add("Inside", self.inside)
        self.form.add("Middle", self.seeds)
        self.list = ObjectList()
        self.list.chosen.connect(self._go_to)
        self.save_table = button("Save table …", "Write the table as a CSV file.")
        self.save_table.clicked.connect(partial(self._ask, "Table", "cells.csv", self.write_table))
        self.save_result = button(
            "Save result …", "Write the objects as a TIFF with the image's pixel size and axes."
        )
        self.save_result.clicked.connect(
            partial(self._ask, "Objects", "objects.tif", self.write_result)
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.heading, self.note, self.form, self.list, Row(self.save_table, self.save_result)
        ):  # fmt: skip
            layout.addWidget(widget)
        self.hide()

    # -- from the prediction ----------------------------------------------------------------

    def begin(self) -> None:
        """Forget the objects of the prediction before."""
        self._planes = []
        self._found = self._result = self._decoding = None
        self.hide()

    def take(self, plane: ObjectPlane) -> None:
        """Take a plane that was just predicted."""
        self._planes.append(plane)

    def finish(self, model: Any, stack: Stack, decoding: Decoding, result: GrowingLayer) -> None:
        """Measure what was found, and offer to change it."""
        if not self._planes:
            return
        self._decoding, self._result = decoding, result
        self.inside.value, self.seeds.value = decoding.threshold, decoding.seed
        self.seeds.setEnabled(self._planes[0].height is not None)
        result.layer.events.selected_label.connect(self._on_label)
        planes = self._planes
        self.latest.request(lambda: FoundObjects.of(model, stack, planes))
        self.show()

    # -- thresholds -------------------------------------------------------------------------

    def _on_slider(self, _value: float) -> None:
        if self._found is None or self._decoding is None:
            return
        self._decoding = replace(self._decoding, threshold=self.inside.value, seed=self.seeds.value)
        self.latest.request(partial(self._found.decoded, self._decoding))

    def _on_found(self, found: FoundObjects) -> None:
        if self._result is None:
            return
        if self._found is not None:
            self._write(found)
        self._found = found
        numbers = [len(np.unique(p.objects[p.objects > 0])) for p in found.planes]
        each = f", {min(numbers):,} to {max(numbers):,} a slice" if len(numbers) > 1 else ""
        self.note.say(f"{count(sum(numbers), 'object')}{each}")
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

    def _tell_features(self, found: FoundObjects) -> None:
        """Let the layer show what was measured, where an id means one object."""
        ids = found.table.columns["id"]
        if self._result is not None and len(np.unique(ids)) == len(ids):
            self._result.layer.features = {"index": ids, **found.table.columns}

    # -- from row to object and back --------------------------------------------------------

    def _go_to(self, row: int) -> None:
        if self._found is None or self._result is None or self._result.taken_away:
            return
        columns, layer, viewer = self._found.table.columns, self._result.layer, self._dock.viewer
        index = [int(columns[axis][row]) for axis in self._found.stack.leading_axes]
        centre = [float(columns[f"centroid {axis} (px)"][row]) for axis in "yx"]
        go_to(viewer, layer, (*index, *centre))
        with layer.events.selected_label.blocker(self._on_label):
            layer.selected_label = int(columns["id"][row])

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

    def _ask(self, title: str, name: str, write: Any, _checked: bool = False) -> None:
        dialog = QFileDialog(self, title, name)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(Path(name).suffix[1:])
        dialog.fileSelected.connect(write)
        dialog.open()

    def write_table(self, file: str) -> None:
        """Write the table as CSV."""
        if self._found is not None:
            self._try(partial(self._found.table.write, file), file)

    def write_result(self, file: str) -> None:
        """Write the layer as it is now."""
        if self._found is not None and self._result is not None:
            data = np.asarray(self._result.layer.data)
            self._try(partial(write_labels, file, data, self._found.stack), file)

    def _try(self, write: Any, file: str) -> None:
        try:
            write()
        except (UNetError, OSError) as error:
            self.note.say(sentence(error))
        else:
            self.note.say(f"written to {file}")
