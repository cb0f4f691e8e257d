"""Image files and folders as stacks, alone or with their labels: the one reader of both."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.images.axes import guess_axes, lengths_without_channels
from napari_unet.images.ctc_folder import find_sequences, find_truths, open_ctc
from napari_unet.images.folders import Labelling, open_folder, read_label_folder
from napari_unet.images.image_file import SUFFIXES, read_image_file, read_label_file, stack_of
from napari_unet.images.label_values import refuse_copy
from napari_unet.images.labels_on_disk import label_values_on_disk
from napari_unet.images.matching import matched
from napari_unet.images.ome_zarr import is_url, is_zarr, open_zarr
from napari_unet.images.pixels import LAZY_ABOVE, Pixels, reason
from napari_unet.images.source import Source
from napari_unet.images.tiff import write_labels
from napari_unet.images.tiff_metadata import places_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.images.ctc_folder import Truth
    from napari_unet.images.stack import Stack

__all__ = [
    "SUFFIXES",
    "is_series",
    "open_image",
    "open_images",
    "read_labels",
    "with_labels",
    "write_labels",
]


def open_image(
    path: str | Path,
    labels: str | Path | None = None,
    *,
    axes: str | None = None,
    scheme: LabelScheme | None = None,
    annotated: Sequence[int] | None = None,
    pairs: Sequence[tuple[Path, Path]] | None = None,
    level: int = 0,
    series: int = 0,
    sequence: str | None = None,
    truth: Truth | None = None,
    channels: int | None = None,
    lazy_above: int = LAZY_ABOVE,
) -> Stack:
    """Open any image that this package reads, alone or with its labels.

    Parameters
    ----------
    path
        A TIFF, PNG, JPEG, BMP, WebP or .npy file; a folder of equally large ones; an OME-Zarr
        folder or its http(s) address; a folder of the Cell Tracking Challenge (with its labels,
        see ``truth``).
    labels
        Labels of the image: what ``path`` may be, too. Two folders are paired by the names of
        their files; images without a partner are slices without labels. The same folder twice:
        labels are told by words such as "mask" in their names. None: those that an OME-Zarr or a
        folder of the challenge brings along.
    axes
        One letter per axis of the image where the file does not say them, such as "zyx", "czyx"
        or "tyxc". Where neither says it, the shape of the labels does.
    scheme
        What label values mean; None proposes it.
    annotated
        Slices that the labels are of, where they are of a few only.
    pairs
        (image, labels) files of two folders, where names do not tell it for certain.
    level
        Resolution of a multiscale image, 0 the finest.
    series
        Which of several images or positions of a file, 0 the first.
    sequence, truth
        Of the Cell Tracking Challenge. ``truth`` None: gold or silver, the best there is.
    channels
        How many the image shall have, such as those of the model that is to predict it: tells
        channels that are files of their own, case_0000.tif and case_0001.tif, from a series.
    lazy_above
        Bytes from which on an image is not loaded but read where needed.

    Returns
    -------
    Stack
        Its ``notes`` say what about the reading is worth knowing.

    Raises
    ------
    DataSetError
        When a file is missing, unknown or damaged, or pairs of files are doubtful.
    InputError
        When axes, image and labels do not fit together, or images of a folder differ in size.
    """
    stacks = open_images(
        path,
        labels,
        axes=axes,
        scheme=scheme,
        annotated=annotated,
        pairs=pairs,
        level=level,
        series=series,
        sequence=sequence,
        truth=truth,
        channels=channels,
        lazy_above=lazy_above,
    )
    if len(stacks) > 1:
        sizes = ", ".join(" × ".join(map(str, one.plane_shape)) for one in stacks)
        raise DataSetError(
            f"expected one stack, but the images in {path} have several sizes ({sizes}): put those "
            "of each size into a folder of their own."
        )
    return stacks[0]


def open_images(
    path: str | Path,
    labels: str | Path | None = None,
    *,
    axes: str | None = None,
    scheme: LabelScheme | None = None,
    annotated: Sequence[int] | None = None,
    pairs: Sequence[tuple[Path, Path]] | None = None,
    level: int = 0,
    series: int = 0,
    sequence: str | None = None,
    truth: Truth | None = None,
    channels: int | None = None,
    lazy_above: int = LAZY_ABOVE,
) -> tuple[Stack, ...]:
    """Open an image, or a folder of images of several sizes: a stack for each size.

    Parameters and errors are those of `open_image`.
    """
    for one in (path, labels):
        _look_for(one)
    _refuse_itself(path, labels)
    source = Source.of(path, series, level, sequence)
    if is_series(path) and (labels is None or is_series(labels)):
        where = None
        if labels is not None:
            given = None if pairs is None else tuple((Path(a), Path(b)) for a, b in pairs)
            where = Labelling(Path(labels), scheme, given)
        stacks = open_folder(Path(path), where, axes=axes, channels=channels, lazy_above=lazy_above)
        return tuple(replace(one, source=source) for one in stacks)
    if is_series(path):
        stack, *others = open_folder(
            Path(path), axes=axes, channels=channels, lazy_above=lazy_above
        )
        if others:
            raise DataSetError(
                f"{labels} are labels of one image, but those in {path} have several sizes: give a "
                "folder of labels with the names of the images."
            )
        pixels = None
    else:
        stack, pixels = _open_one(path, axes, level, series, sequence, truth, lazy_above)
    if labels is None:
        return (replace(stack, source=source),)
    read = read_labels(labels, lazy_above=lazy_above)
    chosen = None if annotated is None else tuple(annotated)
    labelled = with_labels(stack, read, scheme, chosen, pixels=pixels, stated=axes is not None)
    return (replace(labelled, source=source),)


def read_labels(
    path: str | Path,
    *,
    level: int = 0,
    series: int = 0,
    probabilities: bool = False,
    files: Sequence[Path] | None = None,
    lazy_above: int = LAZY_ABOVE,
) -> Pixels:
    """Read labels of any kind: the one reader, whoever asks.

    Parameters
    ----------
    path
        As of `open_image`.
    level, series, lazy_above
        As of `open_image`.
    probabilities
        Whether fractions are probabilities, which stay as they are, and no blurred mask.
    files
        Of a folder those that are read, in this order, such as `folders.answering_files` gives
        them; None: all.

    Returns
    -------
    Pixels
        One value per pixel; ``axes`` is "" where nobody said them.

    Raises
    ------
    DataSetError
        When it is missing, damaged, or holds no labels.
    """
    _look_for(path)
    if is_series(path):
        return read_label_folder(
            Path(path), files=files, probabilities=probabilities, lazy_above=lazy_above
        )
    if is_zarr(path) or Path(path).is_dir():
        stack = open_image(path, level=level, lazy_above=lazy_above)
        array, said = label_values_on_disk(stack.image, stack.name, probabilities=probabilities)
        notes = (*stack.notes, *said)
        return Pixels(stack.name, array, stack.axes, places_of(stack), notes=notes)
    return read_label_file(
        Path(path), series=series, probabilities=probabilities, lazy_above=lazy_above
    )


def is_series(path: str | Path) -> bool:
    """Tell a folder of single images."""
    return (
        not is_url(path) and Path(path).is_dir() and not is_zarr(path) and not find_sequences(path)
    )


def _open_one(
    path: str | Path,
    axes: str | None,
    level: int,
    series: int,
    sequence: str | None,
    truth: Truth | None,
    lazy_above: int,
) -> tuple[Stack, Pixels | None]:
    """A stack, and the pixels of the file where it is one."""
    if is_zarr(path):
        return open_zarr(path, level=level, series=series, axes=axes), None
    path = Path(path)
    if path.is_dir():
        best = truth or _best_truth(path)
        return open_ctc(path, sequence, best, lazy_above=lazy_above), None
    pixels = read_image_file(path, series=series, lazy_above=lazy_above)
    return stack_of(pixels, axes), pixels


def _best_truth(path: Path) -> Truth | None:
    """Gold or silver; tracking markers say where cells are, not what belongs to them."""
    return next((truth for truth in find_truths(path) if truth != "markers"), None)


def _look_for(path: str | Path | None) -> None:
    """Refuse what is not there or cannot be looked at, before anybody stumbles over it."""
    if path is None or is_url(path):
        return
    try:
        if stat.S_ISDIR(Path(path).stat().st_mode):
            os.scandir(path).close()
    except (FileNotFoundError, NotADirectoryError):
        raise DataSetError(
            f"expected an image, but {path} does not exist: check its name."
        ) from None
    except (OSError, ValueError) as error:
        raise DataSetError(f"{path} cannot be opened ({reason(error)}): check it.") from error


def _refuse_itself(image: str | Path, labels: str | Path | None) -> None:
    if labels is None or is_url(image) or is_url(labels) or is_series(image):
        return
    one, two = Path(image), Path(labels)
    if one.exists() and two.exists() and one.samefile(two):
        raise InputError(f"{image} cannot be its own labels: choose the file that holds them.")


def with_labels(
    stack: Stack,
    labels: Pixels,
    scheme: LabelScheme | None = None,
    annotated: tuple[int, ...] | None = None,
    *,
    pixels: Pixels | None = None,
    stated: bool = False,
) -> Stack:
    """Put labels on an image; their shape tells axes that nobody stated, and upright from not.

    Parameters
    ----------
    stack
        The image.
    labels
        As `read_labels` gives them.
    scheme, annotated
        As of `open_image`.
    pixels
        What the file of the image holds, where it is one file.
    stated
        Whether the axes of the image were said by the user, and not by its file.

    Raises
    ------
    InputError
        When they do not fit together.
    """
    refuse_copy(stack.name, stack.image, labels.array)
    if not stated and (pixels is None or pixels.axes):
        lengths = lengths_without_channels(stack.axes, stack.image.shape)
        axes = stack.axes.replace("c", "")
        labels = matched(labels, stack.name, axes, lengths, places_of(stack))
    stack = replace(stack, notes=(*stack.notes, *labels.notes))
    try:
        return stack.with_labels(labels.array, scheme, annotated)
    except InputError as error:
        why = error
    if stated:
        raise why
    shape = tuple(int(n) for n in stack.image.shape)
    wanted = tuple(int(n) for n in labels.array.shape)
    # Labels of a few slices, whose numbers count along the axes, tell nothing about those.
    stay = pixels is None or (pixels.axes and annotated is not None)
    for k, guess in enumerate(() if stay else guess_axes(shape, stack.dtype, False, wanted)):
        assert pixels is not None
        try:
            other = stack_of(pixels, guess).with_labels(labels.array, scheme, annotated)
        except InputError as error:
            why = error if k == 0 and not pixels.axes else why
            continue
        note = f"the axes of {stack.name} are taken as {guess!r}, since its labels are {wanted}."
        return replace(other, notes=(*stack.notes, note))
    if pixels is not None and pixels.orientation > 4:
        upright = replace(pixels.upright(), notes=())
        note = f"{stack.name} is turned as its orientation tag says, since its labels are."
        turned = replace(stack_of(upright), notes=(*labels.notes, note))
        return turned.with_labels(labels.array, scheme, annotated)
    raise why
