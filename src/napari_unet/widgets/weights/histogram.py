"""A small histogram of weights, in the colours of their layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import ensure_colormap
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_unet.widgets.common.theme import WEIGHT_COLORMAP

if TYPE_CHECKING:
    from napari_unet.app.weights_job import Statistics
    from napari_unet.widgets.common.theme import Colours

__all__ = ["Histogram"]


class Histogram(QWidget):
    """Pixels per weight; the height is logarithmic, because few pixels weigh much."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumHeight(86)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("How many pixels have which weight (heights are logarithmic).")
        self._statistics: Statistics | None = None
        self._text = QColor("#888888")
        map_ = ensure_colormap(WEIGHT_COLORMAP)
        self._colours = [
            QColor.fromRgbF(*map(float, rgba)) for rgba in map_.map(np.linspace(0.25, 1, 64))
        ]

    def show_statistics(self, statistics: Statistics | None) -> None:
        """Draw these."""
        self._statistics = statistics
        self.update()

    def on_theme(self, colours: Colours) -> None:
        """Take over the colour of text."""
        self._text = QColor(colours.quiet_text)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's)
        """Draw bars, the axis, and the line of the 99 %."""
        found = self._statistics
        if found is None or not found.counts.any():
            return
        painter = QPainter(self)
        line = painter.fontMetrics().height()
        area = QRectF(0, line, self.width() - 1, self.height() - 2 * line - 4)
        heights = np.log1p(found.counts) / np.log1p(found.counts.max())
        width = area.width() / len(heights)
        for k, height in enumerate(heights.tolist()):
            bar = QRectF(
                area.left() + k * width, area.bottom() - height * area.height(),
                max(1.0, width - 1), height * area.height(),
            )  # fmt: skip
            painter.fillRect(bar, self._colours[k * len(self._colours) // len(heights)])
        self._draw_axis(painter, area, found)
        painter.end()

    def _draw_axis(self, painter: QPainter, area: QRectF, found: Statistics) -> None:
        painter.setPen(QPen(self._text, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        below = QRectF(area.left(), area.bottom() + 3, area.width(), self.height())
        top = Qt.AlignmentFlag.AlignTop
        painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft | top), "0")
        painter.drawText(
            below, int(Qt.AlignmentFlag.AlignRight | top), f"weight {found.greatest:.1f}"
        )
        x = area.left() + area.width() * found.usual / found.greatest
        painter.setPen(QPen(self._text, 1, Qt.PenStyle.DashLine))
        painter.drawLine(int(x), int(area.top()), int(x), int(area.bottom()))
        text = f"99 % ≤ {found.usual:.1f}"
        wide = painter.fontMetrics().horizontalAdvance(text)
        left = min(max(0.0, x - wide / 2), self.width() - wide - 1)
        painter.drawText(QRectF(left, 0, wide + 2, area.top()), 0, text)
