"""A stack: an image of any axes and its labels, read crop by crop.

Legend: ``C`` channels, ``(Y, X)`` plane, ``(h, w)`` crop, ``i`` flat index of
a slice over all leading axes except ``c`` (C order). Nothing here reads more
of a lazy array than it is asked for.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet.annotation.labels import SCAN_LIMIT, integer_labels, propose_from_parts
from napari_unet.base.errors import DataSetError, InputError, UNetError
from napari_unet.base.units import canonical_unit, ratio
from napari_unet.images.axes import check_axes, guess_axes
from napari_unet.images.fingerprint import fingerprint
from napari_unet.images.intensity import SAMPLE_PIXELS, Intensity, sample_blocks
from napari_unet.images.label_axes import find_label_axes
from napari_unet.images.pixels import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.images.source import Source

__all__ = ["Intensity", "Stack", "as_array", "from_multiscale", "guess_axes", "sample_blocks"]


@dataclass(frozen=True, eq=False)
class Stack:
    """An image of one or more slices, perhaps with labels, read crop by crop.

    Parameters
    ----------
    name
        What the user sees.
    image
        numpy, dask or zarr array, or any array that slices like numpy; a list
        of arrays of decreasing size is a multiscale image, of which level 0 is
        taken. Kept as it is: never copied, never loaded whole.
    axes
        One lower-case letter per axis of ``image``; "y", "x" and perhaps "c"
        (channels) have a meaning, every other axis counts slices.
    labels
        Array with the axes of ``image`` without "c"; or, where ``annotated``
        says which slices, only these: (len(annotated), Y, X), or (Y, X) for one.
    scheme
        What label values mean. Proposed from the labels when omitted.
    annotated
        Ascending flat indices of the slices that have labels. None: all of
        them; with sparse annotation, all that are not empty.
    scale, translate, units
        One per axis of ``image`` without "c". Default 1, 0 and "pixel".
    channel_names
        One per channel, or none.
    notes
        What whoever read it has to say about it, one sentence each.
    outside
        (slices, Y, X) bool: pixels that do not belong to the image, whatever they show; see
        `napari_unet.images.outside`. None: there are none.
    source
        How it was opened, where it was.

    Raises
    ------
    InputError
        When shapes, axes or dtypes do not fit together.
    """

    name: str
    image: Any
    axes: str
    labels: Any | None = None
    scheme: LabelScheme | None = None
    annotated: tuple[int, ...] | None = None
    scale: tuple[float, ...] = ()
    translate: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    channel_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    outside: Any | None = None
    source: Source | None = None
    _label_axes: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        self._set("image", as_array(self.image, "image"))
        check_axes(self.axes, tuple(self.image.shape), self.image.dtype)
        self._set("channel_names", tuple(self.channel_names))
        if self.channel_names and len(self.channel_names) != self.channels:
            raise InputError(
                f"channel_names must name {self.channels} channels, got {self.channel_names}: "
                "name each or none."
            )
        if self.annotated is not None:
            self._set("annotated", _ascending(self.annotated, self.n_slices))
        if self.labels is not None:
            self._set("labels", as_array(self.labels, "labels"))
            shape = tuple(int(n) for n in self.image.shape)
            found = find_label_axes(self.labels, self.axes, shape, self.annotated)
            self._set("_label_axes", found)
            if self.scheme is None:
                self._set("scheme", self.propose_scheme()[0])
        for name, values in _spacing(self).items():
            self._set(name, values)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    # -- shape ------------------------------------------------------------------------------

    def _size(self, axis: str) -> int:
        return int(self.image.shape[self.axes.index(axis)])

    @property
    def _plane_axes(self) -> str:
        """Axes without "c"."""
        return self.axes.replace("c", "")

    @property
    def channels(self) -> int:
        """Number of channels, 1 without a channel axis."""
        return self._size("c") if "c" in self.axes else 1

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(Y, X)."""
        return self._size("y"), self._size("x")

    @property
    def leading_axes(self) -> str:
        """Axes that count slices."""
        return "".join(a for a in self.axes if a not in "cyx")

    @property
    def leading_shape(self) -> tuple[int, ...]:
        """Sizes of the leading axes."""
        return tuple(self._size(a) for a in self.leading_axes)

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return math.prod(self.leading_shape)

    @property
    def unit(self) -> str:
        """Unit of the pixel size: that of x; "pixel" where it cannot be compared with that of y."""
        y, x = (self.units[self._plane_axes.index(a)] for a in "yx")
        return "pixel" if ratio(y, x) is None else x

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Height and width of a pixel in `unit`."""
        at = [self._plane_axes.index(a) for a in "yx"]
        (y, x), units = (self.scale[k] for k in at), [self.units[k] for k in at]
        return y * (ratio(*units) or 1.0), x

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the image."""
        dtype: np.dtype[Any] = np.dtype(self.image.dtype)
        return dtype

    def index(self, i: int) -> tuple[int, ...]:
        """Leading index of slice ``i``."""
        if not 0 <= i < self.n_slices:
            raise IndexError(f"slice {i} is not one of the {self.n_slices} of {self.name!r}")
        return tuple(int(k) for k in np.unravel_index(i, self.leading_shape))

    # -- reading ----------------------------------------------------------------------------

    def image_crop(self, i: int, rows: slice, cols: slice) -> NDArray[Any]:
        """Read a crop of slice ``i``, inside its bounds.

        Returns
        -------
        numpy.ndarray
            (C, h, w), dtype of the image.
        """
        where = dict(zip(self.leading_axes, self.index(i)))
        crop = _read(self.image, self.name, self._selection(self.axes, where, rows, cols))
        order = [a for a in self.axes if a in "cyx"]
        if "c" not in order:
            crop, order = crop[None], ["c", *order]
        return crop.transpose([order.index(a) for a in "cyx"])

    def outside_crop(self, i: int, rows: slice, cols: slice) -> NDArray[np.bool_] | None:
        """Read which pixels of a crop lie outside of the image: (h, w); None where none do."""
        if self.outside is None:
            return None
        crop: NDArray[np.bool_] = _read(self.outside, self.name, [i, rows, cols])
        return crop

    def image_plane(self, i: int) -> NDArray[Any]:
        """Read slice ``i``: (C, Y, X), dtype of the image."""
        Y, X = self.plane_shape
        return self.image_crop(i, slice(0, Y), slice(0, X))

    def label_crop(self, i: int, rows: slice, cols: slice) -> NDArray[np.int32]:
        """Read a crop of the labels of slice ``i``, inside its bounds.

        Returns
        -------
        numpy.ndarray
            (h, w) int32; zeros where the stack has labels only for other slices.

        Raises
        ------
        InputError
            Without labels, or when a value is not a whole number or exceeds int32.
        """
        return integer_labels(self.raw_labels(i, rows, cols), of=self.name)

    def label_plane(self, i: int) -> NDArray[np.int32]:
        """Read the labels of slice ``i``: (Y, X) int32."""
        Y, X = self.plane_shape
        return self.label_crop(i, slice(0, Y), slice(0, X))

    def raw_labels(self, i: int, rows: slice, cols: slice) -> NDArray[Any]:
        """Read a crop of the labels of slice ``i`` as they are stored, unchecked: (h, w)."""
        labels: Any = self.labels
        if labels is None:
            raise InputError(f"{self.name!r} has no labels: choose a labels layer or file.")
        where = dict(zip(self.leading_axes, self.index(i)), c=0, n=0)
        few = not set(self._label_axes) & set(self.leading_axes)  # the axes know no such slice
        if few and self.annotated is not None:
            if i not in self.annotated:
                return np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.uint8)
            where["n"] = self.annotated.index(i)
        crop = _read(labels, self.name, self._selection(self._label_axes, where, rows, cols))
        y, x = (self._label_axes.index(a) for a in "yx")
        return crop.T if x < y else crop

    def _selection(
        self, axes: str, where: dict[str, int], rows: slice, cols: slice
    ) -> list[int | slice]:
        for what, given, size in zip(("rows", "cols"), (rows, cols), self.plane_shape):
            if given.step not in (None, 1) or not 0 <= given.start <= given.stop <= size:
                raise IndexError(f"{what} must be a slice inside 0 … {size}, got {given}")
        every: dict[str, int | slice] = {"y": rows, "x": cols, "c": slice(0, self.channels)}
        return [where[a] if a in where else every[a] for a in axes]

    # -- labels -----------------------------------------------------------------------------

    @property
    def labelled_slices(self) -> tuple[int, ...]:
        """Flat indices of the slices that have labels; () without labels.

        With sparse annotation and ``annotated=None`` these are the slices that
        are not empty; of arrays in memory they are looked up anew each time,
        since they may be being painted.
        """
        if self.labels is None:
            return ()
        if self.annotated is not None:
            return self.annotated
        if self.scheme is None or self.scheme.annotation == "dense":
            return tuple(range(self.n_slices))
        if isinstance(self.labels, np.ndarray):
            return self._painted_slices()
        if "_painted" not in self.__dict__:
            self._set("_painted", self._painted_slices())
        painted: tuple[int, ...] = self.__dict__["_painted"]
        return painted

    def _painted_slices(self) -> tuple[int, ...]:
        return tuple(i for i in range(self.n_slices) if self._is_painted(i))

    def _is_painted(self, i: int) -> bool:
        """Look in bands of rows, so that a large plane is never in memory as a whole."""
        Y, X = self.plane_shape
        band = max(1, SAMPLE_PIXELS // X)
        bands = (slice(y, min(y + band, Y)) for y in range(0, Y, band))
        return any(self.raw_labels(i, rows, slice(0, X)).any() for rows in bands)

    def propose_scheme(
        self, annotation: Literal["dense", "sparse"] = "dense"
    ) -> tuple[LabelScheme, str]:
        """Propose what the label values mean, with one sentence that says why.

        Looks at every plane that has labels; of more than 67 million pixels at a sample.

        Parameters
        ----------
        annotation
            What the user says about 0: background ("dense") or not annotated ("sparse").

        Raises
        ------
        InputError
            If the values cannot be labels.
        """
        slices: Sequence[int] = range(self.n_slices)
        if self.annotated is not None:
            slices = self.annotated
        elif annotation == "sparse":
            slices = self._painted_slices()
        Y, X = self.plane_shape
        blocks = sample_blocks(self, slices)
        if len(slices) * Y * X <= SCAN_LIMIT:
            blocks = ((i, slice(0, Y), slice(0, X)) for i in slices)
        return propose_from_parts((self.label_crop(*block) for block in blocks), annotation)

    def with_labels(
        self,
        labels: Any,
        scheme: LabelScheme | None = None,
        annotated: tuple[int, ...] | None = None,
    ) -> Stack:
        """Return the same image with other labels.

        Parameters
        ----------
        labels
            As in the class; None takes the labels away.
        scheme
            None: the one the stack has, or else proposed from the labels.
        annotated
            As in the class; it is not taken over from this stack.
        """
        if labels is None:
            return replace(self, labels=None, scheme=None, annotated=None)
        return replace(self, labels=labels, scheme=scheme or self.scheme, annotated=annotated)

    def fingerprint(self, *, quick: bool = False) -> dict[str, Any]:
        """Describe the data in plain JSON, with sums that tell it from other data."""
        return fingerprint(self, quick=quick)


def _ascending(slices: Sequence[int], n: int) -> tuple[int, ...]:
    """Flat indices of annotated slices, checked."""
    indices = tuple(int(i) for i in slices)
    if any(not 0 <= i < n for i in indices):
        raise InputError(
            f"annotated slices must lie in 0 … {n - 1}, got {indices}: give flat indices of the "
            "stack's slices."
        )
    if any(a >= b for a, b in pairwise(indices)):
        raise InputError(
            f"annotated slices must ascend without repetition, got {indices}: sort them, and their "
            "labels with them."
        )
    return indices


def _spacing(stack: Stack) -> dict[str, tuple[Any, ...]]:
    """Scale, translation and units of the axes but "c", filled in and checked."""
    axes = stack.axes.replace("c", "")
    n = len(axes)
    found: dict[str, tuple[Any, ...]] = {
        "scale": tuple(float(v) for v in stack.scale) or (1.0,) * n,
        "translate": tuple(float(v) for v in stack.translate) or (0.0,) * n,
        # A unit that nobody knows is no unit: what reads a file says so.
        "units": tuple(canonical_unit(u) or "pixel" for u in stack.units) or ("pixel",) * n,
    }
    for what, values in found.items():
        if len(values) != n:
            raise InputError(
                f"{what} must have {n} values, one per axis {axes!r}, got {values}: leave out the "
                "one of the channels."
            )
    if not all(math.isfinite(v) and v > 0 for v in found["scale"]):
        raise InputError(f"scale must be positive, got {found['scale']}: give the size of a pixel.")
    return found


def from_multiscale(
    name: str,
    levels: Sequence[Any],
    axes: str,
    *,
    level: int = 0,
    labels: Any | None = None,
    scale: Sequence[float] = (),
    translate: Sequence[float] = (),
    **described: Any,
) -> Stack:
    """Make a stack of one level of a multiscale image.

    Parameters
    ----------
    name, axes, labels
        As in ``Stack``; multiscale labels contribute the level that fits.
    levels
        Arrays of decreasing size, the finest first.
    level
        Which one; 0 is the finest.
    scale
        Of level 0, per axis without "c"; that of another level follows from
        the ratio of the sizes.
    translate
        Of level 0, the centre of its first pixel; all levels have the same outline.
    described
        Any other field of ``Stack``.

    Raises
    ------
    InputError
        When there is no such level.
    """
    if not 0 <= level < len(levels):
        raise InputError(
            f"level must be one of 0 … {len(levels) - 1} of {name!r}, got {level}: choose another."
        )
    chosen, finest = levels[level], levels[0]
    sizes = [(f, n) for a, f, n in zip(axes, finest.shape, chosen.shape) if a != "c"]
    base = tuple(scale) or (1.0,) * len(sizes)
    scale = tuple(s * f / n for s, (f, n) in zip(base, sizes))
    start = tuple(translate) or (0.0,) * len(sizes)
    translate = tuple(t + (s - b) / 2 for t, s, b in zip(start, scale, base))
    if isinstance(labels, list | tuple):
        wanted = tuple(n for _, n in sizes)
        labels = next((one for one in labels if tuple(one.shape) == wanted), labels[0])
    return Stack(name, chosen, axes, labels=labels, scale=scale, translate=translate, **described)


def as_array(data: Any, what: str) -> Any:
    """Return the array itself, or the finest level of a multiscale image.

    Raises
    ------
    InputError
        If it is no array; a name of a file is none.
    """
    if data is None or isinstance(data, str | bytes | os.PathLike):
        raise InputError(f"{what} must be an array, got {data!r}: open files with open_image.")
    if isinstance(data, list | tuple):
        levels = [one for one in data if hasattr(one, "shape") and hasattr(one, "dtype")]
        shapes = [tuple(one.shape) for one in levels]
        if len(levels) != len(data) or not levels or len(set(shapes)) < len(shapes):
            raise InputError(
                f"{what} must be one array, or the levels of a multiscale image in decreasing "
                f"size, got a {type(data).__name__} of {len(data)}: join slices with numpy.stack."
            )
        return levels[0]
    if not all(hasattr(data, name) for name in ("shape", "dtype", "ndim")):
        return np.asarray(data)
    if not isinstance(data.dtype, np.dtype):  # such as a tensor of torch
        return np.asarray(data)
    if any(n != n for n in data.shape):  # NaN, of dask
        raise InputError(
            f"{what} must have a size that is known, got the shape {data.shape}: call its "
            "compute_chunk_sizes() first."
        )
    return data


def _read(array: Any, name: str, selection: list[int | slice]) -> NDArray[Any]:
    try:
        return np.asarray(array[tuple(selection)])
    except Exception as error:  # whatever the file behind a lazy array raises
        if isinstance(error, UNetError):
            raise
        raise DataSetError(
            f"a part of {name!r} cannot be read ({reason(error)}): the file is damaged or out of "
            "reach, copy it again."
        ) from error
