"""The planes that a network is measured on: whole, in order, never augmented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.training.plane_cache import PlaneCache
from napari_unet.training.planes import UNKNOWN, WHOLE_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.training.planes import SeenImages, SeenTruth

__all__ = ["ValidationPlane", "ValidationPlanes"]

ALIGN = 64  # px; windows begin at multiples, so that poolings meet them as they meet the plane
HALO = 256  # px around a region, more than a network of depth 5 looks
WINDOW = 1024  # px, side of the windows that stand for a large plane
WINDOWS = 2  # per side of such a plane
CACHE_BYTES = 2**29


@dataclass(frozen=True, eq=False)
class ValidationPlane:
    """One plane, or a window of a large one.

    Attributes
    ----------
    stack_index, slice_index
        Where it was taken from.
    rows, cols
        Which pixels of the slice it is.
    image
        (C, Y, X) float32, normalised.
    classes
        (Y, X) uint8 class index, 0 where not known.
    weights
        (Y, X) float32; 0 where not known, and outside the validation region.
    maps
        (M, Y, X) float32 object maps; NaN where the weight is 0.
    objects
        (Y, X) int32 ids as drawn, 0 = none; (0, 0) where no maps are wanted.
    """

    stack_index: int
    slice_index: int
    rows: slice
    cols: slice
    image: NDArray[np.float32]
    classes: NDArray[np.uint8]
    weights: NDArray[np.float32]
    maps: NDArray[np.float32]
    objects: NDArray[np.int32]


class ValidationPlanes:
    """Iterates over all validation planes; every time over the same ones.

    Planes of up to 4096² pixels come whole. Of a larger one comes the validation
    region with what a network sees around it, or, without a region, four windows
    of 1024² spread over the plane.

    Parameters
    ----------
    images, truths
        One each per stack, of which nothing is hidden.
    cache_bytes
        How much may be kept of prepared planes.
    """

    def __init__(
        self,
        images: Sequence[SeenImages],
        truths: Sequence[SeenTruth],
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._images, self._truths = list(images), list(truths)
        self._cache = PlaneCache(cache_bytes)
        self._tokens = [object() for _ in truths]

    def __iter__(self) -> Iterator[ValidationPlane]:
        for k, truth in enumerate(self._truths):
            for i in truth.split.validation:
                for rows, cols in _windows(truth.stack.plane_shape, truth.split.region):
                    yield self._plane(k, i, rows, cols)

    def __len__(self) -> int:
        return sum(
            len(one.split.validation) * len(_windows(one.stack.plane_shape, one.split.region))
            for one in self._truths
        )

    def refresh(self, stack_index: int, images: SeenImages, truth: SeenTruth) -> None:
        """Use the edited labels of one stack from the next iteration on."""
        self._cache.drop(self._tokens[stack_index])
        self._tokens[stack_index] = object()
        self._images[stack_index], self._truths[stack_index] = images, truth

    def _plane(self, k: int, i: int, rows: slice, cols: slice) -> ValidationPlane:
        def make() -> tuple[ValidationPlane, int]:
            plane = self._prepare(k, i, rows, cols)
            parts = (plane.image, plane.classes, plane.weights, plane.maps, plane.objects)
            return plane, sum(part.nbytes for part in parts)

        return self._cache.get((self._tokens[k], i, rows.start, cols.start), make)

    def _prepare(self, k: int, i: int, rows: slice, cols: slice) -> ValidationPlane:
        truth, split = self._truths[k], self._truths[k].split
        image = self._images[k].window(i, rows, cols)
        classes, weights, *maps = truth.window(i, rows, cols)
        if split.region is not None:
            measured = split.measured(rows, cols)
            outside = np.ones(classes.shape, bool)
            if measured is not None:
                outside[measured] = False
            weights[outside] = 0
        classes[classes == UNKNOWN] = 0
        objects = np.empty((0, 0), np.int32)
        if truth.maps:
            objects = truth.target(i, rows, cols, gap=False).objects
        kept = np.array(maps, np.float32).reshape(-1, *weights.shape)
        kept[:, weights == 0] = np.nan
        return ValidationPlane(
            k, i, rows, cols, image, classes.astype(np.uint8), weights, kept, objects
        )


def _windows(
    shape: tuple[int, int], region: tuple[int, int, int, int] | None
) -> list[tuple[slice, slice]]:
    """Parts of a plane to measure on."""
    if shape[0] * shape[1] <= WHOLE_PIXELS:
        return [(slice(0, shape[0]), slice(0, shape[1]))]
    if region is not None:
        y0, y1, x0, x1 = region
        return [(_around(y0, y1, shape[0]), _around(x0, x1, shape[1]))]
    rows, cols = (_spread(n) for n in shape)
    return [(y, x) for y in rows for x in cols]


def _around(start: int, stop: int, size: int) -> slice:
    first = max(0, start - HALO)
    return slice(first - first % ALIGN, min(size, stop + HALO))


def _spread(size: int) -> list[slice]:
    """Windows along one side, each in the middle of its part of it."""
    if size <= WINDOW * WINDOWS:
        return [slice(0, size)]
    middles = [(2 * k + 1) * size // (2 * WINDOWS) for k in range(WINDOWS)]
    starts = [middle - WINDOW // 2 for middle in middles]
    return [slice(s - s % ALIGN, s - s % ALIGN + WINDOW) for s in starts]
