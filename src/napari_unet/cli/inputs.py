"""How subcommands name and open images, labels and data sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet.base.errors import InputError
from napari_unet.cli.label_options import add_label_arguments, with_asked_scheme
from napari_unet.cli.numbers import bounded

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.images.ctc_folder import Truth
    from napari_unet.images.pixels import Pixels
    from napari_unet.images.stack import Stack

__all__ = [
    "add_image_arguments",
    "add_reading_arguments",
    "add_several_arguments",
    "add_stack_arguments",
    "has_sequences",
    "is_data_set",
    "open_image",
    "open_images",
    "open_labelled",
    "open_labels",
    "open_training_stacks",
    "read_said",
]

IMAGE_HELP = (
    "TIFF, PNG, JPEG, OME-Zarr, a folder of slices, or a data set such as isbi2012-em or synthetic"
)


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the image that a command reads."""
    parser.add_argument("image", metavar="IMAGE", help=IMAGE_HELP)
    add_reading_arguments(parser)


def add_stack_arguments(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Declare the image and the labels that a command reads."""
    parser.add_argument("image", metavar="IMAGE", nargs="?" if optional else None, help=IMAGE_HELP)
    parser.add_argument(
        "labels",
        metavar="LABELS",
        nargs="?",
        help="labels of the image, or a folder of them with the names of the images; a data set "
        "has its own",
    )
    add_reading_arguments(parser)
    parser.add_argument(
        "--truth",
        choices=("gold", "silver", "both", "markers"),
        help="which annotation of a Cell Tracking Challenge data set (default gold); both: silver, "
        "with the objects of gold where there are any",
    )
    parser.add_argument(
        "--annotated",
        metavar="SLICES",
        help="slices that LABELS are of, where they are of a few only, such as 3,7 or 24-29, "
        "counted from 0",
    )
    add_label_arguments(parser)


def add_several_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare further stacks of a training."""
    parser.add_argument(
        "--and",
        dest="more",
        action="append",
        nargs="+",
        default=[],
        metavar=("IMAGE", "LABELS"),
        help="another image with its labels, to be learnt from as well; may be repeated",
    )


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how a file is read."""
    parser.add_argument(
        "--axes", metavar="AXES", help="meaning of the image's axes, such as zyx or czyx"
    )
    parser.add_argument(
        "--series",
        type=bounded("series"),
        default=0,
        metavar="N",
        help="which of several images or positions of a file, 0 the first",
    )
    parser.add_argument(
        "--sequence",
        metavar="NN",
        help="01 (default), 02, ... or both, of a Cell Tracking Challenge data set",
    )


def open_image(args: argparse.Namespace, channels: int | None = None) -> Stack:
    """Open the IMAGE of a command line that takes one, of so many channels where they are known."""
    return _only_one(open_images(args, channels), args.image)


def _only_one(stacks: tuple[Stack, ...], path: str) -> Stack:
    if len(stacks) > 1:
        sizes = ", ".join(" × ".join(map(str, one.plane_shape)) for one in stacks)
        raise InputError(
            f"{path} holds images of several sizes ({sizes}): name one of them, or, to predict "
            "each by itself, a folder after -o."
        )
    return stacks[0]


def open_images(args: argparse.Namespace, channels: int | None = None) -> tuple[Stack, ...]:
    """Open the IMAGE of a command line: a stack for each size of a folder of images."""
    from napari_unet.datasets import registry as datasets
    from napari_unet.images import files

    _check_sequences(args, [args.image])
    if is_data_set(args.image):
        return (datasets.open(args.image, sequence=args.sequence or "01", progress=True),)
    stacks = files.open_images(
        args.image,
        axes=args.axes,
        series=args.series,
        sequence=args.sequence,
        channels=channels,
    )
    for stack in stacks:
        _say_notes(stack)
    return stacks


def _say_notes(stack: Stack) -> None:
    from napari_unet.cli.progress import say

    for note in stack.notes:
        say(note)


def open_training_stacks(args: argparse.Namespace, *, paintable: bool = False) -> tuple[Stack, ...]:
    """Open everything that a training learns from; what is `paintable` needs no labels."""
    sources: list[tuple[str, str | None]] = [(args.image, args.labels)]
    for more in getattr(args, "more", ()):
        if len(more) > 2:
            raise InputError(f"--and takes an image and its labels, got {len(more)} names.")
        sources.append((more[0], more[1] if len(more) == 2 else None))
    return _open_all(args, sources, paintable=paintable)


def open_labels(args: argparse.Namespace) -> Stack:
    """Open the LABELS of a command line that needs no image: they stand for one."""
    from napari_unet.images import files
    from napari_unet.images.image_file import stack_of

    _check_sequences(args, [args.labels])
    if has_sequences(args.labels) or is_data_set(args.labels):
        return _only_one(_open_all(args, [(args.labels, None)]), args.labels)
    stack = stack_of(files.read_labels(args.labels, series=args.series), args.axes)
    _say_notes(stack)
    (asked,) = with_asked_scheme(args, [stack.with_labels(stack.image)])
    _say_how_read([asked])
    return asked


def _to_paint(args: argparse.Namespace, stack: Stack) -> Stack:
    from napari_unet.training.painting import to_paint

    if args.classes is None:
        return to_paint(stack)
    return to_paint(stack, [name.strip() for name in args.classes.split(",")])


def _open_all(
    args: argparse.Namespace,
    sources: list[tuple[str, str | None]],
    *,
    paintable: bool = False,
) -> tuple[Stack, ...]:
    _check_sequences(args, [image for image, _ in sources])
    stacks: list[Stack] = []
    blank: list[Stack] = []
    for image, labels in sources:
        for stack in _open_source(args, image, labels):
            _say_notes(stack)
            if stack.labels is None and paintable:
                blank.append(_to_paint(args, stack))
            elif stack.labels is None:
                raise InputError(
                    f"training needs labels, and {image} has none; give a file or folder of "
                    "labels after the image."
                )
            else:
                stacks.append(stack)
    if blank and stacks:
        raise InputError("give labels to all images that are painted in, or to none.")
    asked = tuple(blank) or with_asked_scheme(args, stacks)
    _say_how_read(asked)
    return asked


def _say_how_read(stacks: Sequence[Stack]) -> None:
    """Say how label values are read: one line for all stacks that are read alike."""
    from napari_unet.cli.progress import say

    alike: dict[str, list[str]] = {}
    for stack in stacks:
        assert stack.scheme is not None
        alike.setdefault(stack.scheme.describe(), []).append(stack.name)
    for said, names in alike.items():
        whose = "" if len(alike) == 1 else f" of {', '.join(names)}"
        say(f"labels{whose}: {said}")


def open_labelled(args: argparse.Namespace, channels: int | None = None) -> Stack:
    """Open the IMAGE of a command line with its LABELS, whose values are ids or strokes."""
    from napari_unet.annotation.labels import LabelScheme

    _check_sequences(args, [args.image])
    one, other = Path(args.image), Path(args.labels)
    if one.exists() and other.exists() and one.samefile(other):  # only shapes are of interest
        same = open_image(args, channels)
        return same.with_labels(same.image, LabelScheme())
    stacks = _open_source(args, args.image, args.labels, LabelScheme(), channels)
    stack = _only_one(stacks, args.image)
    _say_notes(stack)
    return stack


def _open_source(
    args: argparse.Namespace,
    image: str,
    labels: str | None,
    scheme: LabelScheme | None = None,
    channels: int | None = None,
) -> tuple[Stack, ...]:
    from napari_unet.datasets import registry as datasets
    from napari_unet.images import files
    from napari_unet.images.ctc_folder import is_ctc_folder, open_ctc_all

    asked: Truth | None = getattr(args, "truth", None)
    several = args.sequence == "both" and labels is None
    annotated = _annotated(args, labels)
    if is_data_set(image):
        truth: Truth = asked or "gold"
        if several:
            return datasets.open_all(image, truth=truth, progress=True)
        named = datasets.open(image, sequence=args.sequence or "01", truth=truth, progress=True)
        if labels is None:
            return (named,)
        return (files.with_labels(named, files.read_labels(labels), scheme, annotated),)
    if several and is_ctc_folder(image):
        return open_ctc_all(image, asked or "gold")
    return files.open_images(
        image,
        labels,
        axes=args.axes,
        scheme=scheme,
        annotated=annotated,
        series=args.series,
        sequence=args.sequence,
        truth=asked,
        channels=channels,
    )


def _annotated(args: argparse.Namespace, labels: str | None) -> tuple[int, ...] | None:
    from napari_unet.annotation.splits import parse_slices

    if getattr(args, "annotated", None) is None:
        return None
    if labels is None:
        raise InputError("--annotated says which slices LABELS are of; name the labels as well.")
    return parse_slices(args.annotated)


def _check_sequences(args: argparse.Namespace, images: list[str]) -> None:
    """Refuse a sequence or truth where nothing has one, rather than to overlook it."""
    asked = "--sequence" if args.sequence else "--truth" if getattr(args, "truth", None) else ""
    if asked and not any(has_sequences(image) for image in images):
        raise InputError(
            f"{asked} is for data sets of the Cell Tracking Challenge, and {images[0]} is none; "
            "leave it out."
        )


def has_sequences(image: str) -> bool:
    """Tell a data set or folder of the Cell Tracking Challenge."""
    from napari_unet.datasets import registry as datasets
    from napari_unet.images.ctc_folder import is_ctc_folder

    if is_data_set(image):
        return datasets.DATA_SETS[image].has_sequences
    return is_ctc_folder(image)


def read_said(
    path: str | Path, *, probabilities: bool = False, files: Sequence[Path] | None = None
) -> Pixels:
    """Read labels whole, and say what there is to say.

    Parameters
    ----------
    path, files
        As of `images.files.read_labels`.
    probabilities
        Whether fractions are probabilities, which stay as they are.
    """
    import numpy as np

    from napari_unet.cli.progress import say
    from napari_unet.images.files import read_labels

    read = read_labels(path, probabilities=probabilities, files=files)
    for note in read.notes:
        say(note)
    return replace(read, array=np.asarray(read.array), notes=())


def is_data_set(name: str) -> bool:
    """Tell the name of a data set, unless there is a file of that name."""
    from napari_unet.datasets import registry as datasets

    return name in datasets.names() and not Path(name).exists()
