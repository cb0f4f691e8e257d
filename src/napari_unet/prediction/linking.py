"""One id for an object through slices or frames.

Two objects of neighbouring slices can be the same where they share enough of the smaller of them.
Pairs are made one to one, those that fit best first. So where a false merger joins two objects,
one of them goes on and the other is lost; it is found again in the slice after, to which lost
objects are compared as well. No merger can swallow a stack: it takes an id of its own slice, and
none from there on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_unet.base.errors import InputError
from napari_unet.config.settings import Settings
from napari_unet.evaluation.metrics.objects import object_overlaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["Linker", "Linking", "linked", "linked_stack"]


@dataclass(frozen=True)
class Linking(Settings):
    """When objects of neighbouring slices are the same.

    Attributes
    ----------
    overlap : float
        Share of the smaller object that both must have, above 0 to 1. Slices that lie far apart
        compared with the size of objects need less.
    gap : int
        Slices that an object may be missing from and keep its id.
    divisions : bool
        Through time: where an object becomes two, both are new ids with the former as parent.
        Without it the one that fits better goes on, and the other is a new object.
    """

    described_as: ClassVar[str] = "settings of linking"

    overlap: float = 0.5
    gap: int = 1
    divisions: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= 1:
            raise InputError(f"overlap must be above 0 and at most 1, got {self.overlap!r}.")
        if not (isinstance(self.gap, int) and self.gap >= 0):
            raise InputError(f"the gap must be 0 slices or more, got {self.gap!r}.")


@dataclass(eq=False)
class Linker:
    """Gives the objects of one slice after the other ids that go through all of them.

    Attributes
    ----------
    settings : Linking
        When objects are the same.
    parents : dict of int to int
        Child → parent, where divisions are looked for.
    """

    settings: Linking = field(default_factory=Linking)
    parents: dict[int, int] = field(default_factory=dict)
    _before: list[NDArray[np.int32]] = field(default_factory=list)  # latest first
    _count: int = 0
    _of: tuple[int, ...] = ()

    def next(self, plane: NDArray[Any], of: tuple[int, ...] = ()) -> NDArray[np.int32]:
        """Return the next slice with ids through the stack.

        Parameters
        ----------
        plane
            (Y, X) ids of this slice, 0 = none.
        of
            What it is a slice of, such as the time of a volume: ids begin anew with another.

        Returns
        -------
        ndarray of int32, shape (Y, X)
            New ids are given in ascending order.
        """
        if of != self._of:
            self._of, self._before, self._count, self.parents = of, [], 0, {}
        found = np.unique(plane[plane > 0])
        ids: dict[int, int] = {}
        for former in self._before:
            self._continue(plane, former, ids)
        if self.settings.divisions and self._before:
            self._divide(plane, ids)
        for number in found.tolist():
            if number not in ids:
                ids[number] = self._new()
        renamed = np.zeros(plane.shape, np.int32)
        if len(found):
            places = np.searchsorted(found, plane[plane > 0])
            renamed[plane > 0] = np.array([ids[n] for n in found.tolist()], np.int32)[places]
        self._remember(renamed)
        return renamed

    def _new(self) -> int:
        self._count += 1
        return self._count

    def _continue(
        self, plane: NDArray[Any], former: NDArray[np.int32], ids: dict[int, int]
    ) -> None:
        """Give objects without an id that of a former one that no other object has taken."""
        taken = set(ids.values())
        for a, b, _ in self._pairs(plane, former):
            if b not in ids and a not in taken:
                ids[b] = a
                taken.add(a)

    def _pairs(
        self, plane: NDArray[Any], former: NDArray[np.int32]
    ) -> list[tuple[int, int, float]]:
        """Return former id, id of this slice and IoU of what can be the same, the best first."""
        overlaps = object_overlaps(plane, former)
        smaller = np.minimum(
            overlaps.reference_areas[overlaps.reference],
            overlaps.predicted_areas[overlaps.predicted],
        )
        good = overlaps.shared >= self.settings.overlap * smaller
        iou = overlaps.iou[good]
        before = overlaps.reference_ids[overlaps.reference[good]]
        now = overlaps.predicted_ids[overlaps.predicted[good]]
        order = np.lexsort((now, before, -iou))
        return list(zip(before[order].tolist(), now[order].tolist(), iou[order].tolist()))

    def _divide(self, plane: NDArray[Any], ids: dict[int, int]) -> None:
        """Where a new object lies in a former one that goes on elsewhere, both are daughters."""
        goes_on = {former: number for number, former in ids.items()}
        for former, number, _ in self._pairs(plane, self._before[0]):
            sister = goes_on.get(former)
            if number in ids or sister is None:
                continue
            for daughter in (number, sister):
                ids[daughter] = self._new()
                self.parents[ids[daughter]] = former
            del goes_on[former]

    def _remember(self, plane: NDArray[np.int32]) -> None:
        """Keep this slice, and of those before what did not go on."""
        here = np.unique(plane)
        gone = np.union1d(here, list(self.parents.values()))
        kept = [np.where(np.isin(old, gone), 0, old) for old in self._before]
        self._before = [plane, *kept][: self.settings.gap + 1]


def linked_stack(labels: NDArray[Any], settings: Linking | None = None) -> NDArray[np.int32]:
    """Return a stack whose ids go through its slices.

    Parameters
    ----------
    labels
        Leading axes + (Y, X) ids; those along the last leading axis are linked, such as the z of
        every time.
    settings
        `Linking`, as it is when omitted.
    """
    if labels.ndim < 3:
        raise InputError(
            f"objects are linked through slices, but there is one only, of shape {labels.shape}: "
            "give a stack."
        )
    volumes = labels.reshape(-1, *labels.shape[-3:])
    found = [np.stack(list(linked(volume, settings))) for volume in volumes]
    return np.stack(found).reshape(labels.shape)


def linked(
    planes: Iterable[NDArray[Any]], settings: Linking | None = None
) -> Iterator[NDArray[np.int32]]:
    """Yield the slices of a stack with ids that go through all of them.

    Parameters
    ----------
    planes
        (Y, X) ids of each slice, in order; ids of different slices have nothing to do with each
        other.
    settings
        `Linking`, as it is when omitted.
    """
    linker = Linker(settings or Linking())
    for plane in planes:
        yield linker.next(plane)
