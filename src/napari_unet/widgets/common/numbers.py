"""Numbers that are typed or dragged."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QSlider,
    QSpinBox,
    QWidget,
)

from napari_unet.widgets.common.notes import set_tip

__all__ = ["SliderField", "decimal_box", "scroll_the_dock", "spin_box"]

WIDEST = "25.0 px"  # of the numbers beside a slider


def spin_box(
    low: int, high: int, value: int, tip: str, *, suffix: str = "", step: int = 1
) -> QSpinBox:
    """Make a box for a whole number."""
    result = QSpinBox()
    result.setRange(low, high)
    result.setSingleStep(step)
    result.setValue(value)
    result.setSuffix(suffix)
    _quiet_box(result, tip)
    return result


def decimal_box(
    low: float,
    high: float,
    value: float,
    tip: str,
    *,
    suffix: str = "",
    decimals: int = 2,
    step: float = 0.1,
) -> QDoubleSpinBox:
    """Make a box for a decimal number."""
    result = QDoubleSpinBox()
    result.setDecimals(decimals)
    result.setRange(low, high)
    result.setSingleStep(step)
    result.setValue(value)
    result.setSuffix(suffix)
    _quiet_box(result, tip)
    return result


def _quiet_box(box: QAbstractSpinBox, tip: str) -> None:
    set_tip(box, tip)
    box.setKeyboardTracking(False)  # a number half typed is not a number
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    # The wheel scrolls the dock; it changes a number only where the user clicked first.
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.wheelEvent = scroll_the_dock


def scroll_the_dock(event: Any) -> None:
    """A wheel over a control that must not turn with it."""
    event.ignore()


class SliderField(QWidget):
    """A slider and a number that follow each other.

    superqt's labelled slider shows no unit, stops between steps and has no buttons for one step.

    Parameters
    ----------
    low, high, value
        Range and start.
    tip
        Tooltip of both.
    step
        What one key press changes; also the resolution.
    suffix
        The unit, shown after the number.
    """

    changed = Signal(float)

    def __init__(
        self,
        low: float,
        high: float,
        value: float,
        tip: str,
        *,
        step: float = 1.0,
        suffix: str = "",
        decimals: int = 0,
    ) -> None:
        super().__init__()
        self._low, self._step = low, step
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, round((high - low) / step))
        set_tip(self.slider, tip)
        self.slider.setMinimumWidth(60)
        self.slider.wheelEvent = scroll_the_dock
        self.box = decimal_box(low, high, value, tip, suffix=suffix, decimals=decimals, step=step)
        self._fit()
        self.box.installEventFilter(self)
        self.box.setKeyboardTracking(True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.box)
        self.setFocusProxy(self.box)
        self._follow(value)
        self.slider.valueChanged.connect(self._on_slider)
        self.box.valueChanged.connect(self._on_box)

    @property
    def value(self) -> float:
        """The number."""
        return float(self.box.value())

    @value.setter
    def value(self, value: float) -> None:
        with QSignalBlocker(self.box):
            self.box.setValue(value)
        self._follow(value)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the size of the letters, which napari changes."""
        if watched is self.box and event is not None and event.type() == QEvent.Type.FontChange:
            self._fit()
        return bool(super().eventFilter(watched, event))

    def _fit(self) -> None:
        """Make the box as wide as others, so that sliders below one another end alike."""
        buttons = 62  # px, both
        self.box.setFixedWidth(self.box.fontMetrics().horizontalAdvance(WIDEST) + buttons)

    def _on_slider(self, position: int) -> None:
        with QSignalBlocker(self.box):
            self.box.setValue(self._low + position * self._step)
        self.changed.emit(self.value)

    def _on_box(self, value: float) -> None:
        self._follow(value)
        self.changed.emit(value)

    def _follow(self, value: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(round((value - self._low) / self._step))
