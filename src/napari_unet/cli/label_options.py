"""What label values mean, as far as the command line says it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import InputError
from napari_unet.cli.numbers import bounded

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.images.stack import Stack

__all__ = ["add_label_arguments", "with_asked_scheme"]


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what label values mean; what is not said is proposed from the labels."""
    group = parser.add_argument_group("labels (by default what their values look like)")
    group.add_argument(
        "--annotation",
        choices=("dense", "sparse"),
        help="dense: 0 is background; sparse: 0 is not annotated, 1 is background",
    )
    group.add_argument(
        "--sparse",
        dest="annotation",
        action="store_const",
        const="sparse",
        help="short for --annotation sparse",
    )
    group.add_argument(
        "--kind",
        choices=("objects", "classes"),
        help="objects: every value is one object; classes: every value is a class",
    )
    group.add_argument(
        "--ignore",
        type=bounded("ignore"),
        metavar="VALUE",
        help="label value of pixels that do not count",
    )
    group.add_argument(
        "--classes",
        metavar="NAMES",
        help="names of the classes, background first, such as background,cell in the order of "
        "their values, or 0=background,7=cell; with --kind objects the first id of each class, "
        "such as 0=background,1000=cell,2000=nucleus",
    )


def with_asked_scheme(args: argparse.Namespace, stacks: Sequence[Stack]) -> tuple[Stack, ...]:
    """Return the stacks with the meaning of labels that was asked for, the same in all.

    Where nothing was asked, each keeps its own meaning; classes that only some stacks show are
    then known in all of them.

    Raises
    ------
    InputError
        When what was asked contradicts the labels.
    """
    asked = (args.annotation, args.kind, args.ignore, args.classes)
    if all(one is None for one in asked):
        return _agreed(stacks)
    from napari_unet.annotation.labels import LabelScheme

    first = _proposed(stacks[0], args.annotation)
    pairs = _named_values(args.classes) if args.classes and "=" in args.classes else None
    kind = args.kind or ("classes" if pairs else first.kind)
    values: tuple[int, ...] = ()
    names = () if args.classes is None else tuple(n.strip() for n in args.classes.split(","))
    if pairs is not None:
        values, names = tuple(v for v, _ in pairs), tuple(n for _, n in pairs)
    elif kind == "classes":
        values = _found_values(stacks, first.annotation, args.ignore)
    elif args.kind is None:
        values = first.values  # of objects that are numbered by class
    if names and kind == "classes" and len(names) != len(values):
        raise InputError(
            f"--classes must name the {len(values)} values {', '.join(map(str, values))} of the "
            f"labels, got {len(names)} names; name each, background first."
        )
    if not names and (kind, values) == (first.kind, first.values):
        names = first.names
    scheme = LabelScheme(
        kind=kind, annotation=first.annotation, values=values, names=names, ignore=args.ignore
    )
    return tuple(stack.with_labels(stack.labels, scheme, stack.annotated) for stack in stacks)


def _proposed(stack: Stack, annotation: Any) -> LabelScheme:
    """The stack's own scheme, or the one that its labels suggest for another annotation."""
    own = stack.scheme
    assert own is not None  # a stack with labels has one
    if annotation is None or annotation == own.annotation:
        return own
    return stack.propose_scheme(annotation)[0]


def _named_values(text: str) -> list[tuple[int, str]]:
    """Read "0=background,7=cell"."""
    try:
        parts = [part.split("=", 1) for part in text.split(",")]
        return [(int(value), name.strip()) for value, name in parts]
    except ValueError:
        raise InputError(
            f"--classes must be names such as background,cell or 0=background,7=cell, got {text!r}."
        ) from None


def _found_values(stacks: Sequence[Stack], annotation: str, ignore: int | None) -> tuple[int, ...]:
    """Label values of a sample of all stacks, ascending; with dense annotation always 0."""
    import numpy as np

    from napari_unet.images.stack import sample_blocks

    found: set[int] = set() if annotation == "sparse" else {0}
    for stack in stacks:
        for block in sample_blocks(stack, stack.labelled_slices):
            found |= set(np.unique(stack.label_crop(*block)).tolist())
    if annotation == "sparse":
        found = (found | {1}) - {0}
    return tuple(sorted(found - {ignore}))


def _agreed(stacks: Sequence[Stack]) -> tuple[Stack, ...]:
    schemes = [stack.scheme for stack in stacks if stack.scheme is not None]
    alike = all(one.kind == "classes" for one in schemes)
    alike = alike and len({(one.annotation, one.values[0]) for one in schemes}) == 1
    every = sorted({value for one in schemes for value in one.values})
    # Of two classes each, a mask of 0 and 255 may stand beside one of 0 and 1.
    if not alike or all(one.n_classes == 2 for one in schemes):
        return tuple(stacks)
    if all(list(one.values) == every for one in schemes):
        return tuple(stacks)
    background = schemes[0].values[0]
    values = (background, *(v for v in every if v != background))
    common = replace(schemes[0], values=values, names=(), colours=())
    return tuple(stack.with_labels(stack.labels, common, stack.annotated) for stack in stacks)
