"""What the Data dock runs in the background: what do the labels mean, what is there to say."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import UNetError
from napari_unet.images.grey_values import GreyValues, measure_grey_values
from napari_unet.images.outside import mark_outside
from napari_unet.images.stack import Stack, sample_blocks
from napari_unet.preflight import Finding, find
from napari_unet.training.data import TrainingData

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["decide", "inspect", "look_at"]

Annotation = Literal["dense", "sparse"]
Kind = Literal["objects", "classes"]


def inspect(
    stack: Stack,
    known: LabelScheme | None,
    annotation: Annotation,
    kind: Kind | None,
    ignore: int | None,
    gap: bool,
    names: Mapping[int, str],
    **checks: Any,
) -> Iterator[Stack | GreyValues | Finding]:
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
    names
        What label values are called, where somebody has said so; for classes.
    checks
        See `preflight.find`.

    Yields
    ------
    Stack, GreyValues or Finding
        The stack with its scheme first, its grey values, then findings.
    """
    if stack.labels is None:
        yield replace(stack, scheme=None)
        yield from look_at(stack, **checks)
        return
    scheme, why = decide(stack, known, annotation, kind, ignore, gap, names)
    stack = replace(stack, scheme=scheme)
    if not isinstance(stack.labels, np.ndarray):
        # Looked up here: the window's thread must not read through labels on a disk.
        stack = replace(stack, annotated=stack.labelled_slices)
    yield stack
    yield from look_at(stack, reason=why, **checks)


def decide(
    stack: Stack,
    known: LabelScheme | None,
    annotation: Annotation,
    kind: Kind | None,
    ignore: int | None,
    gap: bool,
    names: Mapping[int, str],
) -> tuple[LabelScheme, str]:
    """Decide what the labels of a stack mean, with one sentence that says why; see `inspect`."""
    why = ""
    if known is not None and known.annotation == annotation and kind in (None, known.kind):
        scheme = known
    else:
        scheme, why = stack.propose_scheme(annotation)
        if kind is not None and (kind != scheme.kind or kind == "objects"):
            why = ""
            values = () if kind == "objects" else _values(stack, annotation)
            scheme = LabelScheme(kind, annotation, values=values)
    scheme = _without(scheme, ignore) if ignore is not None else scheme
    return _named(replace(scheme, gap=gap, ignore=ignore), names), why


def look_at(stack: Stack, **checks: Any) -> Iterator[GreyValues | Finding]:
    """Measure the grey values, then find what there is to say; see `preflight.find`."""
    values, limits, exact = None, None, True
    config, others = checks.get("config"), checks.get("others", ())
    stack = mark_outside(stack, "border" if config is None else config.outside, lazy=True)
    if stack.labels is not None and config is not None:
        with suppress(UNetError):
            data = TrainingData((stack, *others), config)
            limits, exact = data.given_limits, not data.is_resampled(0)
    with suppress(UNetError):  # which is found, and said, below
        values = replace(measure_grey_values(stack, limits), exact=exact)
    if values is not None:
        yield values
    yield from find(stack, **checks)


def _values(stack: Stack, annotation: Annotation) -> tuple[int, ...]:
    """Label values that occur, background first."""
    lowest = 0 if annotation == "dense" else 1
    found = {lowest}
    for block in sample_blocks(stack, stack.labelled_slices):
        found.update(np.unique(stack.label_crop(*block)).tolist())
    return tuple(sorted(value for value in found if value >= lowest))


def _without(scheme: LabelScheme, ignore: int) -> LabelScheme:
    """Take the ignored value away from the classes, where two are left."""
    if scheme.kind == "objects" or ignore not in scheme.values or scheme.n_classes < 3:
        return scheme
    kept = [k for k, value in enumerate(scheme.values) if value != ignore]
    return replace(
        scheme,
        values=tuple(scheme.values[k] for k in kept),
        names=tuple(scheme.names[k] for k in kept),
        colours=tuple(scheme.colours[k] for k in kept),
    )


def _named(scheme: LabelScheme, names: Mapping[int, str]) -> LabelScheme:
    if scheme.kind == "objects":
        return scheme
    pairs = zip(scheme.values, scheme.names)
    return replace(scheme, names=tuple(names.get(value) or name for value, name in pairs))
