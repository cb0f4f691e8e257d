"""Grey values: which become 0 and which 1, measured on a bounded sample of a stack.

Legend: ``C`` channels, ``(Y, X)`` plane, ``n`` sampled pixels.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.annotation.splits import Split
    from napari_unet.images.stack import Stack

__all__ = [
    "Block",
    "Intensity",
    "check_finite",
    "not_finite",
    "read_sample",
    "sample_blocks",
    "slice_range",
    "training_limits",
]

Block: TypeAlias = tuple[int, slice, slice]

# A sample of grey values: enough for stable percentiles, small enough to read from a network.
SAMPLE_PIXELS = 2**24  # read whole up to here (the EM stack has 7.9 million pixels)
SAMPLE_SLICES = 16
SAMPLE_BLOCK = 512  # px, side of the squares read from planes that are too large
NARROW = 2.0**126  # grey values whose differences float32 holds
SAMPLE_GRID = 4  # squares per side of such a plane


@dataclass(frozen=True)
class Intensity:
    """The grey values that become 0 and 1, one pair per channel.

    Measured once on a stack and stored in the model, so that a tile is
    normalised the same way in training and in prediction, wherever it lies.

    Parameters
    ----------
    low, high
        Grey values that become 0 and 1, one per channel.
    mode
        "stack": the same limits for every slice. "image": limits measured anew
        on each whole slice, which evens out illumination that drifts along the
        stack but also hides real differences of brightness between slices.
    percentiles
        The percentiles that ``low`` and ``high`` are.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mode: Literal["stack", "image"] = "stack"
    percentiles: tuple[float, float] = (0.5, 99.5)

    def __post_init__(self) -> None:
        for name in ("low", "high", "percentiles"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        if len(self.low) != len(self.high) or not self.low:
            raise InputError(
                "intensity limits must have one low and one high value per channel, "
                f"got {len(self.low)} and {len(self.high)}: give as many of each."
            )
        if not all(a < b and math.isfinite(b - a) for a, b in zip(self.low, self.high)):
            raise InputError(
                "every low intensity limit must be below its high limit, at a finite distance, "
                f"got {self.low} and {self.high}: measure the limits anew."
            )
        if self.mode not in ("stack", "image"):
            raise InputError(
                f"intensity mode must be 'stack' or 'image', got {self.mode!r}: choose one of them."
            )
        _check_percentiles(self.percentiles)

    def normalise(self, planes: NDArray[Any]) -> NDArray[np.float32]:
        """Map grey values linearly so that ``low`` becomes 0 and ``high`` becomes 1.

        Parameters
        ----------
        planes
            (C, ..., Y, X), any real dtype. In mode "image" these must be whole
            slices of one image; for a crop, use ``for_slice(stack, i)`` first.

        Returns
        -------
        numpy.ndarray
            Same shape, float32, not clipped.

        Raises
        ------
        InputError
            When the number of channels is another one.
        """
        if planes.shape[0] != len(self.low):
            raise InputError(
                f"expected {len(self.low)} channels, as the intensity limits have, got "
                f"{planes.shape[0]}: use an image with the channels of the training stack."
            )
        limits = self._limits_of(planes.reshape(len(self.low), -1)) if self._per_image else self
        # 32-bit integers and float64 lose digits in float32 before the offset is taken away.
        narrow = planes.dtype.itemsize <= 2 or planes.dtype == np.float32
        narrow = narrow and max(map(abs, (*limits.low, *limits.high))) < NARROW
        exact = np.dtype(np.float32 if narrow else np.float64)
        ones = (-1,) + (1,) * (planes.ndim - 1)
        low = np.array(limits.low).reshape(ones)
        span = np.array(limits.high).reshape(ones) - low
        result: NDArray[Any] = planes.astype(exact)
        result -= low
        with np.errstate(over="ignore"):  # `check_finite` says so, where somebody asks
            result /= span
            return result.astype(np.float32, copy=False)

    def for_slice(self, stack: Stack, i: int, split: Split | None = None) -> Intensity:
        """Return the limits of slice ``i``: itself in mode "stack", measured in mode "image".

        A slice or channel of one grey value keeps the limits of the stack, and so does one of
        which ``split`` hides everything.
        """
        if not self._per_image:
            return self
        values = read_sample(stack, sample_blocks(stack, slices=(i,)), split)
        return self._limits_of(values) if values.size else replace(self, mode="stack")

    @property
    def _per_image(self) -> bool:
        return self.mode == "image"

    def _limits_of(self, values: NDArray[Any]) -> Intensity:
        """Limits of values (C, n), as a plain "stack" intensity."""
        low, high = _percentile_limits(values, self.percentiles)
        constant = low == high
        low, high = np.where(constant, self.low, low), np.where(constant, self.high, high)
        return replace(self, low=tuple(low), high=tuple(high), mode="stack")

    @classmethod
    def measure(
        cls,
        stack: Stack,
        percentiles: tuple[float, float] = (0.5, 99.5),
        mode: Literal["stack", "image"] = "stack",
        *,
        split: Split | None = None,
    ) -> Intensity:
        """Measure the limits on a stack.

        Reads all of a stack of up to 16.8 million pixels per channel; of a
        larger one a fixed set of slices and squares, the same every time.

        Parameters
        ----------
        stack
            The stack.
        percentiles
            Of all grey values of a channel.
        mode
            Kept in the result.
        split
            Leaves out every pixel that validates, so that nothing of it
            reaches training. None: all pixels count.

        Raises
        ------
        InputError
            When a value is NaN or infinite, or the whole image has one grey value.
        """
        _check_percentiles(percentiles)
        values = _seen_values(stack, split)
        low, high = _percentile_limits(values, percentiles)
        if np.all(low == high):
            raise InputError(
                f"expected an image with different grey values, but {stack.name!r} is constant "
                f"({low[0]:g} everywhere): choose the image and not, for example, an empty layer."
            )
        # One empty channel among others (an opaque alpha channel) becomes 0 throughout.
        high = np.where(low == high, low + np.maximum(1.0, np.abs(low)), high)
        return cls(tuple(low), tuple(high), mode, percentiles)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Intensity:
        """Rebuild from ``to_dict``."""
        return cls(**data)


def training_limits(
    stacks: Sequence[Stack],
    splits: Sequence[Split],
    mode: Literal["stack", "image"] = "stack",
) -> Intensity:
    """Measure the limits that a training on these stacks uses.

    Several stacks share one pair of limits per channel, the widest, so that
    equal grey values stay equal. Pixels that validate take no part.

    Parameters
    ----------
    stacks
        All with the same channels.
    splits
        One per stack.
    mode
        Kept in the result.

    Raises
    ------
    InputError
        When a value is NaN or infinite, also where it validates, or when what
        trains has one grey value only.
    """
    for stack, split in zip(stacks, splits):
        if split.region is None:  # else they are read with the slices that train
            read_sample(stack, sample_blocks(stack, split.validation))
    measured = [Intensity.measure(a, mode=mode, split=b) for a, b in zip(stacks, splits)]
    return replace(
        measured[0],
        low=tuple(np.min([one.low for one in measured], axis=0).tolist()),
        high=tuple(np.max([one.high for one in measured], axis=0).tolist()),
    )


def _seen_values(stack: Stack, split: Split | None) -> NDArray[Any]:
    """Grey values (C, n) of a sample of the pixels that do not validate."""
    if split is None:
        return read_sample(stack, sample_blocks(stack))
    if split.region is None:
        seen = sorted(set(range(stack.n_slices)) - set(split.validation))
        return read_sample(stack, sample_blocks(stack, seen))
    values = read_sample(stack, sample_blocks(stack), split)
    if values.shape[1] == 0:
        raise InputError(
            f"the validation region {split.region} leaves no pixel of {stack.name!r} to measure "
            "the grey values on: draw a smaller region."
        )
    return values


def sample_blocks(stack: Stack, slices: Sequence[int] | None = None) -> Iterator[Block]:
    """Choose where to read a bounded sample of a stack, the same places every time.

    Parameters
    ----------
    stack
        The stack.
    slices
        Only of these; None: of all.

    Yields
    ------
    tuple of int, slice, slice
        Slice index, rows and columns. They cover the whole stack when it has
        no more than 16.8 million pixels; otherwise at most 16 slices evenly
        spaced, and 16 squares of 512 px in each of them that is too large.
    """
    Y, X = stack.plane_shape
    chosen = range(stack.n_slices) if slices is None else slices
    whole = len(chosen) * Y * X <= SAMPLE_PIXELS
    if not whole:
        places = np.linspace(0, len(chosen) - 1, min(len(chosen), SAMPLE_SLICES)).round()
        chosen = [chosen[int(k)] for k in np.unique(places)]
        whole = len(chosen) * Y * X <= SAMPLE_PIXELS
    for i in chosen:
        if whole:
            yield i, slice(0, Y), slice(0, X)
        else:
            yield from ((i, r, c) for r in _sample_spans(Y) for c in _sample_spans(X))


def _sample_spans(n: int) -> list[slice]:
    """At most ``SAMPLE_GRID`` spans of 512 px along an axis, starting at multiples of 512."""
    if n <= SAMPLE_BLOCK * SAMPLE_GRID:
        return [slice(a, min(a + SAMPLE_BLOCK, n)) for a in range(0, n, SAMPLE_BLOCK)]
    last = n // SAMPLE_BLOCK - 1
    starts = [round(k * last / (SAMPLE_GRID - 1)) * SAMPLE_BLOCK for k in range(SAMPLE_GRID)]
    return [slice(a, a + SAMPLE_BLOCK) for a in starts]


def read_sample(stack: Stack, blocks: Iterator[Block], split: Split | None = None) -> NDArray[Any]:
    """Read the grey values (C, n) of blocks, but for those outside or that ``split`` hides.

    Raises
    ------
    InputError
        When one of them, hidden or not, is NaN or infinite.
    """
    parts = [np.empty((stack.channels, 0), stack.dtype)]
    for i, rows, cols in blocks:
        part = stack.image_crop(i, rows, cols)
        if part.dtype.kind == "f":
            check_finite(part, part, i, stack)
        hidden = None if split is None else split.hidden(rows, cols)
        outside = stack.outside_crop(i, rows, cols)
        if hidden is None and outside is None:
            parts.append(part.reshape(stack.channels, -1))
        else:
            seen = np.ones(part.shape[1:], bool) if outside is None else ~outside
            if hidden is not None:
                seen[hidden] = False
            parts.append(part[:, seen])
    return np.concatenate(parts, axis=1)


def check_finite(values: NDArray[Any], raw: NDArray[Any], i: int, stack: Stack) -> None:
    """Refuse grey values that cannot be computed with.

    Parameters
    ----------
    values
        (C, ...) as they are computed with.
    raw
        The same as the image has them.
    i, stack
        The slice and the image that they are of.

    Raises
    ------
    InputError
        When one of them is NaN, infinite, or beyond what 32-bit numbers hold.
    """
    usable = np.isfinite(values)
    if usable.all():
        return
    wrong = raw[~usable]
    bad, way_out = not_finite(wrong)
    wanted = "grey values that 32 bits hold" if np.isfinite(wrong).all() else "finite grey values"
    raise InputError(
        f"expected {wanted}, but slice {i} of {stack.name!r} contains {bad} pixels: {way_out}."
    )


def not_finite(bad: NDArray[Any]) -> tuple[str, str]:
    """Say what grey values that cannot be computed with are, and what to do about them."""
    replacing = "replace them, for example with the darkest value"
    if np.isnan(bad).any():
        outside = "take every NaN as outside of the image (--outside all, or NaN pixels under Data)"
        return "NaN", f"{outside}, or {replacing}"
    if np.isinf(bad).any():
        return "infinite", replacing
    farthest = float(bad.flat[np.argmax(np.abs(bad))])
    return f"far too large ({farthest:.3g})", replacing


def slice_range(stack: Stack, i: int, percentiles: tuple[float, float]) -> NDArray[np.float64]:
    """Measure a slice as limits are measured, (C, 2); both are equal where it has one grey value.

    Parameters
    ----------
    stack, i
        The image, and which of its slices.
    percentiles
        Of all grey values of a channel.
    """
    values = read_sample(stack, sample_blocks(stack, slices=(i,)))
    return np.stack(_percentile_limits(values, percentiles), axis=1)


def _percentile_limits(
    values: NDArray[Any], percentiles: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentiles of values (C, n); minimum and maximum where these are equal."""
    if values.dtype.kind in "bf" or values.dtype.itemsize == 8:
        values = values.astype(np.float64)  # float16 and bool cannot be interpolated
    low, high = np.percentile(values, percentiles, axis=1).astype(np.float64)
    equal = low == high
    if equal.any():  # an almost empty image: more than 99 % of the pixels are alike
        low = np.where(equal, values.min(axis=1), low)
        high = np.where(equal, values.max(axis=1), high)
    return low, high


def _check_percentiles(percentiles: tuple[float, ...]) -> None:
    if len(percentiles) != 2 or not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise InputError(
            f"percentiles must be two ascending numbers from 0 to 100, got {percentiles}: "
            "use (0.5, 99.5)."
        )
