"""Bring stacks of different pixel sizes to a common one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.transform import resize

from napari_unet.errors import InputError
from napari_unet.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["resample"]


def resample(stack: Stack, pixel_size: tuple[float, float]) -> Stack:
    """Resample every plane to a pixel size; slices are neither added nor taken away.

    The image is interpolated linearly after the smoothing that shrinking needs
    (``skimage.transform.resize``), labels take the nearest value. The field of
    view stays the same: its outline, not the centre of its corner pixels.

    Parameters
    ----------
    stack
        The stack.
    pixel_size
        (y, x) in the units of ``stack.scale``.

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
    if not all(math.isfinite(s) and s > 0 for s in pixel_size):
        raise InputError(f"pixel size must be positive, got {pixel_size}: give y and x.")
    ratios = [old / new for old, new in zip(stack.pixel_size, pixel_size)]
    shape = tuple(round(n * r) for n, r in zip(stack.plane_shape, ratios))
    if 0 in shape:
        raise InputError(
            f"pixel size {pixel_size} leaves no pixel of {stack.name!r}, whose plane is "
            f"{stack.plane_shape} at {stack.pixel_size}: give a smaller size."
        )
    plane = (stack.channels, *shape)
    image = _planes(
        stack, stack.image, lambda i: _resize(stack.image_plane(i), shape), plane, stack.dtype
    )
    if "c" not in stack.axes:
        image = image.reshape(*stack.leading_shape, *shape)
    labels = None
    if stack.labels is not None:
        rows, cols = (_nearest(n, m) for n, m in zip(stack.plane_shape, shape))
        labels = _planes(
            stack, stack.labels, lambda i: stack.label_plane(i)[rows][:, cols], shape, np.int32
        )
    return _described(stack, image, labels, shape)


def _described(stack: Stack, image: Any, labels: Any, shape: tuple[int, ...]) -> Stack:
    """Stack of the new arrays: order of axes, true pixel size after rounding, position."""
    axes = stack.leading_axes + ("c" if "c" in stack.axes else "") + "yx"
    old = stack.axes.replace("c", "")
    at = [old.index(a) for a in axes.replace("c", "")]
    scale, translate = [stack.scale[k] for k in at], [stack.translate[k] for k in at]
    for k, n, m in zip((-2, -1), stack.plane_shape, shape):
        before, scale[k] = scale[k], scale[k] * n / m
        translate[k] += (scale[k] - before) / 2  # of the first pixel's centre
    return Stack(
        stack.name,
        image,
        axes,
        labels=labels,
        scheme=stack.scheme,
        annotated=stack.annotated,
        scale=tuple(scale),
        translate=tuple(translate),
        units=tuple(stack.units[k] for k in at),
        channel_names=stack.channel_names,
    )


def _planes(
    stack: Stack, source: Any, make: Callable[[int], NDArray[Any]], shape: Any, dtype: Any
) -> Any:
    """Leading shape + plane shape, made at once if the source is in memory, else when read."""
    whole = (*stack.leading_shape, *shape)
    if isinstance(source, np.ndarray):
        return np.stack([make(i) for i in range(stack.n_slices)]).reshape(whole)
    import dask
    import dask.array as da

    planes = [
        da.from_delayed(dask.delayed(make)(i), shape, dtype=dtype) for i in range(stack.n_slices)
    ]
    return da.stack(planes).reshape(whole)


def _resize(plane: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """(C, Y, X) to (C, *shape), in its own dtype."""
    smooth = any(m < n for m, n in zip(shape, plane.shape[1:]))
    exact = plane.astype(np.float64 if plane.dtype.itemsize > 2 else np.float32)
    channels = [
        resize(one, shape, order=1, anti_aliasing=smooth, preserve_range=True, mode="symmetric")
        for one in exact
    ]
    result = np.stack(channels)
    if plane.dtype.kind in "biu":
        result = np.rint(result)
    return result.astype(plane.dtype)


def _nearest(n: int, m: int) -> NDArray[np.intp]:
    """Index among ``n`` pixels that lies under the centre of each of ``m``."""
    return ((np.arange(m) + 0.5) * n / m).astype(np.intp)
