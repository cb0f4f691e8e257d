"""What the network sees of a slice, and what it should answer there, window by window.

Blind readers are for training: what validates is hidden before anything is computed. The image is
0 there, the labels are background, and nothing within the guard is known. The others are for
measuring. Numpy alone; `plane_tensors` keeps what tiles are cut from.

Legend: ``(C, h, w)`` window inside the plane, ``M`` object maps, ``i`` flat index of a slice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.annotation.labels import Target, read_target
from napari_unet.annotation.object_distance import maps_of_window
from napari_unet.annotation.weights import TOLERANCE, target_weights
from napari_unet.images.intensity import check_finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.annotation.splits import Split
    from napari_unet.config.network import ObjectMap
    from napari_unet.config.weights import WeightConfig
    from napari_unet.images.stack import Intensity, Stack

__all__ = ["UNKNOWN", "WHOLE_PIXELS", "SeenImages", "SeenTruth", "everything", "squares"]

UNKNOWN = 255  # class index of a pixel that is not annotated; classes are 0 … 254
WHOLE_PIXELS = 4096**2  # planes up to here are prepared whole
GAP = 1  # px; a gap between touching objects depends on the neighbours of a pixel
SAMPLE_PIXELS = 2**26  # labels read to measure class frequencies, at most
SAMPLE_WINDOW = 1024  # px, side of the squares read from planes that are too large


@dataclass(frozen=True, eq=False)
class SeenImages:
    """Reads the slices of one stack as the network gets them.

    Attributes
    ----------
    stack
        As it is seen.
    split
        What validates.
    limits
        Grey values that become 0 and 1.
    blind
        Hide what validates.
    """

    stack: Stack
    split: Split
    limits: Intensity
    blind: bool = True
    _by_slice: dict[int, Intensity] = field(default_factory=dict, init=False, repr=False)

    def window(self, i: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Read a window: (C, h, w) float32, normalised.

        Raises
        ------
        InputError
            Where a grey value is not a number, or infinite.
        """
        raw = self.stack.image_crop(i, rows, cols)
        crop = self._limits(i).normalise(raw)
        hidden = self.split.hidden(rows, cols) if self.blind else None
        if hidden is not None:
            crop[:, hidden[0], hidden[1]] = 0  # the grey value `low`
        if self.stack.dtype.kind == "f":
            check_finite(crop, raw, i, self.stack)
        return crop

    def _limits(self, i: int) -> Intensity:
        if self.limits.mode == "stack":
            return self.limits
        if i not in self._by_slice:
            self._by_slice[i] = self.limits.for_slice(
                self.stack, i, self.split if self.blind else None
            )
        return self._by_slice[i]


