"""Share of the ceiling: the network against a large matrix product.

The ceiling is the rate of a 2048² matrix product in bfloat16 with the same threads, measured
before and after each network, the larger of the two; on a GPU the product is 8192². A forward
pass of a 572² tile at 64 channels is 300.9 GFLOP, and a training step counts as three of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmarks.result import Line, Result
from benchmarks.timing import check, interleaved, spread, timed
from napari_unet.config.network import UNetConfig
from napari_unet.config.presets import PRESETS
from napari_unet.network.choice import choose
from napari_unet.network.inference import forward_logits, forward_tiles, network_for_inference
from napari_unet.network.unet import UNet, forward_flops
from napari_unet.training.learner import Learner
from napari_unet.training.sampling import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_unet.config.training import TrainConfig
    from napari_unet.network.compute import Compute

__all__ = ["learner_and_batch", "matrix_rate", "run"]

WIDTHS = (16, 32, 64)


def matrix_rate(dtype: torch.dtype, device: str = "cpu") -> float:
    """FLOP a second of a matrix product, the best of several."""
    side = 8192 if device.startswith("cuda") else 2048
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    timed(lambda: a @ b)
    return 2.0 * side**3 / min(timed(lambda: a @ b) for _ in range(5))


def learner_and_batch(config: TrainConfig, compute: Compute) -> tuple[Learner, Batch]:
    """Return a learner and random tiles that suit it."""
    generator = torch.Generator().manual_seed(0)
    learner = Learner(UNet(config.network, generator), config, compute)
    output = config.tile - learner.network.border
    shape = (config.batch, output, output)
    image = torch.rand(config.batch, 1, config.tile, config.tile, generator=generator)
    classes = torch.randint(0, 2, shape, generator=generator)
    tensors = (image, classes, torch.ones(shape))
    return learner, Batch(*(tensor.to(compute.device) for tensor in tensors))


def run(quick: bool) -> Result:
    """Measure prediction and training of several widths, and of the fast preset."""
    settings = [
        (f"{width} channels, 572²", replace(PRESETS["paper"], network=UNetConfig(width=width)))
        for width in (WIDTHS[:1] if quick else WIDTHS)
    ]
    settings.append(("fast preset, 4 × 284²", PRESETS["fast"]))
    result = Result(_agreement())
    for name, config in settings:
        result.lines += _share(name, config, judged=config.network.width == 64, quick=quick)
    return result


def _share(name: str, config: TrainConfig, *, judged: bool, quick: bool) -> list[Line]:
    flops = forward_flops(config.network, config.tile, config.tile) * config.batch
    lines = []
    for purpose, passes in (("predict", 1), ("train", 3)):
        compute = choose(network=config.network, purpose=purpose)  # type: ignore[arg-type]
        plain = replace(compute, dtype="float32", channels_last=False)
        ways = {"chosen": _way(purpose, config, compute), "float32": _way(purpose, config, plain)}
        before = matrix_rate(torch.bfloat16, compute.device)
        seconds = interleaved(ways, 1 if quick else 5)
        ceiling = max(before, matrix_rate(torch.bfloat16, compute.device))
        share = {k: [100 * passes * flops / s / ceiling for s in v] for k, v in seconds.items()}
        found, times = spread(share["chosen"]), spread(seconds["chosen"])
        single = 100 * matrix_rate(torch.float32, compute.device) / ceiling
        lines.append(
            Line(
                f"{'prediction' if passes == 1 else 'training'}, {name}", found.median, "%",
                found.low, found.high, (70 if passes == 1 else 50) if judged else None,
                detail=f"{times.show()}, ceiling {ceiling / 1e9:.0f} GFLOP/s; "
                f"{compute.describe()}. Plain float32: {spread(share['float32']).median:.0f} %, "
                f"its own matrix product {single:.0f} %",
            )
        )  # fmt: skip
    return lines


def _way(purpose: str, config: TrainConfig, compute: Compute) -> Callable[[], object]:
    learner, batch = learner_and_batch(config, compute)
    if purpose == "train":
        return lambda: learner.learn(batch)
    ready = network_for_inference(learner.network, compute)
    return lambda: forward_tiles(ready, batch.image, compute)


def _agreement() -> str:
    """Compare the logits of the chosen way with those of plain float32."""
    config = replace(PRESETS["paper"], network=UNetConfig(width=16))
    compute = choose(network=config.network, purpose="predict")
    plain = replace(compute, dtype="float32", channels_last=False)
    learner, batch = learner_and_batch(config, plain)
    network = learner.network
    logits = [
        forward_logits(network_for_inference(network, way), batch.image, way)
        for way in (plain, compute)
    ]
    difference = float((logits[0] - logits[1]).abs().mean() / logits[0].std())
    check(difference, 0.03, "logits of the two precisions (mean, in standard deviations)")
    return (
        f"logits differ from plain float32 by {difference:.1%} of their standard deviation (mean)"
    )
