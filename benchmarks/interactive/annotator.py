"""A simulated annotator: it looks at the prediction of a slice and paints where it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

from napari_unet.training.strokes import Stroke

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.config.split import Region

__all__ = ["LONGEST", "WIDTH", "Annotator", "stroke_inside"]

LONGEST = 30.0  # px
WIDTH = 5.0  # px


@dataclass
class Annotator:
    """Paints one stroke at a time with the true class, never beyond the largest wrong region.

    Parameters
    ----------
    truth
        slice -> (Y, X) class index, of the slices that may be painted in.
    seed
        Of where it begins.
    """

    truth: dict[int, NDArray[np.uint8]]
    seed: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def first(self, step: int) -> list[Stroke]:
        """Return one stroke for each class, in the middle of large parts of the first slice."""
        i = min(self.truth)
        strokes = []
        for value in np.unique(self.truth[i]):
            stroke = self._inside(step, i, int(value), self.truth[i] == value)
            if stroke is not None:
                strokes.append(stroke)
        return strokes

    def correct(
        self, step: int, i: int, predicted: NDArray[np.uint8], view: Region | None = None
    ) -> Stroke | None:
        """Return a stroke inside the largest wrong region of a slice, or of what is in view.

        None where all of it is right.
        """
        truth = self.truth[i]
        y0, y1, x0, x1 = view or (0, truth.shape[0], 0, truth.shape[1])
        seen = np.zeros(truth.shape, bool)
        seen[y0:y1, x0:x1] = True
        best = None
        for value in np.unique(truth):
            parts, count = ndimage.label((truth == value) & (predicted != value) & seen)
            if count:
                sizes = np.bincount(parts.ravel())[1:]
                k = int(sizes.argmax())
                if best is None or sizes[k] > best[0]:
                    best = int(sizes[k]), int(value), parts == k + 1
        return None if best is None else self._inside(step, i, best[1], best[2])

    def _inside(self, step: int, i: int, value: int, region: NDArray[np.bool_]) -> Stroke | None:
        found = stroke_inside(region, self._rng)
        return None if found is None else Stroke(step, i, value, *found)


def stroke_inside(
    region: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[tuple[tuple[float, float], ...], float] | None:
    """Return a line along the middle of a region, and the width of the brush.

    As a person would, it follows the region from anywhere in it, at most 30 px; the brush is 5 px
    or as thin as the region is there, and the line ends where the brush would leave it.
    """
    if not region.any():
        return None
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    middle = np.argwhere(skeletonize(region))
    if not len(middle):
        middle = np.array([np.unravel_index(int(depth.argmax()), depth.shape)])
    y, x = (int(v) for v in middle[rng.integers(len(middle))])
    width = min(WIDTH, max(1.0, 2 * float(depth[y, x]) - 1))
    along = {(int(a), int(b)) for a, b in middle if depth[a, b] >= width / 2}
    return tuple((float(a), float(b)) for a, b in _longest((y, x), along)), width


def _longest(start: tuple[int, int], along: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the way through pixels that touch which gets farthest, at most 30 px."""
    ways, done = [[start]], {start}
    length, best = {start: 0.0}, [start]
    while ways:
        way = ways.pop(0)
        y, x = way[-1]
        if length[way[-1]] > length[best[-1]]:
            best = way
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            to, far = (y + dy, x + dx), length[way[-1]] + float(np.hypot(dy, dx))
            if to in along and to not in done and far <= LONGEST:
                done.add(to)
                length[to] = far
                ways.append([*way, to])
    return best
