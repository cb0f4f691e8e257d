"""What the Train dock runs in the background: the trainer's events, pictures between them.

Pausing and closing are the worker's business. Ending early is a switch that the job looks at
after every event, because a training that was ended still hands over its model.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.app.between_steps import BetweenSteps
from napari_unet.app.live_prediction import LivePrediction, Look
from napari_unet.app.suggesting import Suggested, Suggesting
from napari_unet.base.errors import CheckpointError
from napari_unet.training import events as told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.pieces import Piece
    from napari_unet.training.events import Event, Validated
    from napari_unet.training.painting import Painting
    from napari_unet.training.suggestions import Place
    from napari_unet.training.trainer import Trainer

__all__ = ["Ended", "TrainingJob", "TrainingRequest"]

LIVE_SHARE, LIVE_SHARE_PAINTING = 0.12, 0.25
"""Parts of the time of a training that its live prediction takes: who paints waits for it."""


@dataclass(frozen=True, eq=False)
class TrainingRequest:
    """All that one training needs.

    Attributes
    ----------
    stacks : tuple of Stack
        Images and labels; the slice being shown is one of the first.
    config : TrainConfig
        How to train; a resumed run goes on with the settings it was begun with.
    run : Path or None
        Where to save.
    resume : bool
        Go on with the interrupted run in that folder.
    start_from : TrainedModel or None
        Continue from this model instead of random weights.
    painting : Painting or None
        Labels that are painted while it trains; `stacks` are then its stacks.
    """

    stacks: tuple[Stack, ...]
    config: TrainConfig
    run: Path | None
    resume: bool = False
    start_from: TrainedModel | None = None
    painting: Painting | None = None


@dataclass(frozen=True, eq=False)
class Ended:
    """Training is over; the last event.

    Attributes
    ----------
    model : TrainedModel or None
        The model of the best step, or of the last one when none was validated; None when it
        ended before the first step.
    stopped : bool
        The user ended it before its last step.
    step : int
        The last step.
    seconds_per_step : float
        Mean over this training, validation included; NaN when there was no step.
    """

    model: TrainedModel | None
    stopped: bool
    step: int
    seconds_per_step: float


class TrainingJob:
    """One training with a live prediction; `events` runs in the worker's thread.

    Parameters
    ----------
    request : TrainingRequest
        What to train, and how.

    Attributes
    ----------
    look : Look or None
        What to predict between steps; None for no prediction. The window sets it, the worker
        reads it.
    stack : Stack
        The stack being trained on, with the labels that the user may go on painting.
    losses : list of (int, float)
        Step and loss of every step so far, those of a resumed run included; grows in the
        worker's thread.
    validations : list of Validated
        All so far, likewise.
    looked_at : list of Place
        Suggested places that the user turned to; the window adds to it.
    """

    def __init__(self, request: TrainingRequest) -> None:
        self.look: Look | None = None
        self.losses: list[tuple[int, float]] = []
        self.validations: list[Validated] = []
        self.looked_at: list[Place] = []
        self.stack = request.stacks[0]
        self._request = request
        self._stop = Flag()
        self._trainer: Any = None
        self._between_steps = BetweenSteps()

    def stop(self) -> None:
        """End the training after the present step; `Ended` brings the model."""
        self._stop.set()

    def release(self) -> None:
        """Give the device's memory back; called in the worker's thread when it pauses."""
        if self._trainer is not None:
            self._trainer.release()

    def current_model(self) -> TrainedModel | None:
        """Return a copy of the network as it is now, from any thread but the training's.

        None before the first step, and when all is over.
        """
        trainer = self._trainer
        if trainer is None or not self.losses:
            return None
        model: TrainedModel = self._between_steps.look(trainer.snapshot)
        return model

    def events(self) -> Iterator[Event | Piece | Suggested | Ended]:
        """Train, and predict the slice being shown between the steps.

        Yields
        ------
        event
            The trainer's events as they come, pieces of live prediction, places to paint at,
            `Ended` last. Closing it closes the trainer, which keeps its best and its last model.
            Where the run folder takes nothing at the end, the model is in `Ended`, and the error
            follows.
        """
        self._trainer = trainer = self._make_trainer()
        live = LivePrediction(
            trainer.data.given[0],
            lambda: None if self._stop.is_set() else self.look,
            share=LIVE_SHARE if trainer.painting is None else LIVE_SHARE_PAINTING,
            config=trainer.config,
            painted=self._painted_last,
        )
        suggesting = Suggesting(trainer, self.looked_at)
        events = trainer.run()
        started = False
        closing = False
        failure: CheckpointError | None = None
        try:
            try:
                for event in self._between_steps.events(events):
                    started = True
                    self._remember(event)
                    yield event
                    if self._stop.is_set():
                        break
                    yield from self._after(event, trainer, live, suggesting)
            except GeneratorExit:
                closing = True
                raise
            finally:
                live.close()
                events.close()
        except CheckpointError as error:
            if closing:
                raise
            failure = error
        # A generator that was closed before its first event has prepared nothing.
        if started and trainer.learner.step:
            yield from self._end(trainer, live, failure)
        elif failure is None:
            yield Ended(None, self._stop.is_set(), 0, float("nan"))
        if failure is not None:
            raise failure

    def _make_trainer(self) -> Trainer:
        from napari_unet.training.trainer import Trainer

        request = self._request
        stacks = request.stacks
        if request.painting is None:
            stacks = tuple(map(snapshot, stacks))
        return Trainer(
            stacks,
            _stored_config(request) if request.resume else request.config,
            request.run,
            resume=request.resume,
            start_from=request.start_from,
            spare_cores=1,
            painting=request.painting,
        )

    def _after(
        self, event: Event, trainer: Trainer, live: LivePrediction, suggesting: Suggesting
    ) -> Iterator[Event | Piece | Suggested]:
        """Predict a part after a step, or the slice that was turned to while nothing is learnt.

        Where there is no need to, look for places to paint at next.
        """
        at_rest = isinstance(event, told.Waiting) and event.settled
        busy = False
        if isinstance(event, told.Step):
            piece = live.next_piece(trainer.model, trainer.learner.compute)
            if piece is not None:
                yield piece  # places have a share of their own: where steps are slow, both come
        elif at_rest:
            for piece in live.turned_to(trainer.model, trainer.learner.compute):
                yield piece
                busy = True
        else:
            return
        if trainer.painting is not None and not busy:
            suggested = suggesting.next(at_rest=at_rest)
            if suggested is not None:
                yield suggested

    def _painted_last(self) -> tuple[float, float] | None:
        """Row and column of the middle of what was painted last in the slice looked at."""
        look, painting = self.look, self._request.painting
        if look is None or painting is None or not painting.journal.edits:
            return None
        edit = painting.journal.edits[-1]
        if (edit.stack_index, edit.slice_index) != (0, look.slice_index):
            return None
        y0, y1, x0, x1 = edit.box
        return (y0 + y1) / 2, (x0 + x1) / 2

    def forget(self) -> None:
        """Let go of network, optimiser and data once it is over; what was told stays."""
        self._trainer = None

    def _remember(self, event: Event) -> None:
        """Keep what curves are drawn from; of a resumed run also what came before."""
        if isinstance(event, told.Step):
            self.losses.append((event.step, event.loss))
        elif isinstance(event, told.Validated):
            self.validations.append(event)
        elif isinstance(event, told.Prepared) and self._request.resume:
            self.losses, self.validations = _history(self._request.run)

    def _end(
        self, trainer: Trainer, live: LivePrediction, failure: CheckpointError | None
    ) -> Iterator[Event | Piece | Ended]:
        """Hand out a last picture, and the model: from the run folder, if that could take it."""
        step = trainer.learner.step
        model = trainer.unsaved_model() if failure else _model_to_keep(trainer, self._request.run)
        yield from live.whole_slice(model, trainer.learner.compute)
        yield Ended(model, self._stop.is_set(), step, trainer.seconds / step)


def snapshot(stack: Stack) -> Stack:
    """Return the stack with labels of its own, which painting during the training cannot change."""
    if isinstance(stack.labels, np.ndarray):
        return stack.with_labels(stack.labels.copy(), stack.scheme, stack.annotated)
    return stack


def _history(run: Path | None) -> tuple[list[tuple[int, float]], list[Validated]]:
    """Return the losses and the validations of a run so far."""
    from napari_unet.training.history import events_of
    from napari_unet.training.run_folder import RunFolder

    assert run is not None
    events = list(events_of(RunFolder(run).history()))
    losses = [(one.step, one.loss) for one in events if isinstance(one, told.Step)]
    return losses, [one for one in events if isinstance(one, told.Validated)]


def _model_to_keep(trainer: Any, run: Path | None) -> TrainedModel:
    if run is None:
        model: TrainedModel = trainer.model
        return model
    from napari_unet.training.run_folder import load_model

    return load_model(run)


def _stored_config(request: TrainingRequest) -> TrainConfig:
    """Return the settings that the interrupted run was begun with."""
    from napari_unet.training.run_folder import RunFolder

    assert request.run is not None
    return RunFolder(request.run).config()
