"""Texts in docks: notes, headings, tooltips, and what is wrong with a field."""

from __future__ import annotations

from textwrap import fill

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget
from superqt import QElidingLabel

__all__ = ["ElidedNote", "Heading", "Note", "Problem", "mark", "set_tip"]


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
