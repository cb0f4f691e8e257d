"""One measured training step: what it takes in memory and time, and what the run will take.

The only file of the pre-flight that computes with torch, which is imported when it does.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import DeviceError
from napari_unet.base.quantities import about, count, size
from napari_unet.config.size_rule import border, next_valid_size
from napari_unet.preflight.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack
    from napari_unet.network.compute import Compute
    from napari_unet.training.trainer import Trainer

__all__ = ["StepCost", "measure_step", "reckoned_bytes"]

LEAST_SHARE = 0.4
"""Of the reckoned memory; a step that adds less to the program took what it had freed before."""

STEPS = 2  # the first one warms up
POLL = 0.002  # s between two looks at the memory of the process


@dataclass(frozen=True)
class StepCost:
    """What a step was measured to take.

    Attributes
    ----------
    seconds_per_step : float
        Of a warm step, the preparation of its tiles included.
    bytes : int
        Memory that training takes beside what the program held before: of the device where there
        is one. Reckoned by `reckoned_bytes` where the system does not say, or where the program
        reused memory that it had from before.
    seconds_total : float
        Of the whole run: its steps, and its validations reckoned by their pixels.
    steps : int
        Of the whole run.
    compute : str
        Where and how, such as "CPU, float32, 2 threads".
    adjusted : tuple of str
        What was done otherwise than asked, such as smaller tiles for lack of memory.
    """

    seconds_per_step: float
    bytes: int
    seconds_total: float
    steps: int
    compute: str
    adjusted: tuple[str, ...] = ()

    def finding(self) -> Finding:
        """Return the measurement as one sentence; a warning where something was adjusted."""
        text = (
            f"One training step takes {_seconds(self.seconds_per_step)} and {size(self.bytes)} of "
            f"memory ({self.compute}), so {count(self.steps, 'step')} take "
            f"{about(self.seconds_total)}"
        )
        text += "".join(f"; {one}" for one in self.adjusted) + "."
        return Finding("warning" if self.adjusted else "info", text, check="step")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "seconds_per_step": self.seconds_per_step,
            "bytes": self.bytes,
            "seconds_total": self.seconds_total,
            "steps": self.steps,
            "compute": self.compute,
            "adjusted": list(self.adjusted),
        }


def measure_step(
    stack: Stack | Sequence[Stack],
    config: TrainConfig | None = None,
    *,
    spare_cores: int = 0,
) -> StepCost:
    """Take two steps of a training and throw them away; the second one is measured.

    It is the trainer itself that takes them, so tiles, weight map, device, precision and the
    answer to a lack of memory are those of the run. Nothing is written.

    Parameters
    ----------
    stack
        One or more stacks with labels.
    config
        Settings of the run; the preset "fast" when omitted.
    spare_cores
        CPU cores left to others, 1 beside a window.

    Returns
    -------
    StepCost

    Raises
    ------
    InputError
        If the stack cannot be trained on.
    DeviceError
        If the device is not there, or cannot hold the smallest step.
    """
    from napari_unet.config.presets import PRESETS
    from napari_unet.network.choice import choose
    from napari_unet.training.trainer import Trainer

    config = config or PRESETS["fast"]
    # No validation and no checkpoint comes due, and the run does not end by itself.
    later = max(config.steps, STEPS) + 1
    trial = replace(config, steps=later, validate_every=later + 1, checkpoint_every=later + 1)
    trainer = Trainer(stack, trial, spare_cores=spare_cores)
    compute = choose(config.device, trainer.config.network, spare_cores=spare_cores)
    reckoned = reckoned_bytes(trainer.config, compute)
    _check_room(reckoned, compute)
    with _Memory(compute.device) as memory:
        seconds, adjusted = _take_steps(trainer)
    total = seconds * (config.steps + _validation_steps(trainer, config))
    reused = memory.bytes < LEAST_SHARE * reckoned and not adjusted
    taken = reckoned if reused else memory.bytes
    return StepCost(seconds, taken, total, config.steps, compute.describe(), adjusted)


def _take_steps(trainer: Trainer) -> tuple[float, tuple[str, ...]]:
    """Return the seconds of a warm step, and what was adjusted to make it possible."""
    from napari_unet.training.events import Adjusted, Step

    notes = trainer.data.notes  # said when the data are looked at
    times: list[float] = []
    adjusted: list[str] = []
    with closing(trainer.run()) as events:
        for event in events:
            if isinstance(event, Adjusted) and event.message not in notes:
                adjusted.append(event.message)
                times.clear()
            elif isinstance(event, Step):
                times.append(event.seconds)
            if len(times) == STEPS:
                return times[-1], tuple(adjusted)
    raise DeviceError(
        "no step could be measured, because the loss was not a number at once; try a smaller "
        "learning rate."
    )


def _validation_steps(trainer: Trainer, config: TrainConfig) -> float:
    """Return how many steps take as long as all validations of a run.

    A validation passes its planes forward, which is a third of a step on as many pixels.
    """
    depth = config.network.depth
    pixels = 0
    for stack, split in zip(trainer.data.stacks, trainer.data.splits):
        shape = stack.plane_shape
        if split.region is not None:
            y0, y1, x0, x1 = split.region
            shape = y1 - y0, x1 - x0
        sides = [next_valid_size(n + border(depth), depth) for n in shape]
        pixels += len(split.validation) * math.prod(sides)
    validations = math.ceil(config.steps / config.validation_interval)
    return validations * pixels / (3 * config.batch * config.tile**2)


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


# -- memory ---------------------------------------------------------------------------------


def reckoned_bytes(config: TrainConfig, compute: Compute) -> int:
    """Count the memory of a training step without taking it.

    Parameters
    ----------
    config
        With the channels and classes of the data.
    compute
        Its precision decides how large an activation is.

    Returns
    -------
    int
        Bytes: what the network keeps of one batch for the way back, counted on tensors without
        content, and the parameters with their gradients and the state of the optimiser.
    """
    import torch

    from napari_unet.network.unet import UNet

    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # held, so that no other one gets its address
        return tensor

    with torch.device("meta"):
        network = UNet(config.network)
        batch = torch.empty(config.batch, config.network.in_channels, config.tile, config.tile)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(batch)
    parameters = sum(p.numel() * p.element_size() for p in network.parameters())
    activations = sum(storage.nbytes() for storage in kept.values()) - parameters
    if compute.dtype == "bfloat16":
        activations //= 2
    copies = 4 if config.optimiser == "adam" else 3
    return int(activations + copies * parameters)


def _check_room(needed: int, compute: Compute) -> None:
    """Refuse a step on the CPU that would make the system end the program."""
    from napari_unet.network.compute import available_memory

    free = available_memory(compute.device)
    if compute.device == "cpu" and needed > free:
        raise DeviceError(
            f"a training step needs about {size(needed)} of memory, but {size(free)} are free: "
            "use smaller tiles, fewer tiles in a batch, or fewer channels."
        )


class _Memory:
    """Context that measures how much more memory was held inside at most than before.

    On CUDA the allocator counts; elsewhere a thread looks at the process now and then.

    Attributes
    ----------
    bytes : int
        Afterwards; 0 where the system does not say.
    """

    def __init__(self, device: str) -> None:
        self.bytes = 0
        self._device = device
        self._over = threading.Event()
        self._watch: threading.Thread | None = None

    def __enter__(self) -> _Memory:
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
            return self
        self._before = self._peak = _held(self._device)
        self._watch = threading.Thread(target=self._look, name="memory", daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._watch is None:
            import torch

            self.bytes = torch.cuda.max_memory_allocated(self._device) - self._before
            return
        self._over.set()
        self._watch.join()
        grown = max(self._peak, _held(self._device)) - self._before
        self.bytes = grown if self._before else 0

    def _look(self) -> None:
        while not self._over.wait(POLL):
            self._peak = max(self._peak, _held(self._device))


def _held(device: str) -> int:
    """Return the bytes that the process holds now (its peak, where only that is known), or 0."""
    if device == "mps":
        import torch

        return int(torch.mps.driver_allocated_memory())
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    with suppress(ImportError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)
    return 0
