"""What a training keeps: its history, the best and the last model, weights to go back to."""

from __future__ import annotations

import copy
import math
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from napari_unet.base.errors import CheckpointError
from napari_unet.training.events import Event, Step, Validated
from napari_unet.training.history import events_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.learner import Learner
    from napari_unet.training.measuring import Measurement
    from napari_unet.training.run_folder import RunFolder
    from napari_unet.training.validation_planes import ValidationPlanes

__all__ = ["Keeper"]

E = TypeVar("E", bound=Event)

SAME_IOU = 0.01
"""Validations that differ by less are as good; the later network, trained longer, is kept.

On a few slices the IoU of one training goes up and down by half of that from one validation to the
next, and an early network that was lucky can merge far more objects than the last one.
"""


SMOOTHED = 20
"""Steps over which the loss that is told of a snapshot is the mean."""


class Keeper:
    """Keeps what a training would lose otherwise; without a folder, in memory alone.

    What a full disk does not take waits for the next checkpoint.

    Parameters
    ----------
    folder : RunFolder or None
        Where it is kept.
    snapshot : callable
        Returns a copy of the model as it is.

    Attributes
    ----------
    best : dict
        Step, loss and IoU of the best model so far.
    saved_step : int
        The step that the state on disk has.
    unsaved_best : TrainedModel or None
        The best model, as long as the folder could not take it.
    remarks : deque of str
        What a person should know of what could not be kept.
    """

    def __init__(self, folder: RunFolder | None, snapshot: Callable[[], TrainedModel]) -> None:
        self.folder = folder
        self.best: dict[str, float] = {}
        self.saved_step = -1
        self.unsaved_best: TrainedModel | None = None
        self.remarks: deque[str] = deque()
        self._snapshot = snapshot
        self._unwritten: deque[Event] = deque()
        self._good: tuple[int, dict[str, Tensor]] = (0, {})
        self._losses: deque[float] = deque(maxlen=SMOOTHED)
        self._measured: dict[str, float] = {}

    def record(self, event: E) -> E:
        """Add an event to the history, and return it."""
        if isinstance(event, Step):
            self._losses.append(event.loss)
        elif isinstance(event, Validated):
            self._measured = _measured(event.loss, event.iou)
        if self.folder is not None:
            self._unwritten.append(event)
            with suppress(CheckpointError):
                self._write_history(self.folder)
        return event

    def _write_history(self, folder: RunFolder) -> None:
        while self._unwritten:
            folder.append_history(self._unwritten[0])
            self._unwritten.popleft()

    def scores(self) -> dict[str, float]:
        """Mean loss of the latest steps, and the latest validation if there was one."""
        known = {"loss": sum(self._losses) / len(self._losses)} if self._losses else {}
        return known | self._measured

    def go_on(self, folder: RunFolder, step: int) -> None:
        """Go on with a run from a step: what came later is forgotten, its scores are known."""
        folder.rewind_history(step)
        for event in events_of(folder.history()):
            if isinstance(event, Step):
                self._losses.append(event.loss)
            elif isinstance(event, Validated):
                self._measured = _measured(event.loss, event.iou)

    def said(self) -> Iterator[str]:
        """What is to be said, once."""
        while self.remarks:
            yield self.remarks.popleft()

    # -- models --------------------------------------------------------------------------------

    def is_best(self, step: int, found: Measurement) -> bool:
        """Tell whether a validation is the best so far, and remember it then."""
        greatest = self.best.get("greatest_iou", 0.0)
        if math.isfinite(found.iou):
            greatest = max(found.iou, greatest)
            best = found.iou >= greatest - SAME_IOU
        else:  # nothing to find there: the loss decides
            best = found.loss <= self.best.get("loss", math.inf)
        if self.best:
            self.best["greatest_iou"] = greatest
        if best:
            self.best = {
                "step": step,
                "loss": found.loss,
                "iou": found.iou,
                "greatest_iou": greatest,
            }
        return best

    def save_best(self, model: TrainedModel) -> None:
        """Save a model as the best."""
        self.unsaved_best = None
        if self.folder is not None:
            try:
                self.folder.write_model("best", model)
            except CheckpointError:
                self.unsaved_best = self._snapshot()

    def save_picture(self, step: int, planes: ValidationPlanes, found: Measurement) -> None:
        """Draw the first plane; what a full disk does not take is left out, and said."""
        if self.folder is None or found.first is None:
            return
        try:
            self.folder.pictures.keep(step, next(iter(planes)), found.first)
        except CheckpointError as error:
            self.remarks.append(f"{error} The picture of this validation is left out.")

    def keep_snapshot(
        self, learner: Learner, make: Callable[[], TrainedModel], scores: Mapping[str, float]
    ) -> None:
        """Keep what the network is like now and then, with its scores; a full disk is said."""
        step, parameters = learner.step, learner.network.parameter_count
        if self.folder is None or not self.folder.snapshots.is_due(step, parameters):
            return
        model = make()
        model.run["scores"] = {**self.scores(), **scores}
        try:
            self.folder.snapshots.keep(step, model)
        except CheckpointError as error:
            remark = f"{error} The snapshot of this step is left out."
            if remark not in self.remarks:
                self.remarks.append(remark)

    def keep_good(self, learner: Learner) -> None:
        """Remember the network as it is, for when it diverges."""
        self._good = learner.step, copy.deepcopy(learner.network.state_dict())

    def go_back(self, learner: Learner) -> int:
        """Go back to the last good network; returns its step."""
        learner.step, weights = self._good
        learner.set_weights(weights)
        self.saved_step = learner.step  # the state stays that of the last checkpoint
        return learner.step

    # -- states --------------------------------------------------------------------------------

    def write(self, folder: RunFolder, model: TrainedModel, state: Mapping[str, Any]) -> None:
        """Save everything that a resumed run needs."""
        if folder.describe_again():
            self.remarks.append(
                f"{folder.path} was moved or removed while it is trained: it is there again, with "
                "what is saved from now on."
            )
        if self.unsaved_best is not None:
            folder.write_model("best", self.unsaved_best)
            self.unsaved_best = None
        self._write_history(folder)
        folder.write_model("last", model)
        folder.write_state(state)
        self.saved_step = state["step"]


def _measured(loss: float, iou: float) -> dict[str, float]:
    return {"validation_loss": loss, "iou": iou}
