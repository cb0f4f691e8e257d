"""Images of which each channel is a file of its own, under the names that nnU-Net gives them.

``case_000_0000.tif`` and ``case_000_0001.tif`` are the two channels of the case ``case_000``, whose
labels are ``case_000.tif``. A series may be named likewise; so the names count where labels are
those of cases, or where as many channels are asked for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import DataSetError
from napari_unet.images.axes import guess_axes
from napari_unet.images.image_file import image_form, read_image_file
from napari_unet.images.pairing import CHANNEL, stem_of
from napari_unet.images.pixels import LAZY_ABOVE, Pixels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "Member",
    "cases_of",
    "cases_with",
    "check_complete",
    "member_form",
    "read_member",
]

Member = tuple["Path", ...]
"""The files of one image: one, or one for each channel."""


def cases_of(files: Sequence[Path]) -> dict[str, Member]:
    """Return the files of each case in the order of their channels.

    Returns
    -------
    dict
        By the name of the case in lower case; empty where names are not those of several channels
        from 0 on.
    """
    found: dict[str, dict[int, Path]] = defaultdict(dict)
    for file in files:
        stem = stem_of(file)
        number = CHANNEL.search(stem)
        case = CHANNEL.sub("", stem)
        if number is None or int(number[1]) in found[case]:  # or twice, but for capital letters
            return {}
        found[case][int(number[1])] = file
    every = sorted({k for channels in found.values() for k in channels})
    if len(every) < 2 or every != list(range(len(every))):
        return {}
    return {case: tuple(channels[k] for k in sorted(channels)) for case, channels in found.items()}


def cases_with(files: Sequence[Path], channels: int) -> list[Member]:
    """Return the images of so many channels that files are; none where they are a series.

    Raises
    ------
    DataSetError
        Where an image lacks one of the channels.
    """
    cases = cases_of(files)
    if max(map(len, cases.values()), default=0) != channels:
        return []
    if "c" in read_image_file(files[0], lazy_above=-1).axes:
        return []
    check_complete(cases)
    return list(cases.values())


def check_complete(cases: dict[str, Member]) -> None:
    """Refuse cases of which one lacks a channel that others have.

    Raises
    ------
    DataSetError
        In one sentence that names a file that is missing.
    """
    fullest = max(cases.values(), key=len)
    wanted = {_number(file) for file in fullest}
    for case, member in cases.items():
        missing = sorted(wanted - {_number(file) for file in member})
        if missing:
            raise DataSetError(
                f"{case}_{missing[0]}{member[0].suffix} is missing in {member[0].parent}, since "
                f"each case has {len(wanted)} channels: add it, or take {case} away."
            )


def member_form(member: Member) -> tuple[Any, ...]:
    """Return what images of one series have in common; see `image_file.image_form`.

    Raises
    ------
    DataSetError
        Where the channels of an image differ in size or dtype.
    """
    forms = [image_form(file) for file in member]
    for (one, form), (two, other) in pairwise(zip(member, forms)):
        if form != other:
            raise DataSetError(
                f"{two.name} is {_said(other)}, but {one.name} is {_said(form)}: the channels of "
                "an image must have one size and dtype."
            )
    return forms[0]


def read_member(member: Member, *, lazy_above: int = LAZY_ABOVE) -> Pixels:
    """Read the files of an image; those of its channels are joined along a first axis "c".

    Raises
    ------
    DataSetError
        Where a file is damaged, or that of a channel holds channels of its own.
    """
    if len(member) == 1:
        return read_image_file(member[0], lazy_above=lazy_above)
    read = [read_image_file(file, lazy_above=lazy_above // len(member)) for file in member]
    first = read[0]
    shape = tuple(int(n) for n in first.array.shape)
    axes = first.axes or guess_axes(shape, first.array.dtype)[0]
    for file, one in zip(member, read):
        if "c" in (one.axes or axes) or one.array.shape != first.array.shape:
            raise DataSetError(
                f"expected one channel of {member[0].name} in {file.name}, but it has the shape "
                f"{one.array.shape}: save each channel as a grey image of the same size."
            )
    arrays = [one.array for one in read]
    if all(isinstance(one, np.ndarray) and not isinstance(one, np.memmap) for one in arrays):
        array: Any = np.stack(arrays)
    else:
        import dask.array as da

        array = da.stack([da.asarray(one) for one in arrays])
    name = CHANNEL.sub("", first.name)
    notes = tuple(dict.fromkeys(note for one in read for note in one.notes))
    return replace(
        first, name=name, array=array, axes="c" + axes, channel_names=(), notes=notes, parts=member
    )


def _number(file: Path) -> str:
    return stem_of(file)[-4:]


def _said(form: tuple[Any, ...]) -> str:
    return f"{form[1]} of {' × '.join(map(str, form[0]))}"
