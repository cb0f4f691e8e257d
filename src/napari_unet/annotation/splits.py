"""Which slices, or which region of them, train the network, and which only measure it.

Neighbouring slices of a stack look alike, so validation slices are one contiguous block unless the
user chooses otherwise. Where there is one labelled slice only, a strip of it is kept apart, with a
guard band around it as wide as the network sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.annotation.labels import annotated_classes
from napari_unet.annotation.last_block import last_block
from napari_unet.base.errors import InputError
from napari_unet.config.bounds import LARGEST_SLICE
from napari_unet.config.split import Region, SplitConfig, _check_region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack

__all__ = [
    "Split",
    "parse_slices",
    "restrict",
    "say_slices",
    "split_stack",
    "split_stacks",
]

RANDOM_STREAM = 7  # tells these random numbers from others drawn with the same seed
LEAST_TRAINING_SHARE = 1 / 3  # of the side, left of a single slice beside region and guard
CHECKED_PIXELS = 2**26  # a larger plane is not searched for classes


@dataclass(frozen=True)
class Split:
    """Who trains and who validates in one stack.

    Attributes
    ----------
    train, validation
        Flat slice indices, ascending. Without a region they are disjoint; with one they are the
        same slices.
    region
        y0, y1, x0, x1: only these pixels validate, and training sees none of them.
    guard
        Training weights are 0 within this many pixels of the region (rows and columns alike).
    reach
        Within this many pixels of the region, resampling has mixed something of it into the
        image; they are hidden from training as the region itself is.
    note
        One sentence for the user where the split is not the one asked for, else "".
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    region: Region | None = None
    guard: int = 0
    reach: int = 0
    note: str = ""

    def measured(self, rows: slice, cols: slice) -> tuple[slice, slice] | None:
        """Return the part of a window that validates, as `hidden` does."""
        return self._near(rows, cols, 0)

    def hidden(self, rows: slice, cols: slice) -> tuple[slice, slice] | None:
        """Return the part of a window that training must not see.

        Parameters
        ----------
        rows, cols
            The window, in pixels of the plane.

        Returns
        -------
        (slice, slice) or None
            Rows and columns counted from the corner of the window; None if there is no such part.
        """
        return self._near(rows, cols, self.reach)

    def untrained(self, rows: slice, cols: slice) -> tuple[slice, slice] | None:
        """Return the part of a window that training must not learn from, as `hidden` does."""
        return self._near(rows, cols, max(self.guard, self.reach))

    @property
    def hidden_region(self) -> Region | None:
        """The rectangle that training must not see; it may reach beyond the end of the plane."""
        if self.region is None:
            return None
        y0, y1, x0, x1 = self.region
        return max(0, y0 - self.reach), y1 + self.reach, max(0, x0 - self.reach), x1 + self.reach

    def _near(self, rows: slice, cols: slice, distance: int) -> tuple[slice, slice] | None:
        if self.region is None:
            return None
        y0, y1, x0, x1 = self.region
        part = []
        for window, low, high in ((rows, y0, y1), (cols, x0, x1)):
            start, stop = max(window.start, low - distance), min(window.stop, high + distance)
            if start >= stop:
                return None
            part.append(slice(start - window.start, stop - window.start))
        return part[0], part[1]

    def training_mask(self, i: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return where slice ``i`` may have training weights: (Y, X) bool."""
        mask = np.full(shape, i in self.train)
        closed = self.untrained(slice(0, shape[0]), slice(0, shape[1]))
        if closed is not None:
            mask[closed] = False
        return mask

    def validation_mask(self, i: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which pixels of slice ``i`` validate: (Y, X) bool."""
        if self.region is None:
            return np.full(shape, i in self.validation)
        mask = np.zeros(shape, bool)
        part = self.measured(slice(0, shape[0]), slice(0, shape[1]))
        if part is not None:
            mask[part] = i in self.validation
        return mask

    def resampled(
        self, before: tuple[int, int], after: tuple[int, int], *, guard: int, reach: int
    ) -> Split:
        """Return the split of the same stack with another number of pixels.

        Parameters
        ----------
        before, after
            (Y, X) of its planes.
        guard, reach
            As in the class, in pixels of the resampled plane.
        """
        if self.region is None or before == after:
            return self
        edges = []
        for k, (n, m) in enumerate(zip(before, after, strict=True)):
            # Rounded like the shape of a resampled plane, so that what lay inside still does.
            low, high = (min(round(at * m / n), m) for at in self.region[2 * k : 2 * k + 2])
            edges += [min(low, m - 1), max(high, min(low, m - 1) + 1)]
        y0, y1, x0, x1 = edges
        return replace(self, region=(y0, y1, x0, x1), guard=guard, reach=reach)


def split_stack(stack: Stack, config: SplitConfig, guard: int) -> Split:
    """Divide the labelled slices of a stack between training and validation.

    Parameters
    ----------
    stack
        With labels.
    config
        How.
    guard
        Pixels around a validation region that do not train: as far as the network sees.

    Returns
    -------
    Split
        No pixel both trains and validates. Where "last" or "random" finds one labelled slice
        only, a strip of it validates, or nothing if it is too small; ``note`` says so.

    Raises
    ------
    InputError
        If nothing is labelled, or a choice leaves nothing to train or to validate on.
    """
    labelled = tuple(sorted(stack.labelled_slices))
    if guard < 0:
        raise InputError(f"guard must be 0 px or more, got {guard}.")
    if not labelled:
        raise InputError(
            f"training needs labelled slices, but {stack.name!r} has none; paint labels on a few "
            "slices, or choose the labels layer."
        )
    if config.mode == "none":
        return Split(labelled, ())
    if config.mode == "slices":
        return _chosen(labelled, config.slices)
    if config.mode == "region" and config.region is not None:
        return _by_region(stack, labelled, config.region, guard)
    if len(labelled) == 1:
        return _single(stack, labelled[0], config.fraction, guard)
    if config.mode == "random":
        count = min(max(1, round(config.fraction * len(labelled))), len(labelled) - 1)
        order = np.random.default_rng([config.seed, RANDOM_STREAM]).permutation(labelled)
        return Split(tuple(sorted(order[count:].tolist())), tuple(sorted(order[:count].tolist())))
    block = last_block(stack, labelled, config.fraction, config.axis)
    train = tuple(i for i in labelled if i not in set(block.slices))
    return Split(train, block.slices, note=block.note)


def split_stacks(
    stacks: Sequence[Stack], config: SplitConfig, guards: Sequence[int]
) -> tuple[Split, ...]:
    """Divide every stack of a training, each by itself.

    Chosen slices and a region are looked for in each stack. One that does not have them trains
    as a whole, as long as another one validates.

    Parameters
    ----------
    stacks
        One or more, with labels.
    config
        As in `split_stack`.
    guards
        One per stack, as in `split_stack`.

    Raises
    ------
    InputError
        As `split_stack`, if no stack has the chosen slices or the region, and where one stack
        would have nothing to train on.
    """
    if len(stacks) == 1 or config.mode not in ("slices", "region"):
        return tuple(split_stack(a, config, guard) for a, guard in zip(stacks, guards, strict=True))
    parts = [restrict(config, stack) for stack in stacks]
    if all(part.mode == "none" for part in parts):
        split_stack(stacks[0], config, guards[0])  # says what is wrong
    return tuple(map(split_stack, stacks, parts, guards))


def restrict(config: SplitConfig, stack: Stack) -> SplitConfig:
    """Return a choice of slices or a region as far as a stack has them; mode "none" if not at all.

    Parameters
    ----------
    config
        What was chosen for several stacks.
    stack
        One of them, with labels.
    """
    if config.mode == "slices":
        slices = tuple(sorted(set(config.slices) & set(stack.labelled_slices)))
        return replace(config, slices=slices) if slices else SplitConfig("none")
    if config.mode != "region" or config.region is None:
        return config
    _, y1, _, x1 = config.region
    Y, X = stack.plane_shape
    return config if y1 <= Y and x1 <= X else SplitConfig("none")


def _chosen(labelled: tuple[int, ...], slices: tuple[int, ...]) -> Split:
    unlabelled = sorted(set(slices) - set(labelled))
    if unlabelled:
        raise InputError(
            f"validation slices must have labels, but slice {unlabelled[0]} has none; choose among "
            f"{_few(labelled)}."
        )
    train = tuple(i for i in labelled if i not in slices)
    if not train:
        raise InputError(
            "at least one labelled slice must be left for training, but all of them were chosen "
            "for validation; choose fewer."
        )
    return Split(train, tuple(sorted(slices)))


def _few(slices: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, slices[:8]))
    return f"{shown}, ..." if len(slices) > 8 else shown


