"""Scripts of strokes: what somebody paints, and when, as a file.

One JSON object a line, for tests, benchmarks and people who script::

    {"step": 20, "slice": 3, "class": 1, "points": [[y, x], …], "width": 5}

``class`` 0 is background that was painted, ``null`` erases; ``stack`` may say which of several
stacks. Points are in pixels of the slice, joined by straight lines; a pixel belongs to the stroke
where its centre is at most half the width away from them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import CheckpointError, InputError
from napari_unet.base.regular_files import read_text
from napari_unet.training.journal import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme

__all__ = ["Stroke", "draw_stroke", "read_strokes"]

LARGEST = 100_000_000  # bytes of a script
NEEDED = {"step", "slice", "class", "points"}
WIDEST = 1000.0  # px


@dataclass(frozen=True)
class Stroke:
    """A line painted with a round brush.

    Attributes
    ----------
    step
        It is painted when so many steps are done.
    slice_index, stack_index
        Where.
    class_index
        What: 0 is background; None erases.
    points
        (y, x) each, px; one point is a dot.
    width
        px, of the brush.
    """

    step: int
    slice_index: int
    class_index: int | None
    points: tuple[tuple[float, float], ...]
    width: float = 5.0
    stack_index: int = 0


def draw_stroke(stroke: Stroke, labels: NDArray[Any], value: int) -> Edit | None:
    """Paint a stroke onto the labels of its slice.

    Parameters
    ----------
    stroke
        What is painted.
    labels
        (Y, X) labels of the slice as they are; not changed.
    value
        The label value that stands for its class; 0 erases where 0 is "not annotated".

    Returns
    -------
    Edit or None
        The box of the pixels that change; None when none does.
    """
    points = np.asarray(stroke.points, float)
    reach = stroke.width / 2
    y0, x0 = (max(0, int(np.floor(n))) for n in points.min(0) - reach)
    y1, x1 = (
        min(size, int(np.ceil(n)) + 1) for n, size in zip(points.max(0) + reach, labels.shape)
    )
    if y0 >= y1 or x0 >= x1:
        return None
    y, x = np.mgrid[y0:y1, x0:x1].astype(float)
    near = np.zeros(y.shape, bool)
    for (ay, ax), (by, bx) in zip(points, [*points[1:], points[-1]]):
        length = (by - ay) ** 2 + (bx - ax) ** 2
        along = ((y - ay) * (by - ay) + (x - ax) * (bx - ax)) / (length or 1.0)
        along = np.clip(along, 0, 1)
        near |= np.hypot(y - ay - along * (by - ay), x - ax - along * (bx - ax)) <= reach
    changed = near & (labels[y0:y1, x0:x1] != value)
    if not changed.any():
        return None
    rows, cols = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    top, left = y0 + int(rows[0]), x0 + int(cols[0])
    box = (top, y0 + int(rows[-1]) + 1, left, x0 + int(cols[-1]) + 1)
    window = slice(box[0], box[1]), slice(box[2], box[3])
    inner = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    values = np.where(near[inner], np.asarray(value, labels.dtype), labels[window])
    return Edit(stroke.stack_index, stroke.slice_index, box, values)


def read_strokes(
    path: Path, scheme: LabelScheme, slices: Sequence[int] | None = None
) -> tuple[Stroke, ...]:
    """Read a script of strokes, in the order of their steps.

    Parameters
    ----------
    path
        The file.
    scheme
        Of the labels.
    slices
        How many each stack has; None: not known yet.

    Raises
    ------
    InputError
        In one sentence that names the line.
    """
    try:
        lines = read_text(path, "script of strokes", LARGEST).splitlines()
    except (CheckpointError, UnicodeError) as error:
        raise InputError(
            f"the strokes {path} cannot be read ({error}): name a text file."
        ) from error
    strokes = [
        _read_stroke(line, f"line {number} of {path}", scheme, slices)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    return tuple(sorted(strokes, key=lambda stroke: stroke.step))


def _read_stroke(
    line: str, where: str, scheme: LabelScheme, slices: Sequence[int] | None
) -> Stroke:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} must be one JSON object, got {line[:40]!r}.") from error
    if not isinstance(told, dict) or not NEEDED <= set(told) <= NEEDED | {"width", "stack"}:
        raise InputError(
            f"{where} must have step, slice, class and points, and may have width and stack, "
            f"got {line[:60]!r}."
        )
    class_index = told["class"]
    if class_index is not None:
        class_index = _whole(class_index, 0, scheme.n_classes - 1, "class", where)
    points = told["points"]
    if not isinstance(points, list) or not points or not all(map(_is_point, points)):
        raise InputError(
            f"{where}: points must be pairs [y, x] of numbers, got {str(points)[:40]}."
        )
    width = told.get("width", 5)
    if not _is_number(width) or not 0 < width <= WIDEST:
        raise InputError(
            f"{where}: width must be above 0 and at most {WIDEST:g} px, got {width!r}."
        )
    last = 10**6 if slices is None else len(slices) - 1
    stack = _whole(told.get("stack", 0), 0, last, "stack", where)
    last = 10**9 if slices is None else slices[stack] - 1
    return Stroke(
        _whole(told["step"], 0, 10**9, "step", where),
        _whole(told["slice"], 0, last, "slice", where),
        class_index,
        tuple((float(y), float(x)) for y, x in points),
        float(width),
        stack,
    )


def _whole(value: object, low: int, high: int, name: str, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(
            f"{where}: {name} must be a whole number from {low} to {high}, got {value!r}."
        )
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _is_point(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
