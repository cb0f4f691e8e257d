"""What a training shows: how far it is, its curves, where it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QBoxLayout, QProgressBar, QVBoxLayout, QWidget

from napari_unet.app.run_places import from_home
from napari_unet.base.quantities import duration, rate
from napari_unet.widgets.common.buttons import button, check_box
from napari_unet.widgets.common.form import Row
from napari_unet.widgets.common.notes import ElidedNote, Note
from napari_unet.widgets.common.plots import FEW_STEPS, VALIDATION, CurvePlot

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtGui import QResizeEvent

    from napari_unet.training.events import Step
    from napari_unet.widgets.train.running import Training

__all__ = ["TrainProgress"]

SETTLED = "Nothing more to learn: paint where it is wrong, and it goes on."
ONE_CLASS = "Paint a stroke of another class, and it begins. What you paint is saved already."

SIDE_BY_SIDE = 400
"""Width in pixels from which both curves fit beside each other."""

LIVE_TIP = (
    "Predict the slice you are looking at every now and then, into a layer, first where you look. "
    "Takes an eighth of the time, a quarter while you paint."
)


class TrainProgress(QWidget):
    """A line of progress, two plots, notes, and the place of the run.

    Parameters
    ----------
    viewer
        Gives the theme.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._training: Training | None = None
        self._taken = self._validated = 0
        self._run: Path | None = None
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(6)
        self.line = Note()
        self.loss = CurvePlot(viewer, "loss")
        self.iou = CurvePlot(viewer, "IoU", (VALIDATION,), unit_range=True)
        self._plots = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._plots.addWidget(self.loss)
        self._plots.addWidget(self.iou)
        self.notes = Note(role="warning")
        self.live = check_box("L&ive prediction of the slice shown", LIVE_TIP, checked=True)
        self.live.toggled.connect(self._on_live)
        self.saved = ElidedNote()
        self.open = button("Ope&n", "Show the run folder in the file manager.")
        self.open.clicked.connect(self._on_open)
        self.saved_row = Row(self.saved, self.open, stretch=0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.bar, self.line):
            layout.addWidget(widget)
        layout.addLayout(self._plots)
        for widget in (self.live, self.notes, self.saved_row):
            layout.addWidget(widget)

    def watch(self, training: Training | None) -> None:
        """Show a training, from its first step on; None: none, and let go of the last."""
        if self._training is not None:
            self._training.changed.disconnect(self._say)
            self._training.looked.disconnect(self._look)
            self._training.live_switched.disconnect(self._show_live)
        self._training = training
        self.loss.clear()
        self.iou.clear()
        self._taken = self._validated = 0
        self.setVisible(training is not None)
        is_painted = training is not None and training.request.painting is not None
        self.loss.say("loss of what is painted" if is_painted else "loss")
        # Of strokes alone nothing is held back, so that there is nothing to draw.
        self.iou.setVisible(not is_painted)
        # Nobody knows when painting ends; a bar that only says "busy" would paint without a rest.
        self.bar.setVisible(not is_painted)
        if training is not None:
            training.changed.connect(self._say)
            training.looked.connect(self._look)
            training.live_switched.connect(self._show_live)
            training.is_live = self.live.isChecked() if training.step is None else training.is_live
            self._show_live(training.is_live)
            self._say_place(training.request.run)
            self.bar.setRange(0, 0)
            self._look()
            self._say()

    def _look(self) -> None:
        """Draw what came since the last time; everything is painted once."""
        training = self._training
        if training is None:
            return
        losses = training.job.losses
        new = losses[self._taken : len(losses)]
        self._taken += len(new)
        validations = training.job.validations[self._validated :]
        self._validated += len(validations)
        self.setUpdatesEnabled(False)
        if training.step is not None:
            self.bar.setRange(0, training.step.steps)
            self.bar.setValue(training.step.step)
            if training.state == "running" and training.waiting is None:
                self.line.say(self._say_step(training, training.step))
        if new:
            self.loss.append("training", *zip(*new))
        for one in validations:
            self.loss.append("validation", [one.step], [one.loss])
            self.iou.append("validation", [one.step], [one.iou])
            self.iou.show()
        if new or validations:  # both, so that the same step is below the same step
            last = max(FEW_STEPS, losses[-1][0]) if losses else FEW_STEPS
            self.loss.redraw(last)
            self.iou.redraw(last)
        self.setUpdatesEnabled(True)

    def _say_step(self, training: Training, step: Step) -> str:
        of = f"/{step.steps:,}" if step.steps else ""
        parts = [f"step {step.step:,}{of}", rate(training.steps_per_second)]
        if training.right is not None:
            parts.append(f"{training.right:.0%} of your last strokes were right already")
        if step.step < step.steps:
            parts.append(f"{duration(step.seconds_left)} left")
        return " · ".join(parts)

    def _say(self) -> None:
        """Say what state it is in."""
        training = self._training
        if training is None:
            return
        step, waiting = 0 if training.step is None else training.step.step, training.waiting
        missing = "" if waiting is None else SETTLED if waiting.settled else ONE_CLASS
        words = {
            "preparing": missing or "Reading the stack …",
            "running": missing,
            "pausing": "Pausing after this step …",
            "paused": f"Paused at step {step:,}.",
            "stopping": "Stopping after this step …",
            "over": "",
        }[training.state]
        if training.ended is not None or training.state == "over":
            words = training.summary()
        if words or training.state == "over":
            self.line.say(words)
        self.notes.say("\n".join(training.notes))
        if not training.is_running and self.bar.maximum() == 0:
            self.bar.setRange(0, 1)
            self.bar.reset()

    def _say_place(self, run: Path | None) -> None:
        self._run = run
        self.saved_row.setVisible(run is not None)
        if run is not None:
            self.saved.say(f"Run saved in {from_home(run)}", tip=str(run))

    def _show_live(self, is_live: bool) -> None:
        with QSignalBlocker(self.live):
            self.live.setChecked(is_live)

    def _on_live(self, wanted: bool) -> None:
        if self._training is not None:
            self._training.is_live = wanted

    def _on_open(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._run)))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Put the plots beside each other where there is room."""
        wide = event.size().width() >= SIDE_BY_SIDE
        directions = QBoxLayout.Direction
        self._plots.setDirection(directions.LeftToRight if wide else directions.TopToBottom)
        super().resizeEvent(event)
