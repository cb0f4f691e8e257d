"""The choice of device, precision, memory format and threads.

The first choice for a network is timed, later ones are remembered. Asked for in a fresh process
with an empty memory, as a user meets it; then a step of a 572² tile as chosen against plain
float32 with all threads, which must never be the faster one (beyond the noise of 3 %).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.ceiling import learner_and_batch
from benchmarks.result import Line, Result
from benchmarks.timing import interleaved, ratio, spread
from napari_unet.config.network import UNetConfig
from napari_unet.config.presets import PRESETS
from napari_unet.network.compute import Compute, limit_threads
from napari_unet.network.inference import forward_tiles, network_for_inference

if TYPE_CHECKING:
    from napari_unet.config.training import TrainConfig

__all__ = ["run"]

CHILD = """
import json, sys, time
from dataclasses import asdict
import torch
from napari_unet.network.compute import choose
from napari_unet.network.unet import UNetConfig
network = UNetConfig(**json.loads(sys.argv[1]))
seconds = []
for _ in range(2):
    begun = time.perf_counter()
    found = choose("cpu", network, purpose=sys.argv[2])
    seconds.append(time.perf_counter() - begun)
print(json.dumps([seconds, asdict(found)]))
"""


def run(quick: bool) -> Result:
    """Ask for several networks; compare with plain float32."""
    result = Result("nothing is compared but times: both ways compute the same (see `ceiling`)")
    settings = {
        f"{width} channels, 572²": replace(PRESETS["paper"], network=UNetConfig(width=width))
        for width in ((16,) if quick else (16, 64))
    }
    settings["fast preset, 4 × 284²"] = PRESETS["fast"]
    for name, config in settings.items():
        for purpose in ("train", "predict"):
            result.lines += _judge(name, config, purpose, 1 if quick else 2)
    return result


def _judge(name: str, config: TrainConfig, purpose: str, repeats: int) -> list[Line]:
    (first, second), answer = _ask_afresh(config.network, purpose)
    chosen = Compute(**answer)
    plain = Compute("cpu", threads=torch.get_num_threads())
    seconds = interleaved(
        {"chosen": _way(config, purpose, chosen), "plain": _way(config, purpose, plain)}, repeats
    )
    found = ratio(seconds["plain"], seconds["chosen"])
    times = {k: spread(v).show() for k, v in seconds.items()}
    what = f"{'training step' if purpose == 'train' else 'prediction'}, {name}"
    layout = "channels last" if chosen.channels_last else "contiguous"
    return [
        Line(
            f"{what}, as chosen against plain float32", found.median, "×", found.low, found.high,
            at_least=0.97, detail=f"{times['plain']} against {times['chosen']}; "
            f"{chosen.describe()}, {layout}",
        ),
        Line(
            f"{what}: the first choice", first, "s", at_most=3.0,
            detail=f"remembered: {1e3 * second:.1f} ms",
        ),
    ]  # fmt: skip


def _ask_afresh(network: UNetConfig, purpose: str) -> tuple[list[float], dict[str, Any]]:
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps(network.to_dict()), purpose],
            env={**os.environ, "XDG_CACHE_HOME": str(Path(empty))},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    seconds, answer = json.loads(done.stdout.splitlines()[-1])
    return seconds, answer


def _way(config: TrainConfig, purpose: str, compute: Compute) -> Any:
    learner, batch = learner_and_batch(config, compute)
    ready = network_for_inference(learner.network, compute)

    def step() -> None:
        limit_threads(compute)
        if purpose == "train":
            learner.learn(batch)
        else:
            forward_tiles(ready, batch.image, compute)

    return step
