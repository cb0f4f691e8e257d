"""Several stacks in one training: what they must have in common, and what can be made common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_unet.errors import InputError
from napari_unet.resample import resample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.stack import Stack

__all__ = ["check_alike", "pixel_sizes_differ", "to_common_pixel"]

ALIKE = 0.01  # pixel sizes that differ by less than one percent are the same


def check_alike(stacks: Sequence[Stack]) -> None:
    """Refuse stacks that one network cannot learn from.

    Parameters
    ----------
    stacks
        With labels. Sizes, pixel sizes and dtypes may differ.

    Raises
    ------
    InputError
        Without any stack or labels, or when the numbers of channels or classes differ.
    """
    if not stacks:
        msg = "training needs at least one stack with labels, got none: choose one"
        raise InputError(msg)
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
        assert first.scheme is not None
        if stack.scheme.n_classes != first.scheme.n_classes:
            msg = (
                f"all stacks of a training need the same classes, but {first.name!r} has "
                f"{first.scheme.n_classes} and {stack.name!r} {stack.scheme.n_classes}: "
                "leave one out"
            )
            raise InputError(msg)


def pixel_sizes_differ(stacks: Sequence[Stack]) -> bool:
    """Tell whether pixels of the same unit have different sizes.

    Pixels of different units cannot be compared, and are left as they are.
    """
    first = stacks[0] if stacks else None
    return first is not None and any(_differs(stack, first) for stack in stacks[1:])


def to_common_pixel(stacks: Sequence[Stack]) -> tuple[Stack, ...]:
    """Resample all stacks to the pixel size of the first one.

    Parameters
    ----------
    stacks
        One or more. Those that have this pixel size already, or another unit, stay as they are.
    """
    first = stacks[0]
    return tuple(
        resample(stack, first.pixel_size) if _differs(stack, first) else stack for stack in stacks
    )


def _differs(stack: Stack, first: Stack) -> bool:
    if stack.units[-1] != first.units[-1]:
        return False
    pairs = zip(stack.pixel_size, first.pixel_size)
    return not all(math.isclose(a, b, rel_tol=ALIKE) for a, b in pairs)
