"""Predict every image of a folder, as the form above it says."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QLineEdit, QVBoxLayout, QWidget

from napari_unet.app.folder_job import ImageNoted, folder_job
from napari_unet.app.prediction_job import Remarked
from napari_unet.base.quantities import count
from napari_unet.prediction.folders import FolderDone, ImageBegun, ImageFailed
from napari_unet.prediction.pieces import Piece
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.form import Advanced, Row
from napari_unet.widgets.common.notes import Note, Problem, set_tip
from napari_unet.widgets.common.notices import sentence
from napari_unet.widgets.common.progress import ProgressRow
from napari_unet.widgets.common.worker import Worker

if TYPE_CHECKING:
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.predict.predict_form import PredictForm

__all__ = ["FolderPanel"]

SUMMARY = "every image into a file of its own, by the model and settings above"
FOLDER = "Images of any sizes; what cannot be read is said, and the others go on."
RESULTS = (
    "Where the results go: a TIFF for each image under its name, and objects.csv with a row for "
    "every object of all images."
)
START = "Predict all images of the folder, one after the other, in the background."
CANCEL = "Stop at once; the results of finished images stay."
NO_FOLDER = "Choose a folder of images."
NO_MODEL = "Train a model first, or choose a saved one."
BESIDE = "results"
MOST = 12  # remarks that are shown


class FolderPanel(QWidget):
    """Two folders, a button, and how far it is.

    Parameters
    ----------
    dock
        Runs it.
    form
        Says by which model, and how.
    """

    def __init__(self, dock: Dock, form: PredictForm) -> None:
        super().__init__()
        self._dock, self._form = dock, form
        self._worker: Worker | None = None
        self._image = ""
        self._remarks: Counter[str] = Counter()  # in the order in which they came
        expander = self.expander = Advanced(SUMMARY, "A folder of images")
        self.folder = self._add("&Folder", FOLDER)
        self.results = self._add("Resu&lts", RESULTS)
        self.start = button("Predict the folder", START)
        self.start.clicked.connect(self._on_start)
        self.running = ProgressRow(CANCEL)
        self.running.cancel.clicked.connect(self._on_cancel)
        self.line, self.problem = Note(), Problem(self.start)
        for widget in (self.start, self.problem, self.running, self.line):
            expander.form.add_wide(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(expander)

    def _add(self, name: str, tip: str) -> QLineEdit:
        line = QLineEdit()
        set_tip(line, tip)
        browse = button("…", f"Choose: {name.replace('&', '').lower()}.")
        browse.clicked.connect(partial(self._browse, name.replace("&", ""), line))
        self.expander.form.add(name, Row(line, browse, stretch=0), tip)
        return line

    def _browse(self, name: str, line: QLineEdit, _checked: bool = False) -> None:
        dialog = QFileDialog(self, name)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(partial(self._choose, line))
        dialog.open()

    def _choose(self, line: QLineEdit, folder: str) -> None:
        line.setText(folder)
        if line is self.folder and not self.results.text():
            self.results.setText(str(Path(folder).parent / f"{Path(folder).name}-{BESIDE}"))

    # -- while it runs ----------------------------------------------------------------------

    def _on_start(self) -> None:
        folder, results = (Path(line.text().strip()) for line in (self.folder, self.results))
        settings = self._form.settings()
        reason = NO_MODEL if settings["model"] is None else ""
        if not (self.folder.text().strip() and self.results.text().strip() and folder.is_dir()):
            reason = NO_FOLDER
        self.problem.say(reason)
        if reason or self._worker is not None:
            return
        self._remarks.clear()
        self._image = ""
        self._worker = Worker(lambda: folder_job(folder, results, settings))
        self._worker.yielded.connect(self._on_event)
        self._worker.errored.connect(lambda error: self.problem.say(sentence(error)))
        self._worker.finished.connect(self._on_over)
        self.start.setEnabled(False)
        self.running.begin()
        self.line.say("Preparing the network …")
        self._dock.run(self._worker)

    def _on_event(self, event: object) -> None:
        if isinstance(event, ImageBegun):
            self._image = f"{event.name}, {event.number:,} of {count(event.total, 'image')}"
            self._say(self._image)
        elif isinstance(event, Piece):
            self.running.show_share(event.done / event.total)
        elif isinstance(event, Remarked):
            self._remarks.update(f"{one.text[0].upper()}{one.text[1:]}." for one in event.remarks)
        elif isinstance(event, ImageNoted):
            self._remarks.update(event.notes)
        elif isinstance(event, ImageFailed):
            self._remarks[f"{event.name} is left out: {event.reason}"] += 1
            self._say(self._image)
        elif isinstance(event, FolderDone):
            self._image = ""
            objects = "" if event.table is None else f", {event.table.summary}"
            self._say(f"{count(len(event.done), 'image')} in {self.results.text()}{objects}")

    def _say(self, text: str) -> None:
        """Show a line, and below it what there was to say, each thing once."""
        said = [f"{one} ({n:,} images)" if n > 1 else one for one, n in self._remarks.items()]
        more = [f"… and {len(said) - MOST:,} more"] if len(said) > MOST else []
        self.line.say("\n".join([text, *said[:MOST], *more]))

    def _on_cancel(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self.running.cancel.setEnabled(False)

    def _on_over(self) -> None:
        if self._image:
            self._say("Stopped; the results of finished images stay.")
        elif self.problem.text():
            self.line.say("")
        self._worker = None
        self.running.hide()
        self.start.setEnabled(True)
