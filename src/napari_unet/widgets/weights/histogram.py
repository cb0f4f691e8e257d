"""A small histogram of weights, in the colours of their layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from napari.utils.colormaps import ensure_colormap
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.widgets.common.notes import Note, set_tip
from napari_unet.widgets.common.plots import colour_plot, quiet_plot
from napari_unet.widgets.common.theme import WEIGHT_COLORMAP

if TYPE_CHECKING:
    from napari_unet.app.weights_job import Statistics
    from napari_unet.widgets.common.theme import Colours

__all__ = ["Histogram"]

HEIGHT = 76  # px
TIP = "How many pixels have which weight (heights are logarithmic)."


class Histogram(QWidget):
    """Pixels per weight; the height is logarithmic, because few pixels weigh much."""

    def __init__(self) -> None:
        super().__init__()
        set_tip(self, TIP)
        self.said = Note()
        self.plot = quiet_plot(HEIGHT)
        self._bars = pg.BarGraphItem(x=[0], height=[0], width=1)
        self._usual = pg.InfiniteLine(angle=90)
        self.plot.addItem(self._bars)
        self.plot.addItem(self._usual)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.said)
        column.addWidget(self.plot)

    def show_statistics(self, found: Statistics) -> None:
        """Draw these."""
        n = len(found.counts)
        top = found.greatest or 1.0
        self._bars.setOpts(
            x=(np.arange(n) + 0.5) * top / n,
            height=np.log1p(found.counts),
            width=0.9 * top / n,
            brushes=_colours(n),
            pen=None,
        )
        self._usual.setValue(found.usual)
        self.plot.setRange(xRange=(0, top), yRange=(0, np.log1p(max(1, found.counts.max()))))
        self.said.say(f"99 % of them weigh ≤ {found.usual:.1f}, the most {top:.1f}")

    def on_theme(self, colours: Colours) -> None:
        """Take over the colours of text and ground."""
        colour_plot(self.plot, colours)
        self._usual.setPen(pg.mkPen(colours.quiet_text, style=pg.QtCore.Qt.PenStyle.DashLine))


def _colours(n: int) -> list[tuple[int, ...]]:
    """Those of the layer's colormap, without its black end."""
    shares = ensure_colormap(WEIGHT_COLORMAP).map(np.linspace(0.25, 1, n))
    return [tuple(int(255 * part) for part in rgba) for rgba in shares]
