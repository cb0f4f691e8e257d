"""Training, against a loop written the plain way.

Same network, tile, batch, optimiser, weight map and strength of augmentation. The plain loop
computes in float32 and augments between its steps with elasticdeform; its weight maps are made
beforehand and not counted. Ours makes them while it runs, prepares tiles in a thread, and
computes as its probe has chosen.
"""

from __future__ import annotations

import copy
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmarks.plain_training import PlainLoop
from benchmarks.result import Line, Result
from benchmarks.samples import em_stack
from benchmarks.timing import check, interleaved, ratio, spread
from napari_unet.config.presets import PRESETS
from napari_unet.config.split import SplitConfig
from napari_unet.network.choice import choose
from napari_unet.network.compute import Compute, limit_threads
from napari_unet.network.unet import UNet
from napari_unet.training.data import TrainingData
from napari_unet.training.learner import Learner

if TYPE_CHECKING:
    from napari_unet.config.training import TrainConfig
    from napari_unet.training.sampling import Batch

__all__ = ["run"]

SLICES = 4  # the plain weight maps take a second each


def run(quick: bool) -> Result:
    """Compare whole steps of both presets."""
    result = Result()
    fast = replace(PRESETS["fast"], loss="weighted mean", schedule="constant")
    paper = replace(PRESETS["paper"], loss="weighted mean", steps=100)
    settings = [("fast preset", fast, 8, 3)]
    if quick:
        settings = [("fast preset", fast, 2, 1)]
    else:
        settings.append(("paper's setting, 64 channels, 572²", paper, 1, 2))
    for name, config, steps, repeats in settings:
        line, agrees = _compare(name, config, steps, repeats)
        result.lines.append(line)
        result.agrees = result.agrees or agrees
    return result


def _compare(name: str, config: TrainConfig, steps: int, repeats: int) -> tuple[Line, str]:
    compute = choose(network=config.network)
    limit_threads(compute)
    stack = em_stack()
    split = SplitConfig("slices", slices=tuple(range(SLICES, 30)))
    data = TrainingData(stack, replace(config, split=split))
    network = UNet(config.network, torch.Generator().manual_seed(0))
    sampler = data.sampler(device=compute.device)
    assert data.class_weights is not None
    plain = PlainLoop(
        copy.deepcopy(network), config, stack, data.splits[0].train, data.limits,
        data.class_weights,
    )  # fmt: skip
    agrees = _check(network, config, compute, plain, sampler.batch(0))
    ours = Learner(network, config, compute)

    def learn() -> None:
        with closing(sampler.batches(ours.step)) as batches:
            for _ in range(steps):
                ours.learn(next(batches))

    def learn_plainly() -> None:
        for _ in range(steps):
            plain.step()

    seconds = interleaved({"ours": learn, "plain": learn_plainly}, repeats)
    found = ratio(seconds["plain"], seconds["ours"])
    times = {k: spread(v).show(steps) for k, v in seconds.items()}
    detail = f"{times['plain']} a step against {times['ours']}; {compute.describe()}"
    return Line(
        f"a step, {name}", found.median, "×", found.low, found.high, 1.0, detail=detail
    ), agrees


def _check(
    network: UNet, config: TrainConfig, compute: Compute, plain: PlainLoop, batch: Batch
) -> str:
    """Compare the losses of two steps on one batch, from the same weights."""
    float32 = replace(compute, device="cpu", dtype="float32", channels_last=False)
    still = replace(config, network=replace(config.network, dropout=0.0))
    losses = {}
    for name, way in (("float32", float32), ("chosen", compute)):
        learner = Learner(_without_dropout(network), still, way)
        losses[name] = [learner.learn(batch) for _ in range(2)]
    loop = copy.copy(plain)
    loop.network = _without_dropout(network)
    kind = type(plain.optimiser)
    loop.optimiser = kind(loop.network.parameters(), **_options(plain.optimiser))
    tensors = (t.cpu() for t in (batch.image, batch.classes, batch.weights))
    image, classes, weights = tensors
    expected = [loop.learn(image, classes, weights) for _ in range(2)]

    def apart(found: list[float]) -> float:
        return max(abs(a - b) / abs(b) for a, b in zip(found, expected))

    check(apart(losses["float32"]), 1e-3, "losses of two steps in float32")
    check(apart(losses["chosen"]), 0.05, "losses of two steps in the chosen precision")
    return (
        f"losses of two steps from the same weights on the same batch within "
        f"{apart(losses['float32']):.1g} in float32, and {apart(losses['chosen']):.1g} in the "
        "chosen precision (relative)"
    )


def _without_dropout(network: UNet) -> UNet:
    still = copy.deepcopy(network).cpu()
    still.dropout.p = 0.0
    return still


def _options(optimiser: torch.optim.Optimizer) -> dict[str, float]:
    group = optimiser.param_groups[0]
    return {k: group[k] for k in ("lr", "momentum", "weight_decay") if k in group}
