"""Begin to paint: a button where labels are missing, a switch where they are sparse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.widgets.common.buttons import button, check_box
from napari_unet.widgets.common.devices import present_devices
from napari_unet.widgets.common.notes import Note
from napari_unet.widgets.common.worker import Worker, once
from napari_unet.widgets.train.new_labels import new_labels
from napari_unet.widgets.train.paint_mode import HIDE_KEY, paint_mode_of

if TYPE_CHECKING:
    from napari_unet.widgets.common.dock import Dock

__all__ = ["BEGINS", "PaintStart"]

NEW_TIP = (
    "Make an empty labels layer on this image and take up the brush. Paint a stroke of background "
    "(1) and one of foreground (2): then training begins by itself, and follows what you paint."
)
SWITCH_TIP = (
    "As soon as two classes have a stroke, training begins by itself, and every stroke changes "
    "what it learns from the next step on. Strokes are saved from the first one on."
)
BEGINS = "Training begins by itself as soon as two classes have a stroke."
HOW = (
    "Paint a stroke of background (1) and one of foreground (2); training begins by itself. Then "
    f"paint where the contours are wrong. {HIDE_KEY} hides and shows them. Specks of a few pixels "
    "are not drawn."
)


WAITS = (
    "Another training runs: what you paint here is neither learnt nor saved before it has stopped."
)


class PaintStart(QWidget):
    """The button and the switch; hidden where neither makes sense.

    Parameters
    ----------
    dock
        Whose viewer is painted in.

    Attributes
    ----------
    mode : PaintMode
        Of that viewer.
    """

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock, self._session = dock, dock.session
        self.mode = paint_mode_of(dock.viewer, dock.session)
        self.new = button("&New labels to paint", NEW_TIP)
        self.new.clicked.connect(self._on_new)
        self.switch = check_box("train &while I paint", SWITCH_TIP, self.mode.is_on)
        self.switch.toggled.connect(self._on_switch)
        self.how = Note()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.new, self.switch, self.how):
            column.addWidget(widget)
        dock.listen(self._session.stack_changed, self._look)
        dock.listen(self._session.training_changed, self._look)
        self.mode.changed.connect(self._look)
        self._look()

    def _look(self, _: object = None) -> None:
        stack = self._session.stack
        has_labels = stack is not None and stack.labels is not None
        scheme = None if stack is None else stack.scheme
        is_sparse = has_labels and scheme is not None and scheme.annotation == "sparse"
        self.new.setVisible(self._session.image_layer is not None and not has_labels)
        self.switch.setVisible(is_sparse)
        self.switch.blockSignals(True)
        self.switch.setChecked(self.mode.is_on)
        self.switch.blockSignals(False)
        waits = self.mode.has_to_wait
        self.how.say((WAITS if waits else HOW) if is_sparse and self.mode.is_on else "")

    def _on_new(self) -> None:
        session, stack, image = self._session, self._session.stack, self._session.image_layer
        if stack is None or image is None:
            return
        new_labels(self._dock.viewer, session, stack, image)
        self._dock.run(Worker(once(present_devices)))  # torch loads while the first stroke is drawn
        self.mode.watch(self)
        self._look()

    def _on_switch(self, wanted: bool) -> None:
        self.mode.watch(self) if wanted else self.mode.rest()
        self._look()
