"""The shared trainer: a generator of typed events.

Window, command line, experiments and tests all run this one loop. A consumer
that stops asking pauses the run; one that closes the generator stops it, and
what was learnt until then is kept.

A step depends only on the configuration, the data and its own number (tiles,
dropout and learning rate are functions of it), so a run that was killed and
resumed arrives at the same weights as one that was not.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections import deque
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from napari_unet.base.errors import CheckpointError, DeviceError, InputError
from napari_unet.base.kept_memory import kept_heap
from napari_unet.config.decoding import Decoding
from napari_unet.config.presets import PRESETS
from napari_unet.config.size_rule import output_size, previous_valid_size, smallest_input
from napari_unet.config.training import TrainConfig
from napari_unet.images.label_sums import seen_labels
from napari_unet.network.choice import as_recorded, choose
from napari_unet.network.compute import free_memory, is_out_of_memory, limit_threads
from napari_unet.network.model_file import damaged
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.training.data import TrainingData, like_model
from napari_unet.training.edit_steps import EditSteps
from napari_unet.training.events import (
    Adjusted,
    Checkpointed,
    Diverged,
    Event,
    Finished,
    Prepared,
    Step,
    Validated,
    Waiting,
)
from napari_unet.training.learner import Learner, OutOfMemoryError
from napari_unet.training.measuring import Measurement, measure
from napari_unet.training.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_unet.images.label_sums import SeenLabels
    from napari_unet.images.stack import Intensity, Stack
    from napari_unet.network.compute import Compute
    from napari_unet.training.painting import Painting
    from napari_unet.training.sampling import Batch, TileSampler

__all__ = [
    "Adjusted",
    "Checkpointed",
    "Diverged",
    "Event",
    "Finished",
    "Prepared",
    "Step",
    "TrainConfig",
    "Trainer",
    "Validated",
    "train",
]

E = TypeVar("E", bound=Event)

SAME_IOU = 0.01
"""Validations that differ by less are as good; the later network, trained longer, is kept.

