"""Painting into a running training: edits come in, are recorded, and count from a known step on.

Edits come from a window (`Painting.add`, from any thread), from a script of strokes, or from the
journal of a run that is resumed or replayed. The trainer asks between two steps which of them are
due. What is learnt at a step therefore depends on the seed, the step and the journal alone.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation.labels import LabelScheme, read_target
from napari_unet.base.errors import InputError
from napari_unet.training.journal import Edit, Effect, Journal
from napari_unet.training.strokes import Stroke, draw_stroke

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack

__all__ = ["Painting", "in_axes_of", "to_paint", "with_empty_labels"]


class Painting:
    """The edits of one training.

    Parameters
    ----------
    stacks
        As they were opened. Their labels are where painting begins; of a run that is resumed or
        replayed the journal says it.
    journal
        Of this run; one that has edits already is gone on with.
    script
        Strokes that are painted at their steps.
    replayed
        The journal of another run, whose edits take effect here at the same steps.
    live
        More may come from a window: a training waits for it.

    Attributes
    ----------
    stacks : tuple of Stack
        The same with labels of their own, which only edits in effect change.

    Raises
    ------
    InputError
        When a journal belongs to other stacks.
    """

    def __init__(
        self,
        stacks: Sequence[Stack],
        journal: Journal | None = None,
        *,
        script: Iterable[Stroke] = (),
        replayed: Journal | None = None,
        live: bool = False,
    ) -> None:
        self.is_live = live
        self.journal = journal or Journal()
        begun = bool(self.journal.edits)
        self._labels = [_empty_labels(stack) for stack in stacks]
        self._drawn = [_empty_labels(stack) for stack in stacks]  # with edits not yet in effect
        self.stacks = tuple(
            stack.with_labels(in_axes_of(stack, labels), stack.scheme, annotated=stack.annotated)
            for stack, labels in zip(stacks, self._labels)
        )
        self._script = deque(script)
        self._strokes = 0  # of the script, painted
        self._changed = threading.Event()
        self._replay: deque[tuple[Effect, list[Edit]]] = deque()
        if replayed is not None:
            self._replay.extend(_by_effect(replayed))
        elif not begun:
            for edit in _first_edits(stacks):
                self.journal.add(edit, later=True)
        self._check(self.journal.edits)
        for edit in self.journal.edits:
            _paint(self._drawn, edit)

    def save(self) -> None:
        """Save what was there to begin with, as `begin` does, and what a full disk did not take.

        Raises
        ------
        CheckpointError
            When it could not be saved.
        """
        self.journal.save()

    def begin(self, step: int) -> list[Edit]:
        """Paint what is in effect when `step` steps are done; the trainer goes on from there.

        Returns
        -------
        list of Edit
            Those edits, in their order.
        """
        self.save()
        done = self.journal.edits[: self.journal.until(step)]
        later = self.journal.forget_after(step)
        first = len(done)
        for effect in later:
            self._replay.append((effect, self.journal.edits[first : effect.edits]))
            first = effect.edits
        if self._script:  # it paints again whatever did not take effect
            if first:
                del self.journal.edits[first:]
            recorded = max((one.strokes for one in (*self.journal.effects, *later)), default=0)
            while self._strokes < recorded and self._script:
                self._next_stroke()
        for edit in done:
            _paint(self._labels, edit)
        return done

    def add(self, edit: Edit) -> None:
        """Take an edit from a window; it is in the journal when this returns.

        Raises
        ------
        CheckpointError
            When it could not be saved; it counts all the same.
        InputError
            When it lies outside its stack.
        """
        self._check([edit])
        _paint(self._drawn, edit)
        self._changed.set()
        self.journal.add(edit)

    def difference(
        self,
        stack_index: int,
        slice_index: int,
        labels: NDArray[Any],
        corner: tuple[int, int] = (0, 0),
    ) -> Edit | None:
        """Return what differs between labels and what was painted there so far.

        Parameters
        ----------
        stack_index, slice_index
            Which slice.
        labels
            (h, w) as they are now, of the slice or a part of it.
        corner
            Row and column at which they begin.
        """
        self._check_place(stack_index, slice_index)
        y0, x0 = corner
        window = slice(y0, y0 + labels.shape[0]), slice(x0, x0 + labels.shape[1])
        other = labels != self._drawn[stack_index][slice_index][window]
        rows = np.flatnonzero(other.any(1))
        if not rows.size:
            return None
        cols = np.flatnonzero(other[rows[0] : rows[-1] + 1].any(0))
        top, left = y0 + int(rows[0]), x0 + int(cols[0])
        found = top, y0 + int(rows[-1]) + 1, left, x0 + int(cols[-1]) + 1
        values = labels[found[0] - y0 : found[1] - y0, found[2] - x0 : found[3] - x0]
        smallest = _dtype_for(int(values.max()))
        return Edit(stack_index, slice_index, found, values.astype(smallest))

    def wait(self, seconds: float) -> bool:
        """Wait until something is painted, at most so long; tells whether it was."""
        changed = self._changed.wait(seconds)
        self._changed.clear()
        return changed

    @property
    def is_over(self) -> bool:
        """Whether a script or a replay has nothing left to paint."""
        return not self._script and not self._replay

    def due(
        self, step: int, *, hasten: bool = False
    ) -> tuple[list[Edit], tuple[float, ...] | None]:
        """Return the edits that the next step learns from, and their scores where they are known.

        Parameters
        ----------
        step
            Steps that are done.
        hasten
            Let a script go on to its next strokes, because no step will be done before them.
        """
        if self._replay:
            effect, edits = self._replay[0]
            return (edits, effect.right) if effect.step <= step else ([], None)
        if hasten and self._script and self.journal.in_effect == len(self.journal.edits):
            step = max(step, self._script[0].step)
        self._paint_script(step)
        return self.journal.edits[self.journal.in_effect :], None

    def take(self, edits: Sequence[Edit], step: int, right: tuple[float, ...]) -> None:
        """Let edits take effect: their labels are in `stacks` from now on, and recorded.

        Raises
        ------
        CheckpointError
            When the journal could not be written; they are in effect all the same.
        """
        known = self.journal.in_effect + len(edits) <= len(self.journal.edits)
        if self._replay:
            self._replay.popleft()
        for edit in edits:
            _paint(self._labels, edit)
        if not known:  # of another run's journal
            for edit in edits:
                _paint(self._drawn, edit)
                self.journal.add(edit)
        done = self.journal.in_effect + len(edits)
        self.journal.take_effect(Effect(step, done, right, self._strokes))

    def drawn(self, stack_index: int, slice_index: int) -> NDArray[Any]:
        """Return a slice with all that was painted so far, in effect or not: (Y, X)."""
        labels: NDArray[Any] = self._drawn[stack_index][slice_index].copy()
        return labels

    def whole(self, stack_index: int) -> NDArray[Any]:
        """Return a copy of all labels that were painted so far, with the axes of their stack."""
        painted = self._drawn[stack_index]
        return np.ascontiguousarray(in_axes_of(self.stacks[stack_index], painted.copy()))

    def is_painted(self, stack_index: int, slice_index: int, box: Region) -> bool:
        """Whether anything is painted in a part of a slice: y0, y1, x0, x1."""
        y0, y1, x0, x1 = box
        return bool(self._drawn[stack_index][slice_index][y0:y1, x0:x1].any())

    def labels_before(self, edit: Edit) -> NDArray[Any]:
        """Return the labels of an edit's box as they are in effect: (h, w)."""
        window: NDArray[Any] = self._labels[edit.stack_index][edit.slice_index][edit.window]
        return window.copy()

    def _next_stroke(self) -> Stroke:
        self._strokes += 1
        return self._script.popleft()

    def _paint_script(self, step: int) -> None:
        pending: dict[tuple[int, int], NDArray[Any]] = {}
        while self._script and self._script[0].step <= step:
            stroke = self._next_stroke()
            where = stroke.stack_index, stroke.slice_index
            self._check_place(*where)
            if where not in pending:
                pending[where] = self._labels[where[0]][where[1]].copy()
            scheme = self.stacks[where[0]].scheme
            assert scheme is not None
            value = 0 if stroke.class_index is None else scheme.values[stroke.class_index]
            edit = draw_stroke(stroke, pending[where], value)
            if edit is not None:
                pending[where][edit.window] = edit.values
                _paint(self._drawn, edit)
                self.journal.add(edit)

    def _check(self, edits: Iterable[Edit]) -> None:
        for edit in edits:
            self._check_place(edit.stack_index, edit.slice_index)
            Y, X = self.stacks[edit.stack_index].plane_shape
            y0, y1, x0, x1 = edit.box
            if not (0 <= y0 < y1 <= Y and 0 <= x0 < x1 <= X):
                raise InputError(
                    f"something was painted at rows {y0} to {y1} and columns {x0} to {x1}, outside "
                    f"the {Y} × {X} pixels of {self.stacks[edit.stack_index].name!r}: open the "
                    "image that was painted on."
                )
            if int(edit.values.max()) > np.iinfo(self._labels[edit.stack_index].dtype).max:
                raise InputError(
                    f"label values up to {int(edit.values.max())} were painted, more than can be "
                    "learnt: use values below 65,536."
                )
            self._check_values(edit)

    def _check_values(self, edit: Edit) -> None:
        scheme = self.stacks[edit.stack_index].scheme
        if scheme is None:
            return
        if scheme.kind == "objects":
            read_target(edit.values, replace(scheme, gap=False))  # which refuses ids of no class
            return
        known = {*scheme.values, scheme.ignore}
        known |= {0} if scheme.annotation == "sparse" else set()
        strange = sorted(set(np.unique(edit.values).tolist()) - known)
        if strange:
            raise InputError(
                f"label value {strange[0]} was painted, which is none of the classes "
                f"{', '.join(f'{v} ({n})' for v, n in zip(scheme.values, scheme.names))}: "
                "paint with one of these, or begin a training with more classes."
            )

    def _check_place(self, stack_index: int, slice_index: int) -> None:
        if not 0 <= stack_index < len(self.stacks):
            raise InputError(
                f"something was painted in stack {stack_index}, but there are {len(self.stacks)}: "
                "open the stacks that were painted on."
            )
        stack = self.stacks[stack_index]
        if not 0 <= slice_index < stack.n_slices:
            raise InputError(
                f"something was painted in slice {slice_index} of {stack.name!r}, which has "
                f"{stack.n_slices}: open the image that was painted on."
            )


