"""Which labels a model has learned from, told by a sum of every slice."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from typing_extensions import TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_unet.images.stack import Stack

__all__ = ["SeenLabels", "newer_slices", "seen_labels"]


class SeenLabels(TypedDict):
    """The labelled slices of a stack: its name, and pairs of slice number and CRC-32."""

    stack: str
    slices: list[tuple[int, int]]


def seen_labels(stack: Stack) -> SeenLabels:
    """Sum up the labels of a stack as they are now, slice by slice.

    Labels on a disk are not read for this: of them no slice is known.
    """
    in_memory = isinstance(stack.labels, np.ndarray) and not isinstance(stack.labels, np.memmap)
    slices = stack.labelled_slices if in_memory else ()
    return {
        "stack": stack.name,
        "slices": [(int(i), crc32(stack.label_plane(i).tobytes())) for i in slices],
    }


def newer_slices(seen: Iterable[SeenLabels], stacks: Sequence[Stack]) -> int:
    """Count the slices whose labels are others than a model has seen.

    Parameters
    ----------
    seen
        What it has seen; see `seen_labels`.
    stacks
        As they are now. Those that the model does not know by name do not count, nor those of
        which no slice is known.

    Returns
    -------
    int
        Slices that were changed, labelled first, or emptied.
    """
    known = {one["stack"]: dict(one["slices"]) for one in seen if one["slices"]}
    count = 0
    for stack in stacks:
        if stack.name in known:
            before, now = known[stack.name], dict(seen_labels(stack)["slices"])
            count += sum(before.get(i) != now.get(i) for i in before.keys() | now.keys())
    return count
