"""Small images with labels that many tests begin with."""

from __future__ import annotations

import numpy as np

from napari_unet.annotation.labels import LabelScheme
from napari_unet.images.stack import Stack

__all__ = ["MASK", "bright_squares", "touching_discs"]

MASK = LabelScheme(kind="classes", values=(0, 1))


def bright_squares(n: int = 5, side: int = 64, seed: int = 0) -> Stack:
    """Bright squares on a noisy ground, (n, side, side): learnt in a few dozen steps."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, side, side), np.uint8)
    for plane in labels:
        for y, x in rng.integers(0, side - 16, (4, 2)):
            plane[y : y + 14, x : x + 14] = 1
    image = (60 + 120 * labels + rng.normal(0, 25, labels.shape)).clip(0, 255).astype(np.uint8)
    return Stack("blobs", image, "zyx", labels=labels, scheme=MASK)


def touching_discs(side: int = 96) -> np.ndarray:
    """Discs of 24 px on a lattice, each touching its neighbours, with ids: (side, side) int32."""
    y, x = np.ogrid[:side, :side]
    inside = np.hypot(y % 24 - 11.5, x % 24 - 11.5) < 12
    return np.where(inside, 1 + (y // 24) * 10 + x // 24, 0).astype(np.int32)
