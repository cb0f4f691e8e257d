"""The list of findings: an icon, a sentence, and a button where something can be put right."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet.preflight import FIXES, Finding
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.notes import Note

__all__ = ["FindingList"]

_ROLES = {"info": "note", "warning": "warning", "error": "problem"}
_SIGN = 14  # px, side of the sign
_ORDER = ("error", "warning", "info")


class FindingList(QWidget):
    """Findings, the gravest first."""

    fix_wanted = Signal(object)
    """The `Fix` whose button was pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.findings: list[Finding] = []
        self._lines: list[_FindingLine] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)

    def clear(self) -> None:
        """Take all away."""
        self.findings = []
        for line in self._lines:
            self._column.removeWidget(line)
            line.hide()
            line.deleteLater()
        self._lines = []

    def add(self, finding: Finding) -> None:
        """Add one, below those that are as grave or graver."""
        rank = _ORDER.index(finding.severity)
        place = sum(_ORDER.index(one.severity) <= rank for one in self.findings)
        self.findings.insert(place, finding)
        self._lines.insert(place, _FindingLine(finding, self))
        self._column.insertWidget(place, self._lines[place])

    @property
    def error(self) -> str:
        """The first error's text; empty when there is none."""
        return next((one.text for one in self.findings if one.severity == "error"), "")

    def buttons(self) -> list[QPushButton]:
        """The buttons that put something right, from top to bottom."""
        return [one for line in self._lines for one in line.findChildren(QPushButton)]


class _FindingLine(QWidget):
    def __init__(self, finding: Finding, owner: FindingList) -> None:
        super().__init__()
        note = Note(finding.text, _ROLES[finding.severity])
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(_Sign(finding.severity, note), 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(note, 1)
        if finding.fix is not None:
            self._finding = finding
            press = button(FIXES[finding.fix], f"Put this right: {finding.text}", "fix")
            press.clicked.connect(self._on_pressed)
            self._owner = owner
            row.addWidget(press, 0, Qt.AlignmentFlag.AlignTop)

    def _on_pressed(self) -> None:
        self._owner.fix_wanted.emit(self._finding)


class _Sign(QWidget):
    """A circled i, a triangle with !, or a circled ×, in the colour of the sentence beside it.

    Drawn, because not every font has these signs.
    """

    def __init__(self, severity: str, beside: QWidget) -> None:
        super().__init__()
        self._severity, self._beside = severity, beside
        self.setFixedSize(_SIGN + 2, _SIGN + 2)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's)
        """Draw the sign."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(self._beside.palette().windowText().color())
        painter.setPen(QPen(colour, 1.3))
        box = QRectF(1.5, 1.5, _SIGN - 1, _SIGN - 1)
        if self._severity == "warning":
            corners = (box.bottomLeft(), box.bottomRight(), QPointF(box.center().x(), box.top()))
            painter.drawPolygon(QPolygonF(corners))
        else:
            painter.drawEllipse(box)
        self._draw_mark(painter, box.center())
        painter.end()

    def _draw_mark(self, painter: QPainter, centre: QPointF) -> None:
        x, y = centre.x(), centre.y()
        if self._severity == "error":
            painter.drawLine(QPointF(x - 2.5, y - 2.5), QPointF(x + 2.5, y + 2.5))
            painter.drawLine(QPointF(x - 2.5, y + 2.5), QPointF(x + 2.5, y - 2.5))
            return
        low, high = (y + 1.5, y - 2) if self._severity == "warning" else (y + 3.5, y - 0.5)
        painter.drawLine(QPointF(x, low), QPointF(x, high))
        dot = y + 4 if self._severity == "warning" else y - 3
        painter.drawPoint(QPointF(x, dot))
