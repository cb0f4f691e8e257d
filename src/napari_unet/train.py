"""The shared trainer: a generator of typed events.

Window, command line, experiments and tests all run this one loop. A consumer
that stops asking pauses the run; one that closes the generator stops it, and
what was learnt until then is kept.

A step depends only on the configuration, the data and its own number (tiles,
dropout and learning rate are functions of it), so a run that was killed and
resumed arrives at the same weights as one that was not.

Legend: B tiles, C channels, K classes, (H, W) input, (h, w) output pixels.
"""

from __future__ import annotations

import copy
import math
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows

from napari_unet.checkpoint import RunFolder
from napari_unet.device import (
    Compute,
    available_memory,
    choose,
    free_memory,
    is_out_of_memory,
    limit_threads,
)
from napari_unet.errors import CheckpointError, DeviceError, InputError
from napari_unet.events import (
    Adjusted,
    Checkpointed,
    Diverged,
    Event,
    Finished,
    Prepared,
    Step,
    Validated,
)
from napari_unet.inference import bytes_per_pixel, forward_logits, network_for_inference
from napari_unet.labels import check_annotation
from napari_unet.metrics.overlap import confusion, dice_by_class, iou_by_class
from napari_unet.model import TrainedModel, UNet
from napari_unet.sampling import Batch, TileSampler, ValidationPlanes
from napari_unet.splits import split_stack
from napari_unet.stack import Intensity, Stack
from napari_unet.tiles import border, plan_tiles, previous_valid_size, read_mirrored, smallest_input
from napari_unet.train_config import PRESETS, TrainConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

__all__ = [
    "PRESETS",
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
    "weighted_cross_entropy",
]

SLICES_CHECKED = 64
"""Labelled slices that are looked at for a second class before training."""


def weighted_cross_entropy(
    logits: Tensor, classes: Tensor, weights: Tensor, by: str = "mean"
) -> Tensor:
    """Pixel-wise softmax cross-entropy times the weight map (paper, equation 1).

    Parameters
    ----------
    logits : Tensor (B, K, h, w)
        Raw output of the network.
    classes : Tensor (B, h, w) int64
        Class index of every pixel.
    weights : Tensor (B, h, w) float32
        0 where a pixel is not annotated.
    by : {"mean", "weighted mean"}
        Divide the sum by the number of pixels, annotated or not, or by the sum
        of the weights (1 when that is 0).

    Returns
    -------
    Tensor ()
        float32.
    """
    total = (F.cross_entropy(logits.float(), classes, reduction="none") * weights).sum()
    if by == "mean":
        return total / weights.numel()
    mass = weights.sum()
    return total / torch.where(mass > 0, mass, 1.0)


