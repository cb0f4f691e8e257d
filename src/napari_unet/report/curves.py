"""Curves of a training, drawn with Pillow alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Curve", "draw_curves", "smooth", "ticks"]

INK, GRID, PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
# Told apart by colour-blind readers too.
COLOURS = {
    "blue": (0, 114, 178),
    "orange": (213, 94, 0),
    "green": (0, 158, 115),
    "purple": (204, 121, 167),
    "sky": (86, 180, 233),
    "grey": (190, 205, 220),
    "ground": (130, 130, 130),
}
FINE = 2  # drawn so many times larger, then scaled down: smooth lines
LINE = 18 * FINE  # of the legend


@dataclass(frozen=True)
class Curve:
    """Points to be joined.

    Parameters
    ----------
    name
        For the legend; "" leaves it out.
    x, y
        Of each point; points that are not finite are left out.
    colour
        A key of `COLOURS`.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = "blue"

    def points(self) -> list[tuple[float, float]]:
        """Return the points that can be drawn."""
        pairs = zip(self.x, self.y)
        return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def smooth(values: Sequence[float], width: int) -> list[float]:
    """Return the running mean over the last ``width`` values, fewer at the beginning."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])
    ends = np.arange(1, len(sums))
    starts = np.maximum(0, ends - max(1, width))
    return [float(v) for v in (sums[ends] - sums[starts]) / (ends - starts)]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers from ``low`` to ``high``: multiples of 1, 2 or 5 times a power of 10."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def draw_curves(
    curves: Sequence[Curve],
    title: str,
    size: tuple[int, int] = (600, 300),
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Draw curves into one frame.

    Parameters
    ----------
    curves
        What to draw, the last on top.
    title
        Above the frame: what the vertical axis shows.
    size
        Width and height in pixels.
    x_range, y_range
        Of the axes; those of the points when omitted.

    Returns
    -------
    ndarray (height, width, 3) uint8
    """
    plot = _Plot(curves, size, x_range, y_range)
    plot.frame(title)
    for curve in curves:
        plot.line(curve)
    plot.legend([curve for curve in curves if curve.name])
    return np.asarray(plot.image.resize(size, Image.Resampling.LANCZOS))


class _Plot:
    """One frame with its scales, in pixels of the enlarged picture."""

    def __init__(
        self,
        curves: Sequence[Curve],
        size: tuple[int, int],
        x_range: tuple[float, float] | None = None,
        y_range: tuple[float, float] | None = None,
    ):
        self.image = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.font = ImageFont.load_default(15 * FINE)
        self.left, self.top = 52 * FINE, 30 * FINE
        self.right, self.bottom = (size[0] - 12) * FINE, (size[1] - 30) * FINE
        points = [point for curve in curves for point in curve.points()]
        self.x = x_range or _range([x for x, _ in points])
        self.y = y_range or _range([y for _, y in points], margin=0.05)

    def frame(self, title: str) -> None:
        self.draw.text((4 * FINE, 4 * FINE), title, INK, self.font)
        for value in ticks(*self.y):
            y = self._at(self.x[0], value)[1]
            self.draw.line([(self.left, y), (self.right, y)], GRID, FINE)
            self.draw.text((self.left - 6 * FINE, y), f"{value:.4g}", INK, self.font, anchor="rm")
        for value in ticks(*self.x):
            x = self._at(value, self.y[0])[0]
            self.draw.text((x, self.bottom + 4 * FINE), f"{value:.6g}", INK, self.font, anchor="ma")
        box = [(self.left, self.top), (self.right, self.bottom)]
        self.draw.rectangle(box, None, INK, FINE)

    def line(self, curve: Curve) -> None:
        points = [self._at(x, y) for x, y in curve.points()]
        colour, thick = COLOURS[curve.colour], 2 * FINE
        if len(points) > 1:
            self.draw.line(points, colour, thick, joint="curve")
        if len(points) <= 30:
            for x, y in points:
                r = 1.5 * thick
                self.draw.ellipse([x - r, y - r, x + r, y + r], colour)

    def legend(self, curves: Sequence[Curve]) -> None:
        x, y = self.right - 8 * FINE, self._free(curves)
        for curve in curves:
            self.draw.text((x, y), curve.name, COLOURS[curve.colour], self.font, anchor="ra")
            y += LINE

    def _free(self, curves: Sequence[Curve]) -> float:
        """Where the legend begins at the right: highest of the places that curves leave freest."""
        width = max((self.font.getlength(curve.name) for curve in curves), default=0.0)
        height, first = LINE * len(curves), self.top + 6 * FINE
        rows, columns = (
            slice(self.top + FINE, self.bottom - FINE),
            slice(int(self.right - width - 16 * FINE), self.right - 2 * FINE),
        )
        inked = np.asarray(self.image)[rows, columns].min(axis=(1, 2)) < min(GRID)
        below = np.append(0, np.cumsum(inked))
        places = np.arange(first, max(first + 1, self.bottom - height), LINE // 2)
        start = places - self.top
        crossed = below[np.minimum(start + int(height), len(inked))] - below[start]
        return float(places[np.argmin(crossed)])

    def _at(self, x: float, y: float) -> tuple[float, float]:
        (x0, x1), (y0, y1) = self.x, self.y
        return (
            self.left + (x - x0) / (x1 - x0) * (self.right - self.left),
            self.bottom - (y - y0) / (y1 - y0) * (self.bottom - self.top),
        )


def _range(values: Sequence[float], margin: float = 0.0) -> tuple[float, float]:
    """Return the range to show: never empty, a little wider than the values."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    return low - margin * spread, high + margin * spread if high > low else high + spread
