"""The line that says what a training will cost, and the button that measures it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_unet.base.measured_times import MeasuredTimes
from napari_unet.base.quantities import about, count, size
from napari_unet.training.cost import step_task, training_bytes
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.notes import Note, set_tip
from napari_unet.widgets.common.worker import Worker, once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack
    from napari_unet.preflight import StepCost
    from napari_unet.training.data import TrainingData
    from napari_unet.widgets.common.dock import Dock

__all__ = ["CostLine", "describe_cost"]

TIP = (
    "Take two steps with these settings and throw them away: then time and memory are known "
    "before the training begins."
)


class CostLine(QWidget):
    """A quiet line, and beside it a small button where there is something to measure.

    Parameters
    ----------
    dock
        With which measuring ends.
    """

    measured = Signal()
    """What a step costs is known now."""
    failed = Signal(object)
    """The exception of a step that could not be measured."""

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock = dock
        self._data: TrainingData | None = None
        self._worker: Worker | None = None
        self._measured: tuple[TrainingData, StepCost] | None = None
        self.times = MeasuredTimes()
        self.line = Note()
        self.measure = button("&Measure", TIP, "fix")
        self.measure.clicked.connect(self._on_measure)
        self.measure.hide()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.line, 1)
        row.addWidget(self.measure)

    def say(self, text: str) -> None:
        """Show a text; there is nothing to measure."""
        self._show(text, None)

    def text(self) -> str:
        """What it says."""
        return str(self.line.text())

    @property
    def is_measuring(self) -> bool:
        """Whether a step is being measured."""
        return self._worker is not None

    def show_cost(self, data: TrainingData) -> None:
        """Say what training on these data will cost, as far as it was measured here."""
        config = data.config
        train, validation = data.train_slices, data.validation_slices
        costs = size(training_bytes(config))
        seconds = self.times.seconds(step_task(config), config.steps)
        if self._measured is not None and _alike(self._measured[0], data):
            costs = describe_cost(self._measured[1])
        elif seconds is not None:
            costs = f"{about(seconds)}, {costs}"
        else:
            costs = f"time is known after the first steps, {costs}"
        tip = f"{count(train, 'slice')} to train on, {validation} to validate with."
        self._show(f"{costs}, {train} + {validation} slices", data, tip)

    def remember(self, config: TrainConfig, seconds_per_step: float) -> None:
        """Keep how long a step took, for the next training like it."""
        self.times.remember(step_task(config), seconds_per_step)

    def abandon(self) -> None:
        """Measure no longer: a training begins."""
        if self._worker is not None:
            self._worker.abandon()

    def _show(self, text: str, data: TrainingData | None, tip: str = "") -> None:
        self._data = data
        self.line.say("Measuring one step …" if data is not None and self.is_measuring else text)
        set_tip(self.line, tip)
        self.measure.setVisible(data is not None)
        self.setVisible(bool(text))

    def _on_measure(self) -> None:
        """Take two steps in the background, to know what the training will cost."""
        if self._data is None or self._worker is not None:
            return
        config = self._dock.session.config
        self._worker = Worker(once(partial(_measure, self._data, self._data.given, config)))
        self._worker.yielded.connect(self._on_measured)
        self._worker.errored.connect(self.failed)
        self._worker.finished.connect(self._on_over)
        self.measure.setEnabled(False)
        self.line.say("Measuring one step …")
        self._dock.run(self._worker)

    def _on_measured(self, measured: tuple[TrainingData, StepCost]) -> None:
        self._measured = measured
        self.remember(measured[0].config, measured[1].seconds_per_step)

    def _on_over(self) -> None:
        self._worker = None
        self.measure.setEnabled(True)
        self.measured.emit()


def _measure(
    data: TrainingData, stacks: Sequence[Stack], config: TrainConfig
) -> tuple[TrainingData, StepCost]:
    from napari_unet.preflight import measure_step

    return data, measure_step(stacks, config, spare_cores=1)


def _alike(one: TrainingData, other: TrainingData) -> bool:
    """Whether a step on these data costs the same."""
    return one.config == other.config and [
        (id(stack.image), id(stack.labels), stack.scheme, stack.annotated) for stack in one.given
    ] == [
        (id(stack.image), id(stack.labels), stack.scheme, stack.annotated) for stack in other.given
    ]


def describe_cost(cost: StepCost) -> str:
    """Return what a measured training will take: "about 6 min, 2.1 GB, 0.42 s per step, …"."""
    step = cost.seconds_per_step
    seconds = f"{step:.2g} s" if step < 10 else f"{step:.0f} s"
    parts = [about(cost.seconds_total), size(cost.bytes), f"{seconds} per step", "measured"]
    return ", ".join([*parts, *cost.adjusted])
