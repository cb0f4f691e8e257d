"""Slices that validate although the same pixels train, under another name or number.

A file that was given twice, a frame that was saved twice: its score would say nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.annotation.splits import Split
    from napari_unet.images.stack import Stack

__all__ = ["say_copies"]

LARGEST = 2**30  # bytes of all images; more are not looked through


def say_copies(stacks: Sequence[Stack], splits: Sequence[Split]) -> str:
    """Say which slices validate and train at once; "" where none does.

    Parameters
    ----------
    stacks
        Those that are in memory are looked at, slices of one grey value are not.
    splits
        One per stack; a region divides every slice, so that no slice of it counts.
    """
    every = list(zip(stacks, splits))
    size = sum(stack.image.nbytes for stack, _ in every if _is_loaded(stack))
    looked_at = [one for one in every if _is_loaded(one[0]) and one[1].region is None]
    if size > LARGEST or not any(split.validation for _, split in looked_at):
        return ""
    trained: dict[tuple[int, ...], str] = {}
    for stack, split in looked_at:
        for i in split.train:
            trained.setdefault(_sum(stack, i), f"slice {i} of {stack.name}")
    found = [
        f"slice {i} of {stack.name} is {trained[key]}"
        for stack, split in looked_at
        for i in split.validation
        if (key := _sum(stack, i)) in trained and np.ptp(stack.image_plane(i))
    ]
    if not found:
        return ""
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return (
        f"What validates also trains, so that its score says nothing about new images: {found[0]}"
        f"{more}; leave one of them out."
    )


def _is_loaded(stack: Stack) -> bool:
    return isinstance(stack.image, np.ndarray) and not isinstance(stack.image, np.memmap)


def _sum(stack: Stack, i: int) -> tuple[int, ...]:
    plane = np.ascontiguousarray(stack.image_plane(i))
    return (*plane.shape, crc32(plane.data))
