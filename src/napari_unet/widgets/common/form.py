"""How the controls of a dock are arranged: in rows, in forms, and behind a title.

A field that cannot be used says so itself, in one sentence below it.
"""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QAbstractButton, QFormLayout, QHBoxLayout, QLabel, QWidget
from superqt import QCollapsible

from napari_unet.widgets.common.notes import Note, Problem, set_tip

__all__ = ["Advanced", "Expander", "Form", "Row"]

UNLIMITED = 2**24 - 1  # px, Qt's own limit of a height
LABEL_WIDTH = 62  # px, at least


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


class _RowName(QLabel):
    """What stands to the left of a control, never narrower than its text."""

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """As wide as others, so that the forms of a dock line up."""
        return super().sizeHint().expandedTo(QSize(LABEL_WIDTH, 0))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The same."""
        return super().minimumSizeHint().expandedTo(QSize(LABEL_WIDTH, 0))


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
        text = _RowName(label)
        set_tip(text, tip or control.toolTip())
        text.setBuddy(control)
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
