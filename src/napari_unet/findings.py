"""What can be said about a stack before anybody trains on it, one sentence each.

Reads a bounded sample of a stack that does not fit in memory, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_unet.errors import InputError
from napari_unet.labels import check_annotation, propose_scheme
from napari_unet.quantities import count
from napari_unet.stack import Intensity, sample_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.stack import Stack

__all__ = ["FIXES", "Finding", "Fix", "apply_fix", "find", "touching_pairs"]

Fix = Literal["make gaps", "leave out empty slices"]
FIXES: dict[Fix, str] = {"make gaps": "Make gaps", "leave out empty slices": "Leave them out"}
"""What can be put right, and what its button says."""


@dataclass(frozen=True)
class Finding:
    """One thing that is so, and perhaps a way to put it right.

    Attributes
    ----------
    severity : {"info", "warning", "error"}
        "error": training cannot begin; "warning": its result may not be what one expects.
    text : str
        One sentence.
    fix : str or None
        What `apply_fix` can do about it.
    """

    severity: Literal["info", "warning", "error"]
    text: str
    fix: Fix | None = None


def find(stack: Stack) -> Iterator[Finding]:
    """Look at a stack: its size, grey values, labels.

    Yields
    ------
    Finding
        As soon as it is known; the cheap ones first.
    """
    yield Finding("info", describe_image(stack))
    try:
        yield Finding("info", describe_grey_values(Intensity.measure(stack)))
    except InputError as error:
        yield Finding("error", str(error))
    if stack.labels is None:
        return
    try:
        yield from _find_in_labels(stack)
    except InputError as error:
        yield Finding("error", str(error))


def describe_image(stack: Stack) -> str:
    """Return the size of a stack: "30 slices, 512 × 512 pixels, uint8"."""
    Y, X = stack.plane_shape
    parts = [count(stack.n_slices, "slice"), f"{Y:,} × {X:,} pixels", str(stack.dtype)]
    if stack.channels > 1:
        parts.insert(1, count(stack.channels, "channel"))
    unit = stack.units[-1]
    if unit != "pixel":
        parts.append(f"pixel {stack.pixel_size[1]:.3g} {unit}")
    return ", ".join(parts) + "."


def describe_grey_values(intensity: Intensity) -> str:
    """Return how grey values become the network's: "Grey values 22–224 become 0–1."."""
    ranges = [f"{_short(a)}–{_short(b)}" for a, b in zip(intensity.low, intensity.high)]
    return f"Grey values {', '.join(ranges)} become 0–1."


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.3g}"


def _find_in_labels(stack: Stack) -> Iterator[Finding]:
    scheme = stack.scheme
    assert scheme is not None
    slices = stack.labelled_slices
    planes = (stack.label_plane(i) for i in slices)
    check_annotation(planes, scheme)
    if len(slices) < stack.n_slices:
        yield Finding(
            "info",
            f"{len(slices)} of {stack.n_slices} slices are annotated; the others are not used "
            "for training.",
        )
    looked_at = list(_label_sample(stack))
    empty = sum(not part.any() for _, part in looked_at)
    if scheme.annotation == "dense" and 0 < empty < len(looked_at) and stack.annotated is None:
        yield Finding(
            "warning",
            f"{count(empty, 'slice')} of {len(looked_at)} have no label at all and are taken as "
            "background throughout.",
            "leave out empty slices",
        )
    if scheme.kind == "objects":
        yield from _find_touching(stack, looked_at)


def _find_touching(
    stack: Stack, looked_at: list[tuple[int, NDArray[np.int32]]]
) -> Iterator[Finding]:
    assert stack.scheme is not None
    first_object = 1 if stack.scheme.annotation == "dense" else 2
    pairs = sum(touching_pairs(part, first_object) for _, part in looked_at)
    if not pairs:
        return
    touch = f"{count(pairs, 'pair')} of objects {'touches' if pairs == 1 else 'touch'}"
    if stack.scheme.gap:
        yield Finding("info", f"{touch}; a gap of one pixel is made between them for training.")
    else:
        yield Finding(
            "warning",
            f"{touch} without a gap, so the network cannot learn to separate them.",
            "make gaps",
        )


def _label_sample(stack: Stack) -> Iterator[tuple[int, NDArray[np.int32]]]:
    """Slice and labels of each place to look at: whole slices, or squares of large ones."""
    for i, rows, cols in sample_blocks(stack, stack.labelled_slices):
        yield i, stack.label_crop(i, rows, cols)


def touching_pairs(labels: NDArray[np.int32], first_object: int = 1) -> int:
    """Count pairs of objects of which two pixels are neighbours (8-connected).

    Parameters
    ----------
    labels
        (Y, X) object ids.
    first_object
        Smallest id that is an object.
    """
    pairs: set[tuple[int, int]] = set()
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a, b = _shifted(labels, dy, dx)
        border = (a != b) & (a >= first_object) & (b >= first_object)
        both = np.sort(np.stack([a[border], b[border]]), axis=0)
        pairs.update(zip(*np.unique(both, axis=1).tolist()))
    return len(pairs)


def _shifted(
    labels: NDArray[np.int32], dy: int, dx: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Each pixel and its neighbour at (dy, dx), where both exist."""
    Y, X = labels.shape
    here = labels[: Y - dy, max(0, -dx) : X - max(0, dx)]
    there = labels[dy:, max(0, dx) : X + min(0, dx)]
    return here, there


def explain_scheme(stack: Stack) -> str:
    """Return why the stack's labels are read as they are, one sentence."""
    if stack.labels is None or stack.scheme is None:
        return ""
    return propose_scheme(stack.labels, stack.scheme.annotation)[1]


def apply_fix(stack: Stack, fix: Fix) -> Stack:
    """Return the stack with one thing put right; its arrays are left as they are."""
    assert stack.scheme is not None
    if fix == "make gaps":
        return replace(stack, scheme=replace(stack.scheme, gap=True))
    filled = tuple(i for i in stack.labelled_slices if stack.label_plane(i).any())
    return replace(stack, annotated=filled)
