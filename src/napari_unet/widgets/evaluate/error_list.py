"""The errors of a segmentation as a list, the gravest first; a click leads to one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet.base.quantities import count
from napari_unet.widgets.common.form import Heading, Note
from napari_unet.widgets.evaluate.error_kinds import ErrorKinds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.evaluation.metrics import SegmentationError

__all__ = ["ErrorList"]

LISTED = 200
"""Errors in the list; more than anybody looks through."""


class ErrorList(QWidget):
    """A table of the errors of the kinds that are ticked; hidden while there is none."""

    chosen = Signal(tuple, object)
    """Leading index of the slice, and the error that was clicked or moved to by keyboard."""

    def __init__(self) -> None:
        super().__init__()
        self._all: list[tuple[tuple[int, ...], SegmentationError]] = []
        self._listed: list[tuple[tuple[int, ...], SegmentationError]] = []
        self._pixel: tuple[float, str] | None = None
        self.kinds = ErrorKinds()
        self.kinds.changed.connect(self._fill)
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["error", "slice", "area"])
        self.table.setToolTip("Click an error to see it; the largest come first.")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setMinimumHeight(160)
        head, side = self.table.horizontalHeader(), self.table.verticalHeader()
        assert head is not None
        assert side is not None
        side.hide()
        side.setDefaultSectionSize(self.table.fontMetrics().height() + 8)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.currentCellChanged.connect(self._on_row)
        self.table.cellClicked.connect(self._on_click)
        self.note = Note()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (Heading("Where it is wrong"), self.kinds, self.table, self.note):
            layout.addWidget(widget)
        self.hide()

    def show_errors(
        self,
        errors: Sequence[tuple[tuple[int, ...], SegmentationError]],
        pixel: tuple[float, str] | None = None,
    ) -> None:
        """List errors, the gravest first.

        Parameters
        ----------
        errors
            With the leading index of their slices.
        pixel
            Area of a pixel and its unit ("µm²"), where they are known.
        """
        self._all, self._pixel = list(errors), pixel
        self.kinds.count(Counter(error.kind for _, error in self._all))
        self._fill()
        self.setVisible(bool(errors))

    def _fill(self) -> None:
        shown = self.kinds.shown
        wanted = [found for found in self._all if found[1].kind in shown]
        self._listed = wanted[:LISTED]
        self.table.blockSignals(True)
        self.table.setRowCount(len(self._listed))
        for row, (index, error) in enumerate(self._listed):
            where = " ".join(map(str, index)) or "–"
            for column, text in enumerate((error.kind, where, self._area(error.severity))):
                self.table.setItem(row, column, QTableWidgetItem(text))
        self.table.setCurrentCell(-1, -1)
        self.table.blockSignals(False)
        left = len(wanted) - len(self._listed)
        self.note.say(f"and {count(left, 'smaller one')}" if left else "")

    def _area(self, pixels: int) -> str:
        if self._pixel is None:
            return f"{pixels:,} px"
        size, unit = self._pixel
        area = pixels * size
        return f"{area:,.0f} {unit}" if area >= 1000 else f"{area:.3g} {unit}"

    def _on_row(self, row: int, _column: int, before: int, *_: int) -> None:
        if row != before:
            self._choose(row)

    def _on_click(self, row: int, _column: int) -> None:
        """Lead to an error again that is chosen already."""
        self._choose(row)

    def _choose(self, row: int) -> None:
        if 0 <= row < len(self._listed):
            self.chosen.emit(*self._listed[row])
