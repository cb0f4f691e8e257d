"""The measured objects as a table that sorts; a row leads to its object, and an object to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTableView

if TYPE_CHECKING:
    from napari_unet.prediction.object_table import ObjectTable

__all__ = ["ObjectList"]

HIGH = 200  # px


class _Rows(QAbstractTableModel):
    """A table of objects as Qt asks for it, cell by cell: thousands of rows cost nothing."""

    def __init__(self, table: ObjectTable) -> None:
        super().__init__()
        self.table = table
        self._names = list(table.columns)

    def rowCount(self, _parent: Any = None) -> int:  # noqa: N802 - Qt's names
        return len(self.table)

    def columnCount(self, _parent: Any = None) -> int:  # noqa: N802
        return len(self._names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        value = self.table.columns[self._names[index.column()]][index.row()].item()
        if role == Qt.ItemDataRole.UserRole:  # what is sorted by
            return value
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return f"{value:.5g}" if isinstance(value, float) else str(value)

    def headerData(  # noqa: N802
        self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        across = orientation == Qt.Orientation.Horizontal
        return self._names[section] if across else str(section + 1)


class ObjectList(QTableView):
    """Shows a table of objects."""

    chosen = Signal(int)
    """The row, as the table counts, that was clicked or moved to."""

    def __init__(self) -> None:
        super().__init__()
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self._sorted)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)  # not until a heading is clicked
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setMinimumHeight(HIGH)
        self.setToolTip("Click a row to see its object; click a heading to sort by it.")
        side: Any = self.verticalHeader()
        side.hide()
        side.setDefaultSectionSize(self.fontMetrics().height() + 8)
        selection: Any = self.selectionModel()
        selection.currentRowChanged.connect(self._on_row)
        self.clicked.connect(self._on_click)
        self._rows: _Rows | None = None

    def show_table(self, table: ObjectTable) -> None:
        """Show other objects; the order of rows stays."""
        rows = _Rows(table)
        self._sorted.setSourceModel(rows)
        self._rows = rows
        self.resizeColumnsToContents()

    def mark(self, index: tuple[int, ...], axes: str, number: int) -> None:
        """Select the row of an object without leading to it.

        Parameters
        ----------
        index, axes
            Where its slice is: position along each leading axis, and their names.
        number
            Its id.
        """
        if self._rows is None:
            return
        columns = self._rows.table.columns
        here = columns["id"] == number
        for axis, at in zip(axes, index):
            if axis in columns:  # else the object goes through its slices
                here = here & (columns[axis] == at)
        selection: Any = self.selectionModel()
        selection.blockSignals(True)
        if here.any():
            row = self._rows.index(int(np.flatnonzero(here)[0]), 0)
            self.setCurrentIndex(self._sorted.mapFromSource(row))
            self.selectRow(self.currentIndex().row())
        else:
            self.clearSelection()
        selection.blockSignals(False)
        viewport: Any = self.viewport()
        viewport.update()

    def _on_row(self, current: QModelIndex, _before: QModelIndex) -> None:
        self._on_click(current)

    def _on_click(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self._sorted.mapToSource(index).row())
