"""Whether torch.compile pays.

One training step and one forward pass of the fast preset's network, compiled and as they are, and
the time that compiling takes, from which follows after how many steps it is paid back.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import torch

from benchmarks.ceiling import learner_and_batch
from benchmarks.result import Line, Result
from benchmarks.timing import check, interleaved, ratio, spread
from napari_unet.config.presets import PRESETS
from napari_unet.network.choice import choose
from napari_unet.network.inference import forward_logits, network_for_inference

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]


def run(quick: bool) -> Result:
    """Compile, check, time."""
    config, repeats = PRESETS["fast"], 2 if quick else 9
    compute = choose(network=config.network)
    plain, batch = learner_and_batch(config, compute)
    fast, _ = learner_and_batch(config, compute)
    fast.network.forward = torch.compile(fast.network.forward, dynamic=False)  # type: ignore[method-assign]
    try:
        compiling, loss = _seconds(lambda: fast.learn(batch))
    except Exception as error:  # no compiler, or one that fails: that is the answer
        return Result("", notes=[f"torch.compile does not work here: {type(error).__name__}."])
    expected = plain.learn(batch)
    check(abs(loss - expected) / expected, 0.02, "losses, compiled and not")
    steps = interleaved(
        {"plain": lambda: plain.learn(batch), "compiled": lambda: fast.learn(batch)}, repeats
    )
    lines = [_line("a training step of the fast preset", steps)]
    gain = spread(steps["plain"]).median - spread(steps["compiled"]).median
    paid = f"paid back after {compiling / gain:,.0f} steps" if gain > 0 else "never paid back"
    lines.append(
        Line("compiling the training step", compiling, "s", detail=f"{paid} of {config.steps}")
    )
    way = choose(network=config.network, purpose="predict")
    ready = network_for_inference(plain.network, way)
    quick_one = copy.deepcopy(ready)
    quick_one.forward = torch.compile(ready.forward, dynamic=False)  # type: ignore[method-assign]
    compiling, _ = _seconds(lambda: forward_logits(quick_one, batch.image, way))
    passes = interleaved(
        {
            "plain": lambda: forward_logits(ready, batch.image, way),
            "compiled": lambda: forward_logits(quick_one, batch.image, way),
        },
        repeats,
    )
    lines.append(_line("a forward pass of the same", passes))
    lines.append(Line("compiling the forward pass", compiling, "s"))
    agrees = f"losses of the first step within {abs(loss - expected) / expected:.1g} (relative)"
    return Result(agrees, lines)


def _line(what: str, seconds: dict[str, list[float]]) -> Line:
    found = ratio(seconds["plain"], seconds["compiled"])
    times = {name: spread(values).show() for name, values in seconds.items()}
    detail = f"{times['plain']} against {times['compiled']}"
    return Line(f"{what}, compiled", found.median, "×", found.low, found.high, detail=detail)


def _seconds(function: Callable[[], float | torch.Tensor]) -> tuple[float, float]:
    begun = time.perf_counter()
    value = function()
    return time.perf_counter() - begun, float(value) if isinstance(value, float) else 0.0
