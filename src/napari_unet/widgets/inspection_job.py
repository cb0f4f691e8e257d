"""What the Data dock runs in the background: what do the labels mean, what is there to say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet.labels import LabelScheme, propose_scheme
from napari_unet.preflight import Finding, find
from napari_unet.stack import Stack, sample_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["inspect"]

Annotation = Literal["dense", "sparse"]
Kind = Literal["objects", "classes"]


def inspect(
    stack: Stack,
    known: LabelScheme | None,
    annotation: Annotation,
    kind: Kind | None,
    ignore: int | None,
    gap: bool,
    **checks: Any,
) -> Iterator[Stack | Finding]:
    """Decide what the labels mean, then look at everything.

    Parameters
    ----------
    stack
        With any scheme.
    known
        What whoever made the labels says they mean.
    annotation
        What the user says about 0.
    kind
        What the user says about the values; None: as known, or as proposed.
    ignore
        The label value that weighs nothing; None: there is none.
    gap
        Whether touching objects get a gap.
    checks
        See `preflight.find`.

    Yields
    ------
    Stack or Finding
        The stack with its scheme first, then findings.
    """
    if stack.labels is None:
        yield replace(stack, scheme=None)
        yield from find(stack, **checks)
        return
    why = ""
    if known is not None and known.annotation == annotation and kind in (None, known.kind):
        scheme = known
    else:
        scheme, why = propose_scheme(stack.labels, annotation)
        if kind is not None and kind != scheme.kind:
            why = ""
            values = () if kind == "objects" else _values(stack, annotation)
            scheme = LabelScheme(kind, annotation, values=values)
    stack = replace(stack, scheme=replace(scheme, gap=gap, ignore=ignore))
    yield stack
    yield from find(stack, reason=why, **checks)


def _values(stack: Stack, annotation: Annotation) -> tuple[int, ...]:
    """Label values that occur, background first."""
    lowest = 0 if annotation == "dense" else 1
    found = {lowest}
    for block in sample_blocks(stack, stack.labelled_slices):
        found.update(np.unique(stack.label_crop(*block)).tolist())
    return tuple(sorted(value for value in found if value >= lowest))
