"""The annotation: how label values are read, how much there is, and what looks mixed up.

Legend: ``K`` classes, background first; ``(h, w)`` part of a slice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import ndimage

from napari_unet.annotation.labels import LabelScheme, annotated_classes, check_annotation
from napari_unet.base.quantities import count
from napari_unet.preflight.finding import Finding, listed
from napari_unet.preflight.sample import can_leave_out, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack
    from napari_unet.preflight.sample import Sample

__all__ = ["check_labels", "class_values"]

Counts: TypeAlias = tuple["NDArray[Any]", "NDArray[Any]"]  # label values and their pixels

NEARLY_EMPTY = 1e-3  # share of foreground; single cells cover more
FEW_PIXELS = 1000  # annotated ones, in all
FEW_PER_CLASS = 50
PIECES_LOOKED_AT = 6  # parts whose pieces are counted
MANY_PIECES = 3.0  # per label value and slice: more than one object has
FEW_VALUES = 8  # as many can still be classes
DIRECT = 2**20  # label values up to here are counted in a table


def check_labels(sample: Sample, reason: str = "") -> Iterator[Finding]:
    """Look at how the labels of a stack are read and how much is annotated.

    Parameters
    ----------
    sample
        Of a stack with labels.
    reason
        Why its label scheme was chosen, one sentence; "" if that was not worked out.

    Yields
    ------
    Finding
        About values, annotated slices, amounts, and classes taken for objects or the reverse.

    Raises
    ------
    InputError
        When the labels cannot be read, or nothing can be learned from them.
    """
    stack = sample.stack
    scheme = stack.scheme
    assert scheme is not None
    yield from _check_values(stack, scheme, reason)
    counts = [(block[0], _count_values(part)) for block, part in sample.label_parts]
    classes = sum(
        (_count_classes(found, scheme) for _, found in counts),
        start=np.zeros(scheme.n_classes, np.int64),
    )
    if sample.labels_whole:
        check_annotation((values for _, (values, _) in counts), scheme)
    elif np.count_nonzero(classes) < 2:
        yield Finding(
            "warning",
            "Fewer than two classes are annotated in the part of the labels that was looked at; "
            "make sure that there are enough elsewhere.",
            check="amount",
        )
    yield from _check_slices(stack, counts)
    if sample.labels_whole:
        yield from _check_amount(scheme, classes)
    yield from _check_kind(sample, scheme)


def _check_values(stack: Stack, scheme: LabelScheme, reason: str) -> Iterator[Finding]:
    background, foreground = scheme.values[:2]
    if reason:
        yield Finding("info", reason, check="values")
    elif scheme.kind == "classes" and scheme.values == (0, 255):
        yield Finding(
            "info",
            f"The labels are a mask: {background} is read as {scheme.names[0]}, {foreground} as "
            f"{scheme.names[1]}.",
            check="values",
        )
    labels: Any = stack.labels
    if np.dtype(labels.dtype).kind == "f":
        yield Finding(
            "info",
            f"The labels are stored as {labels.dtype}; their values are whole numbers and are "
            "read as such.",
            check="dtype",
        )


# -- amounts --------------------------------------------------------------------------------


def _count_values(part: NDArray[np.int32]) -> Counts:
    """Return the label values that occur, ascending, and the pixels of each."""
    if part.size and part.min() >= 0 and part.max() < DIRECT:
        table = np.bincount(part.ravel())
        values = np.flatnonzero(table)
        return values, table[values]
    return np.unique(part, return_counts=True)


def _count_classes(found: Counts, scheme: LabelScheme) -> NDArray[np.int64]:
    """Return the pixels (K,) of each class; raises where a value is none of the classes."""
    totals = np.zeros(scheme.n_classes, np.int64)
    for value, pixels in zip(*found):
        for k in annotated_classes(value[None], scheme):
            totals[k] += pixels
    return totals


def _check_slices(stack: Stack, counts: list[tuple[int, Counts]]) -> Iterator[Finding]:
    labelled = stack.labelled_slices
    if len(labelled) < stack.n_slices:
        yield Finding(
            "info",
            f"{len(labelled)} of {stack.n_slices} slices are annotated; the others are not used "
            "for training.",
            check="annotated",
        )
    marked: dict[int, bool] = {}
    for i, (values, _) in counts:
        marked[i] = marked.get(i, False) or bool(values.any())
    empty = [i for i, has in marked.items() if not has]
    assert stack.scheme is not None
    if stack.scheme.annotation == "dense" and 0 < len(empty) < len(marked):
        have, are = ("has", "is") if len(empty) == 1 else ("have", "are")
        yield Finding(
            "warning",
            f"{count(len(empty), 'slice')} of {len(marked)} {have} no label at all "
            f"({listed(empty)}) and {are} taken as background throughout; leave out what nobody "
            "has annotated.",
            "leave out empty slices" if can_leave_out(stack) else None,
            check="empty",
        )


def _check_amount(scheme: LabelScheme, classes: NDArray[np.int64]) -> Iterator[Finding]:
    known = int(classes.sum())
    if known < FEW_PIXELS:
        yield Finding(
            "warning",
            f"Only {count(known, 'pixel')} of the labels count, which is too little to learn "
            f"from; annotate {FEW_PIXELS:,} at least, in different places.",
            check="amount",
        )
        return
    share = 1 - classes[0] / known
    if scheme.annotation == "dense" and share < NEARLY_EMPTY:
        yield Finding(
            "warning",
            f"Only {100 * share:.2g} % of the pixels are labelled and all others count as "
            "background; if those are not annotated, say that 0 means not annotated.",
            check="amount",
        )
        return
    for k in np.flatnonzero((classes < FEW_PER_CLASS) & (classes > 0)):
        yield Finding(
            "warning",
            f"Only {count(int(classes[k]), 'pixel')} are annotated as {scheme.names[k]!r}, which "
            "is too little to learn from; annotate more of it.",
            check="amount",
        )
    for k in np.flatnonzero(classes == 0):
        yield Finding(
            "warning",
            f"No pixel is annotated as {scheme.names[k]!r}, so the network cannot learn it; "
            "annotate some, or take the class away.",
            check="amount",
        )


# -- objects or classes ---------------------------------------------------------------------


def _check_kind(sample: Sample, scheme: LabelScheme) -> Iterator[Finding]:
    """Compare how often label values occur with what objects and classes would do."""
    first = 1 if scheme.annotation == "dense" else 2
    pieces: dict[int, list[int]] = {}
    for _, part in spread(sample.label_parts, PIECES_LOOKED_AT):
        for value, n in _pieces(part, first).items():
            pieces.setdefault(value, []).append(n)
    pieces.pop(-1 if scheme.ignore is None else scheme.ignore, None)
    if not pieces:
        return
    usual = float(np.median([np.mean(n) for n in pieces.values()]))
    if scheme.kind == "objects" and len(pieces) <= FEW_VALUES and usual >= MANY_PIECES:
        each = "The only label value" if len(pieces) == 1 else f"Each of {len(pieces)} label values"
        yield Finding(
            "warning",
            f"{each} marks about {usual:.0f} separate pieces in a slice, and would be taken for "
            "one object; if it means a class, read the labels as classes.",
            "read as classes",
            check="kind",
        )
    foreground = set(pieces) & set(scheme.values[1:])
    if scheme.kind == "classes" and len(foreground) > FEW_VALUES and usual < 1.5:
        yield Finding(
            "warning",
            f"Each of {len(foreground)} label values is in one piece, and would be a class of its "
            "own; if they number objects, read the labels as objects.",
            "read as objects",
            check="kind",
        )


def _pieces(part: NDArray[np.int32], first: int) -> dict[int, int]:
    """Count the 4-connected pieces of every value; specks are left out."""
    values, dense = np.unique(part, return_inverse=True)
    dense = dense.reshape(part.shape) + 1
    found = {}
    for value, box, k in zip(
        values.tolist(), ndimage.find_objects(dense), range(1, len(values) + 1)
    ):
        if value < first or box is None:
            continue
        components, n = ndimage.label(dense[box] == k)
        sizes = np.bincount(components.ravel(), minlength=n + 1)[1:]
        found[value] = int((sizes >= 0.1 * sizes.max()).sum())
    return found


def class_values(sample: Sample, annotation: str) -> tuple[int, ...]:
    """Return the label values that occur, background first: the classes, if they are classes."""
    lowest = 0 if annotation == "dense" else 1
    found = {lowest}
    for _, part in sample.label_parts:
        found.update(_count_values(part)[0].tolist())
    return tuple(sorted(value for value in found if value >= lowest))
