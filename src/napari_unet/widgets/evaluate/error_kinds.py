"""The kinds of errors: their colours, how many there are, and which of them are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QGridLayout, QWidget

from napari_unet.evaluation.comparison import ERROR_KINDS
from napari_unet.widgets.common import theme
from napari_unet.widgets.common.buttons import check_box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_unet.evaluation.metrics.error_map import ErrorKind

__all__ = ["KIND_COLOURS", "ErrorKinds"]

KIND_COLOURS = dict(
    zip(ERROR_KINDS, (theme.MERGE, theme.SPLIT, theme.MISSED, theme.INVENTED), strict=True)
)
MEANINGS = {
    "false merge": "Objects of the reference that the prediction joins.",
    "false split": "Parts of an object that the prediction cuts off.",
    "missed": "Objects of the reference that the prediction does not have.",
    "invented": "Predicted objects where the reference has none.",
}
COLUMNS = 2  # so many fit into a narrow dock
SQUARE = 10  # px


class ErrorKinds(QWidget):
    """A check box for every kind of error, with its colour."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(8)
        layout.setVerticalSpacing(2)
        self.boxes = {kind: check_box(kind, MEANINGS[kind], checked=True) for kind in ERROR_KINDS}
        for k, (kind, box) in enumerate(self.boxes.items()):
            square = QPixmap(SQUARE, SQUARE)
            square.fill(QColor(KIND_COLOURS[kind]))
            box.setIcon(QIcon(square))
            box.toggled.connect(self._on_toggled)
            layout.addWidget(box, k // COLUMNS, k % COLUMNS)
        for column in range(COLUMNS):
            layout.setColumnStretch(column, 1)

    @property
    def shown(self) -> frozenset[ErrorKind]:
        """The kinds that are ticked."""
        return frozenset(kind for kind, box in self.boxes.items() if box.isChecked())

    def count(self, numbers: Mapping[ErrorKind, int]) -> None:
        """Write how many errors there are of each kind."""
        for kind, box in self.boxes.items():
            box.setText(f"{kind}: {numbers.get(kind, 0):,}")

    def _on_toggled(self, _on: bool) -> None:
        self.changed.emit()