def to_paint(stack: Stack, names: Sequence[str] = ("background", "foreground")) -> Stack:
    """Return a stack with empty labels to paint in, where 0 means "not annotated".

    Parameters
    ----------
    stack
        Its labels, if it has any, are left aside.
    names
        Of the classes, background first; their values count from 1.
    """
    values = tuple(range(1, len(names) + 1))
    scheme = LabelScheme("classes", "sparse", values, tuple(names))
    return with_empty_labels(stack, scheme)


def with_empty_labels(
    stack: Stack,
    scheme: LabelScheme,
    dtype: np.dtype[Any] | type[np.generic] = np.uint16,
    annotated: tuple[int, ...] | None = None,
) -> Stack:
    """Return a stack with labels of nothing but 0.

    Parameters
    ----------
    stack
        Its labels, if it has any, are left aside.
    scheme, annotated
        What the labels will mean, and in which slices.
    dtype
        Of the labels.
    """
    return stack.with_labels(in_axes_of(stack, _zeros(stack, dtype)), scheme, annotated)


def _paint(labels: Sequence[NDArray[Any]], edit: Edit) -> None:
    labels[edit.stack_index][edit.slice_index][edit.window] = edit.values


def _empty_labels(stack: Stack) -> NDArray[Any]:
    large = stack.labels is not None and np.dtype(stack.labels.dtype).itemsize > 2
    return _zeros(stack, np.int32 if large else np.uint16)


