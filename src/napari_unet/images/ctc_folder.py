"""Folders of the Cell Tracking Challenge, of any of its data sets.

Layout (celltrackingchallenge.net): ``NN/tTTT.tif`` frames, ``NN_GT/SEG/man_segTTT.tif`` gold truth
of a few frames, ``NN_ST/SEG/man_segTTT.tif`` silver truth, ``NN_GT/TRA/man_trackTTT.tif`` tracking
markers. ``NN`` is the sequence; the frames of 3D sets are (Z, Y, X), and their gold truth may be
single planes ``man_seg_TTT_ZZZ.tif``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import DataSetError, InputError
from napari_unet.images.image_file import read_image_file, read_label_file
from napari_unet.images.pixels import LAZY_ABOVE
from napari_unet.images.series import read_all, read_series
from napari_unet.images.source import Source
from napari_unet.images.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = [
    "Truth",
    "add_truth",
    "find_sequences",
    "find_truths",
    "is_ctc_folder",
    "open_ctc",
    "open_ctc_all",
]

Truth = Literal["gold", "silver", "both", "markers"]
"""Annotated by hand, computed, the former where it is and else the latter, or for tracking."""

TRUTH = {"gold": "{}_GT/SEG", "silver": "{}_ST/SEG", "markers": "{}_GT/TRA"}
SCHEME = LabelScheme(kind="objects", names=("background", "cell"))
# (frame interval in minutes, pixel in µm), from the challenge's pages of these sets.
SPACING = {"DIC-C2DH-HeLa": (10.0, 0.19), "PhC-C2DH-U373": (15.0, 0.65)}


@dataclass(frozen=True)
class _Sequence:
    root: Path
    number: str
    frames: tuple[Path, ...]

    @cached_property
    def times(self) -> dict[int, int]:
        """Position of every frame by the number in its name."""
        return {int(re.findall(r"[0-9]+", p.stem)[0]): k for k, p in enumerate(self.frames)}


def find_sequences(path: str | Path) -> tuple[str, ...]:
    """Names of the sequences in a data set's folder, or of the one the path points at.

    Returns
    -------
    tuple of str
        For example ("01", "02"); () when this is no folder of the challenge.
    """
    path = Path(path)
    if not path.is_dir():
        return ()
    if re.fullmatch(r"[0-9][0-9]", path.name):
        return (path.name,) if _frames(path) else ()
    inside = [p for p in path.iterdir() if re.fullmatch(r"[0-9][0-9]", p.name) and p.is_dir()]
    return tuple(sorted(p.name for p in inside if _frames(p)))


def is_ctc_folder(path: str | Path) -> bool:
    """Tell whether a folder is a data set of the challenge, or one of its sequences."""
    return bool(find_sequences(path))


def find_truths(path: str | Path, sequence: str | None = None) -> tuple[Truth, ...]:
    """Which truth there is of a sequence: gold before silver before tracking markers.

    Parameters
    ----------
    path
        The data set's folder, or the folder of one sequence.
    sequence
        None: the only or the first one.
    """
    one = _locate(Path(path), sequence)
    kinds: tuple[Truth, ...] = ("gold", "silver", "markers")
    return tuple(
        kind for kind in kinds if any((one.root / TRUTH[kind].format(one.number)).glob("man_*.tif"))
    )


def add_truth(
    stack: Stack,
    path: str | Path,
    sequence: str | None = None,
    truth: Truth = "gold",
    *,
    lazy_above: int = LAZY_ABOVE,
) -> Stack:
    """Return the frames of `open_ctc` with another truth; the frames are not read again.

    Parameters
    ----------
    stack
        Of this path and sequence.
    path, sequence, truth, lazy_above
        As in `open_ctc`.
    """
    return _with_truth(stack, _locate(Path(path), sequence), truth, lazy_above)


def _frames(folder: Path) -> tuple[Path, ...]:
    found = [p for p in folder.glob("t*.tif") if re.fullmatch(r"t[0-9]{3,}", p.stem)]
    return tuple(sorted(found, key=lambda p: int(p.stem[1:])))


def open_ctc(
    path: str | Path,
    sequence: str | None = None,
    truth: Truth | None = "gold",
    *,
    lazy_above: int = LAZY_ABOVE,
) -> Stack:
    """Open one sequence, or all of them one after the other.

    Parameters
    ----------
    path
        The data set's folder, or the folder of one sequence.
    sequence
        "01", "02", ... or "both". None: the only or the first one.
    truth
        "gold", "silver", "markers" or None for the frames alone; "both" is silver truth with
        the objects of gold truth in place of those that they cover. Frames without truth are
        not in ``Stack.annotated``: they are not background.
    lazy_above
        Bytes of the frames from which on they are read when needed.

    Returns
    -------
    Stack
        Axes "tyx" or "tzyx". With "both", sequence 02 follows 01 along t; see
        ``open_ctc_all`` for one stack each.

    Raises
    ------
    DataSetError
        When the folder, sequence or truth is missing or a file is damaged.
    InputError
        When "both" is asked of sequences of different size.
    """
    if sequence == "both":
        return _join(open_ctc_all(path, truth, lazy_above=lazy_above), Path(path).name)
    return _open_one(_locate(Path(path), sequence), truth, lazy_above)


def open_ctc_all(
    path: str | Path, truth: Truth | None = "gold", *, lazy_above: int = LAZY_ABOVE
) -> tuple[Stack, ...]:
    """Open every sequence of a data set as a stack of its own; see ``open_ctc``."""
    numbers = find_sequences(path) or (None,)
    return tuple(_open_one(_locate(Path(path), n), truth, lazy_above) for n in numbers)


def _locate(path: Path, sequence: str | None) -> _Sequence:
    found = find_sequences(path)
    if not found:
        raise DataSetError(
            f"expected a folder of the Cell Tracking Challenge with 01/t000.tif in it, got {path}: "
            "point at the unpacked data set."
        )
    number = sequence or found[0]
    if number not in found:
        raise DataSetError(
            f"{path} has the sequences {', '.join(found)}, got {number!r}: choose one of them."
        )
    root = path.parent if path.name == number else path
    return _Sequence(root, number, _frames(root / number))


def _open_one(sequence: _Sequence, truth: Truth | None, lazy_above: int) -> Stack:
    image = read_series(
        sequence.frames, lambda file: read_image_file(file).array, lazy_above=lazy_above
    )
    axes = "tyx" if image.ndim == 3 else "tzyx"
    name = f"{sequence.root.name} {sequence.number}"
    interval, pixel = SPACING.get(sequence.root.name, (1.0, 1.0))
    known = sequence.root.name in SPACING
    stack = Stack(
        name,
        image,
        axes,
        scale=(interval, pixel, pixel) if known else (),
        units=("minute", "micrometer", "micrometer") if known else (),
        source=Source.of(sequence.root, sequence=sequence.number),
    )
    return stack if truth is None else _with_truth(stack, sequence, truth, lazy_above)


def _with_truth(stack: Stack, sequence: _Sequence, truth: Truth, lazy_above: int) -> Stack:
    labels, annotated = _read_truth(sequence, truth, tuple(stack.image.shape), lazy_above)
    complete = len(annotated) == stack.n_slices
    return stack.with_labels(labels, SCHEME, annotated=None if complete else annotated)


def _read_truth(
    sequence: _Sequence, truth: Truth, shape: tuple[int, ...], lazy_above: int
) -> tuple[Any, tuple[int, ...]]:
    """Labels of the shape of the image, zero where there is no truth, and the slices that have it.

    Truth of all frames of an image that is too large to load is not loaded either.
    """
    folder, files = _truth_files(sequence, "silver" if truth == "both" else truth)
    by_hand = _truth_files(sequence, "gold")[1] if truth == "both" else {}
    files = {part: file for part, file in by_hand.items() if (part[0], None) not in files} | files
    times = {file: time for (time, _), file in files.items()}

    def read(file: Path) -> NDArray[Any]:
        return _with_gold(_read_plane(file), times[file], by_hand)

    stranger = next((file for file, time in times.items() if time not in sequence.times), None)
    if stranger is not None:
        raise DataSetError(
            f"{stranger} has no frame in sequence {sequence.number}: the folders {folder} and "
            f"{sequence.number} do not belong together, copy them again."
        )
    whole = set(files) == {(time, None) for time in sequence.times}
    if int(np.prod(shape)) * 2 > lazy_above and whole:
        ordered = [files[time, None] for time in sorted(sequence.times)]
        every = tuple(range(int(np.prod(shape[:-2]))))
        return read_series(ordered, read, labels=True, lazy_above=lazy_above), every
    planes = read_all(list(files.values()), read)
    # A dtype that holds the ids of all files: the first one may have few.
    labels = np.zeros(shape, np.result_type(*planes))
    slices = np.arange(int(np.prod(shape[:-2]))).reshape(shape[:-2])
    annotated: set[int] = set()
    for ((time, z), file), plane in zip(files.items(), planes):
        where = (sequence.times[time],) if z is None else (sequence.times[time], z)
        if (z is not None and z >= shape[1]) or plane.shape != labels[where].shape:
            raise _misfit(file, plane.shape, shape[1:])
        labels[where] = plane
        annotated |= set(np.atleast_1d(slices[where]).ravel().tolist())
    return labels, tuple(sorted(annotated))


def _misfit(file: Path, shape: tuple[int, ...], frame: tuple[int, ...]) -> DataSetError:
    return DataSetError(
        f"{file} has shape {shape}, but there is no such part of a frame of shape {frame}: the "
        "data set is damaged, fetch it again."
    )


def _read_plane(file: Path) -> NDArray[Any]:
    return np.asarray(read_label_file(file).array)


def _with_gold(
    labels: NDArray[Any], time: int, by_hand: Mapping[tuple[int, int | None], Path]
) -> NDArray[Any]:
    """Labels of a frame with the objects of its gold truth, which may be of single planes."""
    for file, z in ((file, z) for (at, z), file in by_hand.items() if at == time):
        gold, where = _read_plane(file), ... if z is None else z
        if (z or 0) >= len(labels) or labels[where].shape != gold.shape:
            raise _misfit(file, gold.shape, labels.shape)
        labels = labels.astype(np.int32)
        labels[where] = _replaced(labels[where], gold)
    return labels


def _replaced(labels: NDArray[np.int32], gold: NDArray[Any]) -> NDArray[np.int32]:
    """Labels with other objects in place of those that they cover by more than half."""
    sizes = np.bincount(labels.ravel())
    covered = np.bincount(labels[gold > 0], minlength=sizes.size)
    kept = np.where(2 * covered > sizes, 0, np.arange(sizes.size, dtype=np.int32))
    merged = np.where(gold > 0, gold.astype(np.int32) + sizes.size, kept[labels])
    return merged.astype(np.int32)


def _truth_files(
    sequence: _Sequence, truth: Truth
) -> tuple[Path, dict[tuple[int, int | None], Path]]:
    if truth not in TRUTH:
        names = ", ".join((*TRUTH, "both"))
        raise InputError(f"truth must be one of {names} or None, got {truth!r}.")
    folder = sequence.root / TRUTH[truth].format(sequence.number)
    files: dict[tuple[int, int | None], Path] = {}
    for file in sorted(folder.glob("man_*.tif")):
        match = re.fullmatch(r"man_(?:seg|track)_?([0-9]{3,})(?:_([0-9]+))?", file.stem)
        if match:
            files[int(match[1]), None if match[2] is None else int(match[2])] = file
    if not files:
        there = [
            t for t, p in TRUTH.items() if (sequence.root / p.format(sequence.number)).is_dir()
        ]
        raise DataSetError(
            f"expected {truth} truth in {folder}, but there is none: choose "
            f"{' or '.join(there) if there else 'another data set, or truth=None for the frames'}."
        )
    return folder, files


def _join(stacks: tuple[Stack, ...], name: str) -> Stack:
    first = stacks[0]
    shapes = {s.image.shape[1:] for s in stacks}
    if len(shapes) > 1:
        raise InputError(
            f"the sequences of {name} have different sizes {sorted(shapes)} and cannot follow one "
            "another: open them as separate stacks."
        )
    annotated: list[int] = []
    offset = 0
    for one in stacks:
        annotated += [offset + i for i in one.labelled_slices]
        offset += one.n_slices
    joined = Stack(
        f"{name} {'+'.join(s.name.rsplit(' ', 1)[-1] for s in stacks)}",
        _concatenate([s.image for s in stacks]),
        first.axes,
        scale=first.scale,
        units=first.units,
    )
    if first.labels is None:
        return joined
    labels = _concatenate([s.labels for s in stacks])
    complete = len(annotated) == offset
    return joined.with_labels(labels, first.scheme, None if complete else tuple(annotated))


def _concatenate(arrays: list[Any]) -> Any:
    if all(isinstance(a, np.ndarray) for a in arrays):
        return np.concatenate(arrays)
    import dask.array as da

    return da.concatenate(arrays)
