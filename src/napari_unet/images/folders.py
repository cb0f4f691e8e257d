"""Folders of single images, alone or with a folder of labels, as stacks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import DataSetError
from napari_unet.base.quantities import count
from napari_unet.images.axes import lengths_without_channels
from napari_unet.images.channel_files import (
    Member,
    cases_of,
    cases_with,
    check_complete,
    member_form,
    read_member,
)
from napari_unet.images.image_file import SUFFIXES, read_image_file, read_label_file, stack_of
from napari_unet.images.label_values import MASK_TOPS, joined_masks, refuse_copy
from napari_unet.images.matching import matched
from napari_unet.images.pairing import natural_key, pair_by_name, split_by_kind, stem_of
from napari_unet.images.pixels import LAZY_ABOVE, Pixels
from napari_unet.images.series import read_series
from napari_unet.images.tiff import TIFF_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.images.stack import Stack

__all__ = [
    "Labelling",
    "answering_files",
    "image_files",
    "one_per_dataset",
    "open_folder",
    "read_label_folder",
]

FEW_MASKS = 16
"""Label files that tell how masks were saved, where not all are loaded."""

Pairs = tuple[tuple["Path", "Path"], ...]


@dataclass(frozen=True)
class Labelling:
    """Where the labels of a folder of images are.

    Attributes
    ----------
    folder
        Of the label files; may be that of the images.
    scheme
        What label values mean; None proposes it.
    pairs
        (image, labels), where names do not tell it for certain; None: by name.
    """

    folder: Path
    scheme: LabelScheme | None = None
    pairs: Pairs | None = None


def image_files(folder: Path) -> list[Path]:
    """Return the files of known formats in a folder, in natural order: 2 before 10."""
    try:
        found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
    except OSError as error:
        raise DataSetError(
            f"{folder} cannot be read ({error.strerror}): choose another folder."
        ) from error
    return sorted((p for p in found if not p.name.startswith(".")), key=natural_key)


def open_folder(
    folder: Path,
    labelling: Labelling | None = None,
    *,
    axes: str | None = None,
    channels: int | None = None,
    lazy_above: int = LAZY_ABOVE,
) -> tuple[Stack, ...]:
    """Open a folder of images: those of one size become one stack.

    Parameters
    ----------
    folder
        Of images, each of which may have slices of its own.
    labelling
        Where labels are. Images without are slices without labels; sizes of which no image has
        labels are left out.
    axes
        Of a whole stack, one letter per axis, where the files do not say them.
    channels
        How many the images shall have: tells channels in files of their own from a series, where
        no labels tell it.
    lazy_above
        Bytes from which on a stack is read when needed.

    Raises
    ------
    DataSetError
        When there is nothing, something damaged or doubtful, or grey values of several dtypes.
    """
    files, pairs = image_files(folder), None
    members: list[Member] = []
    if labelling is not None:
        members, pairs = _paired(files, folder, labelling)
    elif channels is not None and channels > 1:
        members = cases_with(files, channels)
    members = members or [(file,) for file in files]
    members = one_per_dataset(members)
    if not members:
        raise DataSetError(
            f"expected images in {folder}, but there is none of {', '.join(SUFFIXES)}: choose "
            "another folder."
        )
    stacks = []
    groups = _groups(members, folder, alone=pairs is None)
    for shape, group in groups.items():
        name = folder.name if len(groups) == 1 else f"{folder.name} {' × '.join(map(str, shape))}"
        if pairs is None:
            stacks.append(_open_series(name, group, axes, lazy_above))
            continue
        chosen = {image: labels for image, labels in pairs.items() if image in group}
        if chosen:
            assert labelling is not None
            stacks.append(_labelled(name, group, chosen, labelling.scheme, axes, lazy_above))
    return tuple(stacks)


def read_label_folder(
    folder: Path,
    *,
    files: Sequence[Path] | None = None,
    probabilities: bool = False,
    lazy_above: int = LAZY_ABOVE,
) -> Pixels:
    """Read a folder of label files of one size as one array.

    Parameters
    ----------
    folder
        Of label files.
    files
        Those of it that are read, in this order; None: all.
    probabilities
        Whether fractions are probabilities, which stay as they are, and no blurred mask.
    lazy_above
        Bytes from which on they are read when needed.
    """
    files = image_files(folder) if files is None else files
    if not files:
        raise DataSetError(
            f"expected labels in {folder}, but there are none: choose another folder."
        )
    if len(files) == 1:
        return read_label_file(files[0], probabilities=probabilities, lazy_above=lazy_above)
    first = read_label_file(files[0], probabilities=probabilities)
    array, notes = _read_labels(files, lazy_above, first, probabilities=probabilities)
    axes = _leading(first.axes) + first.axes if first.axes else ""
    return Pixels(folder.name, array, axes, first.places, notes=notes)


def answering_files(folder: Path, references: Path) -> tuple[list[Path], list[Path]]:
    """Return predictions and what they are compared with, files of the same place in both lists.

    Parameters
    ----------
    folder, references
        Folders of label files. Predictions without a reference are left out.

    Raises
    ------
    DataSetError
        When a reference has no prediction, or names do not tell which belong together.
    """
    pairing = pair_by_name(image_files(folder), image_files(references))
    if pairing.doubtful or pairing.labels_alone or not pairing.certain:
        raise DataSetError(
            f"{len(pairing.certain)} of {count(len(image_files(references)), 'reference')} in "
            f"{references} have a prediction in {folder} for certain, but "
            f"{pairing.describe('prediction', 'reference')}: rename the files alike, or take away "
            "what is not to be compared."
        )
    return [one for one, _ in pairing.certain], [other for _, other in pairing.certain]


# -- series ---------------------------------------------------------------------------------


def _groups(
    members: Sequence[Member], folder: Path, *, alone: bool
) -> dict[tuple[int, ...], list[Member]]:
    """Images by the shape of what they hold, all of one kind of grey values."""
    kinds = sorted({p.suffix.lower() for member in members for p in member})
    if len(kinds) > 1 and alone:
        raise DataSetError(
            f"{folder} holds images of different kinds ({', '.join(kinds)}): leave only those of "
            "one series in the folder."
        )
    groups: dict[tuple[int, ...], list[Member]] = {}
    first: dict[str, tuple[Any, ...]] = {}
    for member in members:
        shape, *rest = member_form(member)
        file, suffix = member[0], member[0].suffix.lower()
        known = first.setdefault(suffix, (file.name, *rest))
        if known[1:] != tuple(rest):
            raise DataSetError(
                f"{file} is {_said(rest)}, but {known[0]} is {_said(known[1:])}: images of a "
                "folder must have one dtype, or their grey values cannot be compared."
            )
        groups.setdefault(tuple(shape), []).append(member)
    return groups


def _said(form: Sequence[Any]) -> str:
    depth = ", 16 bit a channel" if form[-1] is True and form[0] in ("LA", "RGB", "RGBA") else ""
    white = ", 0 is white" if form[-1] is True and not depth else ""
    return f"{form[0]}{depth}{white}"


def one_per_dataset(members: list[Member]) -> list[Member]:
    """Leave out the files of an OME-TIFF of several that its first one opens as well.

    Parameters
    ----------
    members
        Of one file each, or images of several files, which stay.
    """
    if len(members) < 2 or len(members[0]) > 1 or not _parts(members[0][0]):
        return members
    kept: list[Member] = []
    seen: set[Path] = set()
    for (file,) in members:
        if file.resolve() not in seen:
            kept.append((file,))
            seen |= _parts(file)
    return kept


def _parts(file: Path) -> set[Path]:
    """The files that one opens; none where it is an image by itself, or cannot be read."""
    if file.suffix.lower() not in TIFF_SUFFIXES:
        return set()
    with suppress(DataSetError):
        return {part.resolve() for part in read_image_file(file, lazy_above=-1).parts}
    return set()


def _open_series(name: str, members: Sequence[Member], axes: str | None, lazy_above: int) -> Stack:
    first = read_member(members[0], lazy_above=lazy_above)
    if len(members) == 1:
        return stack_of(first, axes)
    one = stack_of(first)
    notes: list[tuple[str, ...]] = []
    files = {member[0]: member for member in members}

    def read(file: Path) -> NDArray[Any]:
        pixels = read_member(files[file])
        notes.append(pixels.notes)
        return np.asarray(pixels.array)

    array = read_series(list(files), read, lazy_above=lazy_above)
    return stack_of(
        Pixels(
            name,
            array,
            _leading(one.axes) + one.axes,
            first.places,
            first.channel_names,
            notes=_gathered(notes),
        ),
        axes,
    )


def _leading(axes: str) -> str:
    """The letter of the axis that counts files, beside those of a file."""
    return "z" if "z" not in axes else "t" if "t" not in axes else "p"


def _read_labels(
    files: Sequence[Path], lazy_above: int, like: Pixels, *, probabilities: bool = False
) -> tuple[Any, tuple[str, ...]]:
    """Labels of several files, each in the order of axes of `like`, an image or one of them."""
    notes: list[tuple[str, ...]] = []
    axes = like.axes.replace("c", "")
    shape = lengths_without_channels(like.axes, like.array.shape)

    def read(file: Path) -> NDArray[Any]:
        one = read_label_file(file, probabilities=probabilities)
        pixels = matched(one, like.name, axes, shape, like.places)
        notes.append(pixels.notes)
        return np.asarray(pixels.array)

    graded = probabilities and np.dtype(like.array.dtype).kind == "f"
    array = read_series(files, read, labels=not graded, lazy_above=lazy_above)
    loaded = isinstance(array, np.ndarray)
    few = np.unique(np.linspace(0, len(files) - 1, FEW_MASKS).round().astype(int))
    sample = array if loaded else np.stack([np.asarray(array[k]) for k in few])
    joined = joined_masks(sample)
    if joined is not sample:
        notes.append(("masks of 0 and 1 and of 0 and 255 are taken as the same.",))
        array = joined if loaded else _joined_later(array, int(joined.max()))
    return array, _gathered(notes)


def _joined_later(array: Any, top: int) -> Any:
    """Masks that are read when needed, with one foreground value; what no mask has stays."""

    def joined(part: NDArray[Any]) -> NDArray[Any]:
        return np.where(np.isin(part, MASK_TOPS), top, part).astype(part.dtype)

    return array.map_blocks(joined, dtype=array.dtype)


def _gathered(notes: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """What is said of several files, once."""
    said = [one for one in notes if one]
    if len(said) < 2:
        return said[0] if said else ()
    first, more = said[0], count(len(said) - 1, "other file")
    return (*first[:-1], f"{first[-1].removesuffix('.')} (and likewise for {more}).")


# -- pairs ----------------------------------------------------------------------------------


def _paired(
    files: list[Path], folder: Path, labelling: Labelling
) -> tuple[list[Member], dict[Member, Path]]:
    """The images, and the labels of those that have some."""
    if labelling.pairs is not None:
        by_name = {file.name: file for file in files}
        chosen: dict[Member, Path] = {
            (by_name[a.name],): b for a, b in labelling.pairs if a.name in by_name
        }
        return [(file,) for file in files], chosen
    if folder.resolve() == labelling.folder.resolve():
        files, labels = split_by_kind(files)
        if not files or not labels:
            raise DataSetError(
                f"images and labels are both to be found in {folder}, but the names do not say "
                "which are labels: end the names of these with _mask or _labels, or put them into "
                "a folder of their own."
            )
    else:
        labels = image_files(labelling.folder)
    if not labels:
        raise DataSetError(
            f"expected labels in {labelling.folder}, but there are none: choose another folder."
        )
    cases = cases_of(files)
    if cases and all(stem_of(file) in cases for file in labels):
        check_complete(cases)
        return list(cases.values()), {cases[stem_of(file)]: file for file in labels}
    pairing = pair_by_name(files, labels)
    # Labels without an image are a sign of wrong folders; images without labels are usual.
    if pairing.doubtful or pairing.labels_alone or not pairing.certain:
        raise DataSetError(
            f"{len(pairing.certain)} of {count(len(files), 'image')} in {folder} have labels in "
            f"{labelling.folder} for certain, but {pairing.describe()}: rename the files alike, "
            "or name each image with its labels."
        )
    for image, own in pairing.certain:
        if image.samefile(own):
            raise DataSetError(
                f"{image} cannot be its own labels: choose a folder that holds labels."
            )
    certain: dict[Member, Path] = {(image,): own for image, own in pairing.certain}
    return [(file,) for file in files], certain


def _labelled(
    name: str,
    files: Sequence[Member],
    partner: dict[Member, Path],
    scheme: LabelScheme | None,
    axes: str | None,
    lazy_above: int,
) -> Stack:
    """Images of one size as slices, with the labels of those that have a partner."""
    stack = _open_series(name, files, axes, lazy_above)
    chosen = [i for i, file in enumerate(files) if file in partner]
    like = read_member(files[0], lazy_above=-1)
    if axes is not None:  # said by the user, whatever the files say
        like = replace(like, axes="")
    array, notes = _read_labels([partner[files[i]] for i in chosen], lazy_above, like)
    stack = replace(stack, notes=(*stack.notes, *notes))
    if isinstance(stack.image, np.ndarray):
        refuse_copy(name, stack.image[chosen] if len(files) > 1 else stack.image[None], array)
    if len(files) == 1:
        return stack.with_labels(array[0], scheme)
    if len(chosen) == len(files):
        return stack.with_labels(array, scheme)
    per_file = stack.n_slices // len(files)
    annotated = [i * per_file + k for i in chosen for k in range(per_file)]
    flat = array.reshape(len(annotated), *array.shape[-2:])
    return stack.with_labels(flat, scheme, tuple(annotated))
