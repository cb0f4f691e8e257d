"""Which named data set to open, which part of it, and from where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_unet.app.run_places import short_path
from napari_unet.app.sample_job import SAMPLES, Cancelled, SampleJob
from napari_unet.datasets.registry import DATA_SETS
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.choices import Combo
from napari_unet.widgets.common.form import Advanced, Form, Row
from napari_unet.widgets.common.worker import Worker, once
from napari_unet.widgets.data.readers import TITLES

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.dock import Dock

__all__ = ["SampleChoice"]

TIP = "Data sets of the U-Net paper, fetched once and then kept, and a synthetic one."
OPEN_TIP = "Open this data set as an image and a labels layer; press again to cancel."
SEQUENCES = [("01", "01"), ("02", "02"), ("both, one after the other", "both")]
SEQUENCE_TIP = "Which of the two recordings of this data set."
TRUTHS = [
    ("gold: by hand, a few frames", "gold"),
    ("silver: computed, every frame", "silver"),
    ("gold where it is, else silver", "both"),
    ("markers: for tracking, every frame", "markers"),
]
TRUTH_TIP = (
    "Which annotation to open. Frames that gold truth leaves out count as not annotated; silver "
    "truth is agreed upon by several programs; gold objects can take the place of silver ones that "
    "they cover; markers lie inside cells and do not outline them."
)
FOLDER_TIP = (
    "Where the data sets lie. Unless you choose a folder, that in the environment variable "
    "NAPARI_UNET_DATA is looked into, then the cache; what is in neither is downloaded once."
)
CHOOSE = "choose a folder"
WATCH_PERIOD = 200  # ms between two looks at a download


class SampleChoice(QWidget):
    """A sample and a button that opens it in the background."""

    opened = Signal(object)
    """The stack."""

    told = Signal(str)
    """What is happening, one line; empty when it is over."""

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock = dock
        self.job: SampleJob | None = None
        self.sample = Combo([(title, name) for name, title in SAMPLES.items()], TIP)
        self.button = button("&Open", OPEN_TIP)
        self.sequence, self.truth = Combo(SEQUENCES, SEQUENCE_TIP), Combo(TRUTHS, TRUTH_TIP)
        self.folder = Combo((), FOLDER_TIP)
        self._chosen: Path | None = None
        form = Form()
        self.problem = form.add("&Sample", Row(self.sample, self.button, stretch=0), TIP)
        self._options = Advanced("", "Sample options")
        self._options.form.add("Sequence", self.sequence)
        self._options.form.add("Truth", self.truth)
        self._options.form.add("Folder", self.folder)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(form)
        column.addWidget(self._options)
        self._watch = QTimer(self)
        self._watch.setInterval(WATCH_PERIOD)
        self._watch.timeout.connect(self._on_watch)
        self.button.clicked.connect(self._on_open)
        self.sample.chosen.connect(self._show_options)
        self.sequence.chosen.connect(self._show_options)
        self.truth.chosen.connect(self._show_options)
        self.folder.chosen.connect(self._on_folder)
        self._offer_folders()
        self._show_options()

    # -- options ----------------------------------------------------------------------------

    @property
    def _has_sequences(self) -> bool:
        return DATA_SETS[self.sample.value].has_sequences

    @property
    def options(self) -> dict[str, Any]:
        """What `datasets.open` is asked for besides the name."""
        asked: dict[str, Any] = {}
        if self._has_sequences:
            asked |= {"sequence": self.sequence.value, "truth": self.truth.value}
        if self._chosen is not None and DATA_SETS[self.sample.value].folder:
            asked["data_dir"] = self._chosen
        return asked

    def _show_options(self, _: object = None) -> None:
        self.problem.say("")
        one = DATA_SETS[self.sample.value]
        self._options.setVisible(bool(one.folder))
        for control in (self.sequence, self.truth):
            self._options.form.show_row(control, one.has_sequences)
        words = [] if self._chosen is None else [f"from {short_path(self._chosen)}"]
        if one.has_sequences:
            words.insert(0, f"sequence {self.sequence.value}, {TITLES[self.truth.value]}")
        self._options.note.setText("; ".join(words))
        closed = not self._options.toggle.isChecked()
        self._options.note.setVisible(closed and bool(words))

    def _offer_folders(self) -> None:
        options: list[tuple[str, Any]] = [("as found, else downloaded", None)]
        if self._chosen is not None:
            options.append((short_path(self._chosen, 30), self._chosen))
        self.folder.set_options([*options, (f"{CHOOSE} …", CHOOSE)])
        self.folder.value = self._chosen

    def _on_folder(self, value: Any) -> None:
        if value == CHOOSE:
            self.folder.value = self._chosen
            dialog = QFileDialog(self, "Folder that holds the data sets")
            dialog.setFileMode(QFileDialog.FileMode.Directory)
            dialog.fileSelected.connect(self.use_folder)
            dialog.open()
        else:
            self._chosen = value
            self._show_options()

    def use_folder(self, folder: str | Path) -> None:
        """Take the data sets from a folder from now on: it holds theirs, or is one of them."""
        self._chosen = Path(folder)
        self._offer_folders()
        self._show_options()

    # -- opening ----------------------------------------------------------------------------

    def _on_open(self) -> None:
        if self.job is not None:
            self.job.cancel()
            return
        self.problem.say("")
        self.job = SampleJob(self.sample.value, **self.options)
        self.button.setText("&Cancel")
        self.sample.setEnabled(False)
        worker = Worker(once(self.job.open))
        worker.yielded.connect(self._on_opened)
        worker.errored.connect(self._on_failed)
        worker.warned.connect(notices.show_warning)
        worker.finished.connect(self._on_over)
        self._watch.start()
        self._on_watch()
        self._dock.run(worker)

    def _on_watch(self) -> None:
        """Show how far a download is."""
        if self.job is not None:
            self.told.emit(self.job.describe())

    def _on_opened(self, stack: Stack) -> None:
        self.opened.emit(stack)

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, Cancelled):
            return
        if "data_dir" in self.options:  # a choice of this dock, which can be changed here
            self.problem.say(notices.sentence(error))
        else:
            notices.show_error(error)

    def _on_over(self) -> None:
        self.job = None
        self._watch.stop()
        self.button.setText("&Open")
        self.sample.setEnabled(True)
        self.told.emit("")

    def cancel(self) -> None:
        """Cancel a download."""
        if self.job is not None:
            self.job.cancel()