def _zeros(stack: Stack, dtype: np.dtype[Any] | type[np.generic]) -> NDArray[Any]:
    """(N, Y, X); memory is taken only where something is painted."""
    return np.zeros((stack.n_slices, *stack.plane_shape), dtype)


def in_axes_of(stack: Stack, labels: NDArray[Any]) -> NDArray[Any]:
    """Return a view of (N, Y, X) labels with the axes of the stack but for channels."""
    order = stack.leading_axes + "yx"
    whole = labels.reshape(*stack.leading_shape, *stack.plane_shape)
    return whole.transpose([order.index(axis) for axis in stack.axes if axis != "c"])


def _first_edits(stacks: Sequence[Stack]) -> Iterator[Edit]:
    """The labels that are there already, as one edit for each slice that has any."""
    for k, stack in enumerate(stacks):
        if stack.labels is None:
            continue
        for i in range(stack.n_slices) if stack.annotated is None else stack.annotated:
            labels = stack.label_plane(i)
            rows, cols = (np.flatnonzero(labels.any(axis)) for axis in (1, 0))
            box = 0, 1, 0, 1
            if rows.size:
                box = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
            elif stack.scheme is not None and stack.scheme.annotation == "sparse":
                continue  # nothing is annotated; otherwise all of it is background
            values = labels[box[0] : box[1], box[2] : box[3]]
            yield Edit(k, i, box, values.astype(_dtype_for(int(values.max()))))


def _dtype_for(largest: int) -> type[np.generic]:
    return np.uint8 if largest < 256 else np.uint16 if largest < 65536 else np.int32


def _by_effect(journal: Journal) -> Iterator[tuple[Effect, list[Edit]]]:
    first = 0
    for effect in journal.effects:
        yield effect, journal.edits[first : effect.edits]
        first = effect.edits
