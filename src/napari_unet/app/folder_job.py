"""What the Predict dock runs for a folder: one result per image, one table, whatever breaks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_unet.app.found_objects import FoundObjects
from napari_unet.app.prediction_job import (
    ModelRead,
    PredictionRequest,
    prediction_job,
    read_model,
)
from napari_unet.base.errors import UNetError
from napari_unet.base.output_guard import check_output_file
from napari_unet.prediction.folders import targets
from napari_unet.prediction.object_table import BEGINS, ObjectTable
from napari_unet.prediction.pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_unet.app.prediction_job import Remarked
    from napari_unet.images.channel_files import Member
    from napari_unet.images.stack import Stack

__all__ = ["FolderDone", "ImageBegun", "ImageFailed", "folder_job"]

TABLE = "objects.csv"


@dataclass(frozen=True)
class ImageBegun:
    """The next image is predicted: the ``number``-th, from 1, of ``total``."""

    name: str
    number: int
    total: int


@dataclass(frozen=True)
class ImageFailed:
    """An image was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class FolderDone:
    """All images were tried.

    Attributes
    ----------
    files : tuple of Path
        Results.
    table : Path or None
        Of all objects of all images.
    summary : str
        How many objects there are; "" without a table.
    """

    files: tuple[Path, ...]
    table: Path | None = None
    summary: str = ""


@dataclass(eq=False)
class _Results:
    """What was written until now."""

    files: list[Path] = field(default_factory=list)
    tables: dict[str, ObjectTable] = field(default_factory=dict)


def folder_job(
    folder: Path, results: Path, settings: dict[str, Any]
) -> Generator[ModelRead | ImageBegun | ImageFailed | Remarked | Piece | FolderDone, None, None]:
    """Predict every image of a folder into a file of its own.

    Parameters
    ----------
    folder, results
        As of `napari_unet.prediction.folders.targets`; objects are listed in ``objects.csv``.
    settings
        Of the `PredictionRequest` of each image: all but its stack and slices.

    Yields
    ------
    ModelRead, then for each image ImageBegun, Remarked, Piece or ImageFailed; FolderDone at last.
    """
    model = read_model(settings["model"])
    yield ModelRead(model)
    images = targets(folder, results, model.network.config.in_channels)
    table = results / TABLE
    if settings["output"].kind == "objects":
        check_output_file(table, [folder], begins=BEGINS)
    done = _Results()
    for number, (member, target) in enumerate(images.items(), start=1):
        yield ImageBegun(member[0].name, number, len(images))
        try:
            yield from _one(member, target, {**settings, "model": model}, done)
        except (UNetError, OSError) as error:
            yield ImageFailed(member[0].name, str(error))
    if not done.tables:
        yield FolderDone(tuple(done.files))
        return
    joined = ObjectTable.joined(done.tables.values(), done.tables)
    joined.write(table)
    yield FolderDone(tuple(done.files), table, joined.summary)


def _one(
    member: Member, target: Path, settings: dict[str, Any], done: _Results
) -> Generator[Remarked | Piece, None, None]:
    from napari_unet.prediction.files import write_tiff

    stack, output = _read(member), settings["output"]
    if not stack.leading_axes:  # nothing to link
        output = replace(output, link=None)
    request = PredictionRequest(**{**settings, "output": output, "stack": stack})
    pieces: list[Piece] = []
    for event in prediction_job(request):
        if isinstance(event, FoundObjects):
            done.tables[member[0].name] = event.table
        elif isinstance(event, Piece):
            pieces.append(event)
            yield event
        elif not isinstance(event, ModelRead):
            yield event
    target.parent.mkdir(parents=True, exist_ok=True)
    write_tiff(target, pieces, output, settings["model"].scheme, stack)
    done.files.append(target)


def _read(member: Member) -> Stack:
    from napari_unet.images.channel_files import read_member
    from napari_unet.images.files import open_image
    from napari_unet.images.image_file import stack_of

    return stack_of(read_member(member)) if len(member) > 1 else open_image(member[0])
