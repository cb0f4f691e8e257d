"""What a training will cost: time from rates measured on this computer, memory by counting.

Nothing here imports torch, so that a dock can say what a run costs before anything was loaded.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

__all__ = ["NetworkSize", "Rates", "forward_flops", "step_flops", "training_bytes"]

BASE_BYTES = 350_000_000
"""What the program holds with torch loaded, before the first step."""


@dataclass(frozen=True)
class NetworkSize:
    """What decides the cost of a step.

    Attributes
    ----------
    width, depth : int
        Channels of the first level, number of poolings.
    channels, classes : int
        Image channels, output classes.
    tile : int
        Side of the input tile, px.
    batch : int
        Tiles per step.
    """

    width: int
    depth: int
    channels: int
    classes: int
    tile: int
    batch: int

    def convolutions(self) -> list[tuple[int, int, int, int]]:
        """Return (kernel taps, channels in, channels out, side of the output) of every layer."""
        layers = []
        side, before = self.tile, self.channels
        for level in range(self.depth + 1):
            after = self.width * 2**level
            for fan_in in (before, after):
                side -= 2
                layers.append((9, fan_in, after, side))
            before = after
            side = side if level == self.depth else side // 2
        for level in reversed(range(self.depth)):
            after = self.width * 2**level
            side *= 2
            # each output pixel of a stride-2 up-convolution has one tap
            layers.append((1, 2 * after, after, side))
            for fan_in in (2 * after, after):
                side -= 2
                layers.append((9, fan_in, after, side))
        return [*layers, (1, self.width, self.classes, side)]

    def parameters(self) -> int:
        """Return the number of trained values, biases included."""
        total = 0
        for taps, fan_in, after, _ in self.convolutions():
            taps = 4 if taps == 1 and after != self.classes else taps
            total += taps * fan_in * after + after
        return total


def forward_flops(size: NetworkSize) -> float:
    """Return the operations of one forward pass of its tiles."""
    one = sum(2.0 * taps * a * b * side**2 for taps, a, b, side in size.convolutions())
    return size.batch * one


def step_flops(size: NetworkSize) -> float:
    """Return the operations of one training step: three forward passes."""
    return 3 * forward_flops(size)


def training_bytes(size: NetworkSize, optimiser: str = "sgd", value_bytes: int = 4) -> float:
    """Estimate the memory of a training step.

    Parameters
    ----------
    size : NetworkSize
        Network, tile and batch.
    optimiser : {"sgd", "adam"}
        SGD keeps one more value per parameter, Adam two.
    value_bytes : int
        Bytes per activation: 4 in float32, 2 in bfloat16.

    Returns
    -------
    float
        Bytes: the program, the parameters with gradients and optimiser state, and every layer's
        input, which the backward pass needs, plus the two largest gradients.
    """
    layers = size.convolutions()
    inputs = sum(fan_in * side**2 for _, fan_in, _, side in layers)
    largest = max(fan_in * side**2 for _, fan_in, _, side in layers)
    activations = size.batch * value_bytes * (inputs + 2 * largest)
    copies = 4 if optimiser == "adam" else 3
    return BASE_BYTES + activations + 4.0 * copies * size.parameters()


class Rates:
    """Operations per second that earlier tasks reached on this computer.

    Parameters
    ----------
    file : Path, optional
        Where they are remembered; in the platform's cache folder by default.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or Path(platformdirs.user_cache_dir("napari-unet")) / "rates.json"

    def remember(self, task: str, operations: float, seconds: float) -> None:
        """Keep the rate of a finished task; a cache that cannot be written is no error.

        Parameters
        ----------
        task : str
            What was done and where, such as "train auto".
        operations, seconds : float
            Floating-point operations, and the time they took.
        """
        if not (seconds > 0 and operations > 0):
            return
        known = self._read()
        known[task] = operations / seconds
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._file.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps(known))
            beside.replace(self._file)

    def seconds(self, task: str, operations: float) -> float | None:
        """Estimate the time of a task, or return None where none was measured yet."""
        rate = self._read().get(task)
        return operations / rate if isinstance(rate, float) and rate > 0 else None

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
