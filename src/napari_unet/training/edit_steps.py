"""Edits between two steps of a training: scored, taken, recorded, and looked at from then on.

Every stroke is scored by the network as it was before it learnt it: the share of its pixels that
it had right. On strokes that correct, this is an honest score that holds nothing back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_unet.annotation.labels import read_target
from napari_unet.base.errors import CheckpointError
from napari_unet.config.size_rule import border, next_valid_size
from napari_unet.network.inference import forward_logits, network_for_inference
from napari_unet.network.tiles import read_mirrored
from napari_unet.training.events import Painted, Waiting
from napari_unet.training.interest import Spot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.network.unet import UNet
    from napari_unet.training.data import TrainingData
    from napari_unet.training.journal import Edit
    from napari_unet.training.learner import Learner
    from napari_unet.training.painting import Painting
    from napari_unet.training.sampling import TileSampler
    from napari_unet.training.validation_planes import ValidationPlanes

__all__ = ["EditSteps"]

LARGEST_SCORED = 512  # px; of a larger edit the middle is scored
WAITING = 0.2  # seconds between two words that it waits for something to be painted
RECENT = 20  # strokes that the score for people is the mean of


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
        """Take what was painted; wait for it where there is nothing to learn before it."""
        learner, settled = self._learner, False
        while True:
            painted = self.take(sampler, hasten=settled)
            if painted is not None:
                yield painted
                if any(i in self._data.splits[k].validation for k, i in self.latest):
                    self._refresh(validation)
            settled = learner.schedule.has_settled(learner.step)
            if (self.ready and not settled) or self.is_over:
                return
            yield Waiting(learner.step, settled)
            self.wait(WAITING)

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
            right = tuple(self._score(edits)) if self.ready else (math.nan,) * len(edits)
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

    def _score(self, edits: Sequence[Edit]) -> list[float]:
        network = network_for_inference(self._learner.shown, self._learner.compute)
        return [self._share_right(edit, network) for edit in edits]

    def _share_right(self, edit: Edit, network: UNet) -> float:
        """Share of the painted pixels that the network has right; NaN where none is annotated."""
        scheme = self._data.scheme
        target = read_target(edit.values.astype(np.int32), scheme)
        new = edit.values != self.painting.labels_before(edit)
        painted = new & target.known
        if not painted.any() or self._data.is_resampled(edit.stack_index):
            return math.nan
        window, (y, x) = _middle(painted.shape)
        predicted = self._predict(edit, y, x, painted[window].shape, network)
        counted = painted[window]
        if not counted.any():
            return math.nan
        return float((predicted == target.classes[window])[counted].mean())

    def _predict(
        self, edit: Edit, y: int, x: int, shape: tuple[int, ...], network: UNet
    ) -> NDArray[np.int64]:
        """Likeliest class of a part of an edit's box, as the plane's prediction has it: (h, w).

        Poolings go in pairs of pixels, so the tile begins where one of the plane's tiles may.
        """
        images = self._data.images(edit.stack_index)
        depth = network.config.depth
        half, step = border(depth) // 2, 2**depth
        starts = (edit.box[0] + y, edit.box[2] + x)
        off = tuple(start % step for start in starts)
        ranges = []
        for start, size, before in zip(starts, shape, off, strict=True):
            side = next_valid_size(before + size + border(depth), depth)
            first = start - before - half
            ranges.append((first, first + side))
        crop = read_mirrored(
            lambda rows, cols: images.window(edit.slice_index, rows, cols),
            images.stack.plane_shape,
            *ranges,
        )
        with torch.inference_mode():
            tile = torch.from_numpy(np.ascontiguousarray(crop))[None]
            logits = forward_logits(network, tile, self._learner.compute)[0]
        likeliest = logits[: network.config.classes].argmax(0).numpy()
        return likeliest[off[0] : off[0] + shape[0], off[1] : off[1] + shape[1]]


def _middle(shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """The middle of a box, at most as large as is scored at once, and where it begins."""
    starts = [max(0, (n - LARGEST_SCORED) // 2) for n in shape]
    rows, cols = (slice(s, s + min(n, LARGEST_SCORED)) for s, n in zip(starts, shape))
    return (rows, cols), (starts[0], starts[1])
