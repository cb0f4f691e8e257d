"""Whether what validates holds every class that is learned, and nothing that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.annotation.labels import annotated_classes
from napari_unet.images.stack import sample_blocks
from napari_unet.preflight.finding import Finding
from napari_unet.training.copies import say_copies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_unet.annotation.splits import Split
    from napari_unet.images.stack import Stack
    from napari_unet.training.data import TrainingData

__all__ = ["check_validation"]


def check_validation(data: TrainingData) -> Iterator[Finding]:
    """Compare the classes that train with those that validate.

    Parameters
    ----------
    data
        As training sees them; the first stack is looked at.

    Yields
    ------
    Finding
        A warning for every class that only one of the two has.
    """
    stack, split, scheme = data.given[0], data.given_splits[0], data.scheme
    if split.note:
        yield Finding("info", split.note, check="validation")
    if copies := say_copies(data.given, data.given_splits):
        yield Finding("warning", copies, check="copies")
    if not split.validation:
        return
    train = _classes(stack, split, training=True)
    validation = _classes(stack, split, training=False)
    for k in sorted(train - validation):
        yield Finding(
            "warning",
            f"{scheme.names[k]!r} does not occur in what validates, so nobody will know how well "
            "it is found; choose other slices or another region for validation.",
            check="validation",
        )
    for k in sorted(validation - train):
        yield Finding(
            "warning",
            f"{scheme.names[k]!r} occurs only in what validates, so the network cannot learn it; "
            "choose other slices or another region for validation.",
            check="validation",
        )


def _classes(stack: Stack, split: Split, *, training: bool) -> set[int]:
    """Return the classes in what trains or validates; read until all were seen."""
    assert stack.scheme is not None
    found: set[int] = set()
    for i, rows, cols in sample_blocks(stack, split.train if training else split.validation):
        labels = stack.label_crop(i, rows, cols)
        if split.region is not None:
            part = (split.untrained if training else split.measured)(rows, cols)
            if training and part is not None:
                keep = labels.astype(bool) | True
                keep[part] = False
                labels = labels[keep]
            elif not training:
                labels = labels[part] if part is not None else labels[:0]
        found |= annotated_classes(labels, stack.scheme)
        if len(found) == stack.scheme.n_classes:
            break
    return found
