"""Further stacks to learn from: a short list, and a button that adds the current one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.base.errors import InputError
from napari_unet.base.quantities import count
from napari_unet.base.units import pixel_in_words
from napari_unet.training.alike import check_alike
from napari_unet.training.common_pixels import pixel_sizes_differ
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.bound import BoundControls
from napari_unet.widgets.common.buttons import button, check_box
from napari_unet.widgets.common.form import Advanced, Row
from napari_unet.widgets.common.notes import Note, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_unet.app.session import StackSource
    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.dock import Dock

__all__ = ["TrainingStacks"]

TIP = "Learn from more than one stack; sizes and pixel sizes may differ."
ADD_TIP = (
    "Keep this stack in the training, so that you can choose another image and labels above and "
    "learn from both. The stack chosen above is always trained on."
)
COMMON_TIP = (
    "Resample the other stacks so that their pixels have the size of this stack's: objects then "
    "have the same size in all of them. Leave it off to make the network used to both sizes."
)


class TrainingStacks(QWidget):
    """Shows and changes what the session's next run learns from besides the current stack."""

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._session = dock.session
        self._expander = Advanced("", "Train on more stacks")
        self._expander.toggle.setToolTip(TIP)
        self.add = button("&Add this stack", ADD_TIP)
        self.add.clicked.connect(self._on_add)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(2)
        self._lines: list[QWidget] = []
        self.common = check_box("resample to a common pixel size", COMMON_TIP)
        self.sizes = Note()
        self.problem = Problem(self.add)
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._rows)
        for widget in (self.add, self.problem, self.common, self.sizes):
            column.addWidget(widget)
        self._expander.form.add_wide(body)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._expander)
        dock.listen(self._session.stack_changed, self.show_stacks)
        dock.listen(self._session.added_changed, self.show_stacks)
        dock.follow(self.show_stacks, "pixel_size", "intensity")
        BoundControls(dock).add(
            self.common,
            "pixel_size",
            read=lambda config: config.pixel_size is not None,
            write=lambda wanted, _: {"pixel_size": "first" if wanted else None},
        )
        self.show_stacks()

    @property
    def summary(self) -> Note:
        """The line below the title while the list is closed."""
        return self._expander.note

    def show_stacks(self, _: object = None) -> None:
        """List what the session has."""
        session = self._session
        stacks = session.stacks
        for line in self._lines:
            self._rows.removeWidget(line)
            line.hide()
            line.deleteLater()
        self._lines = list(self._make_lines(stacks)) if session.added else []
        for line in self._lines:
            self._rows.addWidget(line)
        self.add.setEnabled(self._can_add())
        slices = sum(len(stack.labelled_slices) for stack in stacks)
        several = len(stacks) > 1
        text = f"{len(stacks)} stacks, {count(slices, 'labelled slice')}" if several else ""
        self._expander.note.setText(text)
        self._expander.note.setVisible(several and not self._expander.toggle.isChecked())
        common = session.config.pixel_size is not None
        self.common.setVisible(common or pixel_sizes_differ(stacks))
        self.sizes.say(self._say_sizes(stacks))
        self.problem.say(_misfit(stacks, session.config.intensity))

    def _can_add(self) -> bool:
        session = self._session
        is_new = session.source is not None and not session.has_added(session.source)
        return is_new and session.stack is not None and session.stack.labels is not None

    def _make_lines(self, stacks: tuple[Stack, ...]) -> Iterator[QWidget]:
        """One line for every stack, with a button for those that were added."""
        session = self._session
        current = session.stack
        if current in stacks and not session.has_added(session.source):
            yield Row(Note(f"{_words(current)} (chosen above)"), stretch=0)
        for source in session.added:
            stack = source.stack()
            if stack is None:
                continue
            chosen = " (chosen above)" if stack is current else ""
            away = button("Remove", f"Do not learn from {stack.name} any more.", "fix")
            away.clicked.connect(partial(self._remove, source))
            yield Row(Note(f"{_words(stack)}{chosen}"), away, stretch=0)

    def _say_sizes(self, stacks: tuple[Stack, ...]) -> str:
        if not pixel_sizes_differ(stacks):
            return ""
        first = stacks[0]
        if self._session.config.pixel_size is not None:
            size = pixel_in_words(first.pixel_size, first.unit)
            return f"All are brought to the pixel size of {first.name}, {size}."
        sizes = (f"{one.name} {pixel_in_words(one.pixel_size, one.unit)}" for one in stacks)
        return f"Pixel sizes differ: {', '.join(sizes)}."

    def _on_add(self) -> None:
        session = self._session
        if session.source is not None:
            session.added = (*session.added, session.source)

    def _remove(self, source: StackSource, _: object = None) -> None:
        self._session.added = tuple(one for one in self._session.added if one is not source)


def _words(stack: Stack) -> str:
    return f"{stack.name}, {count(len(stack.labelled_slices), 'slice')}"


def _misfit(stacks: tuple[Stack, ...], intensity: Literal["stack", "image"]) -> str:
    if len(stacks) < 2:
        return ""
    try:
        check_alike(stacks, intensity)
    except InputError as error:
        return notices.sentence(error)
    return ""
