"""``napari-unet predict RUN FOLDER -o RESULTS``: every image of a folder, one file each."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import InputError
from napari_unet.base.quantities import count
from napari_unet.cli.inputs import open_image
from napari_unet.cli.measure import show_table
from napari_unet.cli.progress import closed_after, say, show_result

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_unet.images.channel_files import Member
    from napari_unet.images.stack import Stack
    from napari_unet.prediction.folders import ImageDone
    from napari_unet.prediction.object_table import ObjectTable

    Predict = Callable[[Stack, Path], tuple[dict[str, Any], ObjectTable | None]]

__all__ = ["predict_folder"]


def predict_folder(args: argparse.Namespace, channels: int, predict: Predict) -> dict[str, Any]:
    """Predict all images of a folder; what cannot be read is said, and the others go on.

    Parameters
    ----------
    args
        With ``image``, the folder, and ``output_file``, where results go under the same names.
    channels
        Of the model: as many files may be the channels of one image, see `images.channel_files`.
    predict
        Predicts a stack into a file.

    Returns
    -------
    dict
        Results by name, and what failed and why.

    Raises
    ------
    InputError
        If there is no image, two would have one result, or none could be predicted.
    """
    from napari_unet.prediction.folders import FolderDone, ImageFailed, predict_each, targets

    images = targets(args.image, args.output_file, channels, overwrite=args.overwrite)
    over = FolderDone({}, {}, None)
    each = predict_each(images, partial(_open, args), partial(_one, predict), args.table)
    with closed_after(each) as events:
        for event in events:
            if isinstance(event, ImageFailed):
                say(f"{event.name} is left out: {event.reason}")
            elif isinstance(event, FolderDone):
                over = event
    if not over.done:
        raise InputError(
            f"none of {count(len(images), 'file')} in {args.image} could be predicted; the first: "
            f"{next(iter(over.failed.values()))}"
        )
    left_out = f"; left out: {', '.join(over.failed)}" if over.failed else ""
    show_result(args, f"{count(len(over.done), 'image')} in {args.output_file}{left_out}")
    files = {name: one.told for name, one in over.done.items()}
    result = {"folder": str(args.output_file), "files": files, "failed": over.failed}
    return result | show_table(args, over.table)


def _one(predict: Predict, stack: Stack, file: Path) -> Iterator[ImageDone]:
    from napari_unet.prediction.folders import ImageDone

    told, table = predict(stack, file)
    yield ImageDone(file, table, told)


def _open(args: argparse.Namespace, member: Member) -> Stack:
    from napari_unet.images.channel_files import read_member
    from napari_unet.images.image_file import stack_of

    if len(member) > 1:
        return stack_of(read_member(member), args.axes)
    one = copy.copy(args)
    one.image = str(member[0])
    return open_image(one)