class Trainer:
    """One training run.

    Parameters
    ----------
    stacks : Stack or sequence of Stack
        With labels. Their arrays are read while training; hand in copies of
        arrays that others may change.
    config : TrainConfig
        The settings.
    run : path, optional
        Folder for everything the run writes; without it nothing is written.
    resume : bool
        Go on with the run in that folder from its last checkpoint. Data and
        settings must be the same; only `steps` and `device` may differ.
    start_from : TrainedModel, optional
        Begin with its weights and its grey-value limits, to train on.
    spare_cores : int
        CPU cores left to others, 1 beside a window.

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
    ) -> None:
        self.stacks = (stacks,) if isinstance(stacks, Stack) else tuple(stacks)
        _check_stacks(self.stacks)
        self.scheme = self.stacks[0].scheme
        assert self.scheme is not None
        network = replace(
            config.network,
            in_channels=self.stacks[0].channels,
            classes=self.scheme.n_classes,
        )
        self.config = replace(config, network=network)
        self.splits = tuple(
            split_stack(stack, config.split, guard=border(network.depth)) for stack in self.stacks
        )
        self.run_folder = None if run is None else RunFolder(run)
        self.resume = resume
        self.start_from = start_from
        self.spare_cores = spare_cores
        self._check_folder()
        self._check_start()
        self._loaded = False
        self._released = False
        self.step = 0
        self.seconds = 0.0
        self.best: dict[str, float] = {}

    # -- the run ---------------------------------------------------------------

    def run(self) -> Iterator[Event]:
        """Train; yields an event after everything that happens.

        Closing the generator, or any error in it, leaves the last and the best
        model and a resumable state in the run folder.
        """
        yield from self._prepare()
        batches = self.sampler.batches(self.step)
        try:
            while self.step < self.config.steps:
                waited = time.perf_counter()
                batch = next(batches)
                started = time.perf_counter()
                self._take_device()
                loss, adjustment = self._try_step(batch)
                if adjustment is not None:
                    yield Adjusted(adjustment)
                    batches.close()
                    batches = self.sampler.batches(self.step)
                    continue
                if not math.isfinite(loss):
                    yield self._diverge()
                    return
                self.step += 1
                yield self._tell_step(loss, waited, started)
                if self._due(self.config.validate_every):
                    yield from self._validate()
                if self._due(self.config.checkpoint_every):
                    yield from self._checkpoint()
            yield self._finish()
        finally:
            batches.close()
            self._keep()

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.config.steps

    def _tell_step(self, loss: float, waited: float, started: float) -> Step:
        now = time.perf_counter()
        spent = now - waited
        self.seconds += spent
        # The pace of the recent steps, so that the estimate follows a change of load.
        self._pace = spent if self._pace is None else 0.95 * self._pace + 0.05 * spent
        left = (self.config.steps - self.step) * (self._pace + self._validation_pace)
        return Step(
            self.step,
            self.config.steps,
            loss,
            self.config.learning_rate_at(self.step),
            spent,
            left,
            started - waited,
        )

    # -- preparation -----------------------------------------------------------

    def _prepare(self) -> Iterator[Event]:
        self.compute = choose(
            self.config.device, self.config.network, spare_cores=self.spare_cores
        )
        limit_threads(self.compute)
        self.intensity = self._intensity()
        self.network = self._first_network()
        self._make_optimiser()
        self.tile, self.batch, self.micro = self.config.tile, self.config.batch, self.config.batch
        self._pace: float | None = None
        self._validation_pace = 0.0
        self._last_good = copy.deepcopy(self.network.state_dict())
        state = self._read_state()
        if state is not None:
            self._restore(state)
        self._make_sampler()
        self.validation = ValidationPlanes(
            self.stacks,
            self.splits,
            intensity=self.intensity,
            weights=self.config.weights,
            class_weights=self.sampler.class_weights,
        )
        self._loaded = True
        self._open_folder(resumed=state is not None)
        for split in self.splits:
            if split.note:
                yield Adjusted(split.note)
        yield Prepared(
            self.compute.describe(),
            self.network.parameter_count,
            sum(len(split.train) for split in self.splits),
            sum(len(split.validation) for split in self.splits),
            self.tile,
            self.batch,
            self.step,
            None if self.run_folder is None else str(self.run_folder.path),
        )

    def _intensity(self) -> Intensity:
        if self.start_from is not None:
            return self.start_from.intensity
        measured = [Intensity.measure(stack, mode=self.config.intensity) for stack in self.stacks]
        # Several stacks share one pair of limits, so that equal grey values stay equal.
        return replace(
            measured[0],
            low=tuple(np.min([one.low for one in measured], axis=0).tolist()),
            high=tuple(np.max([one.high for one in measured], axis=0).tolist()),
        )

    def _first_network(self) -> UNet:
        generator = torch.Generator().manual_seed(self.config.seed)
        network = UNet(self.config.network, generator)
        if self.start_from is not None:
            network.load_state_dict(self.start_from.network.state_dict())
        return network.to(self.compute.device, memory_format=self.compute.memory_format)

    def _make_optimiser(self) -> None:
        c = self.config
        parameters = self.network.parameters()
        if c.optimiser == "sgd":
            self.optimiser: torch.optim.Optimizer = torch.optim.SGD(
                parameters, c.learning_rate, momentum=c.momentum, weight_decay=c.weight_decay
            )
        else:
            self.optimiser = torch.optim.AdamW(
                parameters, c.learning_rate, weight_decay=c.weight_decay
            )

    def _make_sampler(self) -> None:
        self.sampler = TileSampler(
            self.stacks,
            self.splits,
            depth=self.config.network.depth,
            tile=self.tile,
            batch=self.batch,
            intensity=self.intensity,
            weights=self.config.weights,
            augment=self.config.augment,
            seed=self.config.seed,
            device=self.compute.device,
        )

    # -- one step --------------------------------------------------------------

    def _try_step(self, batch: Batch) -> tuple[float, str | None]:
        """Take a step; when memory ends, say what was made smaller instead."""
        try:
            return self._take_step(batch), None
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        self.optimiser.zero_grad(set_to_none=True)
        free_memory(self.compute.device)
        return math.nan, self._make_smaller()

    def _take_step(self, batch: Batch) -> float:
        """Forward, backward, update; in parts of `micro` tiles whose gradients add up."""
        self.network.train()
        rate = self.config.learning_rate_at(self.step + 1)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        size = len(batch.image)
        mass = float(batch.weights.sum()) or 1.0
        total = 0.0
        with self._seeded():
            for k in range(0, size, self.micro):
                part = slice(k, min(size, k + self.micro))
                weights = batch.weights[part]
                loss = self._loss(batch.image[part], batch.classes[part], weights)
                if self.config.loss == "mean":
                    share = (part.stop - part.start) / size
                else:
                    share = float(weights.sum()) / mass
                (loss * share).backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach()) * share
        if math.isfinite(total):
            self.optimiser.step()
        return total

    def _loss(self, image: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        device = self.compute.device
        x = image.to(device).contiguous(memory_format=self.compute.memory_format)
        kind = torch.device(device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self.compute.dtype == "bfloat16"):
            logits = self.network(x)
        return weighted_cross_entropy(
            logits, classes.to(device), weights.to(device), self.config.loss
        )

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Dropout as a function of seed and step, whatever else draws random numbers."""
        device = torch.device(self.compute.device)
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(hash((self.config.seed, self.step)) & (2**63 - 1))
            yield

    def _make_smaller(self) -> str:
        """Ask for less memory: first fewer tiles at once, then smaller tiles."""
        if self.micro > 1:
            self.micro = -(-self.micro // 2)
            return (
                f"memory does not hold {self.batch} tiles at once: they are computed "
                f"{self.micro} at a time, with the same result"
            )
        depth = self.config.network.depth
        smaller = previous_valid_size(self.tile * 3 // 4, depth)
        if smaller >= self.tile or smaller < smallest_input(depth):
            msg = (
                f"memory on {self.compute.describe()} does not hold one tile of {self.tile} "
                f"pixels of this network: use fewer channels, fewer poolings, or the CPU"
            )
            raise DeviceError(msg)
        message = f"memory does not hold a tile of {self.tile} pixels: tiles are {smaller} now"
        self.tile = smaller
        self._make_sampler()
        return message

    # -- validation ------------------------------------------------------------

    def _validate(self) -> Iterator[Event]:
        if not any(split.validation for split in self.splits):
            return
        started = time.perf_counter()
        loss, table = self._measure()
        iou, f_score = (
            float(np.nanmean(by_class(table)[1:])) if np.isfinite(by_class(table)[1:]).any() else 0.0
            for by_class in (iou_by_class, dice_by_class)
        )
        best = not self.best or iou > self.best["iou"]
        if best:
            self.best = {"step": self.step, "loss": loss, "iou": iou, "f_score": f_score}
            self._write_model("best")
        if math.isfinite(loss):
            self._last_good = copy.deepcopy(self.network.state_dict())
        spent = time.perf_counter() - started
        self.seconds += spent
        self._validation_pace = spent / self.config.validate_every
        accuracy = float(np.trace(table) / max(1, table.sum()))
        yield self._record(Validated(self.step, loss, iou, accuracy, f_score, best))

    def _measure(self) -> tuple[float, np.ndarray[Any, np.dtype[np.int64]]]:
        """Weighted loss and confusion matrix over all validation pixels."""
        classes = self.config.network.classes
        network = network_for_inference(self.network, self.compute)
        table = np.zeros((classes, classes), np.int64)
        total = mass = 0.0
        for plane in self.validation:
            logits = self._logits(network, plane.image)
            target = torch.from_numpy(plane.classes.astype(np.int64))
            weights = torch.from_numpy(plane.weights)
            losses = F.cross_entropy(logits[None], target[None], reduction="none")[0] * weights
            total += float(losses.sum(dtype=torch.float64))
            known = plane.weights > 0
            mass += float(plane.weights.sum()) if self.config.loss != "mean" else known.sum()
            table += confusion(logits.argmax(0).numpy(), plane.classes, classes, known)
        return total / max(mass, 1e-12), table

    def _logits(self, network: UNet, image: np.ndarray[Any, Any]) -> Tensor:
        """Logits (K, Y, X) of a normalised plane (C, Y, X), by tiles that memory holds."""
        config = network.config
        shape = (image.shape[-2], image.shape[-1])
        pixels = int(0.3 * available_memory(self.compute.device)) // bytes_per_pixel(config)
        plan = plan_tiles(shape, config.depth, 2048, max_pixels=pixels)
        result = torch.empty(config.classes, *shape)
        for slot in plan.slots:
            window = read_mirrored(
                lambda rows, cols: image[:, rows, cols], shape, slot.input_rows, slot.input_cols
            )
            tile = torch.from_numpy(np.ascontiguousarray(window))[None]
            logits = forward_logits(network, tile, self.compute)[0]
            height, width = slot.rows.stop - slot.rows.start, slot.cols.stop - slot.cols.start
            result[:, slot.rows, slot.cols] = logits[:, :height, :width]
        return result

    # -- what stays ------------------------------------------------------------

    @property
    def model(self) -> TrainedModel:
        """The network as it is now, usable between two events."""
        stack = self.stacks[0]
        if not self._loaded:
            msg = "the run has not begun: wait for its first event"
            raise InputError(msg)
        assert self.scheme is not None
        run = {
            "step": self.step,
            "preset": self.config.preset,
            "best": dict(self.best),
            "folder": None if self.run_folder is None else str(self.run_folder.path),
        }
        return TrainedModel(
            self.network, self.intensity, self.scheme, stack.name, stack.pixel_size, run
        )

    def snapshot(self) -> TrainedModel:
        """A copy of `model` on the CPU that training does not change."""
        return replace(self.model, network=copy.deepcopy(self.network).cpu().eval())

    def release(self) -> None:
        """Give the device's memory back while paused; the next step takes it again."""
        if self._loaded and self.compute.device != "cpu":
            self._move("cpu")
            free_memory(self.compute.device)
            self._released = True

    def _take_device(self) -> None:
        if self._released:
            self._move(self.compute.device)
            self._released = False

    def _move(self, device: str) -> None:
        self.network.to(device)
        for values in self.optimiser.state.values():
            for name, value in values.items():
                # Adam keeps its step count on the CPU, wherever the rest lies.
                if isinstance(value, torch.Tensor) and name != "step":
                    values[name] = value.to(device)

    def refresh(self, stack_index: int, stack: Stack) -> None:
        """Take edited labels into the batches that follow."""
        stacks = list(self.stacks)
        stacks[stack_index] = stack
        self.stacks = tuple(stacks)
        self.sampler.refresh(stack_index, stack)

    def _checkpoint(self) -> Iterator[Event]:
        if self.run_folder is not None:
            self._write_state()
            yield self._record(Checkpointed(self.step, str(self.run_folder.path)))

    def _write_model(self, which: Any) -> None:
        if self.run_folder is not None:
            self.run_folder.write_model(which, self.model)

    def _write_state(self) -> None:
        assert self.run_folder is not None
        self._write_model("last")
        self.run_folder.write_state(
            {
                "step": self.step,
                "seconds": self.seconds,
                "best": self.best,
                "tile": self.tile,
                "micro": self.micro,
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            }
        )

    def _keep(self) -> None:
        """Save where a stopped run stands, unless its last checkpoint says the same."""
        if self.run_folder is not None and self._loaded and self.step != self._saved_step():
            self._write_state()

    def _saved_step(self) -> int:
        assert self.run_folder is not None
        state = self.run_folder.read_state()
        return -1 if state is None else int(state["step"])

    def _record(self, event: Event) -> Event:
        if self.run_folder is not None:
            self.run_folder.append_history(event)
        return event

    def _diverge(self) -> Diverged:
        self.network.load_state_dict(self._last_good)
        message = (
            f"the loss became NaN at step {self.step + 1} and training stopped; the last good "
            f"model stays: try a learning rate below {self.config.learning_rate:g}"
        )
        event = Diverged(self.step + 1, message)
        self._record(event)
        return event

    def _finish(self) -> Finished:
        best = self.best or {"step": self.step, "loss": math.nan, "iou": math.nan}
        if not self.best:
            self._write_model("best")
        event = Finished(
            self.step,
            int(best["step"]),
            best["loss"],
            best["iou"],
            self.seconds,
            None if self.run_folder is None else str(self.run_folder.path),
        )
        self._record(event)
        return event

    # -- the run folder --------------------------------------------------------

    def _check_folder(self) -> None:
        if self.run_folder is None:
            return
        if self.resume:
            self._check_same_run(self.run_folder.description())
        elif self.run_folder.exists():
            msg = (
                f"the folder {self.run_folder.path} already holds a run: choose another folder, "
                "or resume that run"
            )
            raise CheckpointError(msg)

    def _check_same_run(self, description: dict[str, Any]) -> None:
        free = ("steps", "device", "validate_every", "checkpoint_every", "preset")
        before, now = description.get("config", {}), _as_json(self.config.to_dict())
        changed = [k for k in now if k not in free and before.get(k) != now[k]]
        if changed:
            msg = (
                f"the run in {self.run_folder.path if self.run_folder else ''} was made with other "
                f"settings ({', '.join(changed)}): resume it with its own, or begin a new run"
            )
            raise CheckpointError(msg)
        data = [_as_json(stack.fingerprint()) for stack in self.stacks]
        if description.get("data") != data:
            msg = (
                "the run to resume was made with other images or labels: open the same stack, "
                "or begin a new run that starts from its model"
            )
            raise CheckpointError(msg)

    def _check_start(self) -> None:
        if self.start_from is None:
            return
        theirs, ours = self.start_from.network.config, self.config.network
        self.config = replace(
            self.config, network=replace(theirs, dropout=ours.dropout)
        )
        if (theirs.in_channels, theirs.classes) != (ours.in_channels, ours.classes):
            msg = (
                f"the model to continue has {theirs.in_channels} channels and {theirs.classes} "
                f"classes, the stack {ours.in_channels} and {ours.classes}: choose another model"
            )
            raise InputError(msg)

    def _open_folder(self, *, resumed: bool) -> None:
        if self.run_folder is None:
            return
        if self.resume:
            self.run_folder.rewind_history(self.step)
            return
        self.run_folder.create(
            {
                "name": self.stacks[0].name,
                "config": self.config.to_dict(),
                "data": [stack.fingerprint() for stack in self.stacks],
                "compute": self.compute.to_dict(),
                "intensity": self.intensity.to_dict(),
                "labels": self.scheme.to_dict() if self.scheme else None,
            }
        )

    def _read_state(self) -> dict[str, Any] | None:
        if self.resume and self.run_folder is not None:
            return self.run_folder.read_state()
        return None

    def _restore(self, state: dict[str, Any]) -> None:
        self.step = int(state["step"])
        self.seconds = float(state["seconds"])
        self.best = dict(state["best"])
        self.tile, self.micro = int(state["tile"]), int(state["micro"])
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._last_good = copy.deepcopy(self.network.state_dict())


def _as_json(value: Any) -> Any:
    """A value as it comes back from JSON."""
    import json

    return json.loads(json.dumps(value))


def _check_stacks(stacks: Sequence[Stack]) -> None:
    if not stacks:
        msg = "training needs at least one stack with labels, got none: choose one"
        raise InputError(msg)
    first = stacks[0]
    for stack in stacks:
        if stack.labels is None or stack.scheme is None:
            msg = f"{stack.name!r} has no labels: choose a labels layer or file to train on"
            raise InputError(msg)
        if stack.channels != first.channels:
            msg = (
                f"all stacks of a training need the same channels, but {first.name!r} has "
                f"{first.channels} and {stack.name!r} {stack.channels}: leave one out"
            )
            raise InputError(msg)
        if stack.scheme.n_classes != first.scheme.n_classes:  # type: ignore[union-attr]
            msg = f"{stack.name!r} has other classes than {first.name!r}: leave one out"
            raise InputError(msg)
        chosen = stack.labelled_slices[:SLICES_CHECKED]
        check_annotation((stack.label_plane(i) for i in chosen), stack.scheme)


def train(
    stack: Stack | Sequence[Stack],
    config: TrainConfig | None = None,
    run: str | Path | None = None,
    *,
    resume: bool = False,
    start_from: TrainedModel | None = None,
) -> Iterator[Event]:
    """Train a U-Net; see `Trainer` for the parameters.

    Yields
    ------
    Event
        ``Prepared`` first, ``Finished`` last; ``Step`` after each step.

    Examples
    --------
    >>> from napari_unet import datasets
    >>> from napari_unet.train import TrainConfig, Validated, train
    >>> stack = datasets.open("synthetic")
    >>> config = TrainConfig.preset_named("fast", steps=200)
    >>> for event in train(stack, config, "runs/first"):  # doctest: +SKIP
    ...     if isinstance(event, Validated):
    ...         print(event.step, event.iou)
    """
    trainer = Trainer(
        stack, config or PRESETS["fast"], run, resume=resume, start_from=start_from
    )
    return trainer.run()