On a few slices the IoU of one training goes up and down by half of that from one validation to the
next, and an early network that was lucky can merge far more objects than the last one.
"""

WAITING = 0.2
"""Seconds between two words that a training waits for something to be painted."""

FREE_ON_RESUME = ("steps", "device", "validate_every", "checkpoint_every", "preset")
"""Settings that may change when a run is resumed."""


class Trainer:
    """One training run.

    Parameters
    ----------
    stacks : Stack or sequence of Stack
        With labels. Their arrays are read while training; hand in copies of
        arrays that others may change.
    config : TrainConfig
        The settings. Channels and classes are taken from the stacks.
    run : path, optional
        Folder for everything the run writes; without it nothing is written.
    resume : bool
        Go on with the run in that folder from its last checkpoint. Data and
        settings must be the same; the number of steps may differ.
    start_from : TrainedModel, optional
        Begin with its weights and its grey-value limits, to train on.
    spare_cores : int
        CPU cores left to others, 1 beside a window.
    painting : Painting, optional
        Labels that are painted meanwhile; `stacks` are then its stacks. What it records goes
        into the run folder.

    Raises
    ------
    InputError
        If the stacks cannot be trained on; the sentence says what to do.
    CheckpointError
        If the folder holds another run already, or cannot be resumed.
    """

    def __init__(
        self,
        stacks: Stack | Sequence[Stack],
        config: TrainConfig,
        run: str | Path | None = None,
        *,
        resume: bool = False,
        start_from: TrainedModel | None = None,
        spare_cores: int = 0,
        painting: Painting | None = None,
    ) -> None:
        self.painting = painting
        painted = painting is not None
        self.folder = None if run is None else RunFolder(run)
        if self.folder is not None and resume:
            config = _as_divided_then(config, self.folder)
        self.data = TrainingData(stacks, like_model(config, start_from), painted=painted)
        if not painted:
            self.data.check_labels()
        self.config = self.data.config
        if start_from is not None:
            _check_fits(start_from, self.config)
        self.resume = resume
        self.start_from = start_from
        self.spare_cores = spare_cores
        self.tile = self.config.tile
        self.seconds = 0.0
        self.best: dict[str, float] = {}
        self.decoding: Decoding | None = None
        self._seen: list[SeenLabels] = []
        self._learner: Learner | None = None
        self.edits: EditSteps | None = None
        self._saved_step = -1
        self._unsaved_best: TrainedModel | None = None
        self._unwritten: deque[Event] = deque()
        self._remarks: deque[str] = deque()
        self._pace = _Pace()
        if self.folder is not None:
            self._check_folder(self.folder)

    def run(self) -> Generator[Event, None, None]:
        """Train; yields an event after everything that happens.

        Closing the generator, or an error in it, leaves the best and the last
        model and a resumable state in the run folder. What cannot be written
        on the way, on a full disk, is said and tried again at the next
        checkpoint; at the last one it is an error.
        """
        with kept_heap(), nullcontext() if self.folder is None else self.folder.locked():
            yield from self._run()

    def _run(self) -> Generator[Event, None, None]:
        remark = self._prepare()
        learner = self.learner
        for note in (remark, *self.data.notes) if remark else self.data.notes:
            yield Adjusted(note)
        yield self._prepared()
        batches = self.sampler.batches(learner.step)
        try:
            while learner.step < self.config.steps:
                if self.edits is not None:
                    yield from self._take_edits(self.edits)
                    if self.edits.is_over:
                        break
                begun = time.perf_counter()
                try:
                    batch = next(batches)  # made on the same device
                    waited = time.perf_counter() - begun
                    loss = learner.learn(batch)
                except (OutOfMemoryError, RuntimeError, MemoryError) as error:
                    if not (isinstance(error, OutOfMemoryError) or is_out_of_memory(error)):
                        raise
                    free_memory(learner.compute.device)
                    yield Adjusted(self._make_smaller())
                    batches.close()
                    batches = self.sampler.batches(learner.step)
                    continue
                if learner.remark:
                    yield Adjusted(learner.remark)
                if not math.isfinite(loss):
                    yield self._diverged(batch)
                    return
                yield self._stepped(loss, time.perf_counter() - begun, waited)
                if self._due(self.config.validation_interval) and len(self.validation):
                    yield self._validated()
                    yield from self._said()
                if self._due(self.config.checkpoint_every) and self.folder is not None:
                    yield self._checkpointed(self.folder)
            yield self._finished()
        finally:
            batches.close()
            self._keep()

    def _take_edits(self, edits: EditSteps) -> Iterator[Event]:
        """Take what was painted; wait for it where there is nothing to learn before it."""
        learner, settled = self.learner, False
        while True:
            painted = edits.take(self.sampler, hasten=settled)
            if painted is not None:
                yield self._record(painted)
                if any(i in self.data.splits[k].validation for k, i in edits.latest):
                    self._refresh_validation()
            settled = learner.schedule.has_settled(learner.step)
            if (edits.ready and not settled) or edits.is_over:
                return
            yield Waiting(learner.step, settled)
            edits.wait(WAITING)

    def _refresh_validation(self) -> None:
        data = self.data
        for k in range(len(data.given)):
            self.validation.refresh(k, data.images(k, blind=False), data.truth(k, blind=False))

    # -- preparation -----------------------------------------------------------

    def _prepare(self) -> str:
        """Read and measure the data, build the network, open the run folder.

        Returns what differs from the run that is resumed, or "".
        """
        self._seen = [seen_labels(stack) for stack in self.data.given]
        compute, remark = self._how_to_compute()
        limit_threads(compute)
        limits = self._former_limits()
        if limits is not None:
            self.data.limits = limits
        self._learner = Learner(self._first_network(), self.config, compute)
        state = self.folder.read_state() if self.folder is not None and self.resume else None
        if state is not None:
            self._restore(state)
        elif self.folder is not None and self.resume:
            _check_reproducible_start(self.folder)
        self._keep_good()
        if self.painting is not None:
            self.edits = EditSteps(self.painting, self.data, self._learner)
        self.sampler = self._make_sampler()
        self.validation = self.data.validation()
        if self.folder is not None:
            self._open_folder(self.folder)
        return remark

    def _how_to_compute(self) -> tuple[Compute, str]:
        """As recorded where a run is resumed: other arithmetic would give other weights."""
        request, network = self.config.device, self.config.network
        if self.folder is None or not self.resume:
            return choose(request, network, spare_cores=self.spare_cores), ""
        return as_recorded(self.folder.compute(), request, network, spare_cores=self.spare_cores)

    def _former_limits(self) -> Intensity | None:
        """Limits that the run or model to go on with has."""
        if self.folder is not None and self.resume:
            return self.folder.intensity()
        return None if self.start_from is None else self.start_from.intensity

    def _first_network(self) -> UNet:
        network = UNet(self.config.network, torch.Generator().manual_seed(self.config.seed))
        if self.start_from is not None:
            network.load_state_dict(self.start_from.network.state_dict())
        return network

    def _make_sampler(self) -> TileSampler:
        sampler = self.data.sampler(tile=self.tile, device=self.learner.compute.device)
        if self.edits is not None:
            self.edits.look(sampler)
        return sampler

    def _make_smaller(self) -> str:
        """Ask for less memory: first fewer tiles at once, then smaller tiles."""
        learner, depth = self.learner, self.config.network.depth
        if learner.micro > 1:
            learner.micro = -(-learner.micro // 2)
            return (
                f"memory does not hold {self.config.batch} tiles at once: they are computed "
                f"{learner.micro} at a time, and their gradients added"
            )
        smaller = previous_valid_size(self.tile * 3 // 4, depth)
        if smaller >= self.tile or smaller < smallest_input(depth):
            msg = (
                f"memory on {learner.compute.describe()} does not hold one tile of {self.tile} "
                "pixels of this network: use fewer channels, fewer poolings, or the CPU"
            )
            raise DeviceError(msg)
        message = f"memory does not hold a tile of {self.tile} pixels: tiles are {smaller} now"
        self.tile = smaller
        self.sampler = self._make_sampler()
        return message

    # -- events ----------------------------------------------------------------

    def _due(self, every: int) -> bool:
        step = self.learner.step
        return step % every == 0 or step == self.config.steps

    def _prepared(self) -> Prepared:
        return Prepared(
            self.learner.compute.describe(),
            self.learner.network.parameter_count,
            self.data.train_slices,
            self.data.validation_slices,
            self.tile,
            self.config.batch,
            self.learner.step,
            self._run_path,
        )

    def _stepped(self, loss: float, seconds: float, waited: float) -> Step:
        self.seconds += seconds
        step, steps = self.learner.step, self.config.steps
        left = self._pace.seconds_left(seconds, steps - step)
        if self.config.schedule == "open":
            steps, left = 0, math.nan
        rate = self.learner.schedule.rate(step)
        return self._record(Step(step, steps, loss, rate, seconds, left, waited))

    def _validated(self) -> Validated:
        begun = time.perf_counter()
        learner = self.learner
        found = measure(learner.shown, self.validation, learner.compute, self.config.loss)
        if found.fitted is not None:
            self.decoding = self.data.in_given_pixels(found.fitted.decoding)
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
                "step": learner.step,
                "loss": found.loss,
                "iou": found.iou,
                "greatest_iou": greatest,
            }
            self._keep_best()
        if math.isfinite(found.loss):
            self._keep_good()
        self._keep_picture(found)
        spent = time.perf_counter() - begun
        self.seconds += spent
        self._pace.between_steps = spent / self.config.validation_interval
        return self._record(
            Validated(
                learner.step, found.loss, found.iou, found.pixel_accuracy, found.f_score, best
            )
        )

    def _keep_picture(self, found: Measurement) -> None:
        """Draw the first plane; what a full disk does not take is left out, and said."""
        if self.folder is None or found.first is None:
            return
        try:
            plane = next(iter(self.validation))
            self.folder.pictures.keep(self.learner.step, plane, found.first)
        except CheckpointError as error:
            self._remarks.append(f"{error} The picture of this validation is left out.")

    def _said(self) -> Iterator[Adjusted]:
        while self._remarks:
            yield Adjusted(self._remarks.popleft())

    def _checkpointed(self, folder: RunFolder) -> Checkpointed | Adjusted:
        step, steps = self.learner.step, self.config.steps
        if self.learner.is_finite():
            self._keep_good()
        try:
            self._write_state(folder)
        except CheckpointError as error:
            if step == steps:
                raise
            again = min(steps, step + self.config.checkpoint_every)
            return Adjusted(f"{error} Training goes on, and tries again at step {again}.")
        return self._record(Checkpointed(step, str(folder.path)))

    def _keep_best(self) -> None:
        """Save the model as the best; what cannot be written waits for the next checkpoint."""
        self._unsaved_best = None
        if self.folder is not None:
            try:
                self.folder.write_model("best", self.model)
            except CheckpointError:
                self._unsaved_best = self.snapshot()

    def _keep_good(self) -> None:
        """Remember the network as it is, for when it diverges."""
        self._last_good = self.learner.step, copy.deepcopy(self.learner.network.state_dict())

    def _diverged(self, batch: Batch) -> Diverged:
        step = self.learner.step + 1
        self.learner.step, weights = self._last_good
        self.learner.set_weights(weights)
        good = self.learner.step
        if self.folder is not None and good:
            self.folder.write_model("last", self.model)
        self._saved_step = good  # the state stays that of the last checkpoint
        stays = f"the model of step {good} stays" if good else "nothing good had been kept yet"
        if bool(batch.image.isfinite().all()):
            advice = f"try a learning rate below {self.config.learning_rate:g}"
        else:
            advice = "the image holds pixels that are not numbers, which no rate can help: mend it"
        message = (
            f"the loss was no longer a number at step {step}, so training stopped; {stays}: "
            f"{advice}"
        )
        return self._record(Diverged(step, message))

    def _finished(self) -> Finished:
        step = self.learner.step
        best = self.best or {"step": step, "loss": math.nan, "iou": math.nan}
        if self.folder is not None and not self.best:
            self.folder.write_model("best", self.model)
        loss, iou = best["loss"], best["iou"]
        return self._record(
            Finished(step, int(best["step"]), loss, iou, self.seconds, self._run_path)
        )

    def _record(self, event: E) -> E:
        if self.folder is not None:
            self._unwritten.append(event)
            with suppress(CheckpointError):
                self._write_history(self.folder)
        return event

    def _write_history(self, folder: RunFolder) -> None:
        while self._unwritten:
            folder.append_history(self._unwritten[0])
            self._unwritten.popleft()

    # -- what others may ask between two events --------------------------------

    @property
    def learner(self) -> Learner:
        """Network and optimiser; there from the first event on."""
        if self._learner is None:
            msg = "the run has not begun: ask for its first event"
            raise InputError(msg)
        return self._learner

    @property
    def model(self) -> TrainedModel:
        """The network as it is now, usable for prediction between two events."""
        stack = self.data.stacks[0]
        run = {
            "step": self.learner.step,
            "preset": self.config.preset,
            "best": dict(self.best),
            "folder": self._run_path,
            "unit": stack.units[-1],  # of the pixel size
            "labels": self._seen,
        }
        return TrainedModel(
            self.learner.shown,
            self.data.limits,
            self.data.scheme,
            stack.name,
            stack.pixel_size,
            run,
            self.config.zoom,
            self.decoding,
        )

    def snapshot(self) -> TrainedModel:
        """A copy of `model` on the CPU that training does not change."""
        return replace(self.model, network=copy.deepcopy(self.learner.shown).cpu().eval())

    def unsaved_model(self) -> TrainedModel:
        """The best model, or else the last, where the run folder could not take it."""
        return self._unsaved_best or self.snapshot()

    def release(self) -> None:
        """Give the device's memory back while paused; the next step takes it again."""
        if self._learner is not None:
            self._learner.release()

    def refresh(self, stack_index: int, stack: Stack) -> None:
        """Take edited labels, in the pixels of the given stack, into the batches that follow."""
        data, k = self.data, stack_index
        data.refresh(k, stack)
        self._seen[k] = seen_labels(stack)
        self.sampler.refresh(k, data.images(k), data.truth(k))
        self.validation.refresh(k, data.images(k, blind=False), data.truth(k, blind=False))

    # -- the run folder --------------------------------------------------------

    @property
    def _run_path(self) -> str | None:
        return None if self.folder is None else str(self.folder.path)

    def _check_folder(self, folder: RunFolder) -> None:
        if self.resume:
            _check_same_run(folder, self.config, self.data)
        else:
            folder.check_free()

    def _open_folder(self, folder: RunFolder) -> None:
        if self.resume:
            folder.rewind_history(self.learner.step)
            return
        folder.create(
            {
                "name": self.data.given[0].name,
                "config": self.config.to_dict(),
                "data": [stack.fingerprint() for stack in self.data.given],
                "compute": self.learner.compute.to_dict(),
                "intensity": self.data.limits.to_dict(),
                "labels": self.data.scheme.to_dict(),
                "started_from": None if self.start_from is None else self.start_from.name,
            }
        )
        if self.start_from is not None:
            self._write_state(folder)  # only random weights can be made anew

    def _restore(self, state: Mapping[str, Any]) -> None:
        assert self.folder is not None
        self.tile = state["tile"]
        try:
            output_size(self.tile, self.config.network.depth)
            if self.tile > self.config.tile:
                raise ValueError(f"tile is {self.tile}, larger than the settings say")
            self.learner.restore(state)
        except (InputError, ValueError, RuntimeError, KeyError) as error:
            raise damaged(self.folder.path / "state.pt", "training state", error) from error
        self.seconds = float(state["seconds"])
        self.best = dict(state["best"])
        decoding = state.get("decoding")
        self.decoding = None if decoding is None else Decoding.from_dict(decoding)
        self._saved_step = self.learner.step

    def _write_state(self, folder: RunFolder) -> None:
        if self._unsaved_best is not None:
            folder.write_model("best", self._unsaved_best)
            self._unsaved_best = None
        self._write_history(folder)
        state = {"tile": self.tile, "seconds": self.seconds, "best": self.best}
        if self.decoding is not None:
            state["decoding"] = self.decoding.to_dict()
        folder.write_model("last", self.model)
        folder.write_state({**self.learner.state(), **state})
        self._saved_step = self.learner.step

    def _keep(self) -> None:
        """Save where a stopped run stands, unless its last checkpoint says the same."""
        if self.folder is not None and self.learner.step != self._saved_step:
            self._write_state(self.folder)