def _by_region(stack: Stack, labelled: tuple[int, ...], region: Region, guard: int) -> Split:
    _check_region(region, stack.plane_shape)
    split = Split(labelled, labelled, region, guard)
    if not split.training_mask(labelled[0], stack.plane_shape).any():
        raise InputError(
            f"the validation region {region} and its guard band of {guard} px leave no pixel for "
            f"training in a plane of shape {stack.plane_shape}; draw a smaller region."
        )
    return split


def _single(stack: Stack, i: int, fraction: float, guard: int) -> Split:
    """Divide one labelled slice: a strip along the bottom, the right, the top or the left."""
    for region in _strips(stack.plane_shape, fraction, guard):
        split = Split((i,), (i,), region, guard)
        if _has_classes_on_both_sides(stack, i, split):
            y0, y1, x0, x1 = region
            note = (
                f"One slice has labels, so rows {y0}-{y1 - 1}, columns {x0}-{x1 - 1} of it are "
                f"kept for validation, with a guard band of {guard} px."
            )
            return Split((i,), (i,), region, guard, note=note)
    return Split(
        (i,),
        (),
        note="One slice has labels and no part of it can be kept apart, so nothing validates; "
        "label a second slice.",
    )


def _strips(shape: tuple[int, int], fraction: float, guard: int) -> Iterator[Region]:
    Y, X = shape
    height, width = (max(1, round(fraction * n)) for n in shape)
    if Y - height - guard >= LEAST_TRAINING_SHARE * Y:
        yield (Y - height, Y, 0, X)
    if X - width - guard >= LEAST_TRAINING_SHARE * X:
        yield (0, Y, X - width, X)
    if Y - height - guard >= LEAST_TRAINING_SHARE * Y:
        yield (0, height, 0, X)
    if X - width - guard >= LEAST_TRAINING_SHARE * X:
        yield (0, Y, 0, width)


