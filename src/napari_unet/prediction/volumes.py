"""Objects over all their slices: a row for each, made of its rows in the slices.

All measures here add up, or combine exactly, over the parts of an object. Eccentricity does not,
and is a measure of planes.

Legend: p parts (an object in a slice), n objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.units import SYMBOLS, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack

    Columns = dict[str, NDArray[Any]]

__all__ = ["Parts", "volumes"]


@dataclass(frozen=True, eq=False)
class Parts:
    """Which rows are of one object.

    Attributes
    ----------
    of
        (p,) the object of each part.
    first
        (n,) a part of each object.
    area
        (p,) px.
    """

    of: NDArray[np.intp]
    first: NDArray[np.intp]
    area: NDArray[Any]

    @classmethod
    def grouped(cls, columns: Columns, keys: Sequence[str]) -> Parts:
        """Take rows that agree in these columns as parts of one object."""
        rows = np.stack([columns[key].astype(np.int64) for key in keys], axis=1)
        _, first, of = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        return cls(of.reshape(-1), first, columns["area (px)"])

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sum over the parts of each object."""
        return np.bincount(self.of, values, len(self.first)).astype(np.float64, copy=False)

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean over the pixels of each object, from the means of its parts."""
        mean: NDArray[np.float64] = self.total(values * self.area) / self.total(self.area)
        return mean

    def least(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the smallest value of the parts of each object."""
        least = values[self.first].copy()
        np.minimum.at(least, self.of, values)
        return least

    def greatest(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the greatest value of the parts of each object."""
        greatest = values[self.first].copy()
        np.maximum.at(greatest, self.of, values)
        return greatest

    def deviation(self, mean: NDArray[Any], deviation: NDArray[Any]) -> NDArray[np.float64]:
        """Return the standard deviation over the pixels of each object."""
        away = mean - self.mean(mean)[self.of]
        return np.sqrt(self.mean(deviation**2 + away**2))


def volumes(columns: Columns, parts: Parts, stack: Stack) -> Columns:
    """Return the columns of objects whose slices lie along the last leading axis.

    Parameters
    ----------
    columns
        Of the slices, as `napari_unet.prediction.object_table` makes them, but the class.
    parts
        Which of their rows are of one object.
    stack
        The image.
    """
    axis, depth = stack.leading_axes[-1], stack.leading_shape[-1]
    at = columns[axis]
    volume = parts.total(parts.area).astype(np.int64)
    first, last = parts.least(at), parts.greatest(at) + 1
    made = {name: columns[name][parts.first] for name in (*stack.leading_axes[:-1], "id")}
    made["slices"] = np.bincount(parts.of, minlength=len(parts.first))
    made["volume (px)"] = volume
    made[f"centroid {axis} (px)"] = parts.mean(at)
    for name in ("centroid y (px)", "centroid x (px)"):
        made[name] = parts.mean(columns[name])
    made |= {f"{axis} from (px)": first, f"{axis} to (px)": last}
    for side in "yx":
        for name, combined in (("from", parts.least), ("to", parts.greatest)):
            made[f"{side} {name} (px)"] = combined(columns[f"{side} {name} (px)"])
    made["equivalent diameter (px)"] = np.cbrt(6 * volume / np.pi)
    made["touches border"] = parts.greatest(columns["touches border"]) | (first == 0)
    made["touches border"] |= last == depth
    made |= _in_units(made, stack)
    for name in columns:
        if name.endswith(" std"):
            made |= _grey(name.removesuffix(" std"), columns, parts)
    for name in ("mean probability", "certainty"):
        if name in columns:
            made[name] = parts.mean(columns[name])
    return made


def _grey(channel: str, columns: Columns, parts: Parts) -> Columns:
    mean, least, greatest, deviation = (
        columns[f"{channel} {name}"] for name in ("mean", "min", "max", "std")
    )
    return {
        f"{channel} mean": parts.mean(mean),
        f"{channel} min": parts.least(least),
        f"{channel} max": parts.greatest(greatest),
        f"{channel} std": parts.deviation(mean, deviation),
    }


def _in_units(made: Columns, stack: Stack) -> Columns:
    """Return volume, centroid and diameter in the unit of x, where that of all three is known."""
    axes = stack.axes.replace("c", "")
    names = (stack.leading_axes[-1], "y", "x")
    of = [axes.index(name) for name in names]
    unit = stack.units[of[-1]]
    factors = [ratio(stack.units[k], unit) for k in of]
    if unit == "pixel" or None in factors:
        return {}
    symbol = SYMBOLS.get(unit, unit)
    sizes = [stack.scale[k] * float(f or 1) for k, f in zip(of, factors)]
    starts = [stack.translate[k] * float(f or 1) for k, f in zip(of, factors)]
    volume = made["volume (px)"] * float(np.prod(sizes))
    found = {f"volume ({symbol}³)": volume}
    for name, size, start in zip(names, sizes, starts):
        found[f"centroid {name} ({symbol})"] = made[f"centroid {name} (px)"] * size + start
    return found | {f"equivalent diameter ({symbol})": np.cbrt(6 * volume / np.pi)}