class _Pace:
    """Estimates the time left from the recent steps, so that it follows a change of load."""

    def __init__(self) -> None:
        self.per_step: float | None = None
        self.between_steps = 0.0

    def seconds_left(self, latest: float, steps: int) -> float:
        self.per_step = latest if self.per_step is None else 0.95 * self.per_step + 0.05 * latest
        return steps * (self.per_step + self.between_steps)


def _check_fits(model: TrainedModel, config: TrainConfig) -> None:
    """Refuse to go on with a model of other channels or classes than the stacks have."""
    theirs, ours = model.network.config, config.network
    if (theirs.in_channels, theirs.classes) != (ours.in_channels, ours.classes):
        msg = (
            f"the model to continue from has {theirs.in_channels} channels and "
            f"{theirs.classes} classes, the stack {ours.in_channels} and {ours.classes}: "
            "choose another"
        )
        raise InputError(msg)


def _check_reproducible_start(folder: RunFolder) -> None:
    """Raise where a run without a checkpoint did not begin with random weights of its seed."""
    if folder.description().get("started_from") is not None:
        msg = (
            f"the run in {folder.path} was begun with the weights of a model and ended before they "
            "were saved: begin a new run from that model"
        )
        raise CheckpointError(msg)


def _as_divided_then(config: TrainConfig, folder: RunFolder) -> TrainConfig:
    """Settings for a run of a version that took the last slices whatever their axes were."""
    split = folder.description().get("config", {}).get("split", {})
    known = not isinstance(split, dict) or "axis" in split
    return config if known else config.changed(split={"axis": ""})


