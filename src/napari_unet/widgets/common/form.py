"""Small controls that the docks are made of.

Every control takes its tooltip when it is made; a field that cannot be used
says so itself, in one sentence below it.
"""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible, QElidingLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent, QResizeEvent

    from napari_unet.widgets.common.theme import Colours

__all__ = [
    "Advanced",
    "Choice",
    "Combo",
    "ElidedNote",
    "Expander",
    "Form",
    "Heading",
    "Note",
    "PrimaryButton",
    "Problem",
    "Row",
    "SliderField",
    "button",
    "check_box",
    "decimal_box",
    "mark",
    "set_tip",
    "spin_box",
    "style_sheet",
]

BUTTON_PADDING = 12  # px, of a primary button, its edge included
UNLIMITED = 2**24 - 1  # px, Qt's own limit of a height
LABEL_WIDTH = 62  # px, so that the forms of a dock line up
WIDEST = "25.0 px"  # of the numbers beside a slider


def style_sheet(colours: Colours) -> str:
    """Return what the docks add to napari's own style."""
    on_accent = "#ffffff"
    return f"""
    #unetScroll, #unetColumn {{ background: transparent; }}
    #unetColumn QLabel {{ qproperty-indent: 0; }}
    QLabel[role="note"] {{ color: {colours.quiet_text}; }}
    QLabel[role="heading"] {{ color: {colours.text}; font-weight: 600; padding-top: 4px; }}
    QLabel[role="problem"] {{ color: {_readable_red(colours)}; }}
    QLabel[role="warning"] {{ color: {_readable_orange(colours)}; }}
    QWidget[invalid="true"] {{ border: 1px solid {_readable_red(colours)}; border-radius: 2px; }}
    QPushButton[role="primary"] {{
        background: {colours.accent}; color: {on_accent}; font-weight: 600;
        padding: 7px 10px; border-radius: 4px; border: 1px solid {colours.accent}; }}
    QPushButton[role="primary"]:hover {{ border: 1px solid {colours.text}; }}
    QPushButton[role="primary"]:focus {{ border: 1px solid {colours.text}; }}
    QPushButton[role="primary"]:pressed {{ background: {colours.highlight}; }}
    QPushButton[role="primary"]:disabled {{
        background: {colours.foreground}; color: {colours.quiet_text};
        border: 1px solid {colours.foreground}; }}
    QPushButton[role="fix"] {{ padding: 2px 8px; }}
    #unetColumn QPushButton:focus, #unetColumn QToolButton:focus {{
        border: 1px solid {colours.text}; }}
    #unetColumn QRadioButton, #unetColumn QCheckBox {{ border: 1px solid transparent; }}
    #unetColumn QRadioButton:focus, #unetColumn QCheckBox:focus {{
        border: 1px dashed {colours.text}; border-radius: 2px; }}
    QPushButton[role="advanced"] {{ border: none; background: transparent;
        color: {colours.text}; padding: 2px 0; text-align: left; }}
    QPushButton[role="advanced"]:hover {{ color: {colours.accent}; }}
    QPushButton[role="advanced"]:focus {{ text-decoration: underline; }}
    """


def _readable_red(colours: Colours) -> str:
    return "#ff8a80" if colours.is_dark else "#b3261e"


def _readable_orange(colours: Colours) -> str:
    return "#ffc266" if colours.is_dark else "#8a5000"


def set_tip(widget: QWidget, text: str) -> None:
    """Set a tooltip of lines short enough to read."""
    # names of runs stay in one piece
    widget.setToolTip(fill(text, 60, break_long_words=False, break_on_hyphens=False))


