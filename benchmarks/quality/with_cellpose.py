"""Cellpose 3 trained from scratch, as its page on training says; run with a folder.

https://cellpose.readthedocs.io/en/v3.1.1.1/train.html: the options of its command line.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from cellpose import dynamics, metrics, models, train
from clock import Clock
from exchange import Request, keep_point

BATCH, TRIED = 8, 3  # steps whose time says how many there will be
PROBABILITIES = (-2.0, -1.0, 0.0, 1.0)  # logits; 0 is the usual threshold
FITTED_ON = 3  # frames


def trained(images: list, flows: list, epochs: int, seed: int) -> tuple:
    """Train a new network; return it and the processor seconds."""
    torch.manual_seed(seed)
    model = models.CellposeModel(gpu=False, pretrained_model=False)
    clock = Clock()
    with tempfile.TemporaryDirectory() as place:
        train.train_seg(
            model.net,
            train_data=images,
            train_labels=flows,
            channels=[0, 0],
            SGD=True,
            learning_rate=0.2,
            weight_decay=1e-5,
            batch_size=BATCH,
            nimg_per_epoch=BATCH,
            n_epochs=epochs,
            save_path=place,
        )
    return model, clock.seconds


def segmented(
    model: models.CellposeModel, images: list, threshold: float, resample: bool = True
) -> list:
    """Objects of every image; without ``resample`` found in the resized one, which is faster."""
    diameter = float(model.net.diam_labels)
    options = {"channels": [0, 0], "diameter": diameter, "cellprob_threshold": threshold}
    return [model.eval(one, resample=resample, **options)[0] for one in images]


def fitted(model: models.CellposeModel, images: list, labels: list) -> float:
    """The threshold with the greatest average precision on frames of the training."""
    some = np.linspace(0, len(images) - 1, FITTED_ON).astype(int)
    truth = [labels[i] for i in some]

    def precision(threshold: float) -> float:
        found = segmented(model, [images[i] for i in some], threshold, resample=False)
        return float(metrics.average_precision(truth, found, threshold=[0.5])[0].mean())

    return max(PROBABILITIES, key=precision)


def main(folder: Path) -> None:
    """Train once for every number of seconds."""
    torch.set_num_threads(1)
    request = Request.read(folder)
    images, labels = list(request.images), [one.astype(np.int32) for one in request.labels]
    flows = dynamics.labels_to_flows([one.copy() for one in labels], device=torch.device("cpu"))
    each = trained(images, flows, TRIED, request.seed)[1] / TRIED
    for budget in request.seconds:
        steps = max(1, round(budget / each))
        model, seconds = trained(images, flows, steps, request.seed)
        print(f"  {steps} steps, {seconds:.0f} s", flush=True)
        threshold = fitted(model, images, labels)
        keep_point(
            folder,
            segmented(model, list(request.test), threshold),
            budget=budget,
            seconds=round(seconds, 1),
            steps=steps,
            how=f"{steps} steps, threshold of the probability {threshold:g}",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
