"""The training planes of one stack: normalised image, class indices and weights, as tensors.

Small planes are prepared whole, once, and kept in a cache; of large ones only
the window that a tile needs is read. Pixels of a validation region are hidden
here, before anything is computed from them: the image is 0 there, the labels
are background, and nothing within the guard is known.

Legend: ``(C, Y, X)`` plane, ``(C, h, w)`` window, M object maps, ``i`` flat index of a slice.
An *origin* is the row and column of the plane at which a tensor begins.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_unet.annotation.labels import Target, read_target
from napari_unet.annotation.object_distance import maps_of_window
from napari_unet.annotation.weights import TOLERANCE, target_weights
from napari_unet.images.stack import Intensity, Stack, sample_blocks
from napari_unet.network.tiles import read_mirrored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_unet.annotation.splits import Split
    from napari_unet.config.network import ObjectMap
    from napari_unet.config.weights import WeightConfig

__all__ = ["UNKNOWN", "PlaneCache", "TrainingPlanes", "read_truth", "weight_margin"]

UNKNOWN = 255  # class index of a pixel that is not annotated; classes are 0 … 254
WHOLE_PIXELS = 4096**2  # planes up to here are prepared whole
GAP = 1  # px; a gap between touching objects depends on the neighbours of a pixel
SURVEY_BLOCK = 512  # px, side of the squares in which a large plane's known pixels are counted
SAMPLE_PIXELS = 2**26  # labels read to measure class frequencies, at most
SAMPLE_WINDOW = 1024  # px, side of the squares read from planes that are too large

Origin: TypeAlias = tuple[int, int]
Range: TypeAlias = tuple[int, int]
T = TypeVar("T")


class PlaneCache:
    """What was prepared most recently, bounded by its bytes; safe to use from several threads.

    Parameters
    ----------
    limit
        Bytes. The newest entry is kept even if it alone is larger.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._entries: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[Any, ...], make: Callable[[], tuple[T, int]]) -> T:
        """Return the entry of `key`; `make` returns it and its bytes where it is missing."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                found: T = self._entries[key][0]
                return found
        made, size = make()  # unlocked: preparing one plane must not stop the use of another
        with self._lock:
            if key not in self._entries:
                self._entries[key] = (made, size)
                self.bytes += size
            while self.bytes > self.limit and len(self._entries) > 1:
                self.bytes -= self._entries.popitem(last=False)[1][1]
        return made

    def drop(self, token: object) -> None:
        """Forget all entries whose key begins with `token`."""
        with self._lock:
            for key in [key for key in self._entries if key[0] is token]:
                self.bytes -= self._entries.pop(key)[1]


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


def weight_margin(config: WeightConfig | None) -> int:
    """Pixels around a window that its weights depend on.

    A term a·exp(-d²/2σ²) falls below the tolerance t at d = σ·√(2 ln(a/t)), and
    is left out of the weight map from there on.
    """
    if config is None:
        return GAP
    terms = [(config.resolved_w0, config.resolved_sigma)]
    if config.preset == "fiji":
        terms.append((1.0, config.sigma1))
    reach = max(s * math.sqrt(2 * math.log(max(2 * a / TOLERANCE, 1.0))) for a, s in terms)
    return math.ceil(reach) + GAP


def read_truth(
    target: Target, config: WeightConfig | None, class_weights: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """(2, h, w): class index, UNKNOWN where not annotated; weight, 0 there."""
    truth = np.empty((2, *target.classes.shape), np.float32)
    truth[0] = np.where(target.known, target.classes, UNKNOWN)
    truth[1] = target.known if config is None else target_weights(target, config, class_weights)
    truth[1][~target.known] = 0
    return truth


class TrainingPlanes:
    """Reads what tiles of one stack need.

    Parameters
    ----------
    stack
        With labels.
    split
        Which slices train, and which region is hidden.
    intensity
        Limits of grey values.
    weights
        None: every annotated pixel weighs 1.
    cache
        Shared by all stacks of a sampler.
    maps
        Object maps that are wanted after class and weight.
    device
        Of the tensors.
    tile
        px, side of the input tile; planes not much larger are always prepared whole.

    Attributes
    ----------
    class_weights
        (K,) or None; set once they are measured, before the first weights are read.
    whole
        Whether planes are prepared whole.
    """

    def __init__(
        self,
        stack: Stack,
        split: Split,
        *,
        intensity: Intensity,
        weights: WeightConfig | None,
        cache: PlaneCache,
        maps: tuple[ObjectMap, ...] = (),
        device: torch.device | str = "cpu",
        tile: int = 572,
    ) -> None:
        self.stack = stack
        self.split = split
        self.class_weights: NDArray[np.float64] | None = None
        self._intensity = intensity
        self._weights = weights
        self._maps = maps
        self._cache = cache
        self._device = torch.device(device)
        self._image_token: object = object()
        self._truth_token: object = object()
        self.whole = self._prepares_whole(tile)

    def _prepares_whole(self, tile: int) -> bool:
        """Whole planes pay where they stay in the cache, or are hardly larger than a tile."""
        pixels = self.stack.plane_shape[0] * self.stack.plane_shape[1]
        fits = len(self.split.train) * pixels * 4 * self._planes_of_a_slice <= self._cache.limit
        return pixels <= (2 * tile) ** 2 or (pixels <= WHOLE_PIXELS and fits)

    @property
    def _planes_of_a_slice(self) -> int:
        return self.stack.channels + 2 + len(self._maps)

    def with_stack(self, stack: Stack) -> TrainingPlanes:
        """Return the planes of an edited stack; the images are kept if they are the same."""
        other = object.__new__(TrainingPlanes)
        other.__dict__.update(self.__dict__)
        other.stack = stack
        # A new token, not an emptied cache: a thread may be about to add to the old one.
        other._truth_token = object()
        self._cache.drop(self._truth_token)
        if stack.image is not self.stack.image:
            other._image_token = object()
            self._cache.drop(self._image_token)
        return other

    # -- image ------------------------------------------------------------------------------

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
            lambda r, c: self._image_inside(i, r, c), self.stack.plane_shape, rows, cols
        )
        return self._tensor(crop), (rows[0], cols[0])

    def _whole_image(self, i: int) -> tuple[Tensor, int]:
        plane = self._tensor(self._image_inside(i, *_everything(self.stack)))
        return plane, plane.nbytes

    def _image_inside(self, i: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        crop = self._limits(i).normalise(self.stack.image_crop(i, rows, cols))
        hidden = self.split.hidden(rows, cols)
        if hidden is not None:
            crop[:, hidden[0], hidden[1]] = 0  # the grey value `low`
        return crop

    def _limits(self, i: int) -> Intensity:
        if self._intensity.mode == "stack":
            return self._intensity
        return self._cache.get((self._image_token, "limits", i), lambda: (self._measure(i), 64))

    def _measure(self, i: int) -> Intensity:
        """Limits of slice `i`, from what is not hidden."""
        if self.split.region is None:
            return self._intensity.for_slice(self.stack, i)
        parts = []
        for _, rows, cols in sample_blocks(self.stack, slices=(i,)):
            block = self.stack.image_crop(i, rows, cols)
            seen = np.ones(block.shape[1:], bool)
            hidden = self.split.hidden(rows, cols)
            if hidden is not None:
                seen[hidden] = False
            parts.append(block[:, seen])
        values = np.concatenate(parts, axis=1)
        if values.shape[1] == 0:
            return replace(self._intensity, mode="stack")
        low, high = np.percentile(values, self._intensity.percentiles, axis=1)
        flat = ~(low < high)
        return replace(
            self._intensity,
            low=tuple(np.where(flat, self._intensity.low, low)),
            high=tuple(np.where(flat, self._intensity.high, high)),
            mode="stack",
        )

    # -- labels and weights -----------------------------------------------------------------

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
            lambda r, c: self._truth_inside(i, r, c), self.stack.plane_shape, rows, cols
        )
        return self._tensor(crop), (rows[0], cols[0])

    def _whole_truth(self, i: int) -> Truth:
        def make() -> tuple[Truth, int]:
            truth = self._truth_inside(i, *_everything(self.stack))
            known = np.flatnonzero(truth[0] != UNKNOWN)
            every = known.size == truth[0].size
            size = truth.nbytes + (0 if every else known.nbytes)
            return Truth(self._tensor(truth), None if every else known), size

        return self._cache.get((self._truth_token, i), make)

    def _truth_inside(self, i: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Weights of the window, computed on a larger one so that they match the whole plane's."""
        margin = weight_margin(self._weights)
        Y, X = self.stack.plane_shape
        top, left = max(0, rows.start - margin), max(0, cols.start - margin)
        grown = slice(top, min(Y, rows.stop + margin)), slice(left, min(X, cols.stop + margin))
        truth = read_truth(self.target(i, *grown), self._weights, self.class_weights)
        truth = truth[:, rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
        if not self._maps:
            return truth
        return np.concatenate([truth, self._maps_inside(i, rows, cols)])

    def _maps_inside(self, i: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        """(M, h, w) object maps of a window, in which objects keep what they are outside of it."""
        return maps_of_window(
            lambda r, c: self.target(i, r, c, gap=False), self._maps, (rows, cols),
            self.stack.plane_shape, self.split.region,
        )  # fmt: skip

    def target(self, i: int, rows: slice, cols: slice, *, gap: bool = True) -> Target:
        """Return the target of a window inside the plane, blind to the validation region.

        Without the gap touching objects go on touching, whatever the scheme says.
        """
        labels, scheme = self.stack.label_crop(i, rows, cols), self.stack.scheme
        assert scheme is not None  # a stack with labels has one
        scheme = scheme if gap else replace(scheme, gap=False)
        hidden = self.split.hidden(rows, cols)
        if hidden is None:
            target = read_target(labels, scheme)
        else:
            labels = labels.copy()
            labels[hidden] = 0 if scheme.annotation == "sparse" else scheme.values[0]
            target = read_target(labels, scheme)
        unknown = self.split.untrained(rows, cols)
        if unknown is not None:
            target.known[unknown] = False
            target.classes[unknown] = 0
        return target

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
        scheme = self.stack.scheme
        assert scheme is not None
        partial = scheme.annotation == "sparse" or scheme.ignore is not None
        if not partial and self.split.region is None:
            return None
        blocks, counts = self._survey(i)
        total = int(counts.sum())
        if total == 0:
            return None
        block = blocks[int(np.searchsorted(np.cumsum(counts), int(pick * total), side="right"))]
        rows, cols = block
        ys, xs = np.nonzero(self._known(i, rows, cols))
        k = int(rng.integers(len(ys))) if len(ys) else 0
        return (rows.start + int(ys[k]), cols.start + int(xs[k])) if len(ys) else None

    def _survey(self, i: int) -> tuple[list[tuple[slice, slice]], NDArray[np.int64]]:
        """Known pixels of a large slice, counted square by square; read once."""

        def make() -> tuple[tuple[list[tuple[slice, slice]], NDArray[np.int64]], int]:
            blocks = list(_blocks(self.stack.plane_shape, SURVEY_BLOCK))
            counts = np.array([np.count_nonzero(self._known(i, *b)) for b in blocks])
            return (blocks, counts), 512 * len(blocks)

        return self._cache.get((self._truth_token, "survey", i), make)

    def _known(self, i: int, rows: slice, cols: slice) -> NDArray[np.bool_]:
        """Where a window is annotated; cheaper than its whole target."""
        labels, scheme = self.stack.label_crop(i, rows, cols), self.stack.scheme
        assert scheme is not None
        known = np.ones(labels.shape, bool)
        if scheme.annotation == "sparse":
            known &= labels != 0
        if scheme.ignore is not None:
            known &= labels != scheme.ignore
        unknown = self.split.untrained(rows, cols)
        if unknown is not None:
            known[unknown] = False
        return known

    def sample_targets(self) -> Iterator[Target]:
        """Targets to measure class frequencies on: all training slices, or an even sample."""
        train = self.split.train
        Y, X = self.stack.plane_shape
        if Y * X <= WHOLE_PIXELS:
            count = min(len(train), max(1, SAMPLE_PIXELS // (Y * X)))
            for k in np.unique(np.linspace(0, len(train) - 1, count).astype(int)):
                yield self.target(train[k], *_everything(self.stack))
            return
        windows = list(_blocks((Y, X), SAMPLE_WINDOW))
        every = [(i, window) for i in train for window in windows]
        count = min(len(every), SAMPLE_PIXELS // SAMPLE_WINDOW**2)
        for k in np.unique(np.linspace(0, len(every) - 1, count).astype(int)):
            i, (rows, cols) = every[k]
            yield self.target(i, rows, cols)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self._device)


def _everything(stack: Stack) -> tuple[slice, slice]:
    Y, X = stack.plane_shape
    return slice(0, Y), slice(0, X)


def _blocks(shape: tuple[int, int], side: int) -> Iterator[tuple[slice, slice]]:
    for y in range(0, shape[0], side):
        for x in range(0, shape[1], side):
            yield slice(y, min(y + side, shape[0])), slice(x, min(x + side, shape[1]))
