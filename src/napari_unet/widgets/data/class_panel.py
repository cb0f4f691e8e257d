"""Names and colours of the classes that the labels have, as their layer shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_unet.widgets.common.class_look import class_colours, class_names, rename_class
from napari_unet.widgets.common.form import Advanced
from napari_unet.widgets.common.notes import set_tip
from napari_unet.widgets.data.class_table import ClassTable

if TYPE_CHECKING:
    from napari_unet.annotation.labels import LabelScheme

__all__ = ["ClassPanel", "looked_at"]


class ClassPanel(Advanced):
    """A table of the classes, hidden for labels that are objects."""

    renamed = Signal()

    def __init__(self) -> None:
        super().__init__("", "Classes: names and colours")
        set_tip(self.toggle, "What each label value is called, and its colour.")
        self.table = ClassTable()
        self.table.renamed.connect(self._on_renamed)
        self.form.add_wide(self.table)
        self._labels: Any = None
        self.hide()

    def show_classes(self, scheme: LabelScheme | None, labels: Any) -> None:
        """Show the classes of a labels layer."""
        self._labels = labels
        has_classes = scheme is not None and scheme.kind == "classes"
        self.setVisible(has_classes)
        if scheme is not None and has_classes:
            self.table.show_classes(scheme)

    def _on_renamed(self, value: int, name: str) -> None:
        if self._labels is not None:
            rename_class(self._labels, value, name)
            self.renamed.emit()


def looked_at(scheme: LabelScheme, labels: Any) -> LabelScheme:
    """Take over the names and colours that a labels layer has now."""
    if scheme.kind == "objects":
        return scheme
    known = class_names(labels)
    names = tuple(known.get(value) or name for value, name in zip(scheme.values, scheme.names))
    return replace(scheme, names=names, colours=class_colours(labels, scheme.values))
