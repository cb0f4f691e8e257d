"""The part of a stack that the pre-flight reads: all of a small one, squares of a large one.

Legend: ``C`` channels, ``(h, w)`` part, ``i`` flat index of a slice.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_unet.base.quantities import count
from napari_unet.images.stack import sample_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.images.intensity import Block
    from napari_unet.images.stack import Stack

__all__ = ["Sample", "can_leave_out", "spread"]

MOST_PARTS = 64  # squares of 512 px: 17 million pixels, as much as a stack that is read whole

T = TypeVar("T")


class Sample:
    """A bounded part of a stack, at the same places every time.

    Parameters
    ----------
    stack
        Read where it is asked for; the labels are read once and kept.

    Attributes
    ----------
    blocks : tuple of (int, slice, slice)
        Slice, rows and columns to read of the image.
    label_blocks : tuple of (int, slice, slice)
        The same for the labels; only slices that have some.
    whole : bool
        The blocks are all of the image.
    labels_whole : bool
        The blocks are all of the labels.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.blocks = _choose(stack, range(stack.n_slices))
        self.whole = (
            _pixels(self.blocks) == stack.n_slices * stack.plane_shape[0] * (stack.plane_shape[1])
        )

    @cached_property
    def label_blocks(self) -> tuple[Block, ...]:
        """Slice, rows and columns to read of the labels."""
        return _choose(self.stack, self.stack.labelled_slices)

    @property
    def labels_whole(self) -> bool:
        """Whether the blocks are all of the labels."""
        all_of_them = len(self.stack.labelled_slices) * _plane_pixels(self.stack)
        return _pixels(self.label_blocks) == all_of_them

    @cached_property
    def label_parts(self) -> list[tuple[Block, NDArray[np.int32]]]:
        """Blocks with their labels, (h, w) int32."""
        return [(block, self.stack.label_crop(*block)) for block in self.label_blocks]

    def image_parts(self) -> Iterator[tuple[Block, NDArray[Any]]]:
        """Read the image: blocks with (C, h, w) in the dtype of the image."""
        for block in self.blocks:
            yield block, self.stack.image_crop(*block)

    def describe(self) -> str:
        """Say what is read of a stack that is too large to be read whole."""
        slices = len({block[0] for block in self.blocks})
        where = f"{slices:,} of {count(self.stack.n_slices, 'slice')}"
        if slices < len(self.blocks):
            where = f"{len(self.blocks)} squares in {where}"
        pixels = self.stack.n_slices * _plane_pixels(self.stack)
        share = 100 * _pixels(self.blocks) / pixels
        return f"Only a sample of this large stack was looked at: {where}, {share:.2g} % of it."


def can_leave_out(stack: Stack) -> bool:
    """Tell whether labelled slices can be left out by naming those that stay.

    Labels that were made for a few slices only lie in an array of just these, which would no
    longer fit.
    """
    shape: tuple[int, ...] = getattr(stack.labels, "shape", ())
    return math.prod(shape) == stack.n_slices * _plane_pixels(stack)


def _choose(stack: Stack, slices: Sequence[int]) -> tuple[Block, ...]:
    if not len(slices):
        return ()
    blocks = tuple(sample_blocks(stack, slices))
    if _pixels(blocks) == len(slices) * _plane_pixels(stack):
        return blocks
    return tuple(spread(blocks, MOST_PARTS))


def _plane_pixels(stack: Stack) -> int:
    return math.prod(stack.plane_shape)


def _pixels(blocks: Sequence[Block]) -> int:
    return sum((r.stop - r.start) * (c.stop - c.start) for _, r, c in blocks)


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many items, evenly spaced, first and last among them."""
    if len(items) <= most:
        return list(items)
    return [items[int(k)] for k in np.linspace(0, len(items) - 1, most).round()]