def _has_classes_on_both_sides(stack: Stack, i: int, split: Split) -> bool:
    """Tell whether region and training part each show at least two classes."""
    shape = stack.plane_shape
    if shape[0] * shape[1] > CHECKED_PIXELS or stack.scheme is None:
        return True
    labels = stack.label_plane(i)
    parts = (split.training_mask(i, shape), split.validation_mask(i, shape))
    return all(len(annotated_classes(labels[part], stack.scheme)) >= 2 for part in parts)


# -- slice numbers as people write them ---------------------------------------------------------


def parse_slices(text: str) -> tuple[int, ...]:
    """Read slice numbers: "3, 24-29" is (3, 24, 25, …, 29).

    Raises
    ------
    InputError
        When the text is anything else.
    """
    found: set[int] = set()
    for part in filter(None, re.split(r"[,;\s]+", re.sub(r"\s*[-–]\s*", "-", text.strip()))):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise InputError(f"slices must read like 3, 24-29, got {part[:40]!r}: write numbers.")
        if len(match[1]) > 7 or len(match[2] or "") > 7:
            raise InputError(f"slice numbers must be at most {LARGEST_SLICE:,}, got {part[:40]!r}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"slices must read like 3, 24-29, got {part!r}: write numbers.")
        if last > LARGEST_SLICE:
            raise InputError(f"slice numbers must be at most {LARGEST_SLICE:,}, got {part!r}.")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def say_slices(slices: tuple[int, ...]) -> str:
    """Write slice numbers shortly: (3, 24, 25, 26) is "3, 24–26"."""
    parts: list[list[int]] = []
    for i in sorted(slices):
        if parts and i == parts[-1][1] + 1:
            parts[-1][1] = i
        else:
            parts.append([i, i])
    return ", ".join(f"{a}–{b}" if b > a else str(a) for a, b in parts)
