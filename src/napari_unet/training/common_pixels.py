"""The pixel size that the stacks of one training get."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_unet.base.errors import InputError
from napari_unet.base.units import ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack

__all__ = ["pixel_sizes", "pixel_sizes_differ"]

ALIKE = 0.01  # pixel sizes that differ by less than one percent are the same
SAME_ZOOM = 1e-3  # as are zooms that differ by less than this


def pixel_sizes(
    stacks: Sequence[Stack], config: TrainConfig
) -> tuple[tuple[float, float] | None, ...]:
    """Pixel sizes to resample to, in the unit of each stack; None where nothing is to be done."""
    sizes: list[tuple[float, float] | None] = []
    zoom = 1.0 if abs(config.zoom - 1) < SAME_ZOOM else config.zoom
    for stack in stacks:
        common = _common_size(stack, stacks[0], config) or stack.pixel_size
        y, x = (side / zoom for side in common)
        sizes.append(None if (y, x) == stack.pixel_size else (y, x))
    return tuple(sizes)


def pixel_sizes_differ(stacks: Sequence[Stack]) -> bool:
    """Tell whether pixels have different sizes.

    Sizes whose units cannot be compared, such as pixels and micrometers, do not count.
    """
    for stack in stacks[1:]:
        first = stacks[0]
        per_unit = ratio(first.unit, stack.unit)
        if per_unit is not None:
            y, x = (side * per_unit for side in first.pixel_size)
            if not _alike((y, x), stack.pixel_size):
                return True
    return False


def _common_size(stack: Stack, first: Stack, config: TrainConfig) -> tuple[float, float] | None:
    """The pixel size that all stacks get, in the unit of one; None where it has it already."""
    asked = config.pixel_size
    if asked is None:
        return None
    per_unit = ratio(first.unit, stack.unit)
    if per_unit is None:
        msg = (
            f"a common pixel size needs sizes that can be compared, but those of {stack.name!r} "
            f"are in {stack.unit} and not in {first.unit}: save it with its pixel size"
        )
        raise InputError(msg)
    sides = first.pixel_size if asked == "first" else asked
    sides = sides if isinstance(sides, tuple) else (sides, sides)
    y, x = (side * per_unit for side in sides)
    return None if _alike((y, x), stack.pixel_size) else (y, x)


def _alike(size: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(math.isclose(a, b, rel_tol=ALIKE) for a, b in zip(size, other, strict=True))
