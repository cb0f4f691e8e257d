"""Which label file belongs to which image file, by their names alone."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

__all__ = ["CHANNEL", "Pairing", "natural_key", "pair_by_name", "split_by_kind", "stem_of"]

# Words that say what a file is, not which one it is.
LABELS = frozenset(
    (
        *("label", "labels", "labelled", "labeled", "mask", "masks", "seg", "segmentation"),
        *("gt", "truth", "groundtruth", "target", "targets", "annotation", "annotations"),
        *("instances", "labelmap", "lbl"),
    )
)
KIND = LABELS | frozenset(
    (
        *("image", "images", "img", "imgs", "raw", "volume", "vol", "data", "input"),
        *("man", "manual", "cp"),
    )
)
DIGITS = frozenset("0123456789")
CHANNEL = re.compile(r"_([0-9]{4})$")  # of nnU-Net's images: case_000_0000 of case_000


@dataclass(frozen=True)
class Pairing:
    """What two lists of files have in common.

    Parameters
    ----------
    certain
        (image, labels) with names that can only mean each other.
    doubtful
        (image, possible labels) for a person to decide.
    images_alone, labels_alone
        Files that nothing fits.
    """

    certain: tuple[tuple[Path, Path], ...]
    doubtful: tuple[tuple[Path, tuple[Path, ...]], ...]
    images_alone: tuple[Path, ...]
    labels_alone: tuple[Path, ...]

    def describe(self, image: str = "image", labels: str = "labels") -> str:
        """One line per doubtful pair and one for the rest; the two sides are called so."""
        lines = [
            f"{one.name} may belong to {' or '.join(other.name for other in others)}"
            for one, others in self.doubtful
        ]
        if self.images_alone:
            lines.append(f"no {labels} for {_names(self.images_alone)}")
        if self.labels_alone:
            lines.append(f"no {image} for {_names(self.labels_alone)}")
        return "; ".join(lines)


def pair_by_name(images: Iterable[str | Path], labels: Iterable[str | Path]) -> Pairing:
    """Pair image files with label files.

    A pair is certain when both names are equal up to words such as "image" or
    "mask" and up to what all names of their side share, and no other file has
    the same name in this sense. Files that share only their numbers, or that
    several others resemble, are doubtful. Order never decides.

    Parameters
    ----------
    images, labels
        Files; their folders do not matter.

    Returns
    -------
    Pairing
        Every file is in it exactly once, except as a candidate of doubtful pairs.
    """
    left = sorted((Path(p) for p in images), key=natural_key)
    right = sorted((Path(p) for p in labels), key=natural_key)
    certain: list[tuple[Path, Path]] = []
    left_names = frozenset(left)
    channels = {CHANNEL.findall(stem_of(p))[0] for p in left if CHANNEL.search(stem_of(p))}

    def without_channel(path: Path) -> str:
        """The name that nnU-Net gives to labels, where all images are of one channel."""
        one = len(channels) == 1 and path in left_names
        return CHANNEL.sub("", stem_of(path)) if one else stem_of(path)

    for key in (_exact, stem_of, without_channel, _without_kind, _WithoutShared(left, right)):
        found = _unique_matches(left, right, key)
        certain += found
        left = [p for p in left if p not in {a for a, _ in found}]
        right = [p for p in right if p not in {b for _, b in found}]
    doubtful = [(a, tuple(b for b in right if _resemble(a, b))) for a in left]
    doubtful = [(a, candidates) for a, candidates in doubtful if candidates]
    if not doubtful and len(left) == len(right) == 1:
        doubtful = [(left[0], (right[0],))]
    taken = {a for a, _ in doubtful} | {b for _, many in doubtful for b in many}
    return Pairing(
        tuple(sorted(certain, key=lambda pair: natural_key(pair[0]))),
        tuple(doubtful),
        tuple(p for p in left if p not in taken),
        tuple(p for p in right if p not in taken),
    )


def split_by_kind(files: Iterable[str | Path]) -> tuple[list[Path], list[Path]]:
    """Tell images from labels in one folder, by words in their names such as "mask".

    A word that all files share says nothing.

    Returns
    -------
    list of Path, list of Path
        Images and labels, in the order given.
    """
    paths = [Path(p) for p in files]
    marks = [LABELS & set(_words(p)) for p in paths]
    shared = frozenset.intersection(*map(frozenset, marks)) if marks else frozenset()
    images = [p for p, words in zip(paths, marks) if not words - shared]
    labels = [p for p, words in zip(paths, marks) if words - shared]
    return images, labels


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key by which 2 comes before 10; a digit is one of 0 to 9, whatever else is called so."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.name.lower())
    return tuple((0, int(p), p) if p[0] in DIGITS else (1, 0, p) for p in parts)


def _unique_matches(
    left: list[Path], right: list[Path], key: Callable[[Path], Hashable]
) -> list[tuple[Path, Path]]:
    sides = []
    for paths in (left, right):
        groups: dict[Hashable, list[Path]] = defaultdict(list)
        for path in paths:
            groups[key(path)].append(path)
        sides.append(groups)
    return [
        (group[0], sides[1][k][0])
        for k, group in sides[0].items()
        if k and len(group) == 1 and len(sides[1].get(k, ())) == 1
    ]


def stem_of(path: Path) -> str:
    """Return the name of a file in lower case, without what says its format.

    Systems that write an umlaut as one letter or as two mean the same.
    """
    name = unicodedata.normalize("NFC", path.name).lower()
    return name.removesuffix(path.suffix.lower()).removesuffix(".ome")


def _exact(path: Path) -> str:
    """The name without its suffix, letters as they are."""
    return unicodedata.normalize("NFC", path.stem)


def _words(path: Path) -> tuple[str | int, ...]:
    found = re.findall(r"[0-9]+|[^\W0-9_]+", stem_of(path))
    return tuple(int(w) if w[0] in DIGITS else w for w in found)


def _without_kind(path: Path) -> tuple[str | int, ...]:
    return tuple(w for w in _words(path) if w not in KIND)


class _WithoutShared:
    """Names without the words that all files of the same side have, such as t in t001."""

    def __init__(self, left: list[Path], right: list[Path]) -> None:
        self._left = frozenset(left)
        self._shared = [self._common(side) for side in (left, right)]
        # Where each side has its own word, such as two experiments', the words may tell them apart.
        self._contradict = bool(
            self._shared[0] - self._shared[1] and self._shared[1] - self._shared[0]
        )

    @staticmethod
    def _common(paths: list[Path]) -> set[str | int]:
        # One file alone would share all its words with itself.
        if len(paths) < 2:
            return set()
        shared = set.intersection(*(set(_without_kind(p)) for p in paths))
        return {w for w in shared if isinstance(w, str)}

    def __call__(self, path: Path) -> tuple[str | int, ...]:
        if self._contradict:
            return ()
        shared = self._shared[0 if path in self._left else 1]
        return tuple(w for w in _without_kind(path) if w not in shared)


def _resemble(image: Path, labels: Path) -> bool:
    numbers = [[w for w in _words(p) if isinstance(w, int)] for p in (image, labels)]
    if numbers[0] and numbers[0] == numbers[1]:
        return True
    return bool(_without_kind(image)) and _without_kind(image) == _without_kind(labels)


def _names(paths: tuple[Path, ...]) -> str:
    names = ", ".join(p.name for p in paths[:3])
    return names + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
