"""What a biologist counts and measures: a row for every object of every slice, or of a volume.

Sums over all objects of a slice are taken at once, so that time depends on pixels, not on the
number of objects. Definitions are those of ``skimage.measure.regionprops_table``.

Legend: C channels, K classes, (Y, X) plane, n objects of a slice, p pixels of all of them.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation.grey_images import FEW_IDS, count_neighbours, refuse_picture
from napari_unet.annotation.labels import integer_labels
from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import InputError
from napari_unet.base.quantities import count
from napari_unet.base.units import SYMBOLS, ratio
from napari_unet.prediction.volumes import Parts, volumes

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_unet.images.stack import Stack
    from napari_unet.prediction.outputs import ObjectPlane

__all__ = ["ObjectTable", "TableMaker", "is_table", "measure"]

BEGINS = codecs.BOM_UTF8
"""How a written table begins, so that spreadsheets read µm² rightly."""

ALWAYS = {"id", "touches border"}
"""Columns of every table."""


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """Measured objects.

    Attributes
    ----------
    columns : dict of str to ndarray (rows,)
        In the order in which they are shown; units are in the names.
    count : int
        Objects; fewer than rows where one has a row in each of several frames.
    per_slice : tuple of int
        Objects in each slice.
    """

    columns: dict[str, NDArray[Any]]
    count: int = 0
    per_slice: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def summary(self) -> str:
        """How many there are, in all and in a slice, such as "5 objects, 2 to 3 a slice"."""
        found = count(self.count, "object")
        if len(self.per_slice) < 2:
            return found
        least, most = min(self.per_slice), max(self.per_slice)
        each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        return f"{found}, {each} a slice"

    def to_csv(self) -> str:
        """Return the table as comma-separated text: fractions with six digits that count."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        columns = [_texts(column) for column in self.columns.values()]
        writer.writerows(zip(*columns))
        return text.getvalue()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the table as a CSV file, whole or not at all; it begins with `BEGINS`."""
        write_atomically(path, BEGINS + self.to_csv().encode("utf-8"))

    @classmethod
    def joined(cls, tables: Iterable[ObjectTable], names: Iterable[str]) -> ObjectTable:
        """Put tables of several files below one another, with a column for the file.

        Columns that only some have are empty in the others.
        """
        parts = list(zip(tables, names))
        every = list(dict.fromkeys(name for table, _ in parts for name in table.columns))
        columns = {"file": np.repeat([n for _, n in parts], [len(t) for t, _ in parts])}
        for name in every:
            columns[name] = np.concatenate(
                [t.columns.get(name, np.full(len(t), np.nan)) for t, _ in parts]
            )
        per_slice = tuple(n for t, _ in parts for n in t.per_slice)
        return cls(columns, sum(t.count for t, _ in parts), per_slice)


def is_table(path: Path) -> bool:
    """Tell an existing file that `ObjectTable.write` wrote from a person's own."""
    with path.open("rb") as file:
        first = file.readline(10**6)
    header = first.removeprefix(BEGINS).decode(errors="replace").strip().split(",")
    return first.startswith(BEGINS) and set(header) >= ALWAYS


def _texts(column: NDArray[Any]) -> list[str]:
    if column.dtype.kind == "f":
        return [_text(value) for value in column.tolist()]
    return [str(value) for value in column.tolist()]


def _text(value: float) -> str:
    if value.is_integer():  # also of a column that other files do not have
        return str(int(value))
    return "" if np.isnan(value) else f"{value:.6g}"


