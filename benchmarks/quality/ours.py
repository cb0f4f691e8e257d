"""Our own training, whose learning rate comes to its end when the seconds are over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.clock import Clock
from napari_unet.config.presets import PRESETS
from napari_unet.config.split import SplitConfig
from napari_unet.prediction.arrays import predict_array, predict_probabilities
from napari_unet.prediction.outputs import Output
from napari_unet.training.trainer import Finished, Prepared, Step, TrainConfig, Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.quality.tasks import Task
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["train"]

NEVER = 10**6
TRIED = 12  # steps whose time says how many there will be; the first ones are slower
PRESET = {"hela": "best-cells", "u373": "best-cells", "em": "best"}


def train(task: Task, seconds: Sequence[float], seed: int) -> Iterator[dict[str, Any]]:
    """Train once for every number of seconds; yields a point of the curve each."""
    stack, preset = task.train(), PRESET[task.name]
    config = replace(PRESETS[preset], seed=seed, validate_every=NEVER, checkpoint_every=NEVER)
    if not task.has_objects:  # no thresholds to fit: all slices train
        config = replace(config, split=SplitConfig(mode="none"))
    before, each = _pace(stack, config)
    for budget in seconds:
        steps = max(20, int((budget - before) / each))
        model, spent, compute = _trained(stack, replace(config, steps=steps))
        found = {way: _found(task, model, way == "mirrored") for way in ("plain", "mirrored")}
        yield {
            "budget": budget,
            "seconds": round(spent, 1),
            "steps": steps,
            "how": f"preset {preset!r}, {steps} steps, {compute}",
            "scores": {way: task.scores(one) for way, one in found.items()},
        }


def _pace(stack: Stack, config: TrainConfig) -> tuple[float, float]:
    """Return the processor seconds before the first step, and those of a step."""
    clock = Clock()
    events = Trainer(stack, replace(config, steps=TRIED)).run()
    times = [clock.seconds for event in events if isinstance(event, Step)]
    each = float(np.median(np.diff(times)))
    return times[0] - each, each


def _trained(stack: Stack, config: TrainConfig) -> tuple[TrainedModel, float, str]:
    """Return the model (its thresholds fitted after the clock stopped), seconds, and how."""
    clock, spent, compute = Clock(), 0.0, ""
    trainer = Trainer(stack, config)
    for event in trainer.run():
        if isinstance(event, Step):
            spent = clock.seconds
            if event.step % 50 == 0:
                print(f"  step {event.step} of {config.steps}, {spent:.0f} s", flush=True)
        elif isinstance(event, Prepared):
            compute = event.compute
        elif isinstance(event, Finished):
            break
    return trainer.snapshot(), spent, compute


def _found(task: Task, model: TrainedModel, mirror: bool) -> Any:
    options: dict[str, Any] = {"axes": "zyx", "mirror_average": mirror}
    if task.has_objects:
        output = Output("objects", fill_holes=True)
        return predict_array(model, task.test(), output=output, **options)
    return predict_probabilities(model, task.test(), **options)[:, 1].clip(0, 1)
