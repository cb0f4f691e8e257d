"""Image files and folders with their labels, opened as layers: what dropping them cannot pair."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QMenu, QToolButton, QVBoxLayout, QWidget

from napari_unet.images import files
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.form import Advanced, Row
from napari_unet.widgets.common.notes import Problem, set_tip
from napari_unet.widgets.common.worker import Worker, once

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.dock import Dock

__all__ = ["FileChoice"]

TITLE = "Open files or folders"
SUMMARY = "an image with its labels, or two folders paired by the names of their files"
IMAGE_TIP = (
    "A TIFF, PNG, JPEG or OME-Zarr, a folder of images, or the web address of an OME-Zarr. Images "
    "of one size become a stack; those of other sizes become stacks of their own."
)
LABELS_TIP = (
    "The labels of the image, or a folder of them: files are paired by their names; channels may "
    "be files of their own, case_0000.tif and case_0001.tif for labels case.tif. Where the "
    "names do not tell it for certain, nothing is opened, and the doubtful pairs are listed here."
)
OPEN_TIP = "Open them as image and labels layers."


class FileChoice(QWidget):
    """Two paths and a button that opens them in the background."""

    opened = Signal(object)
    """The stacks, a tuple: several for images of several sizes."""

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock = dock
        self._expander = Advanced(SUMMARY, TITLE)
        set_tip(self._expander.toggle, f"Open {SUMMARY}.")
        self.image, self.labels = QLineEdit(), QLineEdit()
        self.open = button("Open these", OPEN_TIP)
        self.problem = Problem(self.open)
        for name, line, tip in (
            ("Image", self.image, IMAGE_TIP),
            ("Labels", self.labels, LABELS_TIP),
        ):
            set_tip(line, tip)
            line.setPlaceholderText("file, folder or address")
            line.textChanged.connect(self._on_changed)
            self._expander.form.add(name, Row(line, self._browser(name, line), stretch=0), tip)
        self._expander.form.add_wide(self.open)
        self._expander.form.add_wide(self.problem)
        self.open.clicked.connect(self._on_open)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._expander)
        self._on_changed()

    def _browser(self, name: str, line: QLineEdit) -> QToolButton:
        browse = QToolButton()
        browse.setText("…")
        set_tip(browse, f"Choose a file or folder: {name.lower()}.")
        browse.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(browse)
        menu.addAction("File …", partial(self._browse, name, line, False))
        menu.addAction("Folder …", partial(self._browse, name, line, True))
        browse.setMenu(menu)
        return browse

    def _browse(self, name: str, line: QLineEdit, folder: bool) -> None:
        dialog = QFileDialog(self, name)
        mode = QFileDialog.FileMode
        dialog.setFileMode(mode.Directory if folder else mode.ExistingFile)
        dialog.fileSelected.connect(line.setText)
        dialog.open()

    def _on_changed(self, _: object = None) -> None:
        self.problem.say("")
        self.open.setEnabled(bool(self.image.text().strip()))

    def _on_open(self) -> None:
        self.problem.say("")
        self.open.setEnabled(False)
        self.open.setText("Opening …")
        model = self._dock.session.model
        channels = None if model is None else model.network.config.in_channels
        read = partial(_read, self.image.text().strip(), self.labels.text().strip(), channels)
        worker = Worker(once(read))
        worker.yielded.connect(self._on_read)
        worker.errored.connect(self._on_failed)
        worker.warned.connect(notices.show_warning)
        worker.finished.connect(self._on_over)
        self._dock.run(worker)

    def _on_read(self, stacks: tuple[Stack, ...]) -> None:
        for note in dict.fromkeys(note for stack in stacks for note in stack.notes):
            notices.show_info(note)
        self.opened.emit(stacks)

    def _on_failed(self, error: Exception) -> None:
        self.problem.say(notices.sentence(error))

    def _on_over(self) -> None:
        self.open.setText("Open these")
        self.open.setEnabled(bool(self.image.text().strip()))


def _read(image: str, labels: str, channels: int | None) -> tuple[Stack, ...]:
    return files.open_images(image, labels or None, channels=channels)
