"""Buttons and check boxes; each takes its tooltip when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QPushButton, QSizePolicy

from napari_unet.widgets.common.notes import set_tip

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

__all__ = ["PrimaryButton", "button", "check_box"]

BUTTON_PADDING = 12  # px, of a primary button, its edge included


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
