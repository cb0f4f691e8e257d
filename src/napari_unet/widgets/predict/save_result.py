"""Save the result of a prediction: a TIFF that lies on its image again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_unet.base.output_guard import check_output_file
from napari_unet.images.tiff import write_labels, write_probabilities
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.form import Row
from napari_unet.widgets.common.notices import sentence
from napari_unet.widgets.common.worker import Worker, once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.common.result_layers import GrowingLayer

__all__ = ["SaveResult"]

TIP = (
    "Write the result, as its layer is now, as a TIFF with the image's pixel size, unit and axes: "
    "for ImageJ where that can hold it, else as OME-TIFF."
)
IMAGEJ = "TIFF for ImageJ (*.tif *.tiff)"
OME = "OME-TIFF (*.ome.tif)"


class SaveResult(QWidget):
    """A button and its dialog; hidden while there is no result."""

    said = Signal(str)
    """What came of it."""

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock = dock
        self._result: GrowingLayer | None = None
        self._stack: Stack | None = None
        self._kind = ""
        self.save = button("Save result …", TIP)
        self.save.clicked.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Row(self.save))
        self.hide()

    def offer(self, result: GrowingLayer, stack: Stack, kind: str) -> None:
        """Offer to save a result.

        Parameters
        ----------
        result
            Its layer, which is another one once the user has touched the first.
        stack
            What was predicted.
        kind
            "labels", "probabilities" or "objects".
        """
        self._result, self._stack, self._kind = result, stack, kind
        self.show()

    def write(self, file: str) -> None:
        """Write the result, as its layer is now, in the background.

        What a layer was read from stays. An OME-TIFF where the name ends in .ome.tif. ``said``
        tells how it ended.
        """
        if self._result is None or self._stack is None:
            return
        read = [one.source.path for one in self._dock.viewer.layers]
        values = self._result.layer.data
        job = partial(_written, Path(file), read, values, self._stack, self._kind)
        worker = Worker(once(job))
        worker.yielded.connect(lambda path: self.said.emit(f"Saved as {path}."))
        worker.errored.connect(lambda error: self.said.emit(sentence(error)))
        worker.finished.connect(lambda: self.save.setEnabled(True))
        self.save.setEnabled(False)
        self.said.emit(f"Saving {Path(file).name} …")
        self._dock.run(worker)

    def _choose(self) -> None:
        assert self._stack is not None
        dialog = QFileDialog(self, "Save result", f"{self._stack.name} {self._kind}.tif")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([IMAGEJ, OME])
        dialog.setDefaultSuffix("tif")
        dialog.fileSelected.connect(lambda file: self._on_chosen(file, dialog.selectedNameFilter()))
        dialog.open()

    def _on_chosen(self, file: str, kind: str) -> None:
        """Write; a file of a name that the dialog did not see is not replaced unasked."""
        named = _named(file, kind)
        if named != file and Path(named).exists():
            self.said.emit(f"{named} exists: choose it to replace it, or another name.")
        else:
            self.write(named)


def _written(file: Path, read: Sequence[str | None], values: Any, stack: Stack, kind: str) -> Path:
    """Write the values of a layer into a file that no layer was read from."""
    path = check_output_file(file, read, overwrite=True)
    values = np.asarray(values)
    if kind != "probabilities":
        write_labels(path, values, stack)
        return path
    if values.ndim > len(stack.leading_axes) + 2:  # the layer has classes first
        values = np.moveaxis(values, 0, -3)
    write_probabilities(path, values, stack)
    return path


def _named(file: str, kind: str) -> str:
    """Return the name that the chosen kind of file has."""
    path = Path(file)
    if kind != OME or path.name.lower().endswith((".ome.tif", ".ome.tiff")):
        return file
    is_tiff = path.suffix.lower() in (".tif", ".tiff")
    return str(path.with_name(f"{path.stem if is_tiff else path.name}.ome.tif"))
