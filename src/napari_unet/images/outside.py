"""Pixels that are not a number: what registration and stitching leave beside the image.

They are taken as outside: filled so that the image goes on there as it does beyond its borders,
mirrored, and marked, so that they weigh nothing in training and become 0 in a prediction.

Legend: ``(C, Y, X)`` plane, ``i`` flat index of a slice.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_unet.images.intensity import sample_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.config.outside import Outside
    from napari_unet.images.stack import Stack

__all__ = ["fill_plane", "mark_outside", "say_outside"]


def mark_outside(
    stack: Stack,
    which: Outside = "border",
    *,
    slices: Sequence[int] | None = None,
    lazy: bool = False,
) -> Stack:
    """Fill and mark what lies outside of an image.

    Parameters
    ----------
    stack
        With any image; only floating-point ones can hold NaN.
    which
        "border": NaN that reach the border of their plane in one piece; "all": also those in the
        midst of the image, such as masked dirt.
    slices
        Only these are looked at; None: all. Of an array that is not in memory a sample is.
    lazy
        Fill a plane when it is read, even of an array in memory.

    Returns
    -------
    Stack
        The same one where nothing is NaN, or everything; else with another image, and ``outside``
        set.
    """
    if stack.dtype.kind != "f" or stack.outside is not None or not _has_both(stack, slices):
        return stack
    inner = [a for a in stack.axes if a in "cyx"]
    order = [stack.axes.index(a) for a in (*stack.leading_axes, *inner)]
    back = tuple(int(k) for k in np.argsort(order))

    @functools.lru_cache(maxsize=2)  # one of them is read crop by crop
    def made(i: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        plane, outside = fill_plane(stack.image_plane(i), which)
        kept = plane if "c" in inner else plane[0]
        letters = "cyx"[-kept.ndim :]
        return kept.transpose([letters.index(a) for a in inner]), outside

    whole = tuple(int(stack.image.shape[k]) for k in order)
    if isinstance(stack.image, np.ndarray) and not lazy:
        image = np.empty(whole, stack.dtype)
        outside = np.empty((stack.n_slices, *stack.plane_shape), bool)
        for i in range(stack.n_slices):
            image[stack.index(i)], outside[i] = made(i)
        return replace(stack, image=image.transpose(back), outside=outside)
    import dask
    import dask.array as da

    part = dask.delayed(lambda i, k: made(i)[k], pure=False)
    depth = len(stack.leading_axes)
    images = [
        da.from_delayed(part(i, 0), whole[depth:], dtype=stack.dtype) for i in range(stack.n_slices)
    ]
    masks = [da.from_delayed(part(i, 1), stack.plane_shape, bool) for i in range(stack.n_slices)]
    joined = da.stack(images).reshape(whole).transpose(back)
    return replace(stack, image=joined, outside=da.stack(masks))


def fill_plane(
    plane: NDArray[Any], which: Outside = "border"
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Fill what lies outside of a plane by its mirror image.

    Parameters
    ----------
    plane
        (C, Y, X) floating point.
    which
        See `mark_outside`.

    Returns
    -------
    numpy.ndarray
        (C, Y, X): a pixel outside has the value of the one as far behind the nearest pixel of the
        image, or of that pixel where nothing lies behind it; 0 in a plane that holds no image.
    numpy.ndarray of bool
        (Y, X), where that is.
    """
    nan = np.isnan(plane).any(axis=0)
    outside = _at_border(nan) if which == "border" and nan.any() else nan
    if not outside.any():
        return plane, outside
    if outside.all():
        return np.zeros_like(plane), outside
    nearest = ndimage.distance_transform_edt(outside, return_distances=False, return_indices=True)
    here = np.nonzero(outside)
    edge = nearest[:, here[0], here[1]]
    behind = [np.clip(2 * at - from_, 0, n - 1) for at, from_, n in zip(edge, here, outside.shape)]
    there = ~nan[behind[0], behind[1]]
    source = [np.where(there, far, near) for far, near in zip(behind, edge)]
    filled = plane.copy()
    filled[:, here[0], here[1]] = plane[:, source[0], source[1]]
    return filled, outside


def say_outside(stack: Stack) -> str:
    """Say what lies outside of a stack, from a bounded sample of it; "" where nothing does."""
    if stack.outside is None:
        return ""
    counted = total = 0
    for block in sample_blocks(stack):
        crop = stack.outside_crop(*block)
        if crop is not None:
            counted, total = counted + int(crop.sum()), total + crop.size
    if not counted:
        return ""
    return (
        f"{100 * counted / total:.2g} % of its pixels are NaN and taken as outside of the "
        "image; they weigh nothing, and a prediction is 0 there."
    )


def _at_border(nan: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those pieces, 4-connected, that reach the border of the plane."""
    pieces, _ = ndimage.label(nan)
    edges = (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1])
    numbers = np.unique(np.concatenate(edges))
    found: NDArray[np.bool_] = np.isin(pieces, numbers[numbers > 0])
    return found


def _has_both(stack: Stack, slices: Sequence[int] | None) -> bool:
    nan = image = False
    for block in _to_look_at(stack, slices):
        missing = np.isnan(stack.image_crop(*block)).any(axis=0)
        nan, image = nan or bool(missing.any()), image or not missing.all()
        if nan and image:
            return True
    return False  # without any image there is nothing to be outside of


def _to_look_at(stack: Stack, slices: Sequence[int] | None) -> Iterator[tuple[int, slice, slice]]:
    chosen = range(stack.n_slices) if slices is None else slices
    if isinstance(stack.image, np.ndarray):
        Y, X = stack.plane_shape
        yield from ((i, slice(0, Y), slice(0, X)) for i in chosen)
    else:
        yield from sample_blocks(stack, chosen)
