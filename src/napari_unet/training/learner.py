"""A network and its optimiser: one step at a time, within the memory there is.

Legend: B tiles, C channels, K classes, M object maps, (H, W) input, (h, w) output pixels.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.optim.swa_utils import AveragedModel

from napari_unet.network.compute import free_memory, is_out_of_memory
from napari_unet.network.inference import VIEWS, seen_back, seen_from
from napari_unet.training.loss import batch_share, consistency_loss, map_loss
from napari_unet.training.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from napari_unet.config.training import TrainConfig
    from napari_unet.network.compute import Compute
    from napari_unet.network.unet import UNet
    from napari_unet.training.sampling import Batch

__all__ = ["Learner", "OutOfMemoryError"]

STATE_OF = {"adam": ("step", "exp_avg", "exp_avg_sq"), "sgd": ("momentum_buffer",)}
"""What an optimiser keeps of each parameter."""


BACKEND = "inductor"  # of torch.compile

TRUSTED = 100
"""Steps after which the average is trusted as a whole; before, in part."""


class OutOfMemoryError(Exception):
    """A step did not fit into memory; nothing was changed by it."""


class Learner:
    """Takes optimiser steps.

    Parameters
    ----------
    network : UNet
        Moved to the device, and trained in place.
    config : TrainConfig
        Optimiser, schedule and loss.
    compute : Compute
        Device, precision and memory format.

    Attributes
    ----------
    step : int
        Steps taken so far.
    micro : int
        Tiles computed at once; fewer than the batch when memory is short. The
        gradients of the parts add up, so the step is the same (but for the
        statistics of batch normalisation).
    remark : str
        What a person should know of the last step, or "".
    """

    def __init__(self, network: UNet, config: TrainConfig, compute: Compute) -> None:
        self.network = compute.place(network)
        self.config = config
        self.compute = compute
        self.step = 0
        self.micro = config.batch
        self.optimiser = _optimiser(self.network, config)
        self.remark = ""
        self.schedule = Schedule(config)
        self._average = _average(self.network, config.average) if config.average else None
        self._released = False
        self._random = torch.Generator(torch.device(compute.device))
        self._view = 0
        # All tiles of a run have one size, so it is compiled for that size alone, and once.
        self._compiled = (
            torch.compile(self.network, dynamic=False, backend=BACKEND) if config.compile else None
        )

    def learn(self, batch: Batch) -> float:
        """Take one step; returns the loss before it, of what is annotated alone.

        So it can be compared from step to step: how far the network is from its average is learnt
        beside it, but counts the more the longer it has learnt. A loss that is not a number
        leaves the network as it was.

        Raises
        ------
        OutOfMemoryError
            If memory does not hold `micro` tiles.
        """
        self._take_back()
        self.remark = ""
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate(self.step + 1)
        try:
            loss = self._compute(batch)
        except (RuntimeError, MemoryError) as error:
            self.optimiser.zero_grad(set_to_none=True)
            if not is_out_of_memory(error):
                raise
            free_memory(self.compute.device)
            raise OutOfMemoryError(str(error)) from None
        if math.isfinite(loss):
            self.optimiser.step()
            self.step += 1
            if self._average is not None:
                self._average.update_parameters(self.network)
        return loss

    def _compute(self, batch: Batch) -> float:
        """Compute gradients and loss, compiled if that was asked for and works."""
        if self._compiled is None:
            return self._accumulate(batch)
        statistics = {name: values.clone() for name, values in self.network.named_buffers()}
        try:
            return self._accumulate(batch)
        except Exception as error:  # torch has no base class for what a compiler can cause
            if is_out_of_memory(error):
                raise
            self._compiled = None
            for name, values in self.network.named_buffers():
                values.copy_(statistics[name])
            loss = self._accumulate(batch)
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.remark = (
                f"the network could not be compiled ({why}), so it is trained as it is: that needs "
                "a C++ compiler"
            )
            return loss

    def _accumulate(self, batch: Batch) -> float:
        """Sum the gradients of parts of the batch, each with its share of the loss."""
        self.optimiser.zero_grad(set_to_none=True)
        size = len(batch.image)
        mass = float(batch.weights.sum())
        classes = self.network.config.classes
        # Every map counts by itself: the sum over all of them, for each pixel that is known.
        known = 0.0 if batch.maps is None else float((~batch.maps[:, 0].isnan()).sum())
        unknown = max(1, int((batch.weights == 0).sum()))
        total = annotated = 0.0
        self._seed_chance()
        for first in range(0, size, self.micro):
            part = slice(first, min(size, first + self.micro))
            device = self.compute.device
            output = self._output(batch.image[part])
            loss = batch_share(
                output[:, :classes],
                batch.classes[part].to(device),
                batch.weights[part].to(device),
                self.config.loss,
                tiles=size,
                mass=mass,
            )
            if batch.maps is not None and known:
                maps = batch.maps[part].to(device)
                loss = loss + map_loss(output[:, classes:], maps) / known
            annotated += float(loss.detach())
            if self.config.consistency:
                weights = batch.weights[part].to(device)
                loss = loss + self._inconsistency(batch.image[part], output, weights) / unknown
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return annotated if math.isfinite(total) else math.nan

    def _inconsistency(self, image: Tensor, output: Tensor, weights: Tensor) -> Tensor:
        """How far some tiles are from the average's answers to them, seen from another side."""
        assert self._average is not None  # the settings were checked
        average, classes = self._average.module, self.network.config.classes
        with torch.no_grad(), self._autocast(), _normalised_by_its_input(average):
            turned = seen_from(image.to(self.compute.device), self._view)
            logits = average(turned.contiguous(memory_format=self.compute.memory_format))
            likely = seen_back(torch.softmax(logits[:, :classes].float(), 1), self._view)
        share = self.config.consistency * min(1.0, self.step / TRUSTED)
        return share * consistency_loss(output[:, :classes], likely, weights)

    def _autocast(self) -> torch.autocast:
        half = self.compute.dtype == "bfloat16"
        return torch.autocast(torch.device(self.compute.device).type, torch.bfloat16, enabled=half)

    def _output(self, image: Tensor) -> Tensor:
        device = self.compute.device
        layout = self.compute.memory_format
        x = image.to(device).contiguous(memory_format=layout)
        half = self.compute.dtype == "bfloat16"
        dtype = torch.bfloat16 if half else torch.float32
        dropped = self.network.draw_dropout(x.shape, self._random, dtype, layout)
        with self._autocast():
            network = self.network if self._compiled is None else self._compiled
            output: Tensor = network(x, dropped)
        return output

    def _seed_chance(self) -> None:
        """Make chance a function of seed and step, whatever else draws random numbers."""
        name = f"{self.config.seed}/{self.step}".encode()
        number = int.from_bytes(hashlib.sha256(name).digest()[:7], "little")
        self._random.manual_seed(number)
        self._view = number % VIEWS

    def answers(self, images: Tensor) -> Tensor:
        """Return logits of the network that is shown, as it is between two steps, of a few tiles.

        Nothing is copied before: that would take as long as the tiles themselves.

        Parameters
        ----------
        images : Tensor (B, C, H, W) float32
            Normalised tiles, no more than `micro`.

        Returns
        -------
        Tensor (B, K, h, w)
            float32, on the CPU.
        """
        self._take_back()
        network = self.shown.eval()
        with torch.inference_mode(), self._autocast():
            x = images.to(self.compute.device).contiguous(memory_format=self.compute.memory_format)
            logits: Tensor = network(x)
            return logits[:, : network.config.classes].float().cpu()

    @property
    def shown(self) -> UNet:
        """The network to validate, predict and save: the averaged one where there is one."""
        if self._average is None:
            return self.network
        return cast("UNet", self._average.module)

    def set_weights(self, weights: dict[str, Tensor]) -> None:
        """Go back to former weights, also in the average."""
        self.network.load_state_dict(weights)
        if self._average is not None:
            self._average.module.load_state_dict(weights)

    def compute_fewer_at_once(self) -> str:
        """Compute half as many tiles of a batch at once; says so."""
        self.micro = -(-self.micro // 2)
        return (
            f"memory does not hold {self.config.batch} tiles at once: they are computed "
            f"{self.micro} at a time, and their gradients added"
        )

    def release(self) -> None:
        """Give the device's memory back; the next step takes it again."""
        if self.compute.device != "cpu":
            self._move("cpu")
            self._released = True
        free_memory(self.compute.device)

    def _take_back(self) -> None:
        if self._released:
            self._move(self.compute.device)
            self._released = False

    def _move(self, device: str) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        self.network.to(device)
        if self._average is not None:
            self._average.to(device)
        for values in self.optimiser.state.values():
            for name, value in values.items():
                # Adam keeps its step count on the CPU, wherever the rest lies.
                if isinstance(value, torch.Tensor) and name != "step":
                    values[name] = value.to(device)

    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        return all(bool(torch.isfinite(values).all()) for values in self.network.parameters())

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "step": self.step,
            "micro": self.micro,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a `state`.

        Raises
        ------
        ValueError, RuntimeError
            It is of another network or optimiser.
        """
        self.step, self.micro = state["step"], state["micro"]
        if self.micro > self.config.batch:
            raise ValueError(f"micro is {self.micro}, more than the batch has")
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(
            {
                "state": self._checked(state["optimiser"]["state"]),
                # Settings are those of the run, whatever lies in a file.
                "param_groups": self.optimiser.state_dict()["param_groups"],
            }
        )
        if self._average is not None:
            average: Any = state.get("average")
            if not isinstance(average, dict):
                raise ValueError("average is missing, although the run averages its weights")
            self._average.load_state_dict(average)

    def _checked(self, by_number: Mapping[int, Mapping[str, Any]]) -> Mapping[int, Any]:
        """Return an optimiser's state if it is one of these parameters."""
        parameters = list(self.network.parameters())
        names = set(STATE_OF[self.config.optimiser])
        for number, values in by_number.items():
            if not 0 <= number < len(parameters) or set(values) != names:
                raise ValueError(f"optimiser.state.{number} is of another optimiser")
            for name, value in values.items():
                expected = torch.Size() if name == "step" else parameters[number].shape
                if not isinstance(value, torch.Tensor) or value.shape != expected:
                    raise ValueError(f"optimiser.state.{number}.{name} has another shape")
        return by_number


def _average(network: UNet, decay: float) -> AveragedModel:
    """An exponential average of weights and statistics, short while there are few steps."""

    def average(averaged: Sequence[Tensor], latest: Sequence[Tensor], count: Tensor | int) -> None:
        share = min(decay, (1 + int(count)) / (10 + int(count)))
        for mean, value in zip(averaged, latest):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - share)
            else:
                mean.copy_(value)

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)


@contextmanager
def _normalised_by_its_input(average: torch.nn.Module) -> Iterator[None]:
    """Let an average see tiles as the network that learns does, and keep its statistics.

    Were it normalised by its statistics, the network would learn to make up for the difference,
    step after step: what is thin, like membranes, swells.
    """
    layers = [one for one in average.eval().modules() if isinstance(one, torch.nn.BatchNorm2d)]
    for layer in layers:
        layer.momentum = 0.0
        layer.train()
    try:
        yield
    finally:  # also where memory does not hold the tiles
        average.eval()


def _optimiser(network: UNet, config: TrainConfig) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            network.parameters(), rate, momentum=config.momentum, weight_decay=decay
        )
    return torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
