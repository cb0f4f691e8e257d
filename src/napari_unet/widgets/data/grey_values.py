"""The grey values of a stack: a small histogram, and the limits that become 0 and 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_unet.widgets.common.form import set_tip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.images.grey_values import GreyValues
    from napari_unet.widgets.common.theme import Colours

__all__ = [
    "GreyHistogram",
]

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
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(58)
        set_tip(self, TIP)
        self.shown: GreyValues | None = None
        self._bar, self._line, self._text = QColor("#888888"), QColor("#888888"), QColor("#888888")
        self.hide()

    def show_values(self, values: GreyValues | None) -> None:
        """Draw these; None: hide."""
        self.shown = values
        self.setVisible(values is not None)
        self.update()

    def on_theme(self, colours: Colours) -> None:
        """Take over the theme's colours."""
        self._bar, self._line = QColor(colours.primary), QColor(colours.accent)
        self._text = QColor(colours.quiet_text)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's)
        """Draw the channels, the axis and the limits."""
        found = self.shown
        if found is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = painter.fontMetrics().height()
        area = QRectF(0, 2, self.width() - 1, self.height() - line - 4)
        several = len(found.counts) > 1
        for k, counts in enumerate(found.counts):
            self._draw_channel(painter, area, counts, QColor(COLOURS[k % 3]) if several else None)
        painter.setPen(QPen(self._text, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        self._draw_limits(painter, area, found)
        painter.end()

    def _draw_channel(
        self, painter: QPainter, area: QRectF, counts: NDArray[np.int64], colour: QColor | None
    ) -> None:
        heights = np.sqrt(counts / max(1, counts.max()))
        xs = np.linspace(area.left(), area.right(), len(heights))
        outline = [QPointF(x, area.bottom() - h * area.height()) for x, h in zip(xs, heights)]
        if colour is not None:
            painter.setPen(QPen(colour, 1.2))
            painter.drawPolyline(QPolygonF(outline))
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._bar)
        painter.drawPolygon(QPolygonF([area.bottomLeft(), *outline, area.bottomRight()]))

    def _draw_limits(self, painter: QPainter, area: QRectF, found: GreyValues) -> None:
        span = found.greatest - found.least or 1.0
        low, high = min(found.intensity.low), max(found.intensity.high)
        for value, text in ((low, f"{low:.4g} → 0"), (high, f"{high:.4g} → 1")):
            x = area.left() + area.width() * (value - found.least) / span
            painter.setPen(QPen(self._line, 1.5))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            wide = painter.fontMetrics().horizontalAdvance(text)
            left = min(max(0.0, x - wide / 2), self.width() - wide - 1)
            painter.setPen(QPen(self._text, 1))
            painter.drawText(QPointF(left, self.height() - 3), text)
