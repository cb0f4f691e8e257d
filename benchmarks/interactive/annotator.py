"""A simulated annotator: it looks at the prediction of a slice and paints where it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

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
    """Return a line inside a region, and the width of the brush, 5 px or as thin as the region.

    It begins in the middle of the region and goes, at most 30 px, where it gets farthest.
    """
    if not region.any():
        return None
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    middle = np.unravel_index(int(depth.argmax()), depth.shape)
    width = min(WIDTH, max(1.0, 2 * float(depth[middle]) - 1))
    end, longest = np.array(middle, float), 0.0
    for angle in rng.uniform(0, np.pi) + np.linspace(0, np.pi, 12, endpoint=False):
        for sign in (1, -1):
            direction = sign * np.array([np.sin(angle), np.cos(angle)])
            length = _free(depth, middle, direction, width / 2)
            if length > longest:
                end, longest = np.array(middle) + length * direction, length
    return ((float(middle[0]), float(middle[1])), (float(end[0]), float(end[1]))), width


def _free(
    depth: NDArray[np.float64], start: tuple[int, ...], direction: NDArray[np.float64], half: float
) -> float:
    """How far one can go before the brush leaves the region, at most 30 px."""
    length = 0.0
    while length < LONGEST:
        y, x = (round(s + (length + 1) * d) for s, d in zip(start, direction))
        inside = 0 <= y < depth.shape[0] and 0 <= x < depth.shape[1]
        if not inside or depth[y, x] < half:
            break
        length += 1
    return length
