"""Train while I paint: a training begins by itself as soon as two classes have a stroke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from napari_unet.app.run_places import new_run
from napari_unet.app.training_job import TrainingRequest
from napari_unet.config.presets import choose_preset
from napari_unet.training.journal import Journal
from napari_unet.training.painting import Painting
from napari_unet.widgets.common.notices import show_error
from napari_unet.widgets.train.running import Training, outermost

if TYPE_CHECKING:
    from napari_unet.app.session import Session

__all__ = ["PaintMode", "paint_mode_of"]

SOON = 200  # ms after a stroke
HIDE_KEY = "H"


class PaintMode(QObject):
    """Watches the current labels and begins a training; one a viewer.

    Parameters
    ----------
    viewer, session
        Where.
    """

    def __init__(self, viewer: Any, session: Session) -> None:
        super().__init__()
        self._viewer, self._session = viewer, session
        self._layer: Any = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SOON)
        self._timer.timeout.connect(self._look)
        if hasattr(viewer, "bind_key"):
            viewer.bind_key(HIDE_KEY, self._hide_or_show, overwrite=True)

    @property
    def is_on(self) -> bool:
        """Whether a training begins by itself."""
        return self._layer is not None

    def watch(self, window: QWidget) -> None:
        """Begin a training as soon as two classes are painted in the current labels.

        Parameters
        ----------
        window
            Any widget in the viewer's window, with which a training ends.
        """
        self.rest()
        self.setParent(outermost(window))  # nothing begins in a window that is gone
        self._layer = self._session.labels_layer
        if self._layer is not None:
            self._layer.events.paint.connect(self._on_paint)
            self._look()

    def rest(self) -> None:
        """Begin nothing by itself any more; a training that runs goes on."""
        if self._layer is not None:
            self._layer.events.paint.disconnect(self._on_paint)
        self._layer = None

    def _on_paint(self, _: object = None) -> None:
        self._timer.start()

    def _look(self) -> None:
        training = self._session.training
        if self._layer is None or (training is not None and training.is_running):
            return
        if len(_classes(self._layer.data)) >= 2:
            self.begin()

    def begin(self) -> None:
        """Begin a training that is painted into, on the current stack."""
        session = self._session
        stacks = session.stacks[:1]
        window = self.parent()
        if not stacks or not isinstance(window, QWidget):
            return
        config = choose_preset(session.config, "paint")
        folder = new_run(stacks[0].name, "paint")
        try:
            painting = Painting(stacks, Journal(folder), live=True)
        except Exception as error:  # said, whatever it is: painting goes on
            show_error(error)
            return
        request = TrainingRequest(painting.stacks, config, folder, painting=painting)
        training = Training(self._viewer, session, request, "Training while you paint")
        session.training = training
        training.start(window)

    def _hide_or_show(self, _: object = None) -> None:
        training = self._session.training
        layer = None if training is None else training.live_layer
        if layer is not None:
            layer.visible = not layer.visible


def _classes(labels: Any) -> set[int]:
    """Label values that are painted anywhere."""
    return set(np.unique(np.asarray(labels)).tolist()) - {0}


_modes: WeakKeyDictionary[Any, PaintMode] = WeakKeyDictionary()


def paint_mode_of(viewer: Any, session: Session) -> PaintMode:
    """Return the paint mode of a viewer, made when first asked for."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _modes:
        _modes[viewer] = PaintMode(viewer, session)
    return _modes[viewer]
