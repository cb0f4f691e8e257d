"""Pre-flight: what is wrong with a stack, found before anybody waits for a training.

One idea per file: `axes`, `image` (grey values), `labels` (the annotation), `validation`,
`objects` (sizes, touching), `alignment` (labels against image), and `step`, one measured training
step. All but the last read a bounded sample (`sample`) and need neither torch nor a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.base.errors import UNetError
from napari_unet.images.outside import mark_outside, say_outside
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
from napari_unet.training.data import TrainingData

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_unet.config.training import TrainConfig
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
    config: TrainConfig | None = None,
    *,
    others: tuple[Stack, ...] = (),
    labels_scale: tuple[float, ...] = (),
    labels_translate: tuple[float, ...] = (),
    reason: str = "",
) -> Iterator[Finding]:
    """Look at a stack: axes, grey values, annotation, objects, and how they fit together.

    Parameters
    ----------
    stack
        With or without labels; its arrays are only read.
    config
        How it will be trained on; None: what validates is not looked at.
    others
        Further stacks of that training.
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
    stack = mark_outside(stack, "border" if config is None else config.outside, lazy=True)
    if text := say_outside(stack):
        yield Finding("info", text[0].upper() + text[1:], check="outside")
    sample = Sample(stack)
    if not sample.whole:
        yield Finding("info", sample.describe(), check="sample")
    data = None
    wrong: UNetError | None = None
    if config is not None and stack.labels is not None:
        try:
            data = TrainingData((stack, *others), config, lazy=True)
        except UNetError as error:
            wrong = error
    yield from _until_error(check_grey_values(sample, data))
    if stack.labels is not None:
        yield from check_placement(stack, labels_scale, labels_translate)
        yield from _until_error(_check_annotation(sample, config, data, wrong, reason))


def _check_annotation(
    sample: Sample,
    config: TrainConfig | None,
    data: TrainingData | None,
    wrong: UNetError | None,
    reason: str,
) -> Iterator[Finding]:
    yield from check_labels(sample, reason)
    if wrong is not None:
        raise wrong
    if data is not None:
        yield from check_validation(data)
    depth, zoom = (4, 1.0) if config is None else (config.network.depth, config.zoom)
    yield from check_objects(sample, depth, zoom)
    yield from check_alignment(sample)


def _until_error(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Pass findings on; what stops them becomes the last one."""
    try:
        yield from findings
    except UNetError as error:
        yield Finding("error", str(error), check="input")
