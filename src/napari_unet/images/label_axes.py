"""How the axes of labels correspond to those of their image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.base.errors import InputError
from napari_unet.images.axes import lengths_without_channels

if TYPE_CHECKING:
    from typing import Any

__all__ = ["find_label_axes"]


def find_label_axes(
    labels: Any, axes: str, image_shape: tuple[int, ...], annotated: tuple[int, ...] | None
) -> str:
    """Return what each axis of labels is, or say why they do not fit the image.

    Parameters
    ----------
    labels
        Array.
    axes, image_shape
        Of the image.
    annotated
        Flat indices of the slices that have labels; None: all of them.

    Returns
    -------
    str
        One letter per axis: the image's own; "c" an axis of length 1, to be left out; "n" the
        annotated slices one after the other. Without any letter of the image's leading axes, or
        "n", the labels are those of one slice.

    Raises
    ------
    InputError
        When they fit in no way.
    """
    if np.dtype(labels.dtype).kind not in "biuf":
        raise InputError(f"labels must hold whole numbers, got dtype {labels.dtype}: convert them.")
    shape = tuple(int(n) for n in labels.shape)
    own = axes.replace("c", "")
    if shape == lengths_without_channels(axes, image_shape):
        return own
    if len(shape) == len(axes) and "c" in axes and shape[axes.index("c")] == 1:
        without = lengths_without_channels(axes, shape)
        if without == lengths_without_channels(axes, image_shape):
            return axes
        if annotated is not None and without == (len(annotated), *_plane(axes, image_shape)):
            return "".join(a if a in "cyx" else "n" for a in axes)
    plane = "".join(a for a in axes if a in "yx")
    slices = int(np.prod([n for a, n in zip(axes, image_shape) if a not in "cyx"]))
    count = slices if annotated is None else len(annotated)
    if shape[-2:] == _plane(axes, image_shape):
        if annotated is not None and shape[:-2] == (count,):
            return "n" + plane
        if count == 1 and shape[:-2] in ((), (1,)):
            return "n" * (len(shape) - 2) + plane
    letters = _but_for_single(shape, own, lengths_without_channels(axes, image_shape))
    if annotated is None and letters:
        return letters
    raise InputError(_misfit(shape, axes, image_shape))


def _but_for_single(shape: tuple[int, ...], own: str, lengths: tuple[int, ...]) -> str:
    """Letters of labels that differ from the image by axes of length 1 alone, which are "c"."""
    wanted = [(a, n) for a, n in zip(own, lengths) if n > 1 or a in "yx"]
    letters = ""
    for n in shape:
        if wanted and n == wanted[0][1]:
            letters += wanted.pop(0)[0]
        elif n == 1:
            letters += "c"
        else:
            return ""
    return "" if wanted else letters


def _plane(axes: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(n) for a, n in zip(axes, shape) if a in "yx")


def _misfit(shape: tuple[int, ...], axes: str, image: tuple[int, ...]) -> str:
    expected = lengths_without_channels(axes, image)
    start = f"labels must have shape {expected} to fit the image of shape {image} "
    start += f"(axes {axes!r}), got {shape}: "
    last = shape == image[:-1] and (image[-1] in (3, 4) or shape != image[1:])
    if len(image) >= 3 and axes[-1] == "x" and last:
        return start + f"the image looks like colour, use axes {axes[:-3] + 'yxc'!r}."
    if "c" not in axes and len(shape) == len(image) - 1 and shape == image[1:]:
        return start + (
            f"if the image's first axis counts channels, use axes {'c' + axes[1:]!r}; if these are "
            "the labels of one slice, say which (--annotated 3, or annotated=(3,) in Python)."
        )
    if shape[-2:] == _plane(axes, image):
        return start + (
            "for labels of a few slices only, say which (--annotated 3,7, or annotated=(3, 7) in "
            "Python)."
        )
    if shape[-2:] == _plane(axes, image)[::-1]:
        return start + (
            "image and labels seem to be turned against each other, save both from one program."
        )
    return start + "choose labels drawn on this image."
