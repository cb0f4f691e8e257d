"""Every image of a folder, and the file that each is predicted into: the loop of all faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from napari_unet.base.errors import InputError, UNetError
from napari_unet.base.output_guard import check_output_file, check_output_folder
from napari_unet.images.channel_files import cases_with
from napari_unet.images.folders import one_per_dataset
from napari_unet.images.image_file import SUFFIXES
from napari_unet.images.pairing import CHANNEL
from napari_unet.prediction.object_table import ObjectTable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Mapping

    from napari_unet.images.channel_files import Member
    from napari_unet.images.stack import Stack

__all__ = ["FolderDone", "ImageBegun", "ImageDone", "ImageFailed", "predict_each", "targets"]


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
class ImageDone:
    """An image is predicted into its file.

    Attributes
    ----------
    file : Path
        The result.
    table : ObjectTable or None
        Of its objects, where they are measured.
    told : dict
        What else there is to say of it, as plain values.
    """

    file: Path
    table: ObjectTable | None = None
    told: dict[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class FolderDone:
    """All images were tried.

    Attributes
    ----------
    done : dict of str to ImageDone
        By the name of the image.
    failed : dict of str to str
        Why others were left out.
    table : ObjectTable or None
        Of all objects of all images.
    """

    done: dict[str, ImageDone]
    failed: dict[str, str]
    table: ObjectTable | None


def predict_each(
    images: Mapping[Member, Path],
    read: Callable[[Member], Stack],
    predict: Callable[[Stack, Path], Iterable[Any]],
    table: Path | None = None,
) -> Generator[Any, None, None]:
    """Predict image after image; what cannot be read is told, and the others go on.

    Parameters
    ----------
    images
        Of `targets`.
    read
        Opens an image.
    predict
        Predicts a stack into a file; its events are passed on, the last one is `ImageDone`.
    table
        Where the objects of all images are listed. Also written where somebody stops asking, of
        the images that are done by then.

    Yields
    ------
    ImageBegun, the events of `predict`, or ImageFailed; FolderDone at last.
    """
    done: dict[str, ImageDone] = {}
    failed: dict[str, str] = {}
    joined: ObjectTable | None = None
    try:
        for number, (member, target) in enumerate(images.items(), start=1):
            name = member[0].name
            yield ImageBegun(name, number, len(images))
            try:
                for event in predict(read(member), target):
                    if isinstance(event, ImageDone):
                        done[name] = event
                    yield event
            except (UNetError, OSError) as error:
                failed[name] = str(error)
                yield ImageFailed(name, str(error))
    finally:
        tables = {name: one.table for name, one in done.items() if one.table is not None}
        if tables:
            joined = ObjectTable.joined(tables.values(), tables)
        if joined is not None and table is not None:
            joined.write(table)
    yield FolderDone(done, failed, joined)


def targets(
    folder: str | os.PathLike[str],
    results: str | os.PathLike[str],
    channels: int,
    *,
    overwrite: bool = False,
) -> dict[Member, Path]:
    """Return the images of a folder and their results, which may be written.

    Parameters
    ----------
    folder
        What is predicted.
    results
        A folder for the results, which have the names of the images.
    channels
        Of the model: as many files may be the channels of one image, see `images.channel_files`.
    overwrite
        As of `napari_unet.base.output_guard.check_output_file`.

    Raises
    ------
    InputError
        If there is no image, two would have one result, or a result cannot be written.
    """
    into = check_output_folder(results, [folder])
    before = into.resolve(), *into.resolve().parents  # results of before
    files = sorted(
        f
        for f in Path(folder).iterdir()
        if not f.name.startswith(".") and f.resolve() not in before
    )
    if not files:
        raise InputError(f"there is no image in {folder}: name a folder with images.")
    pictures = [file for file in files if _is_picture(file)]
    members = cases_with(pictures, channels) if channels > 1 else []
    members = members or one_per_dataset([(file,) for file in pictures])
    members = sorted([*members, *((file,) for file in files if file not in pictures)])
    found = {member: into / f"{_called(member)}.tif" for member in members}
    is_inside = Path(folder).resolve() in before[1:]
    read = files if is_inside else [Path(folder)]
    first: dict[str, Member] = {}
    for member, target in found.items():
        is_image = member[0].is_dir() or _is_picture(member[0])
        other = first.setdefault(_name(target), member) if is_image else member
        if other != member:
            raise InputError(
                f"{other[0].name} and {member[0].name} would both be predicted into "
                f"{target.name}: give them different names."
            )
        check_output_file(target, read, overwrite=overwrite)
    return found


def _is_picture(file: Path) -> bool:
    """Whether a file can be an image at all: what lies beside images, such as a.txt, cannot."""
    return file.suffix.lower() in SUFFIXES and file.is_file()


def _called(member: Member) -> str:
    """The name of an image without what says its format; a point in that of a folder says none."""
    first = member[0]
    if len(member) > 1:
        return CHANNEL.sub("", first.stem.removesuffix(".ome"))
    is_plain = first.is_dir() and first.suffix.lower() != ".zarr"
    return first.name if is_plain else first.stem


def _name(target: Path) -> str:
    """The name of a result, the same for those that are one file on some disks."""
    return normalize("NFC", normalize("NFC", target.name).casefold())
