"""A training in the background: the viewer's, so that closing the dock does not end it."""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal
from weakref import proxy

from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet.app.live_prediction import Look
from napari_unet.app.suggesting import Suggested
from napari_unet.app.training_job import Ended, TrainingJob
from napari_unet.base.quantities import count, duration, score
from napari_unet.prediction.pieces import Piece
from napari_unet.training import events as told
from napari_unet.widgets.common.layers import shown_region, shown_slice
from napari_unet.widgets.common.notices import show_error, show_warning
from napari_unet.widgets.common.worker import Worker, stop_with_window
from napari_unet.widgets.train.labels_watch import LabelsWatch
from napari_unet.widgets.train.live_layer import LiveLayer

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_unet.app.session import Session
    from napari_unet.app.training_job import TrainingRequest
    from napari_unet.config.training import TrainConfig
    from napari_unet.training.suggestions import Place

__all__ = ["Training", "outermost"]

SHARE = 0.02
"""Part of the window's time that showing a training may take. Whatever changes in a window with a
canvas makes Qt compose the whole window anew: 2 ms with a graphics card, 35 ms without."""

LOOKS = 0.4, 2.0
"""Least and longest time between two looks at a training, in seconds."""

NOTES = 4
"""Most sentences shown at once; the latest."""

State = Literal["preparing", "running", "pausing", "paused", "stopping", "over"]


