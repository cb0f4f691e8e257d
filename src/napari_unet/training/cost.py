"""What a training will cost: time from rates measured on this computer, memory by counting.

Nothing here imports torch, so that a dock can say what a run costs before anything was loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.config.size_rule import smallest_input

if TYPE_CHECKING:
    from napari_unet.config.network import UNetConfig
    from napari_unet.config.training import TrainConfig

__all__ = [
    "layers",
    "parameter_count",
    "step_task",
    "training_bytes",
]

BASE_BYTES = 350_000_000
"""What the program holds with torch loaded, before the first step."""


Layer = tuple[int, int, int, int]
"""Kernel taps, channels in, channels out, side of the output."""


def layers(network: UNetConfig, tile: int) -> list[Layer]:
    """Return the convolutions that an input tile of side ``tile`` px goes through, in order."""
    found: list[Layer] = []
    side, before = tile, network.in_channels
    for level in range(network.depth + 1):
        after = network.width * 2**level
        for fan_in in (before, after):
            side -= 2
            found.append((9, fan_in, after, side))
        before = after
        side = side if level == network.depth else side // 2
    for level in reversed(range(network.depth)):
        after = network.width * 2**level
        side *= 2
        # each output pixel of a stride-2 up-convolution has one tap
        found.append((1, 2 * after, after, side))
        for fan_in in (2 * after, after):
            side -= 2
            found.append((9, fan_in, after, side))
    return [*found, (1, network.width, network.outputs, side)]


def parameter_count(network: UNetConfig) -> int:
    """Return the number of weights and biases; those of a batch normalisation do not count."""
    *hidden, last = layers(network, smallest_input(network.depth))
    taps = [4 if taps == 1 else taps for taps, *_ in hidden] + [last[0]]
    return sum(n * a * b + b for n, (_, a, b, _) in zip(taps, [*hidden, last]))


def training_bytes(config: TrainConfig, value_bytes: int = 4) -> float:
    """Estimate the memory of a training step.

    Parameters
    ----------
    config : TrainConfig
        With the channels and classes of the data.
    value_bytes : int
        Bytes per activation: 4 in float32, 2 in bfloat16.

    Returns
    -------
    float
        Bytes: the program, the parameters with gradients and optimiser state, and every layer's
        input, which the backward pass needs, plus the two largest gradients.
    """
    inputs = [fan_in * side**2 for _, fan_in, _, side in layers(config.network, config.tile)]
    activations = config.batch * value_bytes * (sum(inputs) + 2 * max(inputs))
    copies = 4 if config.optimiser == "adam" else 3  # SGD keeps one more value, Adam two
    return BASE_BYTES + activations + 4.0 * copies * parameter_count(config.network)


def step_task(config: TrainConfig) -> str:
    """Return the name under which the time of a step is remembered.

    Only the same network, tiles and device take the same time: nothing is reckoned from others.
    """
    network = config.network
    parts = (
        f"{network.in_channels}-{network.outputs}",
        f"{network.width}x{network.depth}",
        network.norm,
        f"{config.batch} of {config.tile}",
        config.optimiser,
    )
    return f"step {config.device} {' '.join(parts)}"
