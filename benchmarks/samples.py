"""What is computed on: real EM slices where the data are there, made-up tissue otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.datasets import registry as datasets
from napari_unet.datasets.synthetic import synthetic_stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack

__all__ = ["cells", "em_stack", "picture"]


def em_stack() -> Stack:
    """Return the ISBI-2012 EM stack, or a synthetic one of its size; nothing is downloaded."""
    if datasets.path("isbi2012-em") is not None:
        return datasets.open("isbi2012-em")
    return synthetic_stack((30, 512, 512))


def picture(side: int) -> NDArray[np.uint8]:
    """(side, side) of EM, mirrored as often as it takes."""
    plane = np.asarray(em_stack().image_plane(0)[0])
    times = -(-side // (2 * plane.shape[0]))
    pair = np.block([[plane, plane[:, ::-1]], [plane[::-1], plane[::-1, ::-1]]])
    return np.tile(pair, (times, times))[:side, :side]


def cells(side: int, count: int, seed: int = 0) -> NDArray[np.int32]:
    """(side, side) with `count` objects, one round cell in each square of a grid, moved a little.

    The squares are as large as they can be, so cells are large where they are few.
    """
    across = int(np.ceil(np.sqrt(count)))
    pitch = side / across
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    for k in range(count):
        radius = 0.4 * pitch * rng.uniform(0.8, 1.0)
        y, x = (
            (part + 0.5) * pitch + 0.09 * pitch * rng.uniform(-1, 1) for part in divmod(k, across)
        )
        rows, cols = (
            np.arange(max(0, int(c - radius)), min(side, int(c + radius) + 2)) for c in (y, x)
        )
        inside = (rows[:, None] - y) ** 2 + (cols[None, :] - x) ** 2 <= radius**2
        labels[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1][inside] = k + 1
    return labels
