"""The errors of a segmentation as a list, the gravest first; a click leads to one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.base.quantities import count
from napari_unet.widgets.common.notes import Heading, Note
from napari_unet.widgets.common.row_table import RowTable
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
        self.table = RowTable(
            ("error", "slice", "area"), "Click an error to see it; the largest come first."
        )
        self.table.setMinimumHeight(160)
        self.table.chosen.connect(self._choose)
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
        self.table.show_rows(
            [
                (error.kind, " ".join(map(str, index)) or "–", self._area(error.severity))
                for index, error in self._listed
            ]
        )
        left = len(wanted) - len(self._listed)
        self.note.say(f"and {count(left, 'smaller one')}" if left else "")

    def _area(self, pixels: int) -> str:
        if self._pixel is None:
            return f"{pixels:,} px"
        size, unit = self._pixel
        area = pixels * size
        return f"{area:,.0f} {unit}" if area >= 1000 else f"{area:.3g} {unit}"

    def _choose(self, row: int) -> None:
        self.chosen.emit(*self._listed[row])
