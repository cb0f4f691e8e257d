"""The grey values of a stack: a small histogram, and the limits that become 0 and 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.widgets.common.notes import Note, set_tip
from napari_unet.widgets.common.plots import colour_plot, quiet_plot

if TYPE_CHECKING:
    from napari_unet.images.grey_values import GreyValues
    from napari_unet.widgets.common.theme import Colours

__all__ = ["GreyHistogram"]

HEIGHT = 58  # px
COLOURS = ("#e0605a", "#56b070", "#5a8fe0")  # of the channels of a colour picture
TIP = (
    "How many pixels have which grey value (heights are square roots). The values at the two "
    "lines become 0 and 1, everywhere in the stack and in every prediction; they are kept in the "
    "model. What validates takes no part in them, and several stacks share the widest."
)


class GreyHistogram(QWidget):
    """Pixels per grey value, and two lines for the limits."""

    def __init__(self) -> None:
        super().__init__()
        set_tip(self, TIP)
        self.shown: GreyValues | None = None
        self._bar = "#888888"
        self.said = Note()
        self.plot = quiet_plot(HEIGHT)
        self._limits = [pg.InfiniteLine(angle=90) for _ in range(2)]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.plot)
        column.addWidget(self.said)
        self.hide()

    def show_values(self, values: GreyValues | None) -> None:
        """Draw these; None: hide."""
        self.shown = values
        self.setVisible(values is not None)
        self._draw()

    def on_theme(self, colours: Colours) -> None:
        """Take over the theme's colours."""
        colour_plot(self.plot, colours)
        self._bar = colours.primary
        for line in self._limits:
            line.setPen(pg.mkPen(colours.accent, width=1.5))
        self._draw()

    def _draw(self) -> None:
        found = self.shown
        if found is None:
            return
        self.plot.clear()
        several = len(found.counts) > 1
        for k, counts in enumerate(found.counts):
            heights = np.sqrt(counts / max(1, counts.max()))
            xs = np.linspace(found.least, found.greatest, len(heights))
            colour = COLOURS[k % 3] if several else self._bar
            self.plot.plot(
                xs, heights, pen=colour, fillLevel=None if several else 0, brush=self._bar
            )
        low, high = min(found.intensity.low), max(found.intensity.high)
        for line, value in zip(self._limits, (low, high)):
            line.setValue(value)
            self.plot.addItem(line)
        self.plot.setRange(xRange=(found.least, found.greatest), yRange=(0, 1), padding=0.01)
        if found.intensity.mode == "image":
            self.said.say(
                "every slice has limits of its own; of all together "
                f"{_number(low)}, {_number(high)}"
            )
        elif found.exact:
            self.said.say(f"{_number(low)} becomes 0, {_number(high)} becomes 1")
        else:
            self.said.say(
                f"about {_number(low)} becomes 0, {_number(high)} becomes 1, measured anew at the "
                "size that the network sees"
            )


def _number(value: float) -> str:
    """A grey value for people: 12,950, 0.0132."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
