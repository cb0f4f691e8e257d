"""The planes that a network is measured on: whole, in order, never augmented."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.annotation.labels import Target, read_target
from napari_unet.annotation.object_distance import maps_of_window
from napari_unet.training.training_planes import (
    UNKNOWN,
    WHOLE_PIXELS,
    PlaneCache,
    read_truth,
    weight_margin,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.annotation.splits import Split
    from napari_unet.config.network import ObjectMap
    from napari_unet.config.weights import WeightConfig
    from napari_unet.images.stack import Intensity, Stack

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
    stacks, splits
        As for the sampler.
    intensity
        Limits of grey values.
    weights
        None: every annotated pixel weighs 1.
    class_weights
        (K,), as measured on the *training* slices; None: 1 each.
    maps
        Object maps that are wanted, M of them.
    cache_bytes
        How much may be kept of prepared planes.
    """

    def __init__(
        self,
        stacks: Sequence[Stack],
        splits: Sequence[Split],
        *,
        intensity: Intensity,
        weights: WeightConfig | None,
        class_weights: NDArray[np.float64] | None = None,
        maps: tuple[ObjectMap, ...] = (),
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._stacks, self._splits = list(stacks), tuple(splits)
        self._intensity, self._weights, self._class_weights = intensity, weights, class_weights
        self._maps = maps
        self._cache = PlaneCache(cache_bytes)
        self._tokens = [object() for _ in stacks]

    def __iter__(self) -> Iterator[ValidationPlane]:
        for k, (stack, split) in enumerate(zip(self._stacks, self._splits)):
            for i in split.validation:
                for rows, cols in _windows(stack.plane_shape, split.region):
                    yield self._plane(k, i, rows, cols)

    def __len__(self) -> int:
        return sum(
            len(split.validation) * len(_windows(stack.plane_shape, split.region))
            for stack, split in zip(self._stacks, self._splits)
        )

    def refresh(self, stack_index: int, stack: Stack) -> None:
        """Use edited labels from the next iteration on."""
        self._cache.drop(self._tokens[stack_index])
        self._tokens[stack_index] = object()
        self._stacks[stack_index] = stack

    def _plane(self, k: int, i: int, rows: slice, cols: slice) -> ValidationPlane:
        def make() -> tuple[ValidationPlane, int]:
            plane = self._prepare(k, i, rows, cols)
            parts = (plane.image, plane.classes, plane.weights, plane.maps, plane.objects)
            return plane, sum(part.nbytes for part in parts)

        return self._cache.get((self._tokens[k], i, rows.start, cols.start), make)

    def _prepare(self, k: int, i: int, rows: slice, cols: slice) -> ValidationPlane:
        stack, split = self._stacks[k], self._splits[k]
        image = self._intensity.for_slice(stack, i).normalise(stack.image_crop(i, rows, cols))
        classes, weights = self._truth(stack, i, rows, cols)
        unknown = classes == UNKNOWN
        if split.region is not None:
            measured = split.measured(rows, cols)
            outside = np.ones(classes.shape, bool)
            if measured is not None:
                outside[measured] = False
            weights[outside] = 0
        classes[unknown] = 0
        maps, objects = self._objects(stack, i, rows, cols)
        maps[:, weights == 0] = np.nan
        return ValidationPlane(
            k, i, rows, cols, image, classes.astype(np.uint8), weights, maps, objects
        )

    def _objects(
        self, stack: Stack, i: int, rows: slice, cols: slice
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return object maps and ids of a window, as drawn."""
        if not self._maps:
            shape = rows.stop - rows.start, cols.stop - cols.start
            return np.empty((0, *shape), np.float32), np.empty((0, 0), np.int32)
        assert stack.scheme is not None
        as_drawn = replace(stack.scheme, gap=False)

        def read(rows: slice, cols: slice) -> Target:
            return read_target(stack.label_crop(i, rows, cols), as_drawn)

        maps = maps_of_window(read, self._maps, (rows, cols), stack.plane_shape)
        return maps, read(rows, cols).objects

    def _truth(
        self, stack: Stack, i: int, rows: slice, cols: slice
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Class index and weight, each (h, w), computed on a larger window."""
        assert stack.scheme is not None  # a stack with labels has one
        margin = weight_margin(self._weights)
        grown = [
            slice(max(0, s.start - margin), min(n, s.stop + margin))
            for s, n in zip((rows, cols), stack.plane_shape)
        ]
        target = read_target(stack.label_crop(i, *grown), stack.scheme)
        truth = read_truth(target, self._weights, self._class_weights)
        y, x = (slice(s.start - g.start, s.stop - g.start) for s, g in zip((rows, cols), grown))
        return truth[0, y, x].copy(), truth[1, y, x].copy()


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
