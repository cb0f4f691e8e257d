"""A box for a learning rate: 0.003 or 1e-05, in steps of 1, 3, 10."""

from __future__ import annotations

import math

from qtpy.QtCore import Qt
from qtpy.QtGui import QValidator, QWheelEvent
from qtpy.QtWidgets import QDoubleSpinBox

__all__ = ["RateBox"]


class RateBox(QDoubleSpinBox):
    """A positive number over many orders of magnitude, written as short as it can be.

    Parameters
    ----------
    tip : str
        The tooltip.
    """

    def __init__(self, tip: str) -> None:
        super().__init__()
        self.setDecimals(12)
        self.setRange(1e-9, 1.0)
        self.setValue(1e-3)
        self.setToolTip(tip)
        self.setKeyboardTracking(False)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def textFromValue(self, value: float) -> str:  # noqa: N802
        """Write a number with at most four digits."""
        return f"{value:.4g}"

    def valueFromText(self, text: str) -> float:  # noqa: N802
        """Read a number, also with an exponent."""
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return float(self.value())

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """Accept what is, or may become, a number."""
        text = text or ""
        try:
            inside = self.minimum() <= float(text.replace(",", ".")) <= self.maximum()
        except ValueError:
            may_become = all(c in "0123456789.,eE-+" for c in text)
            state = QValidator.State.Intermediate if may_become else QValidator.State.Invalid
            return state, text, position
        state = QValidator.State.Acceptable if inside else QValidator.State.Intermediate
        return state, text, position

    def stepBy(self, steps: int) -> None:  # noqa: N802
        """Go to the next of 1, 3, 10, 30, … times a power of ten."""
        half = round(2 * math.log10(self.value())) + steps
        decade, third = divmod(half, 2)
        self.setValue((3.0 if third else 1.0) * 10.0**decade)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Leave the wheel to the dock, which scrolls."""
        if event is not None:
            event.ignore()
