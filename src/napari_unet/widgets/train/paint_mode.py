"""Train while I paint: a training begins by itself with the first stroke.

It learns once a second class has one; until then it gets ready, and saves what is painted.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_unet.app.run_places import claim_run
from napari_unet.app.training_job import TrainingRequest
from napari_unet.base.errors import UNetError
from napari_unet.config.presets import choose_preset
from napari_unet.training.begun import note_begun
from napari_unet.training.journal import Journal
from napari_unet.training.painting import Painting
from napari_unet.widgets.common.notices import show_error
from napari_unet.widgets.common.worker import Worker, once, stop_with_window
from napari_unet.widgets.train.next_places import NEXT_KEY, NextPlaces
from napari_unet.widgets.train.running import Training, outermost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_unet.app.session import Session
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["PaintMode", "paint_mode_of"]

SOON = 200  # ms after a stroke
HIDE_KEY = "H"


class PaintMode(QObject):
    """Watches the current labels and begins a training; one a viewer.

    Parameters
    ----------
    viewer, session
        Where.

    Attributes
    ----------
    place : Path or None
        The folder in which every training gets a folder of its own; the usual one if None.
    """

    changed = Signal()
    """It rests from now on, or not any more; a training that it waited for is over."""

    def __init__(self, viewer: Any, session: Session) -> None:
        super().__init__()
        self._viewer, self._session = ref(viewer), session
        self.next = NextPlaces(viewer, session)
        self.place: Path | None = None
        self._layer: Any = None
        self._begun: Training | None = None
        self._is_reading = False
        self._begun_in: Callable[[], Any] = lambda: None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SOON)
        self._timer.timeout.connect(self.begin)
        session.training_changed.connect(self._on_training)
        if hasattr(viewer, "bind_key"):
            viewer.bind_key(HIDE_KEY, self._hide_or_show, overwrite=True)
            viewer.bind_key(NEXT_KEY, self.next.go_on, overwrite=True)

    @property
    def is_on(self) -> bool:
        """Whether a training begins by itself when something is painted in the current labels."""
        return self._layer is not None and self._layer is self._session.labels_layer

    @property
    def has_to_wait(self) -> bool:
        """Whether a training runs that learns nothing of what is painted in these labels."""
        training = self._session.training
        is_busy = training is not None and training.is_running
        is_here = self._begun is training and self._begun_in() is self._layer
        return self.is_on and is_busy and not is_here

    def _on_training(self, training: Training | None) -> None:
        if training is not None:
            training.over.connect(self.changed)

    def watch(self, window: QWidget) -> None:
        """Begin a training as soon as anything is painted in the current labels.

        Where these labels were trained on before, that training goes on.

        Parameters
        ----------
        window
            Any widget in the viewer's window, with which a training ends.
        """
        self._follow(window)
        self._look()

    def _look(self) -> None:
        """Begin where something is painted already."""
        if self._stopped_here() is not None:
            self._begin_soon()
        elif self._layer is not None:
            layer = self._layer
            self._in_background(partial(_is_painted, layer.data), partial(self._on_look, layer))

    def _on_look(self, layer: Any, is_painted: bool) -> None:
        if is_painted and layer is self._layer:
            self._begin_soon()

    def _follow(self, window: QWidget) -> None:
        self.rest()
        self.setParent(outermost(window))  # nothing begins in a window that is gone
        self._layer = layer = self._session.labels_layer
        if layer is not None:
            layer.events.paint.connect(self._on_paint)
            layer.events.labels_update.connect(self._on_update)
        self.changed.emit()

    def rest(self) -> None:
        """Begin nothing by itself any more; a training that runs goes on."""
        self._timer.stop()
        if self._layer is not None:
            self._layer.events.paint.disconnect(self._on_paint)
            self._layer.events.labels_update.disconnect(self._on_update)
        self._layer = None
        self.changed.emit()

    def _on_paint(self, event: Any) -> None:
        """A stroke: what was painted, as napari tells it, so that no array is searched."""
        strokes = event.value if isinstance(event.value, list) else [event.value]
        if any(np.any(new) for *_, new in strokes):
            self._begin_soon()

    def _on_update(self, event: Any) -> None:
        """A part of a stroke while the mouse is still down: a long one is saved, too."""
        if np.any(event.data):
            self._begin_soon()

    def _begin_soon(self) -> None:
        training = self._session.training
        is_over = training is None or not training.is_running
        if is_over and not self._timer.isActive():  # strokes that come quickly put nothing off
            self._timer.start()

    def _stopped_here(self) -> Training | None:
        """The latest training, if it was painted into these labels and then stopped."""
        former, stacks = self._begun, self._session.stacks[:1]
        if former is None or former.is_running or former.ended is None or not stacks:
            return None
        is_here = self._session.training is former and self._begun_in() is self._layer
        return former if is_here and _go_together(former.request.stacks[0], stacks[0]) else None

    def begin(self, model: TrainedModel | None = None) -> None:
        """Begin a training that is painted into, on the current stack, or go on with it.

        Parameters
        ----------
        model
            Whose weights it begins with; None: random ones.
        """
        stacks, running = self._session.stacks[:1], self._session.training
        if running is not None and running.is_running:
            return
        if not stacks or self._layer is None or self._is_reading:
            return
        former = self._stopped_here()
        folder = None if former is None else former.request.run
        self._is_reading = True
        read = partial(_new_painting, stacks, self.place, model)
        if folder is not None:
            read = partial(_earlier_painting, stacks, folder, model)
        self._in_background(read, self._start).finished.connect(self._on_read)

    def go_on(self, window: QWidget, painting: Painting, run: Path) -> None:
        """Go on with an earlier run whose labels are the current ones.

        Parameters
        ----------
        window
            As for `watch`.
        painting
            All that was painted in that run.
        run
            Its folder, in which it goes on.
        """
        self._follow(window)
        self._start(_Begun(painting, run))

    def begin_from(self, window: QWidget, model: TrainedModel | None) -> None:
        """Begin a training of its own on the current labels, with the weights of a model.

        Parameters
        ----------
        window
            As for `watch`.
        model
            None: random weights.
        """
        self._follow(window)
        self._begun = None
        self.begin(model)

    def _in_background(self, read: Callable[[], Any], take: Callable[[Any], object]) -> Worker:
        """Read labels as they are elsewhere: they may be of gigabytes."""
        worker = Worker(once(read), period=SOON // 10)
        worker.yielded.connect(take)
        worker.errored.connect(show_error)
        window = self.parent()
        assert isinstance(window, QWidget)
        stop_with_window(worker, window)
        worker.start()
        return worker

    def _on_read(self) -> None:
        self._is_reading = False

    def _start(self, begun: _Begun) -> None:
        session, window, viewer = self._session, self.parent(), self._viewer()
        if viewer is None or not isinstance(window, QWidget):
            return
        if self._layer is None or self._layer is not session.labels_layer:
            return  # it rests by now, or other labels were chosen
        painting, folder = begun.painting, begun.run
        request = TrainingRequest(
            painting.stacks,
            choose_preset(session.config, "paint"),
            folder,
            resume=(folder / "run.json").is_file(),
            start_from=begun.model,
            painting=painting,
        )
        training = Training(viewer, session, request, "Training while you paint")
        self._begun, self._begun_in = training, ref(self._layer)
        training.over.connect(self._on_over)
        session.training = training
        training.start(window)

    def _on_over(self) -> None:
        """It was stopped: the next stroke begins nothing, the switch does.

        Other labels that were taken up meanwhile have waited for this.
        """
        if self._layer is None or self._begun_in() is self._layer:
            self.rest()
        else:
            self._look()

    def _hide_or_show(self, _: object = None) -> None:
        training = self._session.training
        layer = None if training is None else training.live_layer
        if layer is not None:
            layer.visible = not layer.visible


@dataclass(frozen=True, eq=False)
class _Begun:
    """What was painted so far, the folder of its run, and the model that a new one begins with."""

    painting: Painting
    run: Path
    model: TrainedModel | None = None


def _new_painting(
    stacks: tuple[Stack, ...], place: Path | None, model: TrainedModel | None
) -> _Begun:
    run = claim_run(stacks[0].name, "paint", place)
    try:
        return _painting(stacks, run, model)
    except UNetError:
        with suppress(OSError):  # something was saved
            run.rmdir()
        raise


def _earlier_painting(stacks: tuple[Stack, ...], run: Path, model: TrainedModel | None) -> _Begun:
    from napari_unet.training.run_folder import RunFolder  # torch: a first stroke does not wait

    with RunFolder(run).locked():  # nothing is recorded in what another window goes on with
        return _painting(stacks, run, model)


def _painting(stacks: tuple[Stack, ...], run: Path, model: TrainedModel | None) -> _Begun:
    painting = Painting(stacks, Journal(run), live=True)
    painting.save()
    if not (run / "run.json").is_file():
        note_begun(run, painting.stacks, None if model is None else model.name)
    return _Begun(painting, run, model)


def _go_together(former: Stack, now: Stack) -> bool:
    """Whether a run can go on with these images and labels, which may mean something else now."""
    return former.image is now.image and _meaning(former) == _meaning(now)


def _meaning(stack: Stack) -> tuple[Any, ...]:
    scheme = stack.scheme
    plain = None if scheme is None else replace(scheme, names=(), colours=()).to_dict()
    return plain, stack.annotated, stack.scale, stack.units, stack.axes


def _is_painted(labels: Any) -> bool:
    """Whether anything is painted already, slice by slice."""
    return any(np.any(np.asarray(labels[index])) for index in np.ndindex(labels.shape[:-2]))


_modes: WeakKeyDictionary[Any, PaintMode] = WeakKeyDictionary()


def paint_mode_of(viewer: Any, session: Session) -> PaintMode:
    """Return the paint mode of a viewer, made when first asked for."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _modes:
        _modes[viewer] = PaintMode(viewer, session)
    return _modes[viewer]
