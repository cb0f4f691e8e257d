"""Waiting for data while training.

The trainer's own account: the part of every step's time in which the network stood still because
no batch was ready, summed over a run, the first batch included.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.result import Line, Result
from benchmarks.samples import em_stack
from napari_unet.base.quantities import duration
from napari_unet.config.presets import PRESETS
from napari_unet.training.events import Step
from napari_unet.training.trainer import TrainConfig, Trainer

__all__ = ["run"]


def run(quick: bool) -> Result:
    """Train a while with each preset."""
    result = Result("the tiles of a step are the same whoever prepares them (tested in the suite)")
    settings = [("fast preset", PRESETS["fast"], 10 if quick else 100)]
    if not quick:
        settings.append(("paper's setting", PRESETS["paper"], 4))
    for name, config, steps in settings:
        result.lines.append(_train(name, replace(config, steps=steps, validate_every=100)))
    return result


def _train(name: str, config: TrainConfig) -> Line:
    waited = seconds = first = 0.0
    for event in Trainer(em_stack(), config).run():
        if isinstance(event, Step):
            waited += event.waited
            seconds += event.seconds
            first = first or event.waited
    share = 100 * waited / seconds
    return Line(
        f"{name}, {config.steps} steps",
        share,
        "% of the time",
        at_most=2.0,
        detail=f"{waited:.2f} s of {duration(seconds)}, {first:.2f} s of it for the first batch",
    )
