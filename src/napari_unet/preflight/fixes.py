"""Putting findings right: another reading of the same arrays, which stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError
from napari_unet.preflight.labels import class_values
from napari_unet.preflight.sample import Sample

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack
    from napari_unet.preflight.finding import Fix

__all__ = ["apply_fix"]


def apply_fix(stack: Stack, fix: Fix) -> Stack:
    """Return the stack with one thing put right.

    Parameters
    ----------
    stack
        With labels; its arrays are neither copied nor changed.
    fix
        Of a `Finding`.

    Raises
    ------
    InputError
        If there is no such fix, or the stack has no labels.
    """
    scheme = stack.scheme
    if scheme is None or stack.labels is None:
        raise InputError(
            f"{fix!r} is about labels, but {stack.name!r} has none; choose its labels."
        )
    if fix == "make gaps":
        return replace(stack, scheme=replace(scheme, gap=True))
    if fix == "leave out empty slices":
        kept = tuple(i for i in stack.labelled_slices if stack.label_plane(i).any())
        return replace(stack, annotated=kept)
    if fix == "leave out constant slices":
        kept = tuple(i for i in stack.labelled_slices if not _is_constant(stack, i))
        return replace(stack, annotated=kept)
    if fix == "read as objects":
        read = LabelScheme("objects", scheme.annotation, ignore=scheme.ignore, gap=scheme.gap)
        return replace(stack, scheme=read)
    if fix == "read as classes":
        values = class_values(Sample(stack), scheme.annotation)
        values = tuple(v for v in values if v != scheme.ignore)
        read = LabelScheme("classes", scheme.annotation, values=values, ignore=scheme.ignore)
        return replace(stack, scheme=replace(read, gap=scheme.gap))
    if fix in ("zoom", "take NaN as outside"):
        raise InputError(
            f"{fix!r} leaves the stack as it is, it is a setting of the training: choose it there."
        )
    if fix in ("read other axes", "give the image's pixel size", "give the file's pixel size"):
        raise InputError(
            "axes and pixel sizes belong to what was opened, not to its labels: give them there."
        )
    raise InputError(f"there is no fix named {fix!r}; use the one of a finding.")


def _is_constant(stack: Stack, i: int) -> bool:
    plane = stack.image_plane(i)
    return bool((plane == plane[:, :1, :1]).all())
