"""How long the five metrics of ISBI-2012 take on six slices of 512 × 512, on one core.

Usage: ``NAPARI_UNET_DATA=… python benchmarks/isbi2012.py``. Against the reference of the EM stack
(a made-up one where the stack is not there) it measures predictions from good to hopeless.
"""

from __future__ import annotations

import os
from time import perf_counter

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from scipy import ndimage

from napari_unet.annotation.labels import read_target
from napari_unet.datasets import registry as datasets
from napari_unet.datasets.synthetic import synthetic_stack
from napari_unet.evaluation.metrics import isbi2012

SLICES = 6
LIMIT = 20.0  # s


def reference() -> tuple[np.ndarray, np.ndarray, str]:
    """Return inside of cells (bool) and grey values in 0 to 1, (6, 512, 512), and a name."""
    found = datasets.path("isbi2012-em")
    stack = synthetic_stack((SLICES, 512, 512)) if found is None else datasets.open("isbi2012-em")
    assert stack.scheme is not None
    chosen = range(SLICES)
    inside = [read_target(stack.label_plane(i), stack.scheme).classes > 0 for i in chosen]
    grey = np.stack([stack.image_plane(i)[0] for i in chosen]).astype(np.float32)
    low, high = np.percentile(grey, (1, 99))
    return np.stack(inside), np.clip((grey - low) / (high - low), 0, 1), stack.name


def main() -> None:
    """Print a table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    inside, grey, name = reference()
    rng = np.random.default_rng(0)

    def blurred(noise: float, sigma: float) -> np.ndarray:
        noisy = inside + rng.normal(0, noise, inside.shape)
        return np.clip(ndimage.gaussian_filter(noisy, (0, sigma, sigma)), 0, 1)

    predictions = {
        "the reference, slightly noisy": blurred(0.5, 1.5),
        "the reference, very noisy": blurred(1.5, 1.5),
        "grey values, blurred": ndimage.gaussian_filter(grey, (0, 2, 2)),
        "no idea: 0.75 everywhere": np.full(inside.shape, 0.75),
        "independent noise in every pixel": rng.random(inside.shape),
    }
    print(f"six slices of {name}, one core; the limit is {LIMIT:g} s\n")
    print("| prediction | V_Rand | warping error | time |\n| --- | --: | --: | --: |")
    for title, prediction in predictions.items():
        begun = perf_counter()
        found = isbi2012(prediction.astype(np.float32), inside)
        spent = perf_counter() - begun
        print(f"| {title} | {found.v_rand:.4f} | {found.warping_error:.6f} | {spent:.1f} s |")


if __name__ == "__main__":
    main()
