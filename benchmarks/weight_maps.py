"""Weight map, against one distance transform per object.

The naive way takes scipy's exact Euclidean distance transform of the whole plane once for each
object and keeps the two smallest distances. Ours finds both in one pass, so its time depends on
the pixels, not on the objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from benchmarks.result import Curves, Line, Result
from benchmarks.samples import cells, em_stack
from benchmarks.timing import check, interleaved, ratio, spread
from napari_unet.annotation.labels import LabelScheme, Target, read_target
from napari_unet.annotation.weights import TOLERANCE, target_weights
from napari_unet.config.weights import WeightConfig

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["naive_weights", "run"]

SIDES = (512, 1024, 2048, 4096)
PER_OBJECT = 1678  # pixels: 4096² with 10,000 objects
OBJECTS = (10, 100, 1000, 10_000)


def naive_weights(
    target: Target, config: WeightConfig, class_weights: ArrayLike
) -> NDArray[np.float64]:
    """w_c + w0·exp(−(d1 + d2)² / 2σ²), written down as it is read."""
    nearest = np.full(target.objects.shape, np.inf)
    second = nearest.copy()
    for name in np.unique(target.objects)[1:]:
        distance = distance_transform_edt(target.objects != name)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    both = nearest + second
    border = config.resolved_w0 * np.exp(-(both**2) / (2 * config.resolved_sigma**2))
    weights: NDArray[np.float64] = np.asarray(class_weights)[target.classes] + border
    return weights


def run(quick: bool) -> Result:
    """Compare on one EM slice; then grow the plane, and the number of objects."""
    stack = em_stack()
    assert stack.scheme is not None
    target = read_target(stack.label_plane(0), stack.scheme)
    config, classes = WeightConfig(), np.array([1.0, 1.0])
    difference = np.abs(
        target_weights(target, config, classes) - naive_weights(target, config, classes)
    ).max()
    check(float(difference), TOLERANCE, "weight maps")
    seconds = interleaved(
        {
            "ours": lambda: target_weights(target, config, classes),
            "naive": lambda: naive_weights(target, config, classes),
        },
        2 if quick else 7,
        warm=0 if quick else 1,
    )
    found = ratio(seconds["naive"], seconds["ours"])
    times = {name: spread(values).show() for name, values in seconds.items()}
    count = len(np.unique(target.objects)) - 1
    lines = [
        Line(
            f"{stack.name} slice, {count} objects", found.median, "×", found.low, found.high,
            at_least=40, detail=f"{times['naive']} against {times['ours']}",
        )
    ]  # fmt: skip
    by_side = _by_side(SIDES[: 2 if quick else None], 2 if quick else 5)
    small, large = by_side[0], by_side[-1]
    lines.append(
        Line(
            f"time per pixel at {large[0]:g}² with {round(large[0] ** 2 / PER_OBJECT):,} objects, "
            f"against {small[0]:g}² with {round(small[0] ** 2 / PER_OBJECT):,}",
            large[1] / small[1], "× the time", at_most=1.5,
            detail=f"{large[1]:.3g} against {small[1]:.3g} ns a pixel",
        )
    )  # fmt: skip
    by_count = _by_count(1024 if quick else 2048, OBJECTS, 2 if quick else 5)
    return Result(
        f"both maps within {TOLERANCE:g} of each other in every pixel (they differ by "
        f"{difference:.2g})",
        lines,
        [
            Curves("Weight map: size", "side of the plane (px)", "ns a pixel", {"ours": by_side}),
            Curves("Weight map: objects", "objects", "ns a pixel", {"ours": by_count}),
        ],
    )


def _by_side(sides: Any, repeats: int) -> list[tuple[float, float]]:
    return [(side, _per_pixel(side, round(side**2 / PER_OBJECT), repeats)) for side in sides]


def _by_count(side: int, counts: Any, repeats: int) -> list[tuple[float, float]]:
    return [(count, _per_pixel(side, count, repeats)) for count in counts]


def _per_pixel(side: int, count: int, repeats: int) -> float:
    """Median nanoseconds a pixel."""
    target = read_target(cells(side, count), LabelScheme(gap=False))
    seconds = interleaved({"": lambda: target_weights(target, WeightConfig())}, repeats)[""]
    return spread(seconds).median / side**2 * 1e9
