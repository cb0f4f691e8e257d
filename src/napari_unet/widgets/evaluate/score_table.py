"""The scores of a comparison as a table that can be copied and saved."""

from __future__ import annotations

import csv
import io
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QFileDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import UNetError
from napari_unet.base.output_guard import check_output_file
from napari_unet.base.quantities import count
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.form import Row
from napari_unet.widgets.common.notices import sentence, show_error

if TYPE_CHECKING:
    from napari_unet.evaluation.scores import Curves, Score

__all__ = ["ScoreTable"]


class ScoreTable(QWidget):
    """A table of scores; hidden while it is empty."""

    said = Signal(str)
    """What was done with the table, for the line below the button."""

    def __init__(self) -> None:
        super().__init__()
        self.scores: list[Score] = []
        self.curves: list[Curves] = []
        self.read_from: list[str] = []
        """Files of what was compared, which the scores never replace."""
        self.about: dict[str, str] = {}
        """What was compared, by name: further columns of the file."""
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["score", "value"])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setToolTip("Point at a score to read what it means.")
        head, side = self.table.horizontalHeader(), self.table.verticalHeader()
        assert head is not None
        assert side is not None
        side.hide()
        side.setDefaultSectionSize(self.table.fontMetrics().height() + 8)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.copy_button = button("Cop&y", "Copy the scores, to paste them into a spreadsheet.")
        self.copy_button.clicked.connect(self.copy)
        self.save_button = button("E&xport …", "Save scores and curves as a CSV file.")
        self.save_button.clicked.connect(self._choose_file)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        layout.addWidget(Row(self.copy_button, self.save_button))
        self.hide()

    def clear(self) -> None:
        """Forget all scores."""
        self.scores.clear()
        self.curves.clear()
        self.table.setRowCount(0)
        self.hide()

    def add(self, row: Score) -> None:
        """Add a score."""
        self.scores.append(row)
        k = self.table.rowCount()
        self.table.insertRow(k)
        for column, text in enumerate((row.name, row.text)):
            item = QTableWidgetItem(text)
            item.setToolTip(row.meaning)
            self.table.setItem(k, column, item)
        head = self.table.horizontalHeader()
        assert head is not None
        height = sum(self.table.rowHeight(i) for i in range(self.table.rowCount()))
        self.table.setFixedHeight(height + head.sizeHint().height() + 4)
        self.show()

    def copy(self) -> str:
        """Put the table on the clipboard, one line per score, and return it."""
        text = "\n".join(f"{row.name}\t{row.text}" for row in self.scores)
        QApplication.clipboard().setText(text)
        self.said.emit(f"{count(len(self.scores), 'score')} copied.")
        return text

    def as_csv(self) -> str:
        """Return scores with all their digits, and curves: one row per score and threshold.

        Every row says what was compared, so that files can be put below one another.
        """
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["score", "threshold", "value", "meaning", *self.about])
        about = self.about.values()
        for row in self.scores:
            value = row.value if isfinite(row.value) else ""  # not measurable
            writer.writerow([row.name, "", value, row.meaning, *about])
        for curves in self.curves:
            for name, values in curves.values.items():
                for threshold, value in zip(curves.thresholds, values):
                    meaning = f"at this threshold of {curves.over}"
                    writer.writerow([name, round(threshold, 6), value, meaning, *about])
        return stream.getvalue()

    def save(self, file: str | Path) -> None:
        """Write the CSV file; a reason why that failed is told, not raised."""
        path = Path(file)
        path = path if path.suffix else path.with_suffix(".csv")
        try:
            check_output_file(path, self.read_from, overwrite=True)  # the dialog has asked
            write_atomically(path, self.as_csv().encode())
        except UNetError as error:
            show_error(error)
            self.said.emit(sentence(error))
        else:
            self.said.emit(f"Saved as {path.name}.")

    def _choose_file(self) -> None:
        dialog = QFileDialog(self, "Save scores", "scores.csv", "Tables (*.csv)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.fileSelected.connect(self.save)
        dialog.open()
