"""Train on the ISBI-2012 EM stack with the presets and write docs/results.md.

Usage: ``python scripts/results.py [--presets fast best] [--seeds 0 1] [--device cpu]``. Slices 0
to 23 train, 24 to 29 are never seen. The data are taken from ``NAPARI_UNET_DATA`` or downloaded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_unet.annotation.labels import read_target
from napari_unet.base.quantities import duration
from napari_unet.datasets import registry as datasets
from napari_unet.evaluation.comparison import evaluate
from napari_unet.evaluation.pictures import colour_objects, grey, mark_errors, montage
from napari_unet.prediction.arrays import predict_probabilities
from napari_unet.report.page import Curves
from napari_unet.training.run_folder import load_model
from napari_unet.training.trainer import Finished, Prepared, TrainConfig, Trainer, Validated

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack

DOCS = Path(__file__).resolve().parent.parent / "docs"
HELD_OUT = tuple(range(24, 30))

PAGE = """# Results of the presets

Printed by `python scripts/results.py --presets {presets} --seeds {seed_list}` on
{machine}. The ISBI-2012 EM training
stack, slices 0 to 23 to train and 24 to 29 to validate; nothing was chosen on the latter but the
model, the latest whose IoU is within 0.01 of the greatest. Pixel F-score and Rand error are at the
best threshold, as the challenge has them; warping, V_Rand and V_Info likewise. "Mirrored" averages
the prediction over the eight mirrored and rotated versions of every tile.

| preset, seed | steps | training | whole run | pixel F | Rand error | V_Rand | V_Info | warping |
|---|---|---|---|---|---|---|---|---|
{rows}

"Training" is the time of the steps and validations, "whole run" also reading, measuring and
prediction of the six slices. {load} The settings are those of
`napari-unet train isbi2012-em -o run --preset NAME`:

{settings}

The curves and the pictures are of the first line.

How this compares with StarDist, Cellpose and nnU-Net after the same processor seconds is in
[quality.md](quality.md).

![Loss and IoU while training](images/results-em-curves.png)

The six held-out slices: image, predicted objects, errors (wrongly inside a cell orange, missed
blue), at threshold 0.5.

![The held-out slices, objects and errors](images/results-em.png)
"""


def train(stack: Stack, config: TrainConfig, run: Path, curves: Curves) -> tuple[float, str]:
    """Train to the end; return seconds, and where it was computed."""
    compute = ""
    seconds = 0.0
    for event in Trainer(stack, config, run).run():
        curves.add(event)
        if isinstance(event, Prepared):
            compute = event.compute
        elif isinstance(event, Validated):
            print(f"step {event.step}: IoU {event.iou:.4f}, F {event.f_score:.4f}", flush=True)
        elif isinstance(event, Finished):
            seconds = event.seconds
    return seconds, compute


def measure(probabilities: np.ndarray[Any, Any], stack: Stack) -> dict[str, float]:
    """The challenge's five values on the held-out slices."""
    labels = np.stack([stack.label_plane(i) for i in HELD_OUT])
    found = evaluate(
        probabilities[:, 1], labels, "isbi2012", kind="probabilities", scheme=stack.scheme
    )
    return {
        "pixel F-score": 1 - found["pixel error"],
        **{name: found[name] for name in ("Rand error", "V_Rand", "V_Info", "warping error")},
    }


def row(first: list[str], values: dict[str, float]) -> str:
    """One line of the table."""
    return "| " + " | ".join([*first, *(f"{v:.4f}" for v in values.values())]) + " |"


def picture(stack: Stack, probabilities: np.ndarray[Any, Any], run: Path) -> None:
    """Draw three rows of six slices."""
    from PIL import Image
    from scipy import ndimage

    model = load_model(run)
    images, objects, errors = [], [], []
    for k, i in enumerate(HELD_OUT):
        image = grey(model.intensity.normalise(stack.image_plane(i)))
        target = read_target(stack.label_plane(i), model.scheme)
        inside = probabilities[k, 1] > 0.5
        images.append(image)
        objects.append(colour_objects(image, ndimage.label(inside)[0]))
        errors.append(mark_errors(image // 2 + 60, inside, target.classes > 0, target.known))
    sheet = Image.fromarray(montage([*images, *objects, *errors], columns=6))
    sheet.resize((1800, round(1800 * sheet.height / sheet.width))).save(
        DOCS / "images" / "results-em.png", optimize=True
    )


def machine() -> str:
    """Processor and cores, without names of hosts."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].split(":")[1].strip() if lines else name
    return f"{name}, {os.cpu_count()} cores, torch {torch.__version__.split('+')[0]}"


def settings(config: TrainConfig) -> str:
    """The settings that make a preset, in words."""
    net = config.network
    return (
        f"- *{config.preset}*: {net.depth} poolings, {net.width} channels at the top, {net.norm} "
        f"normalisation, "
        f"{config.batch} tiles of {config.tile}² a step, {config.optimiser.capitalize()} at "
        f"{config.learning_rate:g} ({config.schedule}), the paper's weight map."
    )


def one_run(config: TrainConfig, *, draw: bool) -> tuple[list[str], str]:
    """Train and measure once; return two lines of the table, and where it was computed."""
    begun = time.perf_counter()
    stack = datasets.open("isbi2012-em")
    with tempfile.TemporaryDirectory() as folder:
        run, curves = Path(folder) / "run", Curves()
        seconds, compute = train(stack, config, run, curves)
        options: dict[str, Any] = {"slices": HELD_OUT, "device": config.device}
        plain = predict_probabilities(load_model(run), stack, **options)
        whole = time.perf_counter() - begun
        mirrored = predict_probabilities(load_model(run), stack, mirror_average=True, **options)
        if draw:
            from PIL import Image

            picture(stack, plain, run)
            Image.fromarray(curves.picture()).save(DOCS / "images" / "results-em-curves.png")
    name = f"{config.preset}, {config.seed}"
    rows = [
        row([name, str(config.steps), duration(seconds), duration(whole)], measure(plain, stack)),
        row([f"{name}, mirrored", str(config.steps), "", ""], measure(mirrored, stack)),
    ]
    return rows, compute


def main() -> None:
    """Train once for each seed, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=["fast"])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    (DOCS / "images").mkdir(exist_ok=True)
    runs = [(preset, seed) for preset in arguments.presets for seed in arguments.seeds]
    rows = []
    for k, (preset, seed) in enumerate(runs):
        config = TrainConfig.preset_named(preset, seed=seed, device=arguments.device)
        if arguments.steps:
            config = replace(config, steps=arguments.steps)
        found, compute = one_run(config, draw=k == 0)
        rows += found
        print(*found, sep="\n", flush=True)
    load = json.dumps([round(x, 1) for x in os.getloadavg()]) if hasattr(os, "getloadavg") else ""
    text = PAGE.format(
        seed_list=" ".join(map(str, arguments.seeds)),
        machine=f"{machine()} ({compute})",
        rows="\n".join(rows),
        load=f"Load averages at the end: {load[1:-1]}." if load else "",
        presets=" ".join(arguments.presets),
        settings="\n".join(settings(TrainConfig.preset_named(p)) for p in arguments.presets),
    )
    (DOCS / "results.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