def _check_same_run(folder: RunFolder, config: TrainConfig, data: TrainingData) -> None:
    """Raise unless a run was made with these settings and data."""
    description = folder.description()
    before, now = _as_json(folder.config().to_dict()), _as_json(config.to_dict())
    stacks = data.given
    if "pixel_size" not in description.get(
        "config", {}
    ):  # of a version that kept the stacks resampled to it
        before = {**before, "pixel_size": now["pixel_size"]}
        stacks = data.stacks if config.pixel_size is not None else stacks
    if "axis" not in description.get("config", {}).get("split", {}):
        before["split"] = {**before["split"], "axis": now["split"]["axis"]}
    changed = [name for name in _changed(before, now) if name not in FREE_ON_RESUME]
    if changed:
        msg = (
            f"the run in {folder.path} was made with other settings ({', '.join(changed)}): "
            "resume it with its own, or begin a new run"
        )
        raise CheckpointError(msg)
    if description.get("data") != _as_json([stack.fingerprint() for stack in stacks]):
        msg = (
            f"the run in {folder.path} was made with other images or labels: open the same "
            "stack, or begin a new run that starts from its model"
        )
        raise CheckpointError(msg)


def _changed(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Name the settings that differ, those of the augmentation as ``augment.zoom``."""
    for name, value in now.items():
        was = before.get(name)
        if isinstance(value, dict) and isinstance(was, dict):
            yield from (f"{name}.{inner}" for inner in _changed(was, value))
        elif value != was:
            yield name


def _as_json(value: Any) -> Any:
    """A value as it comes back from a JSON file."""
    return json.loads(json.dumps(value))


def train(
    stack: Stack | Sequence[Stack],
    config: TrainConfig | None = None,
    run: str | Path | None = None,
    *,
    resume: bool = False,
    start_from: TrainedModel | None = None,
) -> Generator[Event, None, None]:
    """Train a U-Net; the parameters are those of `Trainer`.

    Yields
    ------
    Event
        ``Prepared`` first, ``Finished`` last; ``Step`` after each step.

    Examples
    --------
    >>> from napari_unet import datasets
    >>> from napari_unet.training.trainer import TrainConfig, Validated, train
    >>> stack = datasets.open("synthetic")
    >>> config = TrainConfig.preset_named("fast", steps=200)
    >>> for event in train(stack, config, "runs/first"):  # doctest: +SKIP
    ...     if isinstance(event, Validated):
    ...         print(event.step, event.iou)
    """
    config = config or PRESETS["fast"]
    return Trainer(stack, config, run, resume=resume, start_from=start_from).run()