class Training(QObject):
    """One training from its start on: its switches, and what it has told so far.

    Parameters
    ----------
    viewer, session
        Where the live prediction is shown, and the model left.
    request : TrainingRequest
        What to train, and how.
    title : str
        What it does.

    Attributes
    ----------
    config : TrainConfig or None
        With what it really trains, if known: channels and classes of the data, and the network
        of a model that it goes on with.
    image_layer : Image or None
        The layer of the stack that it learns from, if it has one.
    places : tuple of Place or None
        Where to paint next, the best place first; None while nothing was looked at.
    waiting : Waiting or None
        What it waits for to be painted, while it learns nothing.
    """

    changed = Signal()
    """Another state, or something else to say."""
    looked = Signal()
    """Time to draw what came since the last time."""
    live_switched = Signal(bool)
    """The live prediction was switched, also by deleting its layer."""
    over = Signal()
    """The last signal."""

    def __init__(self, viewer: Any, session: Session, request: TrainingRequest, title: str) -> None:
        super().__init__()
        # The session, which belongs to the viewer, keeps this: it must not keep the viewer.
        self._viewer, self._session = proxy(viewer), session
        self.request, self.title = request, title
        self.config: TrainConfig | None = None
        self.job = TrainingJob(request)
        self.state: State = "preparing"
        self.step: told.Step | None = None
        self.prepared: told.Prepared | None = None
        self.ended: Ended | None = None
        self.error: Exception | None = None
        self.notes: list[str] = []
        self.places: tuple[Place, ...] | None = None
        self._best: told.Validated | None = None
        self._pace: deque[tuple[float, int]] = deque(maxlen=25)
        self._looked_at = self._cost = 0.0
        # Another image may be chosen while it runs.
        is_current = session.stacks[0] is session.stack
        self.image_layer = session.image_layer if is_current else None
        self._is_live = True
        self._live = self._live_layer()
        self._worker = Worker(self.job.events, on_pause=self.job.release)
        self._worker.yielded.connect(self._on_event)
        self._worker.drained.connect(self._on_drained)
        self._worker.warned.connect(self._note)
        self._worker.paused.connect(self._on_paused)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._on_over)
        self.right: float | None = None
        self.waiting: told.Waiting | None = None
        self._watch: LabelsWatch | None = None
        if request.painting is not None and session.source is not None:
            self._watch = LabelsWatch(self._viewer, session.source, request.painting)
            self._watch.failed.connect(show_error)

    def start(self, widget: QWidget) -> None:
        """Begin; it ends with the viewer's window, or with the program.

        Parameters
        ----------
        widget
            Any in the viewer's window; it may be closed while the training goes on.
        """
        self._viewer.dims.events.current_step.connect(self._follow_slice)
        self._follow_slice()
        stop_with_window(self._worker, outermost(widget))
        self._worker.start()

    # -- switches -----------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether it holds the device, or will again after a pause."""
        return self.state != "over"

    def pause(self) -> None:
        """Hold after this step, and give the memory back."""
        self._worker.pause()
        self._enter("pausing")

    def resume(self) -> None:
        """Go on after a pause."""
        self._pace.clear()
        self._worker.resume()
        self._enter("running" if self.step else "preparing")

    def stop(self) -> None:
        """End after this step, and keep the model as it is."""
        self.job.stop()
        self._worker.resume()
        self._enter("stopping")

    @property
    def is_live(self) -> bool:
        """Whether the slice shown is predicted every now and then."""
        return self._is_live

    @is_live.setter
    def is_live(self, wanted: bool) -> None:
        if wanted != self._is_live:
            self._is_live = wanted
            self._follow_slice()
            self.live_switched.emit(wanted)

    # -- what it is like ----------------------------------------------------------------------

    @property
    def steps_per_second(self) -> float:
        """The pace since the last pause."""
        if self._pace:
            (t0, s0), (t1, s1) = self._pace[0], self._pace[-1]
            if t1 > t0 + 0.2:
                return (s1 - s0) / (t1 - t0)
        return 0.0 if self.step is None else 1 / max(self.step.seconds, 1e-9)

    def summary(self) -> str:
        """Return what it came to, once it has ended."""
        ended = self.ended
        if ended is None:
            return ""
        if ended.model is None:
            early = "Stopped before the first step; nothing was learned."
            return early if ended.stopped else "Nothing was learned."
        steps = count(ended.step, "step")
        time = duration(ended.step * ended.seconds_per_step)
        text = f"Stopped after {steps} ({time})" if ended.stopped else f"{steps} in {time}"
        if self._best is not None:
            text += f"; best IoU {score(self._best.iou)} at step {self._best.step:,}"
        return f"{text}. Predict uses this model now."

    # -- what it tells ------------------------------------------------------------------------

    def _on_event(self, event: object) -> None:
        reactions: dict[type, Callable[[Any], None]] = {
            told.Step: self._on_step,
            Piece: self._on_piece,
            told.Validated: self._on_validated,
            told.Prepared: self._on_prepared,
            told.Adjusted: self._on_adjusted,
            told.Diverged: self._on_diverged,
            told.Painted: self._on_painted_in,
            told.Waiting: self._on_waiting,
            Suggested: self._on_suggested,
            Ended: self._on_ended,
        }
        react = reactions.get(type(event))
        if react is not None:
            react(event)

    def _on_prepared(self, event: told.Prepared) -> None:
        self.prepared = event
        for former in self.job.validations:  # of a resumed run
            self._on_validated(former)
        if event.run is not None:
            self._session.run = Path(event.run)
        self.changed.emit()

    def _on_step(self, event: told.Step) -> None:
        self._pace.append((monotonic(), event.step))
        self._on_waiting(None)
        self.step = event
        if self.state == "preparing":
            self._enter("running")

    def _on_validated(self, event: told.Validated) -> None:
        if event.best:
            self._best = event

    def _on_piece(self, piece: Piece) -> None:
        self._live.write(piece)
        if self._live.taken_away:
            self.is_live = False

    def _on_adjusted(self, event: told.Adjusted) -> None:
        self._note(event.message)

    def _on_painted_in(self, event: told.Painted) -> None:
        self.right = None if math.isnan(event.right) else event.right
        if event.problem:
            self._note(event.problem)

    def _on_suggested(self, event: Suggested) -> None:
        self.places = event.places

    def _on_waiting(self, event: told.Waiting | None) -> None:
        if event != self.waiting:
            self.waiting = event
            self.changed.emit()

    def _on_diverged(self, event: told.Diverged) -> None:
        show_warning(event.message)
        self._note(event.message)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes = [*self.notes, text][-NOTES:]
            self.changed.emit()

    def _on_paused(self) -> None:
        self._look()
        self._enter("paused")

    def _on_ended(self, ended: Ended) -> None:
        if ended.model is not None:
            self._session.model = ended.model
        self.ended = ended
        self._look()
        self.changed.emit()

    def _on_error(self, error: Exception) -> None:
        show_error(error)
        self.error = error
        self.changed.emit()

    def _on_over(self) -> None:
        self._look()
        if self._watch is not None:
            self._watch.stop()
        with suppress(ReferenceError):  # the viewer is gone
            self._live.finish()
            self._viewer.dims.events.current_step.disconnect(self._follow_slice)
        self.job.forget()
        self._enter("over")
        self.over.emit()

    def _enter(self, state: State) -> None:
        self.state = state
        self.changed.emit()

    # -- what is shown of it ------------------------------------------------------------------

    def _on_drained(self) -> None:
        """Look every now and then; the slower the window draws, the less often."""
        shortest, longest = LOOKS
        pause = min(max(shortest, self._cost / SHARE), longest)
        is_due = monotonic() - self._looked_at >= pause
        if is_due and self.state in ("preparing", "running"):
            self._say_what_is_shown()  # the canvas may have been moved
            self._look()

    def _look(self) -> None:
        """Show what has come since the last look, all in one painting of the window."""
        self._looked_at = monotonic()
        self.looked.emit()
        self._live.draw()
        QTimer.singleShot(0, self._on_painted)

    def _on_painted(self) -> None:
        # Painting comes before timers, so this is what the look cost, other delays included.
        self._cost = 0.5 * (self._cost + monotonic() - self._looked_at)

    @property
    def live_layer(self) -> Any | None:
        """The layer of the live prediction, once there is one."""
        return self._live.layer

    def _live_layer(self) -> LiveLayer:
        return LiveLayer(
            self._viewer,
            self.job.stack,
            self.image_layer,
            f"training {self.request.run}",
            below=self._session.labels_layer if self.request.painting is not None else None,
        )

    def _follow_slice(self, _: object = None) -> None:
        if self._is_live and self._live.taken_away:
            self._live = self._live_layer()
        self._say_what_is_shown()

    def _say_what_is_shown(self) -> None:
        """Tell the job what to predict."""
        shown = self._viewer, self.job.stack, self.image_layer
        self.job.look = Look(shown_slice(*shown), shown_region(*shown)) if self._is_live else None


def outermost(widget: QWidget) -> QWidget:
    """The main window, also of a widget in a dock that floats."""
    window = widget.window()
    while window.parentWidget() is not None:
        window = window.parentWidget().window()
    return window
