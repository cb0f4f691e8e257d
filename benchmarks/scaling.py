"""How time grows: with the size of the image, the batch, and the threads.

A narrow network (4 channels) predicts planes of 512² to 8,192²; the fast preset's network takes
training steps of 1 to 16 tiles, and of its own batch on one thread up to all. The curves of the
weight map belong to `weight_maps`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmarks.ceiling import learner_and_batch
from benchmarks.result import Curves, Line, Result
from benchmarks.samples import picture
from benchmarks.timing import interleaved, spread, timed
from napari_unet.config.network import UNetConfig
from napari_unet.config.presets import PRESETS
from napari_unet.network.choice import choose
from napari_unet.network.inference import forward_tiles, network_for_inference
from napari_unet.network.unet import UNet
from napari_unet.prediction.predict import predict

if TYPE_CHECKING:
    import numpy as np

__all__ = ["run"]

SIDES = (512, 1024, 2048, 4096, 8192)
BATCHES = (1, 2, 4, 8, 16)


def run(quick: bool) -> Result:
    """Measure three curves."""
    sides = _sides(SIDES[: 2 if quick else None])
    batches = _batches(BATCHES[: 2 if quick else None], 1 if quick else 5)
    threads = _threads(1 if quick else 5)
    small, large = sides[1], sides[-1]
    line = Line(
        f"time per pixel of a {large[0]:g}² plane, against {small[0]:g}²",
        small[1] / large[1],
        "× the time",
        at_most=1.2,
        detail=f"{large[1]:.2f} against {small[1]:.2f} megapixels a second",
    )
    curves = [
        Curves("Prediction: size", "side of the plane (px)", "Mpx/s", {"4 channels": sides}),
        Curves("Training: batch", "tiles of 284² in a step", "tiles/s", {"fast preset": batches}),
        Curves("Threads", "threads", "times one thread", threads, log=""),
    ]
    return Result("", [line], curves)


def _sides(sides: tuple[int, ...]) -> list[tuple[float, float]]:
    network = UNet(UNetConfig(width=4), torch.Generator().manual_seed(0)).eval()
    compute = choose(network=network.config, purpose="predict")
    points = []
    for side in sides:
        plane = picture(side)
        repeats = 3 if side <= 2048 else 1

        def whole(plane: np.ndarray = plane) -> None:
            for tile in predict(network, plane, "yx", compute=compute):
                tile.values.argmax(0)

        seconds = interleaved({"": whole}, repeats, warm=1 if side <= 2048 else 0)[""]
        points.append((float(side), side**2 / spread(seconds).median / 1e6))
    return points


def _batches(batches: tuple[int, ...], repeats: int) -> list[tuple[float, float]]:
    compute = choose(network=PRESETS["fast"].network)
    points = []
    for batch in batches:
        learner, tiles = learner_and_batch(replace(PRESETS["fast"], batch=batch), compute)
        seconds = interleaved({"": lambda: learner.learn(tiles)}, repeats)[""]  # noqa: B023 - called at once
        points.append((float(batch), batch / spread(seconds).median))
    return points


def _threads(repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Speed with several threads, in that of one."""
    available = torch.get_num_threads()
    config = PRESETS["fast"]
    learner, tiles = learner_and_batch(config, choose(network=config.network))
    compute = choose(network=config.network, purpose="predict")
    ready = network_for_inference(learner.network, compute)
    ways = {
        "training": lambda: learner.learn(tiles),
        "prediction": lambda: forward_tiles(ready, tiles.image, compute),
    }
    counts = sorted({1, *(2**k for k in range(1, 8) if 2**k < available), available})
    seconds: dict[str, dict[int, list[float]]] = {name: {n: [] for n in counts} for name in ways}
    for round_ in range(repeats + 1):
        for count in counts:
            torch.set_num_threads(count)
            for name, way in ways.items():
                found = timed(way)
                if round_:
                    seconds[name][count].append(found)
    torch.set_num_threads(available)
    medians = {k: {n: spread(v).median for n, v in each.items()} for k, each in seconds.items()}
    return {k: [(float(n), each[1] / each[n]) for n in counts] for k, each in medians.items()}
