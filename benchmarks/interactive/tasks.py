"""What is painted in, and what is measured: slices and images that nobody paints in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.datasets import registry as datasets
from napari_unet.evaluation.metrics import iou, v_rand
from napari_unet.images.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["TASKS", "Task"]

EM_PAINTED_IN, EM_HELD_OUT = tuple(range(24)), tuple(range(24, 30))


@dataclass(frozen=True)
class Task:
    """A data set without labels, and its truth.

    Attributes
    ----------
    painted : Stack
        Begins without labels.
    truth : dict
        Slice -> (Y, X) uint8 class of every pixel, 1 inside a cell; the slices to paint in.
    held_out : Stack
        What nobody paints in.
    slices, inside : tuple, array (N, Y, X) bool
        Of it, those that are measured, and their truth.
    score : str
        What the curve shows.
    zoom : float
        At which the network sees the images: cells that are 100 px wide at half their size.
    """

    painted: Stack
    truth: dict[int, NDArray[np.uint8]]
    held_out: Stack
    slices: tuple[int, ...]
    inside: NDArray[np.bool_]
    score: str
    zoom: float = 1.0

    def measure(self, foreground: NDArray[np.floating]) -> float:
        """Return the score of (N, Y, X) probabilities of foreground."""
        if self.score == "V_Rand":
            return v_rand(foreground, self.inside)
        return iou(foreground > 0.5, self.inside)


def _bare(stack: Stack) -> Stack:
    return Stack(stack.name, np.asarray(stack.image), stack.axes, scale=stack.scale)


def _inside(stack: Stack, slices: Sequence[int]) -> NDArray[np.bool_]:
    return np.stack([stack.label_plane(i) > 0 for i in slices])


def _em() -> Task:
    stack = datasets.open("isbi2012-em")
    truth = _inside(stack, EM_PAINTED_IN).astype(np.uint8)
    bare = _bare(stack)
    inside = _inside(stack, EM_HELD_OUT)
    return Task(bare, dict(enumerate(truth)), bare, EM_HELD_OUT, inside, "V_Rand")


def _cells(name: str) -> Task:
    """Silver truth of sequence 01 to paint, gold truth of 02 to measure."""
    painted = datasets.open(name, None, "01", "silver")
    held_out = datasets.open(name, None, "02", "gold")
    slices = held_out.labelled_slices
    truth = _inside(painted, painted.labelled_slices).astype(np.uint8)
    return Task(
        _bare(painted),
        dict(zip(painted.labelled_slices, truth)),
        replace(held_out, labels=None, scheme=None, annotated=None),
        slices,
        _inside(held_out, slices),
        "IoU",
        zoom=0.5,
    )


TASKS: dict[str, Callable[[], Task]] = {
    "em": _em,
    "hela": lambda: _cells("dic-c2dh-hela"),
    "u373": lambda: _cells("phc-c2dh-u373"),
}
