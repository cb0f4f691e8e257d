"""The button that trains, what it will cost, and the switches of a running training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.base.quantities import count
from napari_unet.widgets.common.buttons import PrimaryButton, button
from napari_unet.widgets.common.form import Row
from napari_unet.widgets.common.notes import Problem
from napari_unet.widgets.train.cost_line import CostLine

if TYPE_CHECKING:
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.train.running import Training

__all__ = ["RunControl"]

BUSY = "A training is running: pause or stop it below."
START_TIP = "Start training in the background; everything else stays usable."


class RunControl(QWidget):
    """Start, pause, stop.

    Parameters
    ----------
    dock
        With which measuring a step ends.
    """

    start_wanted = Signal()

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._training: Training | None = None
        self.start = PrimaryButton("Train", START_TIP)
        self.start.clicked.connect(self.start_wanted)
        self.problem = Problem(self.start)
        self.cost = CostLine(dock)
        self.pause = button("P&ause", "Hold after this step and give the memory back.")
        self.pause.clicked.connect(self._on_pause)
        self.stop = button("S&top", "End after this step and keep the model as it is.")
        self.stop.clicked.connect(self._on_stop)
        self.switches = Row(self.pause, self.stop)
        self.switches.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.start, self.problem, self.cost, self.switches):
            layout.addWidget(widget)

    def watch(self, training: Training | None) -> None:
        """Switch a training from now on; None: none."""
        if self._training is not None:
            self._training.changed.disconnect(self._say)
        self._training = training
        if training is not None:
            training.changed.connect(self._say)
            self._say()

    def refuse(self, reason: str, *, wrong: bool = False) -> None:
        """Say why nothing can be trained; in red where something is wrong."""
        self.start.allow(reason, None if wrong else "Train")
        self.cost.say("" if wrong else reason)
        self.problem.say(reason if wrong else "")

    def _say(self) -> None:
        training = self._training
        if training is None:
            return
        is_running, state = training.is_running, training.state
        self.switches.setVisible(is_running)
        self.pause.setEnabled(state != "stopping")
        self.stop.setEnabled(state != "stopping")
        self.pause.setText("&Resume" if state in ("pausing", "paused") else "P&ause")
        if is_running:
            self.start.allow(BUSY, training.title)
            self.problem.say("")
            prepared = training.prepared
            self.cost.say(
                "Reading the stack …"
                if prepared is None
                else f"On {prepared.compute} · {count(prepared.parameters, 'parameter')}"
            )

    def _on_pause(self) -> None:
        if self._training is not None:
            is_held = self._training.state in ("pausing", "paused")
            self._training.resume() if is_held else self._training.pause()

    def _on_stop(self) -> None:
        if self._training is not None:
            self._training.stop()
