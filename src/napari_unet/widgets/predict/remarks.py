"""What is worth knowing about a prediction: sentences, and a button where something helps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.notes import Note

if TYPE_CHECKING:
    from napari_unet.prediction.image_remarks import ImageRemark

__all__ = ["Remarks"]

OFFERS = {
    "match pixels": (
        "Match pixels",
        (
            "Predict again with the image zoomed until its pixels have the size of the model's; "
            "Pixel size under Advanced undoes it."
        ),
    ),
    "measure grey values": (
        "Measure anew",
        (
            "Predict again with grey values measured on this image; Grey values under Advanced "
            "undoes it."
        ),
    ),
}
"""What the button of an offer of `napari_unet.prediction.image_remarks` says and does."""


class Remarks(QWidget):
    """Sentences below one another, some with a button."""

    wanted = Signal(str)
    """The offer whose button was pressed."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[tuple[Note, QWidget]] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self.hide()

    def say(self, text: str, offer: str = "", role: str = "warning") -> None:
        """Show a sentence below the others, with the button of an offer."""
        note, line = Note(text, role), QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(note, 1)
        if offer:
            press = button(*OFFERS[offer], "fix")
            press.clicked.connect(partial(self._press, offer))
            row.addWidget(press, 0, Qt.AlignmentFlag.AlignTop)
        self._lines.append((note, line))
        self._column.addWidget(line)
        self.show()

    def say_all(self, remarks: tuple[ImageRemark, ...]) -> None:
        """Show what there is to say about an image before it is predicted."""
        for remark in remarks:
            self.say(f"{remark.text[0].upper()}{remark.text[1:]}.", remark.offer)

    def clear(self) -> None:
        """Take all away."""
        for _, line in self._lines:
            self._column.removeWidget(line)
            line.hide()
            line.deleteLater()
        self._lines = []
        self.hide()

    def text(self) -> str:
        """All sentences."""
        return " ".join(note.text() for note, _ in self._lines)

    def buttons(self) -> list[QPushButton]:
        """Those of the offers, from top to bottom."""
        return [one for _, line in self._lines for one in line.findChildren(QPushButton)]

    def _press(self, offer: str, _: object = None) -> None:
        self.wanted.emit(offer)
