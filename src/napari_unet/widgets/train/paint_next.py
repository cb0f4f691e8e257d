"""The list "Paint here next" of the Train dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.widgets.common.notes import Heading, Note
from napari_unet.widgets.common.row_table import RowTable
from napari_unet.widgets.train.next_places import NEXT_KEY

if TYPE_CHECKING:
    from napari_unet.training.suggestions import Place
    from napari_unet.widgets.train.next_places import NextPlaces

__all__ = ["PaintNext"]

ROWS = 5  # that are seen at once

TIP = (
    "Places where a stroke helps most, because the network is not sure of them. Click one, or "
    f"press {NEXT_KEY} for the next: the view zooms in on it. Where it is right already, go on."
)


class PaintNext(QWidget):
    """Hidden while no training is painted into.

    Parameters
    ----------
    places
        Of the viewer.
    parent
        What it will lie in: without, it would be a window of its own while it is shown.
    """

    def __init__(self, places: NextPlaces, parent: QWidget) -> None:
        super().__init__(parent)
        self._places = places
        self._listed: tuple[Place, ...] = ()
        self._here: Place | None = None
        self.table = RowTable(("slice", "row, column", "why"), TIP, wide=2)
        rows = self.table.verticalHeader()
        assert rows is not None
        self.table.setFixedHeight((ROWS + 1) * (rows.defaultSectionSize() + 1))
        self.table.chosen.connect(self._on_chosen)
        self.note = Note()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (Heading(f"Paint here next ({NEXT_KEY})"), self.table, self.note):
            column.addWidget(widget)
        places.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        """Show what is suggested now; rows stay in place under the pointer."""
        places = self._places
        self.setVisible(places.is_searching)
        if places.places and self.table.underMouse() and self._listed and places.is_searching:
            return
        self.table.setVisible(bool(places.places))
        self.note.say(places.said)
        if (places.places, places.here) != (self._listed, self._here):
            self._listed, self._here = places.places, places.here
            self.table.show_rows(
                [self._row(place) for place in self._listed],
                chosen=-1 if places.here is None else 0,
            )

    def _row(self, place: Place) -> tuple[str, str, str]:
        index = " ".join(map(str, self._places.index(place))) or "–"
        return index, ", ".join(f"{n:.0f}" for n in place.middle), place.reason

    def _on_chosen(self, row: int) -> None:
        self._places.go(self._listed[row])
