"""Save the result of a prediction: a TIFF that lies on its image again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_unet.base.errors import UNetError
from napari_unet.base.output_guard import check_output_file
from napari_unet.images.tiff import write_labels, write_probabilities
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.form import Row
from napari_unet.widgets.common.notices import sentence

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_unet.images.stack import Stack

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

    def __init__(self) -> None:
        super().__init__()
        self._layer: Layer | None = None
        self._stack: Stack | None = None
        self._kind = ""
        self._source: Any = None
        self.save = button("Save result …", TIP)
        self.save.clicked.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Row(self.save))
        self.hide()

    def offer(self, layer: Layer, stack: Stack, kind: str, source: Layer | None) -> None:
        """Offer to save a layer.

        Parameters
        ----------
        layer
            The result.
        stack, source
            What was predicted, and the layer it came from, whose file is never replaced.
        kind
            "labels", "probabilities" or "objects".
        """
        self._layer, self._stack, self._kind = layer, stack, kind
        self._source = None if source is None else source.source.path
        self.show()

    def write(self, file: str) -> None:
        """Write the layer as it is now; an OME-TIFF where the name ends in .ome.tif."""
        if self._layer is None or self._stack is None:
            return
        values = np.asarray(self._layer.data)
        try:
            path = check_output_file(Path(file), [self._source], overwrite=True)
            if self._kind == "probabilities":
                if values.ndim > len(self._stack.leading_axes) + 2:  # the layer has classes first
                    values = np.moveaxis(values, 0, -3)
                write_probabilities(path, values, self._stack)
            else:
                write_labels(path, values, self._stack)
        except (UNetError, OSError) as error:
            self.said.emit(sentence(error))
        else:
            self.said.emit(f"Saved as {file}.")

    def _choose(self) -> None:
        assert self._stack is not None
        dialog = QFileDialog(self, "Save result", f"{self._stack.name} {self._kind}.tif")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([IMAGEJ, OME])
        dialog.setDefaultSuffix("tif")
        dialog.fileSelected.connect(lambda file: self.write(_named(file, dialog)))
        dialog.open()


def _named(file: str, dialog: QFileDialog) -> str:
    """Return the name that the chosen kind of file has."""
    if dialog.selectedNameFilter() != OME or file.lower().endswith((".ome.tif", ".ome.tiff")):
        return file
    return str(Path(file).with_suffix(".ome.tif"))
