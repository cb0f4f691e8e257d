"""The classes of the labels: value, colour, and a name that can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from napari_unet.widgets.common.notes import set_tip

if TYPE_CHECKING:
    from napari_unet.annotation.labels import LabelScheme

__all__ = ["ClassTable"]

TIP = (
    "What each label value is called: double-click a name to change it. Colours are those of the "
    "labels layer. The prediction gets the same names and colours."
)
MOST_ROWS = 6  # seen at once; more are scrolled


class ClassTable(QTableWidget):
    """One row per class, background first."""

    renamed = Signal(int, str)
    """Label value and new name of a class."""

    def __init__(self) -> None:
        super().__init__(0, 2)
        self.setHorizontalHeaderLabels(["Value", "Name"])
        self.verticalHeader().hide()
        self.horizontalHeader().setStretchLastSection(True)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        set_tip(self, TIP)
        self.itemChanged.connect(self._on_changed)

    def show_classes(self, scheme: LabelScheme) -> None:
        """List the classes of a scheme."""
        with QSignalBlocker(self):
            self.setRowCount(scheme.n_classes)
            rows = zip(scheme.values, scheme.names, scheme.colours)
            for row, (value, name, colour) in enumerate(rows):
                number = QTableWidgetItem(_swatch(colour), str(value))
                number.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                self.setItem(row, 0, number)
                self.setItem(row, 1, QTableWidgetItem(name))
        shown = min(scheme.n_classes, MOST_ROWS)
        height = self.horizontalHeader().sizeHint().height() + 2 * self.frameWidth()
        self.setFixedHeight(height + shown * self.rowHeight(0))

    def _on_changed(self, item: QTableWidgetItem) -> None:
        number = self.item(item.row(), 0)
        if item.column() == 1 and number is not None:
            self.renamed.emit(int(number.text()), item.text().strip())


def _swatch(colour: str | None) -> QIcon:
    picture = QPixmap(12, 12)
    picture.fill(QColor(colour) if colour else Qt.GlobalColor.transparent)
    return QIcon(picture)