@dataclass(eq=False)
class TableMaker:
    """Measures slice after slice.

    Attributes
    ----------
    stack : Stack
        The image: what is measured, and the size, place and unit of its pixels.
    class_names : sequence of str
        Of all classes, background first; without any there is no column for the class.
    linked : bool
        Whether ids go through the slices of the last leading axis. Then an object of a volume has
        one row; through time it has one in every frame.
    """

    stack: Stack
    class_names: Sequence[str] = ()
    linked: bool = False
    _slices: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    _class_sums: list[NDArray[Any]] = field(default_factory=list)  # (K - 1, n) of each slice

    def add(
        self,
        i: int,
        objects: NDArray[Any],
        probabilities: NDArray[Any] | None = None,
        corner: tuple[int, int] = (0, 0),
    ) -> None:
        """Measure the objects of a slice.

        Parameters
        ----------
        i
            Flat index of the slice.
        objects
            (Y, X) ids, 0 = none.
        probabilities
            (K, Y, X) of all classes, background first.
        corner
            Row and column of the slice where the objects begin, if they are of a part of it.
        """
        pixels = np.flatnonzero(objects)
        ids, number = _numbered(objects.ravel()[pixels])
        columns: dict[str, NDArray[Any]] = {
            axis: np.full(len(ids), at)
            for axis, at in zip(self.stack.leading_axes, self.stack.index(i))
        }
        columns["id"] = ids
        if self.class_names and probabilities is not None:
            within = probabilities[1:].reshape(len(probabilities) - 1, -1)[:, pixels]
            self._class_sums.append(np.stack([np.bincount(number, p, len(ids)) for p in within]))
        y, x = np.divmod(pixels, objects.shape[1])
        y, x = y + corner[0], x + corner[1]
        rows, cols = (slice(first, first + n) for first, n in zip(corner, objects.shape))
        columns |= _shape(number, len(ids), y, x, (rows, cols), self._spacing)
        planes = self.stack.image_crop(i, rows, cols).reshape(self.stack.channels, -1)
        for name, grey in zip(self._channel_names, planes):
            columns |= _grey(name, number, len(ids), grey[pixels])
        if probabilities is not None:
            columns |= _sureness(number, len(ids), pixels, probabilities)
        self._slices.append(columns)

    def add_plane(self, plane: ObjectPlane) -> None:
        """Measure a plane that `Output.finished` hands out."""
        piece = plane.piece
        corner = piece.rows.start, piece.cols.start
        self.add(piece.slice_index, plane.objects, plane.probabilities, corner)

    def slices(self) -> ObjectTable:
        """Return a row for every object of every slice that was added."""
        columns = self._columns()
        if self._class_sums:
            columns = self._with_classes(columns, np.concatenate(self._class_sums, axis=1))
        count = len(next(iter(columns.values()), ()))
        if self.linked and columns:
            count = len(self._parts(columns).first)
        return ObjectTable(columns, count, self._per_slice)

    def table(self) -> ObjectTable:
        """Return the table of all slices that were added."""
        if not (self.has_volumes and self._slices):
            return self.slices()
        columns = self._columns()
        parts = self._parts(columns)
        made = volumes(columns, parts, self.stack)
        if self._class_sums:
            sums = np.concatenate(self._class_sums, axis=1)
            made = self._with_classes(made, np.stack([parts.total(one) for one in sums]))
        return ObjectTable(made, len(parts.first), self._per_slice)

    @property
    def has_volumes(self) -> bool:
        """Whether an object has one row over its slices."""
        return self.linked and self.stack.leading_axes[-1:] not in ("", "t")

    @property
    def _per_slice(self) -> tuple[int, ...]:
        return tuple(len(columns["id"]) for columns in self._slices)

    def _columns(self) -> dict[str, NDArray[Any]]:
        if not self._slices:
            return {}
        return {name: np.concatenate([s[name] for s in self._slices]) for name in self._slices[0]}

    def _parts(self, columns: dict[str, NDArray[Any]]) -> Parts:
        return Parts.grouped(columns, (*self.stack.leading_axes[:-1], "id"))

    def _with_classes(
        self, columns: dict[str, NDArray[Any]], sums: NDArray[Any]
    ) -> dict[str, NDArray[Any]]:
        """Put the class that has the greatest sum over each object behind its id."""
        likeliest = np.array(self.class_names[1:])[sums.argmax(0)]
        names = list(columns)
        before = names[: names.index("id") + 1]
        return {name: columns[name] for name in before} | {"class": likeliest} | columns

    @property
    def _channel_names(self) -> tuple[str, ...]:
        if names := self.stack.channel_names:
            # Each channel has columns of its own, whatever names a file gives to two of them.
            return tuple(
                name if name and names.count(name) == 1 else f"{name} channel {k}".strip()
                for k, name in enumerate(names)
            )
        if self.stack.channels == 1:
            return ("grey",)
        return tuple(f"channel {k}" for k in range(self.stack.channels))

    @property
    def _spacing(self) -> _Spacing | None:
        """Pixel size and place in the unit of x; None where pixels are all that is known."""
        axes = self.stack.axes.replace("c", "")
        y, x = axes.index("y"), axes.index("x")
        unit = self.stack.units[x]
        per_unit = ratio(self.stack.units[y], unit)
        if unit == "pixel" or per_unit is None:
            return None
        return _Spacing(
            (self.stack.scale[y] * per_unit, self.stack.scale[x]),
            (self.stack.translate[y] * per_unit, self.stack.translate[x]),
            SYMBOLS.get(unit, unit),
        )


@dataclass(frozen=True)
class _Spacing:
    size: tuple[float, float]
    start: tuple[float, float]
    unit: str