def mark(widget: QWidget, name: str, value: object) -> None:
    """Set a dynamic property that the style sheet looks at."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


# -- text -----------------------------------------------------------------------------------


class Note(QLabel):
    """A quiet line of explanation that wraps; hidden while it is empty."""

    def __init__(self, text: str = "", role: str = "note") -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setProperty("role", role)
        self.say(text)

    def say(self, text: str, role: str | None = None) -> None:
        """Show a text; hide when there is none."""
        self.setText(text)
        if role is not None:
            mark(self, "role", role)
        if text and self.parent() is None:
            # Shown with its parent; shown now, it would be a window of its own.
            self.setAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
        else:
            self.setVisible(bool(text))


class ElidedNote(QElidingLabel):
    """One quiet line; what is too long loses its middle, and the tooltip has all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setProperty("role", "note")

    def say(self, text: str, tip: str = "") -> None:
        """Show a text, and a tooltip that is the text itself where none is given."""
        self.setText(text)
        set_tip(self, tip or text)


class Heading(QLabel):
    """The name of a group of controls."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setProperty("role", "heading")


class Problem(Note):
    """One sentence below a field that cannot be used, and the red edge around the field."""

    def __init__(self, field: QWidget) -> None:
        super().__init__("", "problem")
        self._field = field

    def say(self, text: str, role: str | None = None) -> None:
        """Show the sentence and mark the field; an empty text takes both away."""
        super().say(text, role)
        if hasattr(self, "_field"):
            mark(self._field, "invalid", bool(text))


# -- buttons --------------------------------------------------------------------------------


def button(text: str, tip: str, role: str = "") -> QPushButton:
    """Make a plain button."""
    result = QPushButton(text)
    set_tip(result, tip)
    if role:
        result.setProperty("role", role)
    return result


class PrimaryButton(QPushButton):
    """The one button of a dock; its text says what it will do.

    A text that is too long loses its middle and does not widen the dock; the tooltip has all.
    """

    def __init__(self, text: str, tip: str) -> None:
        super().__init__()
        self._tip, self._full = tip, text
        self.setProperty("role", "primary")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.allow(None, text)

    @property
    def full_text(self) -> str:
        """The whole text, which may be shown without its middle."""
        return self._full

    def allow(self, reason: str | None = None, text: str | None = None) -> None:
        """Enable, or disable with the reason as the tooltip."""
        if text is not None:
            self._full = text
        self.setEnabled(not reason)
        self._elide()
        whole = f"{self._full}. " if self.text() != self._full else ""
        set_tip(self, whole + (reason or self._tip))

    def _elide(self) -> None:
        room, mode = self.width() - 2 * BUTTON_PADDING, Qt.TextElideMode.ElideMiddle
        self.setText(self.fontMetrics().elidedText(self._full, mode, room))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Show as much of the text as there is room for."""
        super().resizeEvent(event)
        self._elide()


def check_box(text: str, tip: str, checked: bool = False) -> QCheckBox:
    """Make a check box."""
    result = QCheckBox(text)
    set_tip(result, tip)
    result.setChecked(checked)
    return result


# -- choices --------------------------------------------------------------------------------


class Combo(QComboBox):
    """A combo box of (text, value) pairs that never widens the dock.

    What is too long loses its middle, because names of runs differ at their ends.
    """

    chosen = Signal(object)
    """The value, when the user chose another one."""

    def __init__(self, options: Sequence[tuple[str, Any]] = (), tip: str = "") -> None:
        super().__init__()
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
            for text, value in options:
                self.addItem(text, (value,))  # a tuple: Qt must not convert the value
                self.setItemData(self.count() - 1, text, Qt.ItemDataRole.ToolTipRole)
            self.value = current

    @property
    def value(self) -> Any:
        """The chosen value; None when there is nothing to choose."""
        held = self.currentData()
        return held[0] if held else None

    @value.setter
    def value(self, value: Any) -> None:
        for k in range(self.count()):
            held = self.itemData(k)[0]
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


# -- numbers --------------------------------------------------------------------------------


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
    box.wheelEvent = _scroll_the_dock


def _scroll_the_dock(event: Any) -> None:
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
        self.slider.wheelEvent = _scroll_the_dock
        self.box = decimal_box(low, high, value, tip, suffix=suffix, decimals=decimals, step=step)
        # The same for all, so that sliders below one another end alike; and the two buttons.
        self.box.setFixedWidth(self.box.fontMetrics().horizontalAdvance(WIDEST) + 62)
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


