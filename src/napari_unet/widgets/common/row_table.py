"""A table of places: a row that is clicked, or moved to by keyboard, leads somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_unet.widgets.common.notes import set_tip

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RowTable"]


class RowTable(QTableWidget):
    """Rows of texts, one of which may be chosen.

    Parameters
    ----------
    headers
        Of the columns.
    tip
        What a click does.
    wide
        The column that takes the room that is left.
    """

    chosen = Signal(int)
    """A row was clicked, also again, or moved to by keyboard."""

    def __init__(self, headers: Sequence[str], tip: str, wide: int = 0) -> None:
        super().__init__(0, len(headers))
        self.setHorizontalHeaderLabels(list(headers))
        set_tip(self, tip)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        head, side = self.horizontalHeader(), self.verticalHeader()
        assert head is not None
        assert side is not None
        side.hide()
        side.setDefaultSectionSize(self.fontMetrics().height() + 8)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(wide, QHeaderView.ResizeMode.Stretch)
        self.currentCellChanged.connect(self._on_row)
        self.cellClicked.connect(self._on_click)

    def show_rows(self, rows: Sequence[Sequence[str]], chosen: int = -1) -> None:
        """Show other rows; one may be chosen from the beginning, which leads nowhere."""
        with QSignalBlocker(self):
            self.setRowCount(len(rows))
            for k, texts in enumerate(rows):
                for column, text in enumerate(texts):
                    self.setItem(k, column, QTableWidgetItem(text))
            self.setCurrentCell(chosen, 0 if chosen >= 0 else -1)

    def _on_row(self, row: int, _column: int, before: int, *_: int) -> None:
        if row != before and row >= 0:
            self.chosen.emit(row)

    def _on_click(self, row: int, _column: int) -> None:
        self.chosen.emit(row)