@dataclass(frozen=True, eq=False)
class SeenTruth:
    """Reads what the network should answer in the slices of one stack, and what it weighs.

    Attributes
    ----------
    stack
        As it is seen, with labels.
    split
        What validates.
    weights
        None: every annotated pixel weighs 1.
    class_weights
        (K,), as measured on what trains; None: 1 each.
    maps
        Object maps that are wanted after class and weight.
    blind
        Hide what validates.
    """

    stack: Stack
    split: Split
    weights: WeightConfig | None
    class_weights: NDArray[np.float64] | None = None
    maps: tuple[ObjectMap, ...] = ()
    blind: bool = True

    @property
    def scheme(self) -> LabelScheme:
        """What the labels mean."""
        assert self.stack.scheme is not None  # a stack with labels has one
        return self.stack.scheme

    @property
    def reach(self) -> int:
        """Pixels around a label that the truth may depend on it in."""
        return _weight_margin(self.weights)

    @property
    def is_local(self) -> bool:
        """Whether the truth of a pixel depends on labels within `reach` alone.

        The parts of a class are joined across the plane, which the border term asks for.
        """
        config = self.weights
        if self.maps:  # how far the middle of an object is from its rim depends on all of it
            return False
        has_border = config is not None and (config.preset == "fiji" or config.resolved_w0 > 0)
        return not has_border or self.scheme.kind == "objects"

    def window(self, i: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Read a window; its weights are those of the whole plane.

        Returns
        -------
        numpy.ndarray
            (2 + M, h, w) float32: class index, UNKNOWN where not annotated; weight, 0 there;
            object maps, NaN where not known.
        """
        margin = self.reach
        Y, X = self.stack.plane_shape
        top, left = max(0, rows.start - margin), max(0, cols.start - margin)
        grown = slice(top, min(Y, rows.stop + margin)), slice(left, min(X, cols.stop + margin))
        target = self.target(i, *grown)
        inner = (
            slice(rows.start - top, rows.stop - top),
            slice(cols.start - left, cols.stop - left),
        )
        shape = rows.stop - rows.start, cols.stop - cols.start
        truth = np.empty((2 + len(self.maps), *shape), np.float32)
        truth[0] = np.where(target.known, target.classes, UNKNOWN)[inner]
        truth[1] = self._weigh(target)[inner]
        if self.maps:
            truth[2:] = self._object_maps(i, rows, cols)
        return truth

    def _object_maps(self, i: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        """(M, h, w) object maps of a window, in which objects keep what they are outside of it."""
        return maps_of_window(
            lambda r, c: self.target(i, r, c, gap=False),
            self.maps,
            (rows, cols),
            self.stack.plane_shape,
            self.split.hidden_region if self.blind else None,
        )

    def _weigh(self, target: Target) -> NDArray[np.float32]:
        if self.weights is None:
            return target.known.astype(np.float32)
        weights = target_weights(target, self.weights, self.class_weights)
        weights[~target.known] = 0
        return weights

    def target(self, i: int, rows: slice, cols: slice, *, gap: bool = True) -> Target:
        """Return the target of a window.

        Without the gap touching objects go on touching, whatever the scheme says.
        """
        labels = self.stack.label_crop(i, rows, cols)
        scheme = self.scheme if gap else replace(self.scheme, gap=False)
        hidden = self.split.hidden(rows, cols) if self.blind else None
        if hidden is not None:
            labels = labels.copy()
            labels[hidden] = 0 if self.scheme.annotation == "sparse" else self.scheme.values[0]
        target = read_target(labels, scheme)
        for part in self._unknown(i, rows, cols):
            target.known[part] = False
            target.classes[part] = 0
        return target

    def _unknown(
        self, i: int, rows: slice, cols: slice
    ) -> Iterator[tuple[slice, slice] | NDArray[np.bool_]]:
        """Parts of a window from which nothing may be learnt, whatever the labels say."""
        near = self.split.untrained(rows, cols) if self.blind else None
        if near is not None:
            yield near
        outside = self.stack.outside_crop(i, rows, cols)
        if outside is not None:
            yield outside

    @property
    def may_be_partial(self) -> bool:
        """Whether a pixel of a slice may be unknown."""
        scheme = self.scheme
        ignores = scheme.annotation == "sparse" or scheme.ignore is not None
        return ignores or self.split.region is not None or self.stack.outside is not None

    def known(self, i: int, rows: slice, cols: slice) -> NDArray[np.bool_]:
        """Where a window is annotated, (h, w) bool; cheaper than its whole target."""
        labels, scheme = self.stack.label_crop(i, rows, cols), self.scheme
        known = np.ones(labels.shape, bool)
        if scheme.annotation == "sparse":
            known &= labels != 0
        if scheme.ignore is not None:
            known &= labels != scheme.ignore
        for part in self._unknown(i, rows, cols):
            known[part] = False
        return known

    def sample_targets(self) -> Iterator[Target]:
        """Targets to measure class frequencies on: all training slices, or an even sample."""
        train = self.split.train
        Y, X = self.stack.plane_shape
        if Y * X <= WHOLE_PIXELS:
            count = min(len(train), max(1, SAMPLE_PIXELS // (Y * X)))
            for k in np.unique(np.linspace(0, len(train) - 1, count).astype(int)):
                yield self.target(train[k], *everything(self.stack))
            return
        windows = list(squares((Y, X), SAMPLE_WINDOW))
        every = [(i, window) for i in train for window in windows]
        count = min(len(every), SAMPLE_PIXELS // SAMPLE_WINDOW**2)
        for k in np.unique(np.linspace(0, len(every) - 1, count).astype(int)):
            i, (rows, cols) = every[k]
            yield self.target(i, rows, cols)


def _weight_margin(config: WeightConfig | None) -> int:
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


def everything(stack: Stack) -> tuple[slice, slice]:
    """Rows and columns of a whole plane."""
    Y, X = stack.plane_shape
    return slice(0, Y), slice(0, X)


def squares(shape: tuple[int, int], side: int) -> Iterator[tuple[slice, slice]]:
    """Cut a plane into squares; those at its end may be smaller."""
    Y, X = shape
    for y in range(0, Y, side):
        for x in range(0, X, side):
            yield slice(y, min(Y, y + side)), slice(x, min(X, x + side))
