"""The figure of a question: every training a dot, two settings a colour each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_unet.report.curves import COLOURS, FINE, GRID, INK, PAPER, ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Dots", "draw_dots"]

WIDTH, ROW, HEAD, FOOT, LEFT, RIGHT = 760, 64, 92, 30, 210, 120  # px
CHANGED, USUAL = "orange", "blue"


@dataclass(frozen=True)
class Dots:
    """One row.

    Parameters
    ----------
    title, subtitle
        At its left.
    changed, usual
        Values, one a training.
    verdict
        At its right.
    """

    title: str
    subtitle: str
    changed: Sequence[float]
    usual: Sequence[float]
    verdict: str


def draw_dots(title: str, legend: tuple[str, str], rows: Sequence[Dots]) -> NDArray[np.uint8]:
    """Draw rows of dots with an axis each, the further right the better.

    Parameters
    ----------
    title
        The question.
    legend
        What the two colours are: changed, usual.
    rows
        From top to bottom.

    Returns
    -------
    ndarray (Y, X, 3) uint8
    """
    size = WIDTH, HEAD + ROW * len(rows) + FOOT
    image = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14 * FINE)
    draw.text((8 * FINE, 6 * FINE), title, INK, ImageFont.load_default(18 * FINE))
    draw.text(
        (8 * FINE, 34 * FINE), "Every dot is one training. Further right is better.", INK, font
    )
    x = 8
    for name, colour in zip(legend, (CHANGED, USUAL)):
        _dot(draw, x + 6, 66, COLOURS[colour])
        draw.text(((x + 18) * FINE, 58 * FINE), name, COLOURS[colour], font)
        x += 40 + round(draw.textlength(name, font) / FINE)
    for k, row in enumerate(rows):
        _row(draw, row, HEAD + k * ROW)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def _row(draw: ImageDraw.ImageDraw, row: Dots, top: int) -> None:
    font, small = (ImageFont.load_default(n * FINE) for n in (14, 12))
    middle, right = top + ROW // 2 - 8, WIDTH - RIGHT
    draw.text((8 * FINE, (middle - 18) * FINE), row.title, INK, font)
    draw.text((8 * FINE, middle * FINE), row.subtitle, INK, small)
    draw.multiline_text(((right + 14) * FINE, (middle - 14) * FINE), row.verdict, INK, small)
    low, high = _span([*row.changed, *row.usual])
    draw.line([(LEFT * FINE, middle * FINE), (right * FINE, middle * FINE)], GRID, 2 * FINE)
    for value in ticks(low, high, 4):
        x = _at(value, low, high, right)
        draw.line([(x * FINE, (middle - 4) * FINE), (x * FINE, (middle + 4) * FINE)], GRID, FINE)
        draw.text((x * FINE, (middle + 12) * FINE), f"{value:.4g}", INK, small, anchor="ma")
    for values, colour, shift in ((row.changed, CHANGED, -5), (row.usual, USUAL, 5)):
        for value in values:
            if math.isfinite(value):
                _dot(draw, _at(value, low, high, right), middle + shift, COLOURS[colour])


def _at(value: float, low: float, high: float, right: int) -> float:
    return LEFT + (value - low) / (high - low) * (right - LEFT)


def _span(values: Sequence[float]) -> tuple[float, float]:
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return 0.0, 1.0
    margin = max(0.01, 0.15 * (max(finite) - min(finite)))
    return min(finite) - margin, max(finite) + margin


def _dot(draw: ImageDraw.ImageDraw, x: float, y: float, colour: tuple[int, int, int]) -> None:
    r = 5 * FINE
    draw.ellipse([x * FINE - r, y * FINE - r, x * FINE + r, y * FINE + r], colour, PAPER, FINE)
