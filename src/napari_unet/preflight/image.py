"""Grey values: not numbers, slices of one value, saturation, masks chosen as images.

Legend: ``C`` channels, ``(h, w)`` part of a slice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.quantities import count
from napari_unet.base.units import pixel_in_words
from napari_unet.images.intensity import not_finite
from napari_unet.images.stack import Intensity
from napari_unet.preflight.finding import Finding, listed
from napari_unet.preflight.sample import can_leave_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack
    from napari_unet.preflight.sample import Sample
    from napari_unet.training.data import TrainingData

__all__ = ["check_grey_values", "describe_grey_values", "describe_image"]

SATURATED = 0.01  # share of the pixels at the highest value; contrast stretching makes 0.35 %
CLIPPED = 0.25  # share at the lowest value, from which on it is worth a word
PILE = 2.0  # times as many pixels at the extreme as in the fiftieth of the range beside it
NEAR = 50


@dataclass(frozen=True)
class _Part:
    """Grey values of one channel in one part.

    Attributes
    ----------
    low, high : float
        Extremes.
    at_low, at_high : int
        Pixels that have them.
    near_high : int
        Pixels that nearly have the highest.
    pixels : int
        All of them.
    """

    slice_index: int
    channel: int
    low: float
    high: float
    at_low: int
    at_high: int
    near_high: int
    pixels: int

    @property
    def constant(self) -> bool:
        return self.low == self.high

    @property
    def extremes(self) -> NDArray[np.float64]:
        return np.array([self.low, self.high])

    def beyond(self, limits: Intensity) -> NDArray[np.bool_]:
        """Which extremes are too far from the limits to be computed with."""
        own = replace(
            limits, low=(limits.low[self.channel],), high=(limits.high[self.channel],), mode="stack"
        )
        usable: NDArray[np.bool_] = np.isfinite(own.normalise(self.extremes[None])[0])
        return ~usable


def describe_image(stack: Stack) -> str:
    """Return the size of a stack: "30 slices, 512 × 512 pixels, uint8."."""
    Y, X = stack.plane_shape
    parts = [count(stack.n_slices, "slice"), f"{Y:,} × {X:,} pixels", stack.dtype.name]
    if stack.channels > 1:
        parts.insert(1, count(stack.channels, "channel"))
    if stack.unit != "pixel":
        parts.append(f"pixel {pixel_in_words(stack.pixel_size, stack.unit)}")
    return ", ".join(parts) + "."


def describe_grey_values(intensity: Intensity, *, exact: bool = True) -> str:
    """Return how grey values become the network's: "Grey values 22–224 become 0–1."."""
    ranges = ", ".join(f"{_short(a)}–{_short(b)}" for a, b in zip(intensity.low, intensity.high))
    if intensity.mode == "image":
        return f"Grey values are {ranges}, and become 0–1 by limits of each slice."
    if exact:
        return f"Grey values {ranges} become 0–1."
    return f"Grey values {ranges} become about 0–1: limits are measured at the size that is seen."


def _short(value: float) -> str:
    return f"{value:.0f}" if 10 <= abs(value) < 1e7 else f"{value:.3g}"


def check_grey_values(sample: Sample, data: TrainingData | None = None) -> Iterator[Finding]:
    """Look at the grey values of a sample.

    Parameters
    ----------
    sample
        Of the stack.
    data
        As a training takes the stack, whose limits these then are. None: they are measured on all
        of it.

    Yields
    ------
    Finding
        An error for NaN and infinite values, warnings for constant slices, saturation and masks,
        and how the rest is normalised.

    Raises
    ------
    InputError
        When the whole image has one grey value.
    """
    parts: list[_Part] = []
    broken: dict[int, NDArray[Any]] = {}
    same = sample.stack.channels > 1
    for (i, _, _), values in sample.image_parts():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            broken[i] = values[~np.isfinite(values)]
            continue
        same = same and bool((values[1:] == values[0]).all())
        parts += [_measure(i, c, plane) for c, plane in enumerate(values)]
    if broken:
        yield _not_finite(sample.stack, broken)
        return
    intensity = Intensity.measure(sample.stack) if data is None else data.given_limits
    exact = data is None or not data.is_resampled(0)
    far = {p.slice_index: p.extremes[b] for p in parts if (b := p.beyond(intensity)).any()}
    if far:
        yield _not_finite(sample.stack, far)
        return
    yield Finding("info", describe_grey_values(intensity, exact=exact), check="grey")
    yield from _check_constant_slices(sample.stack, parts)
    yield from _check_channels(sample.stack, parts, same)
    if _looks_like_a_mask(parts):
        low, high = (_short(f([g for p in parts for g in (p.low, p.high)])) for f in (min, max))
        yield Finding(
            "warning",
            f"The image has no grey values but {low} and {high}, like a mask; choose the image "
            "that the labels were drawn on.",
            check="mask",
        )
        return
    yield from _check_saturation(sample.stack, parts)


