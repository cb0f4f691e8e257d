"""Train from an image and nothing else while a simulated annotator paints; keep a curve."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.interactive.annotator import Annotator
from benchmarks.interactive.clocks import Clock, SetPace
from benchmarks.interactive.ways import WAYS, Way
from napari_unet.config.presets import PRESETS
from napari_unet.evaluation.metrics import iou
from napari_unet.prediction.arrays import predict_labels, predict_probabilities
from napari_unet.training.events import Step
from napari_unet.training.painting import Painting, to_paint
from napari_unet.training.strokes import draw_stroke
from napari_unet.training.trainer import Trainer

if TYPE_CHECKING:
    from benchmarks.interactive.tasks import Task
    from napari_unet.training.strokes import Stroke

__all__ = ["paint", "session"]

MOST_STROKES = 150
MEASURE_AT = (15, 30, 45, 60, 90, *range(120, 601, 60))  # s


def session(
    task: Task,
    seed: int,
    seconds: float,
    where: str,
    step_seconds: float = 0.0,
    changes: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Train and paint for so many seconds; return the curve.

    Parameters
    ----------
    task, where
        What is painted in, and a key of `WAYS`.
    seed
        Of the network, its tiles, and the annotator.
    seconds
        How long; processor seconds of this process, unless a step is set to take
        ``step_seconds``.
    changes
        Settings other than those of the preset.
    """
    painting = Painting([to_paint(task.painted)], live=True)
    annotator = Annotator(task.truth, seed)
    for stroke in annotator.first(0):
        paint(painting, stroke)
    fixed: dict[str, Any] = {"seed": seed, "device": "cpu", "checkpoint_every": 10**6}
    fixed["zoom"] = task.zoom
    config = replace(PRESETS["paint"], **fixed, **(changes or {}))
    trainer = Trainer(painting.stacks, config, painting=painting)
    torch.set_num_threads(1)
    way = WAYS[where](trainer, tuple(task.truth), seed)
    clock = SetPace(step_seconds) if step_seconds else Clock()
    return _follow(task, trainer, painting, annotator, way, clock, seconds)


def _follow(
    task: Task,
    trainer: Trainer,
    painting: Painting,
    annotator: Annotator,
    way: Way,
    clock: Clock,
    seconds: float,
) -> list[dict[str, Any]]:
    curve: list[dict[str, Any]] = []
    strokes = 2
    due = [at for at in MEASURE_AT if at <= seconds]
    for event in trainer.run():
        if not isinstance(event, Step):
            continue
        clock.stepped()
        way.after_step(clock)
        for _ in range(way.looks(event.step, clock)):
            if strokes < MOST_STROKES:
                strokes += _look(trainer, painting, annotator, way, event.step)
        while due and clock.now() >= due[0]:
            with clock.paused():  # measuring is not training
                point = {"seconds": due.pop(0), "step": event.step, "strokes": strokes}
                curve.append(point | _measure(task, trainer))
            print(json.dumps(curve[-1]), flush=True)
        if not due:
            break
    return curve


def _look(trainer: Trainer, painting: Painting, annotator: Annotator, way: Way, step: int) -> bool:
    """Look at the prediction of a slice, paint where it is wrong; tell whether it was."""
    i, view = way.here()
    stack = trainer.data.given[0]
    predicted = predict_labels(trainer.model, stack, slices=(i,), device="cpu")[0]
    doubted = way.wrong((predicted == 2).astype(np.uint8))
    stroke = annotator.correct(step, i, doubted, view)
    if stroke is not None:
        paint(painting, stroke)
    way.looked(painted=stroke is not None)
    return stroke is not None


def _measure(task: Task, trainer: Trainer) -> dict[str, Any]:
    options: dict[str, Any] = {"slices": task.slices, "device": "cpu"}
    inside = predict_probabilities(trainer.model, task.held_out, **options)[:, 1]
    painted, first = trainer.data.given[0], min(task.truth)
    shown = predict_labels(trainer.model, painted, slices=(first,), device="cpu")[0] == 2
    return {
        "painted pixels": int(np.count_nonzero(np.asarray(painted.labels))),
        task.score: round(task.measure(inside), 4),
        "balanced accuracy": _balanced(inside > 0.5, task.inside),
        "IoU of the first slice": round(iou(shown, task.truth[first] == 1), 4),
        "right before": trainer.edits.recent if trainer.edits is not None else None,
    }


def _balanced(predicted: np.ndarray, true: np.ndarray) -> float:
    """Mean share of right pixels of both classes: 0.5 by chance, steadier than V_Rand."""
    return round(float((predicted[true].mean() + 1 - predicted[~true].mean()) / 2), 4)


def paint(painting: Painting, stroke: Stroke) -> None:
    """Paint with the mouse, as it were."""
    labels = np.asarray(painting.drawn(0, stroke.slice_index))
    assert stroke.class_index is not None
    edit = draw_stroke(stroke, labels, stroke.class_index + 1)
    if edit is not None:
        painting.add(edit)
