"""What the Predict dock runs for a folder: one result per image, one table, whatever breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_unet.app.found_objects import KEPT_PIXELS
from napari_unet.app.prediction_job import (
    ModelRead,
    PredictionRequest,
    prediction_job,
    read_model,
)
from napari_unet.base.output_guard import check_output_file
from napari_unet.prediction.files import write_passing
from napari_unet.prediction.folders import ImageDone, predict_each, targets
from napari_unet.prediction.object_table import TableMaker, is_table

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_unet.images.channel_files import Member
    from napari_unet.images.stack import Stack

__all__ = ["ImageNoted", "folder_job"]

TABLE = "objects.csv"


@dataclass(frozen=True)
class ImageNoted:
    """What there is to say about the way an image was read, one sentence each."""

    notes: tuple[str, ...]


def folder_job(folder: Path, results: Path, settings: dict[str, Any]) -> Generator[Any, None, None]:
    """Predict every image of a folder into a file of its own.

    Parameters
    ----------
    folder, results
        As of `napari_unet.prediction.folders.targets`; objects are listed in ``objects.csv``.
    settings
        Of the `PredictionRequest` of each image: all but its stack and slices.

    Yields
    ------
    ModelRead, then for each image ImageBegun, ImageNoted, Remarked, Piece, ImageDone or
    ImageFailed; FolderDone at last.
    """
    model = read_model(settings["model"])
    yield ModelRead(model)
    images = targets(folder, results, model.network.config.in_channels)
    table = None
    if settings["output"].kind == "objects":
        read = [file for member in images for file in member]
        table = check_output_file(results / TABLE, read, ours=is_table)
    yield from predict_each(images, _read, partial(_one, {**settings, "model": model}), table)


def _one(settings: dict[str, Any], stack: Stack, target: Path) -> Generator[Any, None, None]:
    model, output = settings["model"], settings["output"]
    if not stack.leading_axes:  # nothing to link
        output = replace(output, link=None)
    if stack.notes:
        yield ImageNoted(stack.notes)
    table, (height, width) = None, stack.plane_shape
    if output.kind == "objects" and height * width <= KEPT_PIXELS:
        names = model.scheme.names if model.scheme.n_classes > 2 else ()
        table = TableMaker(stack, names, linked=output.link is not None)
    request = PredictionRequest(**{**settings, "output": output, "stack": stack})
    target.parent.mkdir(parents=True, exist_ok=True)
    pieces = prediction_job(request, table, is_written=True)
    yield from write_passing(target, pieces, output, model.scheme, stack)
    yield ImageDone(target, None if table is None else table.table())


def _read(member: Member) -> Stack:
    from napari_unet.images.channel_files import read_member
    from napari_unet.images.files import open_image
    from napari_unet.images.image_file import stack_of

    return stack_of(read_member(member)) if len(member) > 1 else open_image(member[0])
