"""Several stacks in one training: what they must have in common, and what can be made common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_unet.base.errors import InputError
from napari_unet.base.units import ratio
from napari_unet.images.resampling import resample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.images.stack import Stack

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
    """Tell whether pixels have different sizes.

    Sizes whose units cannot be compared, such as pixels and micrometers, do not count.
    """
    return any(_other_size(stack, stacks[0]) is not None for stack in stacks[1:])


def to_common_pixel(stacks: Sequence[Stack]) -> tuple[Stack, ...]:
    """Resample all stacks to the pixel size of the first one.

    Parameters
    ----------
    stacks
        One or more. Those that have this pixel size already, or a unit that cannot be compared,
        stay as they are.
    """
    sizes = [_other_size(stack, stacks[0]) for stack in stacks]
    return tuple(
        stack if size is None else resample(stack, size) for stack, size in zip(stacks, sizes)
    )


def _other_size(stack: Stack, first: Stack) -> tuple[float, float] | None:
    """The pixel size of the first stack in the units of another, where it has another one."""
    per_unit = ratio(first.units[-1], stack.units[-1])
    if per_unit is None:
        return None
    y, x = (side * per_unit for side in first.pixel_size)
    same = all(
        math.isclose(a, b, rel_tol=ALIKE) for a, b in zip((y, x), stack.pixel_size, strict=True)
    )
    return None if same else (y, x)
