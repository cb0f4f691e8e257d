"""The planes of one stack as tensors on the device, from which tiles are cut.

Small planes are prepared whole, once, and kept in a cache; of large ones only the window that a
tile needs is read.

Legend: ``(C, Y, X)`` plane, ``(C, h, w)`` window, ``i`` flat index of a slice.
An *origin* is the row and column of the plane at which a tensor begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from napari_unet.network.tiles import read_mirrored
from napari_unet.training.planes import UNKNOWN, WHOLE_PIXELS, everything, squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack
    from napari_unet.training.plane_cache import PlaneCache
    from napari_unet.training.planes import SeenImages, SeenTruth

__all__ = ["PlaneTensors"]

SURVEY_BLOCK = 512  # px, side of the squares in which a large plane's known pixels are counted

Origin: TypeAlias = tuple[int, int]
Range: TypeAlias = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Truth:
    """What a plane should become.

    Attributes
    ----------
    planes
        (2 + M, Y, X) float32: class index (UNKNOWN where not annotated), weight, object maps
        (NaN where not known).
    known
        Flat indices of the annotated pixels, class by class; None if all are.
    counts
        (K,) annotated pixels of each class.
    """

    planes: Tensor
    known: NDArray[np.int64] | None
    counts: NDArray[np.int64]

    @property
    def bytes(self) -> int:
        """What it takes of a cache."""
        return self.planes.nbytes + (0 if self.known is None else self.known.nbytes)


class PlaneTensors:
    """Hands out what tiles of one stack need.

    Parameters
    ----------
    images, truth
        Read it.
    cache
        Shared by all stacks of a sampler.
    device
        Of the tensors.
    tile
        px, side of the input tile; planes not much larger are always prepared whole.

    Attributes
    ----------
    whole
        Whether planes are prepared whole.
    """

    def __init__(
        self,
        images: SeenImages,
        truth: SeenTruth,
        cache: PlaneCache,
        *,
        device: torch.device | str = "cpu",
        tile: int = 572,
    ) -> None:
        self.images, self.seen_truth = images, truth
        self._cache = cache
        self._device = torch.device(device)
        self._image_token: object = object()
        self._truth_token: object = object()
        self._edits: dict[int, int] = {}  # slice -> how often its labels were painted in
        self.whole = self._prepares_whole(tile)

    @property
    def stack(self) -> Stack:
        """The stack as it is seen."""
        return self.seen_truth.stack

    def _prepares_whole(self, tile: int) -> bool:
        """Whole planes pay where they stay in the cache, or are hardly larger than a tile."""
        pixels = self.stack.plane_shape[0] * self.stack.plane_shape[1]
        planes = self.stack.channels + 2 + len(self.seen_truth.maps)
        slices = len(self.seen_truth.split.train)
        fits = slices * planes * pixels * 4 <= self._cache.limit
        return pixels <= (2 * tile) ** 2 or (pixels <= WHOLE_PIXELS and fits)

    def edited(self, images: SeenImages, truth: SeenTruth) -> PlaneTensors:
        """Return those of an edited stack; what was kept of its images is, if they are the same."""
        other = object.__new__(PlaneTensors)
        other.__dict__.update(self.__dict__)
        other.images, other.seen_truth = images, truth
        # A new token, not an emptied cache: a thread may be about to add to the old one.
        other._truth_token = object()
        other._edits = {}
        self._cache.drop(self._truth_token)
        if images.stack.image is not self.images.stack.image:
            other._image_token = object()
            self._cache.drop(self._image_token)
        return other

    def renewed(self, i: int, box: Region | None) -> PlaneTensors:
        """Return the planes after labels of one slice changed in place; the others are kept.

        Parameters
        ----------
        i
            The slice.
        box
            Where: y0, y1, x0, x1; None: anywhere in it.
        """
        other = object.__new__(PlaneTensors)
        other.__dict__.update(self.__dict__)
        other._edits = {**self._edits, i: self._edits.get(i, 0) + 1}
        truth = self._cache.take(self._key(i))
        survey = self._cache.take((*self._key(i), "survey"))
        if box is not None and truth is not None and self.seen_truth.is_local:
            # In place: a batch that is made of it meanwhile is thrown away.
            self._cache.get(other._key(i), lambda: self._patched(truth, i, box))
        if box is not None and survey is not None:
            blocks, counts = survey[0], survey[1].copy()
            for k, (rows, cols) in enumerate(blocks):
                if _meet(rows, box[:2]) and _meet(cols, box[2:]):
                    counts[k] = self._count(i, rows, cols)
            size = 512 * len(blocks)
            self._cache.get((*other._key(i), "survey"), lambda: ((blocks, counts), size))
        return other

    def _patched(self, truth: Truth, i: int, box: Region) -> tuple[Truth, int]:
        """Renew a plane in a box; a stroke must not cost as much as the plane is large."""
        (y0, y1, x0, x1), (Y, X), reach = box, self.stack.plane_shape, self.seen_truth.reach
        rows = slice(max(0, y0 - reach), min(Y, y1 + reach))
        cols = slice(max(0, x0 - reach), min(X, x1 + reach))
        window = self.seen_truth.window(i, rows, cols)
        truth.planes[:, rows, cols] = self._tensor(window)
        if truth.known is None:
            return self._surveyed(truth.planes)
        parts = []
        for k, part in enumerate(np.split(truth.known, np.cumsum(truth.counts)[:-1])):
            first, last = np.searchsorted(part, (rows.start * X, rows.stop * X))
            there = part[first:last]
            stays = there[(there % X < cols.start) | (there % X >= cols.stop)]
            y, x = np.nonzero(window[0] == k)
            new = (y + rows.start) * X + x + cols.start
            parts.append(
                np.concatenate([part[:first], np.sort(np.concatenate([stays, new])), part[last:]])
            )
        known = np.concatenate(parts)
        if known.size == Y * X:
            return self._surveyed(truth.planes)
        renewed = Truth(truth.planes, known, np.array([len(part) for part in parts]))
        return renewed, renewed.bytes

    def _surveyed(self, planes: Tensor) -> tuple[Truth, int]:
        """Find the known pixels of a plane, class by class; also its bytes."""
        classes = planes[0].cpu().numpy().ravel()
        known = np.flatnonzero(classes != UNKNOWN)
        of_known = classes[known].astype(np.uint8)
        counts = np.bincount(of_known, minlength=self.seen_truth.scheme.n_classes)
        in_order = known[np.argsort(of_known, kind="stable")] if known.size < classes.size else None
        truth = Truth(planes, in_order, counts)
        return truth, truth.bytes

    def _key(self, i: int) -> tuple[Any, ...]:
        return self._truth_token, i, self._edits.get(i, 0)

    def image(self, i: int, rows: Range, cols: Range) -> tuple[Tensor, Origin]:
        """Return the normalised image around a window, which may reach beyond the plane.

        Returns
        -------
        Tensor
            (C, h, w) float32: the whole plane, or the window mirrored at the borders.
        (int, int)
            Its origin.
        """
        if self.whole:
            return self._cache.get((self._image_token, i), lambda: self._whole_image(i)), (0, 0)
        crop = read_mirrored(
            lambda r, c: self.images.window(i, r, c), self.stack.plane_shape, rows, cols
        )
        return self._tensor(crop), (rows[0], cols[0])

    def _whole_image(self, i: int) -> tuple[Tensor, int]:
        plane = self._tensor(self.images.window(i, *everything(self.stack)))
        return plane, plane.nbytes

    def truth(self, i: int, rows: Range, cols: Range) -> tuple[Tensor, Origin]:
        """Return class, weight and object maps around a window, which may exceed the plane.

        Returns
        -------
        Tensor
            (2 + M, h, w) float32, see `Truth`: the whole plane, or the mirrored window.
        (int, int)
            Its origin.
        """
        if self.whole:
            return self._whole_truth(i).planes, (0, 0)
        crop = read_mirrored(
            lambda r, c: self.seen_truth.window(i, r, c), self.stack.plane_shape, rows, cols
        )
        return self._tensor(crop), (rows[0], cols[0])

    def _whole_truth(self, i: int) -> Truth:
        def make() -> tuple[Truth, int]:
            truth = self.seen_truth.window(i, *everything(self.stack))
            return self._surveyed(self._tensor(truth))

        return self._cache.get(self._key(i), make)

    # -- where there is something to learn --------------------------------------------------

    def draw_pixel(
        self, i: int, side: int, rng: np.random.Generator, of_class: int | None = None
    ) -> tuple[int, int]:
        """Draw the middle of an output tile, so that known pixels are equally likely to be in it.

        Where all pixels are known, any pixel of the plane is the middle with the
        same probability. Otherwise a known pixel is drawn first, and then where
        in the tile it lies.

        Parameters
        ----------
        i
            The slice.
        side
            px, of the output tile.
        rng
            Source of randomness.
        of_class
            The known pixel is of this class, of which the slice has some; None: of any.

        Returns
        -------
        (int, int)
            Row and column, inside the plane.
        """
        shape = self.stack.plane_shape
        y, x = (int(rng.integers(n)) for n in shape)
        shift = rng.integers(side // 2 - side + 1, side // 2 + 1, size=2)
        pick = float(rng.random())
        known = self._known_pixel(i, pick, rng, of_class)
        if known is None:
            return y, x
        moved = (int(k + s) for k, s in zip(known, shift))
        a, b = (min(max(m, 0), n - 1) for m, n in zip(moved, shape))
        return a, b

    def _known_pixel(
        self, i: int, pick: float, rng: np.random.Generator, of_class: int | None
    ) -> Origin | None:
        """Any known pixel of slice `i`; None where all are known, or none is."""
        chosen = slice(None) if of_class is None else slice(of_class, of_class + 1)
        if self.whole:
            known = self._whole_truth(i).known
            if known is None or not known.size:
                return None
            counts = self.class_counts(i)
            k = int(counts[: of_class or 0].sum()) + int(pick * counts[chosen].sum())
            y, x = divmod(int(known[k]), self.stack.plane_shape[1])
            return y, x
        if not self.seen_truth.may_be_partial:
            return None
        blocks, per_class = self._survey(i)
        counts = per_class[:, chosen].sum(1)
        total = int(counts.sum())
        if total == 0:
            return None
        block = int(np.searchsorted(np.cumsum(counts), int(pick * total), side="right"))
        rows, cols = blocks[block]
        wanted = self.seen_truth.known(i, rows, cols)
        if of_class is not None:
            wanted &= self.seen_truth.target(i, rows, cols).classes == of_class
        ys, xs = np.nonzero(wanted)
        k = int(rng.integers(len(ys)))
        return rows.start + int(ys[k]), cols.start + int(xs[k])

    def _survey(self, i: int) -> tuple[list[tuple[slice, slice]], NDArray[np.int64]]:
        """Known pixels of each class in a large slice, square by square; read once."""

        def make() -> tuple[tuple[list[tuple[slice, slice]], NDArray[np.int64]], int]:
            blocks = list(squares(self.stack.plane_shape, SURVEY_BLOCK))
            counts = np.array([self._count(i, *block) for block in blocks])
            return (blocks, counts), 512 * len(blocks)

        return self._cache.get((*self._key(i), "survey"), make)

    def _count(self, i: int, rows: slice, cols: slice) -> NDArray[np.int64]:
        """Known pixels of each class in a window: (K,)."""
        truth, classes = self.seen_truth, self.seen_truth.scheme.n_classes
        known = truth.known(i, rows, cols)
        if not known.any():
            return np.zeros(classes, np.int64)
        return np.bincount(truth.target(i, rows, cols).classes[known], minlength=classes)

    def class_counts(self, i: int) -> NDArray[np.int64]:
        """Pixels of each class that slice `i` has to learn from: (K,)."""
        if not self.whole:
            total: NDArray[np.int64] = self._survey(i)[1].sum(0)
            return total
        return self._whole_truth(i).counts

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self._device)


def _meet(part: slice, other: tuple[int, int]) -> bool:
    return bool(part.start < other[1] and other[0] < part.stop)
