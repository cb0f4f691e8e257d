"""Pre-flight: what is wrong with a stack, found before anybody waits for a training.

One idea per file: `axes`, `image` (grey values), `labels` (the annotation), `validation`,
`objects` (sizes, touching), `alignment` (labels against image), and `step`, one measured training
step. All but the last read a bounded sample (`sample`) and need neither torch nor a window.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from napari_unet.annotation.splits import split_stack
from napari_unet.base.errors import UNetError
from napari_unet.config.size_rule import border
from napari_unet.preflight.alignment import check_alignment, check_placement
from napari_unet.preflight.axes import check_axes
from napari_unet.preflight.finding import FIXES, Finding, Fix
from napari_unet.preflight.fixes import apply_fix
from napari_unet.preflight.image import check_grey_values, describe_image
from napari_unet.preflight.labels import check_labels
from napari_unet.preflight.objects import check_objects, touching_pairs
from napari_unet.preflight.sample import Sample
from napari_unet.preflight.step import StepCost, measure_step
from napari_unet.preflight.validation import check_validation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_unet.annotation.splits import Split
    from napari_unet.config.split import SplitConfig
    from napari_unet.images.stack import Stack

__all__ = [
    "FIXES",
    "Finding",
    "Fix",
    "StepCost",
    "apply_fix",
    "find",
    "measure_step",
    "touching_pairs",
]


def find(
    stack: Stack,
    *,
    split: SplitConfig | None = None,
    depth: int = 4,
    zoom: float = 1.0,
    labels_scale: tuple[float, ...] = (),
    labels_translate: tuple[float, ...] = (),
    reason: str = "",
) -> Iterator[Finding]:
    """Look at a stack: axes, grey values, annotation, objects, and how they fit together.

    Parameters
    ----------
    stack
        With or without labels; its arrays are only read.
    split
        What will validate; None: not looked at.
    depth
        Poolings of the network, which decide how far it sees.
    zoom
        At which the network sees the images.
    labels_scale, labels_translate
        Of the labels, where they come with their own: per axis, (y, x) last. Empty: not known.
    reason
        Why the labels are read as they are, where somebody has worked it out already.

    Yields
    ------
    Finding
        As soon as it is known; the cheap ones first. An input that cannot be read is a finding
        too, of severity "error".
    """
    yield Finding("info", describe_image(stack), check="size")
    yield from check_axes(stack)
    sample = Sample(stack)
    if not sample.whole:
        yield Finding("info", sample.describe(), check="sample")
    yield from _until_error(check_grey_values(sample, _divided(stack, split, depth)))
    if stack.labels is not None:
        yield from check_placement(stack, labels_scale, labels_translate)
        yield from _until_error(_check_annotation(sample, split, depth, zoom, reason))


def _divided(stack: Stack, config: SplitConfig | None, depth: int) -> Split | None:
    """What validates, where that is known and possible."""
    if stack.labels is not None and config is not None:
        with suppress(UNetError):  # said by the check of the validation
            return split_stack(stack, config, border(depth))
    return None


def _check_annotation(
    sample: Sample, split: SplitConfig | None, depth: int, zoom: float, reason: str
) -> Iterator[Finding]:
    yield from check_labels(sample, reason)
    if split is not None:
        yield from check_validation(sample.stack, split, depth)
    yield from check_objects(sample, depth, zoom)
    yield from check_alignment(sample)


def _until_error(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Pass findings on; what stops them becomes the last one."""
    try:
        yield from findings
    except UNetError as error:
        yield Finding("error", str(error), check="input")