def _measure(i: int, channel: int, values: NDArray[Any]) -> _Part:
    low, high = values.min(), values.max()
    at_low, at_high = (int(np.count_nonzero(values == v)) for v in (low, high))
    edge = float(high) - (float(high) - float(low)) / NEAR
    near = int(np.count_nonzero(values > edge)) - at_high
    return _Part(i, channel, float(low), float(high), at_low, at_high, near, values.size)


def _not_finite(stack: Stack, broken: dict[int, NDArray[Any]]) -> Finding:
    slices = sorted(broken)
    bad, way_out = not_finite(np.concatenate(list(broken.values())))
    return Finding(
        "error",
        f"{count(len(slices), 'slice')} of {stack.name!r} ({listed(slices)}) "
        f"{'contains' if len(slices) == 1 else 'contain'} {bad} pixels; {way_out}.",
        "take NaN as outside" if bad == "NaN" else None,
        check="finite",
    )


def _check_constant_slices(stack: Stack, parts: list[_Part]) -> Iterator[Finding]:
    values: dict[int, set[tuple[int, float]]] = {}
    for part in parts:
        values.setdefault(part.slice_index, set()).update(
            {(part.channel, part.low), (part.channel, part.high)}
        )
    constant = [i for i, found in values.items() if len(found) == stack.channels]
    if not constant or stack.n_slices == 1:
        return
    labelled = stack.labelled_slices
    used, left = (any((i in constant) == wanted for i in labelled) for wanted in (True, False))
    fix_helps = used and left and can_leave_out(stack)
    have = "has" if len(constant) == 1 else "have"
    yield Finding(
        "warning",
        f"{count(len(constant), 'slice')} of {len(values)} ({listed(constant)}) {have} the same "
        "grey value everywhere, so nothing can be learned there; leave them out.",
        "leave out constant slices" if fix_helps else None,
        check="constant",
    )


def _check_channels(stack: Stack, parts: list[_Part], same: bool) -> Iterator[Finding]:
    if same:
        yield Finding(
            "info",
            f"All {stack.channels} channels are the same; a grey image with one channel would "
            "give the same result faster.",
            check="channels",
        )
        return
    for channel in range(stack.channels if stack.channels > 1 else 0):
        found = {g for part in parts if part.channel == channel for g in (part.low, part.high)}
        if len(found) == 1:
            yield Finding(
                "info",
                f"Channel {channel} is {_short(*found)} everywhere, as an opaque transparency "
                "channel is, and adds nothing; leave it out if you can.",
                check="channels",
            )


def _looks_like_a_mask(parts: list[_Part]) -> bool:
    values = {grey for part in parts for grey in (part.low, part.high)}
    if len(values) != 2:
        return False
    return all(p.constant or p.at_low + p.at_high == p.pixels for p in parts)


def _check_saturation(stack: Stack, parts: list[_Part]) -> Iterator[Finding]:
    for channel in range(stack.channels):
        ours = [part for part in parts if part.channel == channel]
        low, high = min(p.low for p in ours), max(p.high for p in ours)
        if low == high:
            continue
        pixels = sum(part.pixels for part in ours)
        reached = [part for part in ours if part.high == high and not part.constant]
        at_high = sum(part.at_high for part in reached)
        near = sum(part.near_high for part in reached)
        if at_high >= SATURATED * pixels and at_high > PILE * near:
            yield Finding(
                "warning",
                f"{_percent(at_high / pixels)} of the pixels{_of_channel(stack, channel)} have "
                f"the highest value {_short(high)}, so bright structures were cut off; record "
                "with less exposure or gain, or undo a contrast stretch.",
                check="saturation",
            )
        at_low = sum(part.at_low for part in ours if part.low == low and not part.constant)
        if at_low >= CLIPPED * pixels:
            yield Finding(
                "info",
                f"{_percent(at_low / pixels)} of the pixels{_of_channel(stack, channel)} have "
                f"the lowest value {_short(low)}, as after cutting off a background.",
                check="clipped",
            )


def _of_channel(stack: Stack, channel: int) -> str:
    return f" of channel {channel}" if stack.channels > 1 else ""


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
