"""What trains and what validates, in pixels of the stacks and in those that the network sees."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_unet.annotation.splits import Split, split_stack, split_stacks
from napari_unet.base.errors import InputError
from napari_unet.images.resampling import reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.config.split import SplitConfig
    from napari_unet.images.stack import Stack

__all__ = ["divide", "given_guards", "seen_split"]


def given_guards(
    stacks: Sequence[Stack], shapes: Sequence[tuple[int, int]], guard: int
) -> tuple[int, ...]:
    """Return a guard of seen pixels in pixels of each stack, whose planes are seen as `shapes`."""
    return tuple(
        math.ceil(guard / min(m / n for n, m in zip(stack.plane_shape, shape)))
        for stack, shape in zip(stacks, shapes)
    )


def divide(
    stacks: Sequence[Stack], config: SplitConfig, guards: Sequence[int], *, painted: bool
) -> tuple[Split, ...]:
    """Return what trains and what validates, in pixels of the stacks.

    Parameters
    ----------
    stacks
        With labels.
    config
        What is asked for.
    guards
        px, how far the network sees in each.
    painted
        Every slice that does not validate may come to train, and of sparse annotation nothing is
        held back.
    """
    if not painted:
        return split_stacks(stacks, config, guards)
    splits = []
    for stack, guard in zip(stacks, guards, strict=True):
        every = tuple(range(stack.n_slices))
        split = Split(every, ())
        if stack.scheme is not None and stack.scheme.annotation == "dense":
            split = split_stack(stack, config, guard)
            held = set() if split.region else set(split.validation)
            split = replace(split, train=tuple(i for i in every if i not in held))
        splits.append(split)
    return tuple(splits)


def seen_split(stack: Stack, shape: tuple[int, int], split: Split, guard: int) -> Split:
    """Return a split of a stack in the pixels that the network sees.

    Raises
    ------
    InputError
        When the validation region leaves nothing to train on.
    """
    before = stack.plane_shape
    mixed = max(reach(n, m) for n, m in zip(before, shape))
    seen = split.resampled(before, shape, guard=guard, reach=mixed)
    if seen.region is not None and not seen.training_mask(seen.train[0], shape).any():
        msg = (
            f"the validation region {split.region} and its guard band of {split.guard} px "
            f"leave no pixel for training in a plane of shape {before}; draw a smaller region"
        )
        raise InputError(msg)
    return seen
