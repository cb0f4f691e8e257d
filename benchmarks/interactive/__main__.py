"""``python -m benchmarks.interactive [em] [--seeds 0] [--seconds 600] -o docs/interactive``.

Trains from an image and nothing else while a simulated annotator paints, and keeps a curve: at
which processor second, with how many strokes, the held-out slices had which score. Processor
seconds are those of this process alone, so that other programs do not count; it uses one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.interactive.annotator import Annotator
from napari_unet.config.presets import PRESETS
from napari_unet.datasets import registry as datasets
from napari_unet.evaluation.metrics.rand import v_rand
from napari_unet.images.stack import Stack
from napari_unet.prediction.arrays import predict_labels, predict_probabilities
from napari_unet.training.events import Step
from napari_unet.training.painting import Painting, to_paint
from napari_unet.training.strokes import draw_stroke
from napari_unet.training.trainer import Trainer

if TYPE_CHECKING:
    from napari_unet.training.strokes import Stroke

PAINTED_IN, HELD_OUT = tuple(range(24)), tuple(range(24, 30))
LOOK_EVERY = 3.0  # s, of training
SLICE_AFTER = 5  # strokes in a slice before the next one is turned to
MOST_STROKES = 150
MEASURE_AT = (30, 60, 120, 240, 360, 480, 600)  # s


def em() -> tuple[Stack, np.ndarray]:
    """Return the EM stack without labels, and which pixels lie inside a cell."""
    stack = datasets.open("isbi2012-em")
    bare = Stack(stack.name, np.asarray(stack.image), stack.axes, scale=stack.scale)
    return bare, (np.asarray(stack.labels) > 0).astype(np.uint8)


def run(seed: int, seconds: float) -> list[dict[str, Any]]:
    """Train and paint for so many processor seconds; return the curve."""
    bare, truth = em()
    stack = to_paint(bare)
    painting = Painting([stack], live=True)
    annotator = Annotator({i: truth[i] for i in PAINTED_IN}, seed)
    for stroke in annotator.first(0):
        paint(painting, stroke)
    config = replace(PRESETS["paint"], seed=seed, device="cpu", checkpoint_every=10**6)
    trainer = Trainer(painting.stacks, config, painting=painting)
    torch.set_num_threads(1)
    return _follow(trainer, painting, annotator, truth, seconds)


def _follow(
    trainer: Trainer, painting: Painting, annotator: Annotator, truth: np.ndarray, seconds: float
) -> list[dict[str, Any]]:
    curve: list[dict[str, Any]] = []
    spent, looked, strokes, i, here = 0.0, 0.0, 2, PAINTED_IN[0], 0
    due = [at for at in MEASURE_AT if at <= seconds]
    begun = time.process_time()
    for event in trainer.run():
        if not isinstance(event, Step):
            continue
        spent = time.process_time() - begun
        if spent - looked >= LOOK_EVERY and strokes < MOST_STROKES:
            looked = spent
            predicted = predict_labels(
                trainer.model, trainer.data.given[0], slices=(i,), device="cpu"
            )[0]
            stroke = annotator.correct(event.step, i, (predicted == 2).astype(np.uint8))
            if stroke is not None:
                paint(painting, stroke)
                strokes, here = strokes + 1, here + 1
            if here >= SLICE_AFTER or stroke is None:
                i, here = annotator.next_slice(i), 0
        if due and spent >= due[0]:
            paused = time.process_time()
            curve.append(_measure(trainer, truth, due.pop(0), event.step, strokes))
            begun += time.process_time() - paused  # measuring is not training
            print(json.dumps(curve[-1]), flush=True)
        if not due:
            break
    return curve


def _measure(
    trainer: Trainer, truth: np.ndarray, at: float, step: int, strokes: int
) -> dict[str, Any]:
    stack = trainer.data.given[0]
    inside = predict_probabilities(trainer.model, stack, slices=HELD_OUT, device="cpu")[:, 1]
    shown = predict_labels(trainer.model, stack, slices=(PAINTED_IN[0],), device="cpu")[0] == 2
    cell = truth[PAINTED_IN[0]] == 1
    return {
        "seconds": at,
        "step": step,
        "strokes": strokes,
        "painted pixels": int(np.count_nonzero(np.asarray(stack.labels))),
        "V_Rand": round(v_rand(inside, truth[list(HELD_OUT)]), 4),
        "IoU of the first slice": round(float((shown & cell).sum() / (shown | cell).sum()), 4),
        "right before": trainer.edits.recent if trainer.edits is not None else None,
    }


def paint(painting: Painting, stroke: Stroke) -> None:
    """Paint with the mouse, as it were."""
    labels = np.asarray(painting.drawn(0, stroke.slice_index))
    assert stroke.class_index is not None
    edit = draw_stroke(stroke, labels, stroke.class_index + 1)
    if edit is not None:
        painting.add(edit)


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interactive", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/interactive"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        curve = run(seed, options.seconds)
        file = options.output / f"em-seed-{seed}.json"
        file.write_text(json.dumps(curve, indent=1) + "\n")


if __name__ == "__main__":
    main()
