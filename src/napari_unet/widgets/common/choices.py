"""One of several values: as a combo box, or as radio buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QRadioButton,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from napari_unet.widgets.common.notes import set_tip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent

__all__ = ["Choice", "Combo"]


class Combo(QComboBox):
    """A combo box of (text, value) pairs that never widens the dock.

    What is too long loses its middle, because names of runs differ at their ends.
    """

    chosen = Signal(object)
    """The value, when the user chose another one."""

    def __init__(self, options: Sequence[tuple[str, Any]] = (), tip: str = "") -> None:
        super().__init__()
        self._values: list[Any] = []  # not as data of the items, which Qt converts
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        set_tip(self, tip)
        self.set_options(options)
        self.activated.connect(self._on_activated)

    def set_options(self, options: Sequence[tuple[str, Any]]) -> None:
        """Offer other options; the current value is kept where it is still there."""
        current = self.value
        with QSignalBlocker(self):
            self.clear()
            self._values = [value for _, value in options]
            for k, (text, _) in enumerate(options):
                self.addItem(text)
                self.setItemData(k, text, Qt.ItemDataRole.ToolTipRole)
            self.value = current

    @property
    def options(self) -> list[tuple[str, Any]]:
        """All (text, value) that are offered."""
        return [(self.itemText(k), value) for k, value in enumerate(self._values)]

    @property
    def value(self) -> Any:
        """The chosen value; None when there is nothing to choose."""
        k = self.currentIndex()
        return None if k < 0 else self._values[k]

    @value.setter
    def value(self, value: Any) -> None:
        for k, held in enumerate(self._values):
            if held is value or (not hasattr(value, "ndim") and held == value):
                self.setCurrentIndex(k)
                return

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw it with "…" where the text is too long, which Qt would cut."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        part = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self)
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, room.width() - 4
        )
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent) -> bool:
        """Put what is shown without its middle in front of the tooltip."""
        if event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), f"{self.currentText()}\n\n{self.toolTip()}", self)
            return True
        return bool(super().event(event))

    def _on_activated(self) -> None:
        self.chosen.emit(self.value)


class Choice(QWidget):
    """A few radio buttons in a row (or a column): one of several values."""

    chosen = Signal(object)

    def __init__(self, options: Sequence[tuple[str, Any, str]], *, column: bool = False) -> None:
        """Offer options (text, value, tooltip); the first one is chosen."""
        super().__init__()
        layout = QVBoxLayout(self) if column else QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4 if column else 10)
        self._group = QButtonGroup(self)
        self._values = [value for _, value, _ in options]
        for k, (text, _, tip) in enumerate(options):
            radio = QRadioButton(text)
            set_tip(radio, tip)
            radio.setChecked(k == 0)
            self._group.addButton(radio, k)
            layout.addWidget(radio)
        if not column:
            layout.addStretch(1)
        self._group.idClicked.connect(self._on_clicked)

    @property
    def value(self) -> Any:
        """The chosen value; None when none of them is."""
        k = self._group.checkedId()
        return None if k < 0 else self._values[k]

    @value.setter
    def value(self, value: Any) -> None:
        self._group.setExclusive(False)  # none is chosen where the value is another one
        for k, one in enumerate(self._values):
            self._group.button(k).setChecked(one == value)
        self._group.setExclusive(True)

    def radio(self, value: Any) -> QRadioButton:
        """The radio button of a value."""
        return self._group.button(self._values.index(value))

    def _on_clicked(self, k: int) -> None:
        self.chosen.emit(self._values[k])
