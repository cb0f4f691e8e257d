"""The line that says what a training will cost, and the button that measures it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_unet.base.quantities import about, size
from napari_unet.widgets.common.form import Note, button, set_tip

if TYPE_CHECKING:
    from napari_unet.preflight import StepCost

__all__ = ["CostLine", "describe_cost"]

TIP = (
    "Take two steps with these settings and throw them away: then time and memory are known "
    "before the training begins."
)


class CostLine(QWidget):
    """A quiet line, and beside it a small button where there is something to measure."""

    wanted = Signal()
    """The button was pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Note()
        self.measure = button("&Measure", TIP, "fix")
        self.measure.clicked.connect(self.wanted)
        self.measure.hide()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.line, 1)
        row.addWidget(self.measure)

    def say(self, text: str, *, can_measure: bool = False, tip: str = "") -> None:
        """Show a text; offer to measure, or not."""
        self.line.say(text)
        set_tip(self.line, tip)
        self.measure.setVisible(can_measure)
        self.setVisible(bool(text))

    def text(self) -> str:
        """What it says."""
        return str(self.line.text())


def describe_cost(cost: StepCost) -> str:
    """Return what a measured training will take: "about 6 min, 2.1 GB, 0.42 s per step, …"."""
    step = cost.seconds_per_step
    seconds = f"{step:.2g} s" if step < 10 else f"{step:.0f} s"
    parts = [about(cost.seconds_total), size(cost.bytes), f"{seconds} per step", "measured"]
    return ", ".join([*parts, *cost.adjusted])