# -- arrangement ----------------------------------------------------------------------------


class Row(QWidget):
    """Controls side by side."""

    def __init__(self, *widgets: QWidget, stretch: int | None = None) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for k, widget in enumerate(widgets):
            layout.addWidget(widget, 1 if k == stretch else 0)
        if stretch is None:
            layout.addStretch(1)


def _name(control: QWidget, label: str) -> None:
    """Tell screen readers what a control is, also each of the parts it is made of."""
    name = label.replace("&", "")
    control.setAccessibleName(name)
    for part in control.findChildren(QWidget):
        speaks = part.accessibleName() or (isinstance(part, QAbstractButton) and part.text())
        if part.focusPolicy() != Qt.FocusPolicy.NoFocus and not speaks:
            part.setAccessibleName(name)


class Form(QWidget):
    """Labels on the left, controls on the right; "&" in a label makes its mnemonic."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setHorizontalSpacing(8)
        self._layout.setVerticalSpacing(6)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)

    def add(self, label: str, control: QWidget, tip: str = "") -> Problem:
        """Add a control with its label; returns the sentence to be shown below it."""
        text = QLabel(label)
        set_tip(text, tip or control.toolTip())
        text.setBuddy(control)
        text.setMinimumWidth(LABEL_WIDTH)
        if control.sizeHint().height() > 2 * text.sizeHint().height():
            text.setAlignment(Qt.AlignmentFlag.AlignTop)  # beside the first line of several
        _name(control, label)
        self._layout.addRow(text, control)
        problem = Problem(control)
        self._layout.addRow(problem)
        return problem

    def add_wide(self, widget: QWidget) -> None:
        """Add a control over the whole width."""
        self._layout.addRow(widget)

    def show_row(self, control: QWidget, visible: bool) -> None:
        """Show or hide a control with its label."""
        self._layout.labelForField(control).setVisible(visible)
        control.setVisible(visible)


class Expander(QCollapsible):
    """A title that shows and hides a widget; what is hidden is not reached with Tab either.

    Parameters
    ----------
    title
        What it holds.
    content
        The widget; hidden at first.
    """

    def __init__(self, title: str, content: QWidget) -> None:
        nothing = QPixmap(1, 1)  # an icon without a picture is none at all for PySide6
        nothing.fill(Qt.GlobalColor.transparent)
        super().__init__(expandedIcon=QIcon(nothing), collapsedIcon=QIcon(nothing))
        self._title = title
        self.toggle = self.toggleButton()
        self.toggle.setIconSize(QSize(0, 0))
        self.toggle.setStyleSheet("")  # the docks' own, which shows where the focus is
        self.toggle.setProperty("role", "advanced")
        column = self.layout()
        assert column is not None
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.setDuration(0)
        self.setContent(content)
        self.toggled.connect(self._on_toggled)
        self._on_toggled(False)

    def set_title(self, title: str) -> None:
        """Call it otherwise."""
        self._title = title
        self._on_toggled(self.isExpanded())

    def _on_toggled(self, is_open: bool) -> None:
        self.setText(f"{'▾' if is_open else '▸'}  {self._title}")
        self.content().setVisible(is_open)
        self.content().setMaximumHeight(UNLIMITED if is_open else 0)  # it may grow while open


class Advanced(Expander):
    """What experts need, closed at first, with a summary below the title; add to ``form``."""

    def __init__(self, summary: str = "", title: str = "Advanced") -> None:
        self.form = Form()
        self.note = Note(summary)
        super().__init__(title, self.form)
        set_tip(self.toggle, summary or "Show or hide the settings for experts.")
        self.layout().insertWidget(1, self.note)

    def _on_toggled(self, is_open: bool) -> None:
        super()._on_toggled(is_open)
        self.note.setVisible(not is_open and bool(self.note.text()))
