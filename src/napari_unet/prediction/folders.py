"""Every image of a folder, and the file that each is predicted into."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet.base.errors import InputError
from napari_unet.base.output_guard import check_output_file, check_output_folder
from napari_unet.images.channel_files import cases_with
from napari_unet.images.pairing import CHANNEL

if TYPE_CHECKING:
    import os

    from napari_unet.images.channel_files import Member

__all__ = ["targets"]


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
    files = sorted(f for f in Path(folder).iterdir() if not f.name.startswith("."))
    if not files:
        raise InputError(f"there is no image in {folder}: name a folder with images.")
    members = (channels > 1 and cases_with(files, channels)) or [(file,) for file in files]
    names = [
        m[0].stem if len(m) == 1 else CHANNEL.sub("", m[0].stem.removesuffix(".ome"))
        for m in members
    ]
    found = {member: into / f"{name}.tif" for member, name in zip(members, names)}
    by_target = {target: member for member, target in found.items()}
    for member, target in found.items():
        if by_target[target] != member:
            raise InputError(
                f"{member[0].name} and {by_target[target][0].name} would both be predicted into "
                f"{target.name}: give them different names."
            )
        check_output_file(target, [folder], overwrite=overwrite)
    return found
