"""Whether one network can learn from several stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_unet.base.errors import InputError
from napari_unet.images.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_alike"]


def check_alike(stacks: Sequence[Stack], intensity: Literal["stack", "image"] = "stack") -> None:
    """Refuse stacks that one network cannot learn from.

    Parameters
    ----------
    stacks
        With labels. Sizes and pixel sizes may differ.
    intensity
        Whether all stacks share their limits of grey values, or each slice has its own.

    Raises
    ------
    InputError
        Without any stack or labels, when the numbers of channels or classes differ, or when
        grey values that share limits have several dtypes.
    """
    if not stacks:
        msg = "training needs at least one stack with labels, got none: choose one"
        raise InputError(msg)
    for stack in stacks:
        _check_stack(stack)
    first = stacks[0]
    for stack in stacks:
        if stack.labels is None or stack.scheme is None:
            msg = f"{stack.name!r} has no labels: choose a labels layer or file to train on"
            raise InputError(msg)
        if stack.channels != first.channels:
            msg = (
                f"all stacks of a training need the same channels, but {first.name!r} has "
                f"{first.channels} and {stack.name!r} {stack.channels}: leave one out"
            )
            raise InputError(msg)
        if intensity == "stack" and _grey_type(stack) != _grey_type(first):
            msg = (
                f"{first.name!r} is {first.dtype} and {stack.name!r} is {stack.dtype}, so that "
                "their grey values cannot be compared: save them with one dtype, or give each "
                "slice limits of its own (--intensity image, or Limits under Data)"
            )
            raise InputError(msg)
        assert first.scheme is not None
        if stack.scheme.n_classes != first.scheme.n_classes:
            msg = (
                f"all stacks of a training need the same classes, but {first.name!r} has "
                f"{first.scheme.n_classes} and {stack.name!r} {stack.scheme.n_classes}: "
                "leave one out"
            )
            raise InputError(msg)


def _check_stack(given: object) -> None:
    if not isinstance(given, Stack):
        msg = (
            f"training takes an image with its labels as a stack, got a {type(given).__name__}: "
            'open them with open_image("image.tif", "labels.tif")'
        )
        raise InputError(msg)


def _grey_type(stack: Stack) -> str:
    """What grey values share that can be compared: fractions of any precision, or whole numbers."""
    return "float" if stack.dtype.kind == "f" else stack.dtype.newbyteorder("=").name
