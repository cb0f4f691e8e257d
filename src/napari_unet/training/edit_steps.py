"""Edits between two steps of a training: scored, taken, recorded, and looked at from then on.

Every stroke is scored by the network as it was before it learnt it: the share of its pixels that
it had right. On strokes that correct, this is an honest score that holds nothing back.
"""

from __future__ import annotations

import math
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from napari_unet.annotation.labels import read_target
from napari_unet.base.errors import CheckpointError, InputError
from napari_unet.config.size_rule import border, next_valid_size, output_size
from napari_unet.network.tiles import read_mirrored
from napari_unet.training.events import Painted, Waiting
from napari_unet.training.interest import Spot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.training.data import TrainingData
    from napari_unet.training.journal import Edit
    from napari_unet.training.learner import Learner
    from napari_unet.training.painting import Painting
    from napari_unet.training.sampling import TileSampler
    from napari_unet.training.validation_planes import ValidationPlanes

__all__ = ["EditSteps"]

WAITING = 0.2  # seconds between two words that it waits for something to be painted
RECENT = 20  # strokes that the score for people is the mean of

Cell: TypeAlias = tuple[int, int, int, int]
"""Stack, slice, and row and column of one of the squares that a slice is cut into."""


class EditSteps:
    """Takes the edits of one training.

    Parameters
    ----------
    painting
        Where they come from.
    data, learner
        Of the training.

    Attributes
    ----------
    ready : bool
        Whether two classes are annotated, so that there is something to learn.
    latest : list of (int, int)
        Stack and slice of the edits that were taken last.
    """

    def __init__(self, painting: Painting, data: TrainingData, learner: Learner) -> None:
        self.painting, self.ready = painting, False
        self.latest: list[tuple[int, int]] = []
        self._data, self._learner = data, learner
        painting.begin(learner.step)
        for effect in painting.journal.effects:
            learner.schedule.edited(effect.step)

    def look(self, sampler: TileSampler) -> None:
        """Let a new sampler look at all that is in effect."""
        journal = self.painting.journal
        right = [share for effect in journal.effects for share in effect.right]
        edits = journal.edits[: journal.in_effect]
        self.ready = sampler.edited(self._spots(edits, right), known=False)

    def taken(
        self, sampler: TileSampler, validation: ValidationPlanes
    ) -> Iterator[Painted | Waiting]:
        """Take what was painted; wait for it where there is nothing to learn before it.

        Raises
        ------
        InputError
            When nothing will come any more, and nothing was learnt.
        """
        learner, settled = self._learner, False
        while True:
            painted = self.take(sampler, hasten=settled)
            if painted is not None:
                yield painted
                if any(i in self._data.splits[k].validation for k, i in self.latest):
                    self._refresh(validation)
            settled = learner.schedule.has_settled(learner.step)
            if self.ready and not settled:
                return
            if self.is_over:
                self._check_learnt()
                return
            yield Waiting(learner.step, settled)
            self.wait(WAITING)

    def _check_learnt(self) -> None:
        if not self.ready and not self._learner.step:
            raise InputError(
                "nothing could be learnt, because fewer than two classes have a stroke where it "
                "is trained: paint another class, too."
            )

    def _refresh(self, validation: ValidationPlanes) -> None:
        data = self._data
        for k in range(len(data.given)):
            validation.refresh(k, data.images(k, blind=False), data.truth(k, blind=False))

    def take(self, sampler: TileSampler, *, hasten: bool = False) -> Painted | None:
        """Take what is due before the next step; None when nothing is.

        Parameters
        ----------
        sampler
            Looks at it from its next batch on.
        hasten
            Take what a script has next, because no step will come before it. So it is done
            anyway as long as there is nothing to learn.

        Returns
        -------
        Painted or None
            `problem` says what could not be saved; it is learnt all the same.
        """
        step = self._learner.step
        edits, right = self.painting.due(step, hasten=hasten or not self.ready)
        if not edits:
            return None
        if right is None:
            right = tuple(self._score(edits, sampler.tile_side))
        problem = ""
        try:
            self.painting.take(edits, step, right)
        except CheckpointError as error:
            problem = str(error)
        self._learner.schedule.edited(step)
        self.latest = [(edit.stack_index, edit.slice_index) for edit in edits]
        known = not any(self._data.is_resampled(edit.stack_index) for edit in edits)
        self.ready = sampler.edited(self._spots(edits, right), known=known)
        return Painted(step, len(edits), self.recent, problem)

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more, and what came is learnt or cannot be."""
        painting, learner = self.painting, self._learner
        if painting.is_live or not painting.is_over:
            return False
        return not self.ready or learner.schedule.has_settled(learner.step)

    def wait(self, seconds: float) -> bool:
        """Wait until something is painted, at most so long; tells whether it was."""
        return self.painting.wait(seconds)

    def _spots(self, edits: Sequence[Edit], right: Sequence[float]) -> list[Spot]:
        return [
            Spot(edit.stack_index, edit.slice_index, self._data.edited(edit), share)
            for edit, share in zip(edits, right, strict=True)
        ]

    @property
    def recent(self) -> float:
        """Mean score of the latest strokes; NaN while there is none."""
        every = [share for effect in self.painting.journal.effects for share in effect.right]
        known = [share for share in every if not math.isnan(share)][-RECENT:]
        return float(np.mean(known)) if known else math.nan

    def _score(self, edits: Sequence[Edit], tile: int) -> list[float]:
        """Share of the pixels that each edit annotates anew which are right; NaN where none is.

        Slices are cut into squares that begin where one of the plane's tiles may, as poolings go
        in pairs of pixels. So edits that lie near one another need one tile, and there are no more
        tiles than a step has: first the fullest square of each edit, the latest edit first.
        """
        if not self.ready:
            return [math.nan] * len(edits)
        depth, most = self._data.config.network.depth, self._data.config.batch
        tile = next_valid_size(max(tile, 2**depth + border(depth)), depth)
        side = output_size(tile, depth) // 2**depth * 2**depth
        painted = [self._painted(edit, side, most) for edit in edits]
        wanted = filter(None, chain.from_iterable(zip_longest(*reversed(painted))))
        likeliest = self._likeliest([*dict.fromkeys(wanted)][:most], side, tile)
        return [_share_right(one, likeliest) for one in painted]

    def _painted(
        self, edit: Edit, side: int, count: int
    ) -> dict[Cell, tuple[NDArray[np.int64], ...]]:
        """The squares, so many at most, in which an edit annotates most pixels anew.

        With row and column of each such pixel in its square, and its class.
        """
        target = read_target(edit.values.astype(np.int32), self._data.scheme)
        new = target.known & (edit.values != self.painting.labels_before(edit))
        y, x = np.nonzero(new)
        seen = self._data.placement(edit.stack_index).seen(y + edit.box[0], x + edit.box[2])
        (rows, y), (cols, x) = (divmod(n, side) for n in seen)
        across = int(cols.max(initial=0)) + 1
        square = rows * across + cols
        most = np.argsort(-np.bincount(square), kind="stable")[:count]
        found: dict[Cell, tuple[NDArray[np.int64], ...]] = {}
        for row, col in (divmod(int(k), across) for k in most):
            here = square == row * across + col
            if here.any():
                cell = edit.stack_index, edit.slice_index, row, col
                found[cell] = y[here], x[here], target.classes[new][here]
        return found

    def _likeliest(
        self, cells: Sequence[Cell], side: int, tile: int
    ) -> dict[Cell, NDArray[np.int64]]:
        """Likeliest class in some squares, no more of them at once than are learnt at once."""
        half, most = border(self._data.config.network.depth) // 2, self._learner.micro
        images = {k: self._data.images(k) for k in {cell[0] for cell in cells}}

        def crop(k: int, i: int, row: int, col: int) -> NDArray[np.generic]:
            top, left = row * side - half, col * side - half
            return read_mirrored(
                lambda rows, cols: images[k].window(i, rows, cols),
                images[k].stack.plane_shape,
                (top, top + tile),
                (left, left + tile),
            )

        found: dict[Cell, NDArray[np.int64]] = {}
        for some in (cells[first : first + most] for first in range(0, len(cells), most)):
            crops = np.stack([crop(*cell) for cell in some])
            logits = self._learner.answers(torch.from_numpy(crops))
            found |= zip(some, logits.argmax(1).numpy())
        return found


def _share_right(
    painted: dict[Cell, tuple[NDArray[np.int64], ...]], likeliest: dict[Cell, NDArray[np.int64]]
) -> float:
    right = [
        likeliest[cell][y, x] == classes
        for cell, (y, x, classes) in painted.items()
        if cell in likeliest
    ]
    return float(np.concatenate(right).mean()) if right else math.nan
