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
        Flat indices of the annotated pixels; None if all are.
    """

    planes: Tensor
    known: NDArray[np.int64] | None


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
        self._cache.drop(self._truth_token)
        if images.stack.image is not self.images.stack.image:
            other._image_token = object()
            self._cache.drop(self._image_token)
        return other

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
            known = np.flatnonzero(truth[0] != UNKNOWN)
            every = known.size == truth[0].size
            size = truth.nbytes + (0 if every else known.nbytes)
            return Truth(self._tensor(truth), None if every else known), size

        return self._cache.get((self._truth_token, i), make)

    # -- where there is something to learn --------------------------------------------------

    def draw_pixel(self, i: int, side: int, rng: np.random.Generator) -> tuple[int, int]:
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

        Returns
        -------
        (int, int)
            Row and column, inside the plane.
        """
        shape = self.stack.plane_shape
        y, x = (int(rng.integers(n)) for n in shape)
        shift = rng.integers(side // 2 - side + 1, side // 2 + 1, size=2)
        pick = float(rng.random())
        known = self._known_pixel(i, pick, rng)
        if known is None:
            return y, x
        moved = (int(k + s) for k, s in zip(known, shift))
        a, b = (min(max(m, 0), n - 1) for m, n in zip(moved, shape))
        return a, b

    def _known_pixel(self, i: int, pick: float, rng: np.random.Generator) -> Origin | None:
        """Any known pixel of slice `i`; None where all are known, or none is."""
        if self.whole:
            known = self._whole_truth(i).known
            if known is None or not known.size:
                return None
            y, x = divmod(int(known[int(pick * known.size)]), self.stack.plane_shape[1])
            return y, x
        if not self.seen_truth.may_be_partial:
            return None
        blocks, counts = self._survey(i)
        total = int(counts.sum())
        if total == 0:
            return None
        block = blocks[int(np.searchsorted(np.cumsum(counts), int(pick * total), side="right"))]
        rows, cols = block
        ys, xs = np.nonzero(self.seen_truth.known(i, rows, cols))
        k = int(rng.integers(len(ys))) if len(ys) else 0
        return (rows.start + int(ys[k]), cols.start + int(xs[k])) if len(ys) else None

    def _survey(self, i: int) -> tuple[list[tuple[slice, slice]], NDArray[np.int64]]:
        """Known pixels of a large slice, counted square by square; read once."""

        def make() -> tuple[tuple[list[tuple[slice, slice]], NDArray[np.int64]], int]:
            blocks = list(squares(self.stack.plane_shape, SURVEY_BLOCK))
            counts = np.array([np.count_nonzero(self.seen_truth.known(i, *b)) for b in blocks])
            return (blocks, counts), 512 * len(blocks)

        return self._cache.get((self._truth_token, "survey", i), make)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self._device)
