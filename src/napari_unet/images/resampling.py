"""Bring stacks of different pixel sizes to a common one."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.transform import resize

from napari_unet.base.errors import InputError
from napari_unet.base.units import ratio
from napari_unet.images.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "LARGEST_ZOOM",
    "reach",
    "relative_pixel_size",
    "resample",
    "resampled_labels",
    "resampled_shape",
]

KEPT = 2  # planes
LARGEST_ZOOM = 16
"""Most pixels that one pixel becomes along an axis; what is larger is a wrong pixel size."""


def resample(stack: Stack, pixel_size: tuple[float, float], *, lazy: bool = False) -> Stack:
    """Resample every plane to a pixel size; slices are neither added nor taken away.

    The image is interpolated linearly after the smoothing that shrinking needs
    (``skimage.transform.resize``), labels take the nearest value. The field of
    view stays the same: its outline, not the centre of its corner pixels.

    Parameters
    ----------
    stack
        The stack.
    pixel_size
        (y, x) in ``stack.unit``.
    lazy
        Resample a plane when it is read, even of an array in memory.

    Returns
    -------
    Stack
        Axes: leading ones, "c" if there is one, "y", "x"; same dtypes. Arrays in
        memory stay there, of lazy ones each plane is resampled when it is read.

    Raises
    ------
    InputError
        When a size is not positive or no pixel would be left.
    """
    shape = resampled_shape(stack, pixel_size)
    plane = (stack.channels, *shape)
    image = _planes(
        stack,
        lazy or not isinstance(stack.image, np.ndarray),
        lambda i: _resize(stack.image_plane(i), shape),
        plane,
        stack.dtype,
    )
    if "c" not in stack.axes:
        image = image.reshape(*stack.leading_shape, *shape)
    return _described(stack, image, resampled_labels(stack, shape, lazy=lazy), shape)


def resampled_labels(
    stack: Stack, shape: tuple[int, int], *, lazy: bool = False, changing: bool = False
) -> Any:
    """Return the labels of a stack with planes of another shape; None where it has none.

    `changing` ones are read anew each time, because they are painted in place.
    """
    if stack.labels is None:
        return None
    rows, cols = (_nearest(n, m) for n, m in zip(stack.plane_shape, shape))
    return _planes(
        stack,
        lazy or changing or not isinstance(stack.labels, np.ndarray),
        lambda i: stack.label_plane(i)[rows][:, cols],
        shape,
        np.int32,
        kept=0 if changing else KEPT,
    )


def resampled_shape(stack: Stack, pixel_size: tuple[float, float]) -> tuple[int, int]:
    """Return (Y, X) of a stack's planes at another pixel size; see `resample`."""
    if not all(math.isfinite(s) and s > 0 for s in pixel_size):
        raise InputError(f"pixel size must be positive, got {pixel_size}: give y and x.")
    y, x = (
        round(n * old / new) for n, old, new in zip(stack.plane_shape, stack.pixel_size, pixel_size)
    )
    if 0 in (y, x):
        raise InputError(
            f"pixel size {pixel_size} leaves no pixel of {stack.name!r}, whose plane is "
            f"{stack.plane_shape} at {stack.pixel_size}: give a smaller size."
        )
    if max(y / stack.plane_shape[0], x / stack.plane_shape[1]) > LARGEST_ZOOM:
        raise InputError(
            f"pixel size {pixel_size} makes {y} × {x} pixels of the {stack.plane_shape} of "
            f"{stack.name!r}, whose own are {stack.pixel_size}, and {LARGEST_ZOOM} times as many a "
            "side are the most: give a larger size."
        )
    return y, x


def reach(before: int, after: int) -> int:
    """Return how far resampling carries a pixel's value along an axis, in resampled pixels.

    Parameters
    ----------
    before, after
        Pixels along the axis; what differs by one pixel from the place of another, because
        places are rounded, is counted in.
    """
    if before == after:
        return 0
    factor = after / before
    smoothed = int(4 * max(0.0, (1 / factor - 1) / 2) + 0.5)  # as skimage.transform.resize does
    return math.ceil((smoothed + 1) * factor) + 1


def relative_pixel_size(
    stack: Stack, pixel_size: Sequence[float] | None, unit: str | None
) -> tuple[float, float] | None:
    """How many times as large as a given one the pixels of a stack are.

    Parameters
    ----------
    stack
        The stack.
    pixel_size, unit
        (y, x) and its unit, as a model remembers them.

    Returns
    -------
    (float, float) or None
        Along y and x; None where the two cannot be compared.
    """
    if pixel_size is None or unit is None:
        return None
    per_unit = ratio(stack.unit, unit)
    if per_unit is None:
        return None
    y, x = (own * per_unit / given for own, given in zip(stack.pixel_size, pixel_size))
    return y, x


def _described(stack: Stack, image: Any, labels: Any, shape: tuple[int, ...]) -> Stack:
    """Stack of the new arrays: order of axes, true pixel size after rounding, position."""
    axes = stack.leading_axes + ("c" if "c" in stack.axes else "") + "yx"
    old = stack.axes.replace("c", "")
    at = [old.index(a) for a in axes.replace("c", "")]
    scale, translate = [stack.scale[k] for k in at], [stack.translate[k] for k in at]
    for k, n, m in zip((-2, -1), stack.plane_shape, shape):
        before, scale[k] = scale[k], scale[k] * n / m
        translate[k] += (scale[k] - before) / 2  # of the first pixel's centre
    outside = None
    if stack.outside is not None:
        rows, cols = (_nearest(n, m) for n, m in zip(stack.plane_shape, shape))
        outside = stack.outside[:, rows][:, :, cols]
    return Stack(
        stack.name,
        image,
        axes,
        outside=outside,
        labels=labels,
        scheme=stack.scheme,
        annotated=stack.annotated,
        scale=tuple(scale),
        translate=tuple(translate),
        units=tuple(stack.units[k] for k in at),
        channel_names=stack.channel_names,
    )


def _planes(
    stack: Stack,
    lazy: bool,
    make: Callable[[int], NDArray[Any]],
    shape: Any,
    dtype: Any,
    kept: int = KEPT,
) -> Any:
    """Leading shape + plane shape, made when they are read, or at once."""
    whole = (*stack.leading_shape, *shape)
    if not lazy:
        return np.stack([make(i) for i in range(stack.n_slices)]).reshape(whole)
    import dask
    import dask.array as da

    # A plane is made whole even for a crop of it; the last ones are kept for the next crops.
    make = functools.lru_cache(maxsize=kept)(make)
    planes = [
        da.from_delayed(dask.delayed(make)(i), shape, dtype=dtype) for i in range(stack.n_slices)
    ]
    return da.stack(planes).reshape(whole)


def _resize(plane: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """(C, Y, X) to (C, *shape), in its own dtype."""
    smooth = any(m < n for m, n in zip(shape, plane.shape[1:]))
    exact = plane.astype(np.float64 if plane.dtype.itemsize > 2 else np.float32)
    channels = [
        # Not clipped: the extremes of the plane are those of parts that must not be seen.
        resize(
            one,
            shape,
            order=1,
            anti_aliasing=smooth,
            preserve_range=True,
            mode="symmetric",
            clip=False,
        )
        for one in exact
    ]
    result = np.stack(channels)
    if plane.dtype.kind in "biu":
        result = np.rint(result)
    return result.astype(plane.dtype)


def _nearest(n: int, m: int) -> NDArray[np.intp]:
    """Index among ``n`` pixels that lies under the centre of each of ``m``."""
    return ((np.arange(m) + 0.5) * n / m).astype(np.intp)