def measure(
    labels: ArrayLike,
    stack: Stack,
    *,
    class_names: Sequence[str] = (),
    linked: bool = False,
) -> ObjectTable:
    """Measure all objects of a label image on an image.

    Parameters
    ----------
    labels
        Leading axes of the stack + (Y, X) ids, 0 = none.
    stack
        The image.
    class_names, linked
        As in `TableMaker`.

    Raises
    ------
    InputError
        If shapes differ, or labels are no whole numbers from 0 on, or a grey image.
    """
    ids = integer_labels(labels)
    shape = (*stack.leading_shape, *stack.plane_shape)
    if ids.shape != shape:
        raise InputError(
            f"labels must have the shape {shape} to fit {stack.name!r}, got {ids.shape}: give the "
            "objects that were found on this image."
        )
    planes = [ids[stack.index(i)] for i in range(stack.n_slices)]
    if len(np.unique(ids)) > FEW_IDS:
        refuse_picture(sum(map(count_neighbours, planes), np.zeros(3, np.int64)), "labels")
    maker = TableMaker(stack, class_names, linked)
    for i, plane in enumerate(planes):
        maker.add(i, plane)
    return maker.table()


def _numbered(ids: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the ids that there are, and for each pixel which of them it has."""
    if ids.size == 0 or int(ids.max()) > max(16 * ids.size, 2**16):
        found, number = np.unique(ids, return_inverse=True)
        return found.astype(np.int64), number
    there = np.zeros(int(ids.max()) + 1, bool)
    there[ids] = True
    place = np.cumsum(there) - 1
    return np.flatnonzero(there).astype(np.int64), place[ids]


def _shape(
    number: NDArray[Any], n: int, y: NDArray[Any], x: NDArray[Any],
    seen: tuple[slice, slice], spacing: _Spacing | None,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Measures of outlines; what reaches the rows and columns seen may go on beyond them."""
    rows, cols = seen
    area = np.bincount(number, minlength=n)
    cy, cx = (np.bincount(number, at, n) / area for at in (y, x))
    ends = {}
    for name, at in (("y", y), ("x", x)):
        first, last = np.full(n, np.iinfo(np.int64).max), np.full(n, -1, np.int64)
        np.minimum.at(first, number, at)
        np.maximum.at(last, number, at)
        ends[name] = first, last + 1
    (y0, y1), (x0, x1) = ends["y"], ends["x"]
    columns = {
        "area (px)": area,
        "centroid y (px)": cy,
        "centroid x (px)": cx,
        "y from (px)": y0,
        "y to (px)": y1,
        "x from (px)": x0,
        "x to (px)": x1,
        "equivalent diameter (px)": np.sqrt(4 * area / np.pi),
        "eccentricity": _eccentricity(number, n, y - cy[number], x - cx[number], area, spacing),
        "touches border": (y0 == rows.start)
        | (x0 == cols.start)
        | (y1 == rows.stop)
        | (x1 == cols.stop),
    }
    if spacing is not None:
        unit, (height, width) = spacing.unit, spacing.size
        columns |= {
            f"area ({unit}²)": area * height * width,
            f"centroid y ({unit})": cy * height + spacing.start[0],
            f"centroid x ({unit})": cx * width + spacing.start[1],
            f"equivalent diameter ({unit})": np.sqrt(4 * area * height * width / np.pi),
        }
    return columns


def _eccentricity(
    number: NDArray[Any], n: int, dy: NDArray[Any], dx: NDArray[Any], area: NDArray[Any],
    spacing: _Spacing | None,
) -> NDArray[np.float64]:  # fmt: skip
    """Of the ellipse with the same second moments: 0 (round) to 1 (a line)."""
    height, width = (1.0, 1.0) if spacing is None else spacing.size
    yy = np.bincount(number, dy * dy, n) / area * height**2
    xx = np.bincount(number, dx * dx, n) / area * width**2
    yx = np.bincount(number, dy * dx, n) / area * height * width
    half, spread = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    longest = half + spread
    share = 2 * spread / np.where(longest > 0, longest, 1)
    eccentricity: NDArray[np.float64] = np.sqrt(np.clip(share, 0, 1))
    return eccentricity


def _grey(name: str, number: NDArray[Any], n: int, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return mean, least, greatest and standard deviation of the grey values of each object."""
    grey = values.astype(np.float64)
    area = np.bincount(number, minlength=n)
    mean = np.bincount(number, grey, n) / area
    least, greatest = np.full(n, np.inf), np.full(n, -np.inf)
    with np.errstate(invalid="ignore"):  # of an object with a pixel that is NaN all are
        np.minimum.at(least, number, grey)
        np.maximum.at(greatest, number, grey)
    deviation = np.sqrt(np.bincount(number, (grey - mean[number]) ** 2, n) / area)
    return {
        f"{name} mean": mean,
        f"{name} min": least,
        f"{name} max": greatest,
        f"{name} std": deviation,
    }


def _sureness(
    number: NDArray[Any], n: int, pixels: NDArray[Any], probabilities: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Return the mean probability of foreground, and of the lead of the likeliest class."""
    values = probabilities.reshape(len(probabilities), -1)[:, pixels]  # (K, p)
    area = np.bincount(number, minlength=n)
    second, first = np.partition(values, len(values) - 2, axis=0)[-2:]
    return {
        "mean probability": np.bincount(number, 1 - values[0], n) / area,
        "certainty": np.bincount(number, first - second, n) / area,
    }
