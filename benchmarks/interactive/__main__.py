"""``python -m benchmarks.interactive [--seeds 0] [--where order] [--set tile=188] -o FOLDER``.

Trains from an image and nothing else while a simulated annotator paints, and keeps a curve: at
which processor second, with how many strokes, the held-out slices had which score. Processor
seconds are those of this process alone, so that other programs do not count; it uses one thread.

``--where`` says how the annotator comes to its next place: it leafs through the stack in "order",
goes to "random" places, or to the "suggested" ones of *Paint here next*, whose search is part of
the time. "typical" is at random places, too, but paints a class drawn by lot, right or wrong.
``--step-seconds`` sets how long a step takes, so that a busy machine gives the same curve. With
``--table`` the curves of the folder are printed beside one another.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.interactive.annotator import Annotator
from benchmarks.interactive.clocks import Clock, SetPace
from benchmarks.interactive.ways import WAYS, Way
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
MOST_STROKES = 150
MEASURE_AT = (30, 60, 120, 180, 240, 360, 480, 600)  # s


def em() -> tuple[Stack, np.ndarray]:
    """Return the EM stack without labels, and which pixels lie inside a cell."""
    stack = datasets.open("isbi2012-em")
    bare = Stack(stack.name, np.asarray(stack.image), stack.axes, scale=stack.scale)
    return bare, (np.asarray(stack.labels) > 0).astype(np.uint8)


def run(
    seed: int, seconds: float, where: str, step_seconds: float, changes: dict[str, Any]
) -> list[dict[str, Any]]:
    """Train and paint for so many seconds; return the curve."""
    bare, truth = em()
    stack = to_paint(bare)
    painting = Painting([stack], live=True)
    annotator = Annotator({i: truth[i] for i in PAINTED_IN}, seed)
    for stroke in annotator.first(0):
        paint(painting, stroke)
    fixed = {"seed": seed, "device": "cpu", "checkpoint_every": 10**6}
    config = replace(PRESETS["paint"], **fixed, **changes)
    trainer = Trainer(painting.stacks, config, painting=painting)
    torch.set_num_threads(1)
    way = WAYS[where](trainer, PAINTED_IN, seed)
    clock = SetPace(step_seconds) if step_seconds else Clock()
    return _follow(trainer, painting, annotator, way, clock, truth, seconds)


def _follow(
    trainer: Trainer,
    painting: Painting,
    annotator: Annotator,
    way: Way,
    clock: Clock,
    truth: np.ndarray,
    seconds: float,
) -> list[dict[str, Any]]:
    curve: list[dict[str, Any]] = []
    looked, strokes = 0.0, 2
    due = [at for at in MEASURE_AT if at <= seconds]
    for event in trainer.run():
        if not isinstance(event, Step):
            continue
        clock.stepped()
        way.after_step(clock)
        if clock.now() - looked >= LOOK_EVERY and strokes < MOST_STROKES:
            looked = clock.now()
            i, view = way.here()
            predicted = predict_labels(
                trainer.model, trainer.data.given[0], slices=(i,), device="cpu"
            )[0]
            doubted = way.wrong((predicted == 2).astype(np.uint8))
            stroke = annotator.correct(event.step, i, doubted, view)
            if stroke is not None:
                paint(painting, stroke)
                strokes += 1
            way.looked(painted=stroke is not None)
        if due and clock.now() >= due[0]:
            with clock.paused():  # measuring is not training
                curve.append(_measure(trainer, truth, due.pop(0), event.step, strokes))
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
        "balanced accuracy": _balanced(inside > 0.5, truth[list(HELD_OUT)] == 1),
        "IoU of the first slice": round(float((shown & cell).sum() / (shown | cell).sum()), 4),
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


def table(folder: Path) -> str:
    """Return the curves of a folder beside one another: balanced accuracy, V_Rand, strokes."""
    curves = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("em-*.json"))}
    times = sorted({point["seconds"] for curve in curves.values() for point in curve})
    lines = ["| | " + " | ".join(f"{at} s" for at in times) + " |", "|---" * (len(times) + 1) + "|"]
    for name, curve in curves.items():
        at = {
            one["seconds"]: "{balanced accuracy:.3f} {V_Rand:.3f} ({strokes})".format(**one)
            for one in curve
        }
        lines.append(f"| {name} | " + " | ".join(at.get(t, "") for t in times) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interactive", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--where", nargs="+", choices=WAYS, default=["order"])
    parser.add_argument("--step-seconds", type=float, default=0, help="0: as it is measured")
    parser.add_argument("--table", action="store_true", help="measure nothing, print")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of your own"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/interactive"))
    options = parser.parse_args()
    if options.table:
        print(table(options.output))
        return
    options.output.mkdir(parents=True, exist_ok=True)
    changes = {name: json.loads(value) for name, value in (c.split("=", 1) for c in options.set)}
    for seed, where in product(options.seeds, options.where):
        curve = run(seed, options.seconds, where, options.step_seconds, changes)
        file = options.output / f"{'-'.join(['em', where, *options.set])}-seed-{seed}.json"
        file.write_text(json.dumps(curve, indent=1) + "\n")


if __name__ == "__main__":
    main()
