"""How subcommands name and open images, labels and data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_unet.errors import InputError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.stack import Stack

__all__ = [
    "add_image_arguments",
    "add_stack_arguments",
    "open_image",
    "open_training_stack",
    "read_array",
]

IMAGE_HELP = (
    "TIFF, PNG, JPEG, OME-Zarr, a folder of slices, or a data set such as isbi2012-em or synthetic"
)


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the image that a command reads."""
    parser.add_argument("image", metavar="IMAGE", help=IMAGE_HELP)
    _add_axes(parser)


def add_stack_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the image and the labels that a command reads."""
    parser.add_argument("image", metavar="IMAGE", help=IMAGE_HELP)
    parser.add_argument(
        "labels", metavar="LABELS", nargs="?", help="labels of the image; a data set has its own"
    )
    parser.add_argument(
        "--sparse",
        action="store_true",
        help="in the labels 0 means not annotated, 1 background",
    )
    _add_axes(parser)


def _add_axes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--axes", metavar="AXES", help="meaning of the image's axes, such as zyx or czyx"
    )


def open_image(args: argparse.Namespace) -> Stack:
    """Open the IMAGE of a command line."""
    named = _data_set(args.image)
    if named is not None:
        return named
    from napari_unet import files

    return files.open_image(args.image, axes=args.axes)


def open_training_stack(args: argparse.Namespace) -> Stack:
    """Open IMAGE and LABELS of a command line; say what the label values are taken for."""
    stack = _open_with_labels(args)
    if stack.labels is None:
        raise InputError(
            f"training needs labels, and {args.image} has none; give a file or folder of labels "
            "after the image."
        )
    if args.sparse:
        from napari_unet.labels import propose_scheme

        scheme, _ = propose_scheme(stack.labels, "sparse")
        stack = stack.with_labels(stack.labels, scheme)
    return stack


def _open_with_labels(args: argparse.Namespace) -> Stack:
    from napari_unet import files

    named = _data_set(args.image)
    if args.labels is None:
        return named or files.open_image(args.image, axes=args.axes)
    if named is not None:
        return named.with_labels(read_array(args.labels))
    return files.open_pair(args.image, args.labels, axes=args.axes)


def read_array(path: str | Path) -> NDArray[Any]:
    """Read an image file whole, without the meaning of its axes."""
    import numpy as np

    from napari_unet import files

    return np.asarray(files.open_image(path).image)


def _data_set(name: str) -> Stack | None:
    """Open a data set by its name, unless there is a file of that name."""
    from pathlib import Path

    from napari_unet import datasets

    if Path(name).exists() or name not in datasets.names():
        return None
    return datasets.open(name, progress=True)
