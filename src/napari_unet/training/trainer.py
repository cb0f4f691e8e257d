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
import math
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import CheckpointError, DeviceError, InputError
from napari_unet.base.kept_memory import kept_heap
from napari_unet.config.decoding import USUAL, Decoding
from napari_unet.config.presets import PRESETS
from napari_unet.config.size_rule import previous_valid_size, smallest_input
from napari_unet.config.training import TrainConfig
from napari_unet.images.label_sums import seen_labels
from napari_unet.network.compute import free_memory, is_out_of_memory, limit_threads
from napari_unet.network.trained_model import TrainedModel
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
from napari_unet.training.keeping import Keeper
from napari_unet.training.learner import Learner, OutOfMemoryError
from napari_unet.training.measuring import measure
from napari_unet.training.resuming import (
    as_divided_then,
    check_fits,
    check_same_run,
    described,
    first_network,
    former_limits,
    how_to_compute,
    restore,
)
from napari_unet.training.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from napari_unet.images.label_sums import SeenLabels
    from napari_unet.images.stack import Stack
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
        _check_given(start_from, run, resume)
        self.folder = None if run is None else RunFolder(run)
        if self.folder is not None and resume:
            config = as_divided_then(config, self.folder)
        self.data = TrainingData(stacks, like_model(config, start_from), painted=painted)
        if not painted:
            self.data.check_labels()
        self.config = self.data.config
        if start_from is not None:
            check_fits(start_from, self.config)
        self.resume = resume
        self.start_from, self.spare_cores = start_from, spare_cores
        self.tile = self.config.tile
        self.seconds = 0.0
        self.decoding: Decoding | None = USUAL if self.config.network.object_maps else None
        self._seen: list[SeenLabels] = []
        self._learner: Learner | None = None
        self.edits: EditSteps | None = None
        self._kept = Keeper(self.folder, self.snapshot)
        self._pace = _Pace()
        if self.folder is not None and resume:
            check_same_run(self.folder, self.config, self.data)
        elif self.folder is not None:
            self.folder.check_free(painted=painted)

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
        yield from map(Adjusted, (remark, *self.data.notes) if remark else self.data.notes)
        yield self._prepared()
        batches = self.sampler.batches(learner.step)
        try:
            while learner.step < self.config.steps:
                if self.edits is not None:
                    for event in self.edits.taken(self.sampler, self.validation):
                        yield event if isinstance(event, Waiting) else self._kept.record(event)
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
                if self._due(self.config.checkpoint_every) and self.folder is not None:
                    yield self._checkpointed(self.folder)
                self._keep_snapshot()
                yield from map(Adjusted, self._kept.said())
            yield self._finished()
        finally:
            batches.close()
            self._keep()

    # -- preparation -----------------------------------------------------------

    def _prepare(self) -> str:
        """Read and measure the data, build the network, open the run folder.

        Returns what differs from the run that is resumed, or "".
        """
        self._seen = [seen_labels(stack) for stack in self.data.given]
        former = self.folder if self.resume else None
        compute, remark = how_to_compute(former, self.config, self.spare_cores)
        limit_threads(compute)
        if (limits := former_limits(former, self.start_from)) is not None:
            self.data.take_limits(limits)
        network = first_network(self.config, self.start_from)
        self._learner = learner = Learner(network, self.config, compute)
        state = None if former is None else restore(former, learner, self.config)
        if state is not None:
            self._take_up(state)
        self._kept.keep_good(learner)
        if self.painting is not None:
            self.edits = EditSteps(self.painting, self.data, learner)
        self.sampler = self._make_sampler()
        self.validation = self.data.validation()
        if former is not None:
            self._kept.go_on(former, learner.step)
        elif self.folder is not None:
            told = described(self.data, compute, self.start_from)
            self.folder.create(told, painted=self.painting is not None)
            if self.start_from is not None:  # only random weights can be made anew
                self._write_state(self.folder)
                self.folder.snapshots.keep(0, self.model)
        return remark

    def _take_up(self, state: Mapping[str, Any]) -> None:
        self.tile = state["tile"]
        self.seconds = float(state["seconds"])
        self._kept.best = dict(state["best"])
        if (decoding := state.get("decoding")) is not None:
            self.decoding = Decoding.from_dict(decoding)
        self._kept.saved_step = self.learner.step

    def _make_sampler(self) -> TileSampler:
        sampler = self.data.sampler(tile=self.tile, device=self.learner.compute.device)
        if self.edits is not None:
            self.edits.look(sampler)
        return sampler

    def _make_smaller(self) -> str:
        """Ask for less memory: first fewer tiles at once, then smaller tiles."""
        if self.learner.micro > 1:
            return self.learner.compute_fewer_at_once()
        before, self.tile = self.tile, _smaller_tile(self.tile, self.learner)
        self.sampler = self._make_sampler()
        return f"memory does not hold a tile of {before} pixels: tiles are {self.tile} now"

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
        return self._kept.record(Step(step, steps, loss, rate, seconds, left, waited))

    def _validated(self) -> Validated:
        begun = time.perf_counter()
        learner = self.learner
        found = measure(learner.shown, self.validation, learner.compute, self.config.loss)
        if found.fitted is not None:
            self.decoding = self.data.before_zoom(found.fitted.decoding)
        best = self._kept.is_best(learner.step, found)
        if best:
            self._kept.save_best(self.model)
        if math.isfinite(found.loss):
            self._kept.keep_good(learner)
        self._kept.save_picture(learner.step, self.validation, found)
        spent = time.perf_counter() - begun
        self.seconds += spent
        self._pace.between_steps = spent / self.config.validation_interval
        scores = found.loss, found.iou, found.pixel_accuracy, found.f_score
        return self._kept.record(Validated(learner.step, *scores, best))

    def _checkpointed(self, folder: RunFolder) -> Checkpointed | Adjusted:
        step, steps = self.learner.step, self.config.steps
        if self.learner.is_finite():
            self._kept.keep_good(self.learner)
        try:
            self._write_state(folder)
        except CheckpointError as error:
            if step == steps:
                raise
            again = min(steps, step + self.config.checkpoint_every)
            return Adjusted(f"{error} Training goes on, and tries again at step {again}.")
        return self._kept.record(Checkpointed(step, str(folder.path)))

    def _diverged(self, batch: Batch) -> Diverged:
        step = self.learner.step + 1
        good = self._kept.go_back(self.learner)
        if self.folder is not None and good:
            self.folder.write_model("last", self.model)
        return self._kept.record(Diverged(step, _why_diverged(step, good, batch, self.config)))

    def _finished(self) -> Finished:
        step = self.learner.step
        best = self._kept.best or {"step": step, "loss": math.nan, "iou": math.nan}
        if self.folder is not None and not self._kept.best:
            self.folder.write_model("best", self.model)
        loss, iou = best["loss"], best["iou"]
        return self._kept.record(
            Finished(step, int(best["step"]), loss, iou, self.seconds, self._run_path)
        )

    # -- what others may ask between two events --------------------------------

    @property
    def learner(self) -> Learner:
        """Network and optimiser; there from the first event on."""
        if self._learner is None:
            raise InputError("the run has not begun: ask for its first event")
        return self._learner

    @property
    def model(self) -> TrainedModel:
        """The network as it is now, usable for prediction between two events."""
        stack = self.data.stacks[0]
        run = {
            "step": self.learner.step,
            "preset": self.config.preset,
            "best": dict(self._kept.best),
            "folder": self._run_path,
            "unit": stack.unit,  # of the pixel size
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
        return self._kept.unsaved_best or self.snapshot()

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

    def _write_state(self, folder: RunFolder) -> None:
        if self.painting is not None:
            self.painting.save()
        state = {"tile": self.tile, "seconds": self.seconds, "best": self._kept.best}
        if self.decoding is not None:
            state["decoding"] = self.decoding.to_dict()
        self._kept.write(folder, self.model, {**self.learner.state(), **state})

    def _keep_snapshot(self) -> None:
        """Keep a small model now and then; the scores of its step go with it."""
        right = {} if self.edits is None else {"right": self.edits.recent}
        self._kept.keep_snapshot(self.learner, lambda: self.model, right)

    def _keep(self) -> None:
        """Save where a stopped run stands, unless its last checkpoint says the same."""
        if self.folder is not None and self.learner.step != self._kept.saved_step:
            self._write_state(self.folder)


def _check_given(start_from: object, run: object, resume: bool) -> None:
    if not isinstance(start_from, TrainedModel | None):
        kind = type(start_from).__name__
        raise InputError(f"start_from must be a model, as load_model gives it, got a {kind}.")
    if run is None and resume:
        raise InputError("to go on with a run, give its folder, too: run='runs/first'.")


def _smaller_tile(tile: int, learner: Learner) -> int:
    depth = learner.config.network.depth
    smaller = previous_valid_size(tile * 3 // 4, depth)
    if smaller >= tile or smaller < smallest_input(depth):
        msg = (
            f"memory on {learner.compute.describe()} does not hold one tile of {tile} pixels of "
            "this network: use fewer channels, fewer poolings, or the CPU"
        )
        raise DeviceError(msg)
    return smaller


def _why_diverged(step: int, good: int, batch: Batch, config: TrainConfig) -> str:
    stays = f"the model of step {good} stays" if good else "nothing good had been kept yet"
    if bool(batch.image.isfinite().all()):
        advice = f"try a learning rate below {config.learning_rate:g}"
    else:
        advice = "the image holds pixels that are not numbers, which no rate can help: mend it"
    return f"the loss was no longer a number at step {step}, so training stopped; {stays}: {advice}"


class _Pace:
    """Estimates the time left from the recent steps, so that it follows a change of load.

    The first step, which is slow for other reasons, counts until there is another.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._per_step = self.between_steps = 0.0

    def seconds_left(self, latest: float, steps: int) -> float:
        self._seen += 1
        share = max(0.05, 1 / max(1, self._seen - 1))
        self._per_step += share * (latest - self._per_step)
        return steps * (self._per_step + self.between_steps)


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
