"""A stack: an image of any axes and its labels, read crop by crop.

Legend: ``C`` channels, ``(Y, X)`` plane, ``(h, w)`` crop, ``i`` flat index of
a slice over all leading axes except ``c`` (C order). Nothing here reads more
of a lazy array than it is asked for.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet.base.errors import DataSetError, InputError, UNetError
from napari_unet.images.intensity import SAMPLE_PIXELS, Intensity, sample_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme

__all__ = ["Intensity", "Stack", "from_multiscale", "guess_axes", "sample_blocks"]


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
    _compact: bool = field(default=False, init=False, repr=False)  # labels of annotated slices only
    _extra_channel: int | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._set("image", _as_array(self.image, "image"))
        self._check_image()
        if self.annotated is not None:
            self._set("annotated", self._checked_slices(self.annotated))
        if self.labels is not None:
            self._set("labels", _as_array(self.labels, "labels"))
            self._fit_labels()
            if self.scheme is None:
                self._set("scheme", self.propose_scheme()[0])
        self._check_spacing()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    # -- checks -----------------------------------------------------------------------------

    def _check_image(self) -> None:
        shape, axes = tuple(self.image.shape), self.axes
        if len(axes) != len(shape):
            raise InputError(
                f"axes must have one letter per axis of the image, got {axes!r} for shape "
                f"{shape}: for example {guess_axes(shape, self.image.dtype)[0]!r}."
            )
        if not (axes.isalpha() and axes.islower()) or len(set(axes)) < len(axes):
            raise InputError(
                f"axes must be different lower-case letters, got {axes!r}: write for example "
                "'zyx', 'tzyx', 'zcyx' or 'yxc'."
            )
        if "y" not in axes or "x" not in axes:
            raise InputError(f"axes must contain 'y' and 'x', got {axes!r}: name the plane's axes.")
        if 0 in shape:
            raise InputError(f"image must not be empty, got shape {shape}: choose another image.")
        if np.dtype(self.image.dtype).kind not in "biuf":
            raise InputError(
                f"image must hold real numbers, got dtype {self.image.dtype}: convert it to an "
                "integer or floating-point type."
            )
        if axes[-2:] == "yx" and shape[-1] in (3, 4) and min(shape[-3:-1]) >= 16 and len(axes) > 2:
            raise InputError(
                f"an image of shape {shape} looks like colour, but axes {axes!r} make its last "
                f"axis the width of the image: use axes {axes[:-3] + 'yxc'!r}."
            )
        if self.channel_names and len(self.channel_names) != self.channels:
            raise InputError(
                f"channel_names must name {self.channels} channels, got {self.channel_names}: "
                "name each or none."
            )
        self._set("channel_names", tuple(self.channel_names))

    def _checked_slices(self, slices: Sequence[int]) -> tuple[int, ...]:
        indices = tuple(int(i) for i in slices)
        if any(not 0 <= i < self.n_slices for i in indices):
            raise InputError(
                f"annotated slices must lie in 0 … {self.n_slices - 1}, got {indices}: give flat "
                "indices of the stack's slices."
            )
        if any(a >= b for a, b in pairwise(indices)):
            raise InputError(
                f"annotated slices must ascend without repetition, got {indices}: sort them, "
                "and their labels with them."
            )
        return indices

    def _fit_labels(self) -> None:
        """Find how the labels' axes correspond to the image's, or say why they do not."""
        labels: Any = self.labels
        if np.dtype(labels.dtype).kind not in "biuf":
            raise InputError(
                f"labels must hold whole numbers, got dtype {labels.dtype}: convert them."
            )
        shape = tuple(labels.shape)
        axes = self._plane_axes
        expected = tuple(self._size(a) for a in axes)
        c = self.axes.find("c")
        if c >= 0 and len(shape) == len(self.axes) and shape[c] == 1:
            shape = shape[:c] + shape[c + 1 :]
            self._set("_extra_channel", c)
        if shape == expected:
            return
        compact = self._compact_shapes()
        if shape in compact:
            self._set("_compact", True)
            return
        raise InputError(self._labels_misfit(tuple(labels.shape), expected))

    def _compact_shapes(self) -> tuple[tuple[int, ...], ...]:
        plane = self._labels_plane_shape
        shapes: list[tuple[int, ...]] = []
        if self.annotated is not None:
            shapes.append((len(self.annotated), *plane))
        if (self.annotated is not None and len(self.annotated) == 1) or self.n_slices == 1:
            shapes += [plane, (1, *plane)]
        return tuple(shapes)

    def _labels_misfit(self, shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
        image = tuple(self.image.shape)
        start = f"labels must have shape {expected} to fit the image of shape {image} "
        start += f"(axes {self.axes!r}), got {shape}: "
        if image[-1] in (3, 4) and self.axes[-1] == "x" and shape == image[:-1]:
            return start + f"the image looks like colour, use axes {self.axes[:-3] + 'yxc'!r}."
        if "c" not in self.axes and len(shape) == len(image) - 1 and shape == image[1:]:
            return start + (
                f"if the image's first axis counts channels, use axes {'c' + self.axes[1:]!r}; if "
                "these are the labels of one slice, say which with annotated=(i,)."
            )
        if shape[-2:] == self._labels_plane_shape:
            return start + "for labels of a few slices only, say which with annotated=(i, …)."
        return start + "choose labels drawn on this image."

    def _check_spacing(self) -> None:
        n = len(self._plane_axes)
        scale = tuple(float(v) for v in self.scale) or (1.0,) * n
        translate = tuple(float(v) for v in self.translate) or (0.0,) * n
        units = tuple(str(u) for u in self.units) or ("pixel",) * n
        for what, values in (("scale", scale), ("translate", translate), ("units", units)):
            if len(values) != n:
                raise InputError(
                    f"{what} must have {n} values, one per axis {self._plane_axes!r}, got "
                    f"{values}: leave out the one of the channels."
                )
        if not all(math.isfinite(v) and v > 0 for v in scale):
            raise InputError(f"scale must be positive, got {scale}: give the size of a pixel.")
        self._set("scale", scale)
        self._set("translate", translate)
        self._set("units", units)

    # -- shape ------------------------------------------------------------------------------

    def _size(self, axis: str) -> int:
        return int(self.image.shape[self.axes.index(axis)])

    @property
    def _plane_axes(self) -> str:
        """Axes without "c"."""
        return self.axes.replace("c", "")

    @property
    def _labels_plane_shape(self) -> tuple[int, ...]:
        return tuple(self._size(a) for a in self._plane_axes if a in "yx")

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
    def pixel_size(self) -> tuple[float, float]:
        """Scale along y and x."""
        axes = self._plane_axes
        return self.scale[axes.index("y")], self.scale[axes.index("x")]

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
        return _whole_numbers(self._read_labels(i, rows, cols), self.name)

    def label_plane(self, i: int) -> NDArray[np.int32]:
        """Read the labels of slice ``i``: (Y, X) int32."""
        Y, X = self.plane_shape
        return self.label_crop(i, slice(0, Y), slice(0, X))

    def _read_labels(self, i: int, rows: slice, cols: slice) -> NDArray[Any]:
        """(h, w) crop in the dtype the labels have."""
        labels: Any = self.labels
        if labels is None:
            raise InputError(f"{self.name!r} has no labels: choose a labels layer or file.")
        where = dict(zip(self.leading_axes, self.index(i)))
        axes = self._plane_axes
        if self._compact:
            if not self._has_labels(i):
                return np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.uint8)
            plane = "".join(a for a in axes if a in "yx")
            axes = plane if labels.ndim - (self._extra_channel is not None) == 2 else "n" + plane
            where = {"n": (self.annotated or (i,)).index(i)}
        selection = self._selection(axes, where, rows, cols)
        if self._extra_channel is not None:
            selection.insert(self._extra_channel, 0)
        crop = _read(labels, self.name, selection)
        return crop.T if axes.index("x") < axes.index("y") else crop

    def _selection(
        self, axes: str, where: dict[str, int], rows: slice, cols: slice
    ) -> list[int | slice]:
        for what, given, size in zip(("rows", "cols"), (rows, cols), self.plane_shape):
            if given.step not in (None, 1) or not 0 <= given.start <= given.stop <= size:
                raise IndexError(f"{what} must be a slice inside 0 … {size}, got {given}")
        every: dict[str, int | slice] = {"y": rows, "x": cols, "c": slice(0, self.channels)}
        return [where[a] if a in where else every[a] for a in axes]

    # -- labels -----------------------------------------------------------------------------

    def _has_labels(self, i: int) -> bool:
        return self.annotated is None or i in self.annotated

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
        return any(self._read_labels(i, rows, slice(0, X)).any() for rows in bands)

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
        from napari_unet.annotation.labels import SCAN_LIMIT, propose_from_parts

        slices: Sequence[int] = range(self.n_slices)
        if self.annotated is not None:
            slices = self.annotated
        elif annotation == "sparse":
            slices = self._painted_slices()
        Y, X = self.plane_shape
        blocks = sample_blocks(self, slices)
        if len(slices) * Y * X <= SCAN_LIMIT:
            blocks = ((i, slice(0, Y), slice(0, X)) for i in slices)
        return propose_from_parts((self._read_labels(*block) for block in blocks), annotation)

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

    # -- identity ---------------------------------------------------------------------------

    def fingerprint(self) -> dict[str, Any]:
        """Describe the data in plain JSON, with SHA-256 sums that tell it from other data.

        Arrays in memory are summed whole; of lazy ones the fixed sample of
        ``sample_blocks``, and "sampled" says so.
        """
        labels: dict[str, Any] = {}
        if self.labels is not None:
            labels = {
                "labels": self._sum_of_labels(),
                "labels_shape": [int(n) for n in self.labels.shape],
                "labels_dtype": str(self.labels.dtype),
                "annotated": None if self.annotated is None else list(self.annotated),
            }
        return {
            "name": self.name,
            "shape": [int(n) for n in self.image.shape],
            "dtype": str(self.image.dtype),
            "axes": self.axes,
            "scale": list(self.scale),
            "units": list(self.units),
            "image": self._sum_of_image(),
            "sampled": not (_in_memory(self.image) and _in_memory(self.labels)),
            **labels,
        }

    def _sum_of_image(self) -> str:
        if _in_memory(self.image):
            return _sum_of_array(self.image)
        return _sum_of_parts(self.image, (self.image_crop(*b) for b in sample_blocks(self)))

    def _sum_of_labels(self) -> str:
        if _in_memory(self.labels):
            return _sum_of_array(np.asarray(self.labels))
        return _sum_of_parts(self.labels, (self._read_labels(*b) for b in sample_blocks(self)))


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


def guess_axes(
    shape: Sequence[int],
    dtype: Any = None,
    rgb: bool = False,
    labels_shape: Sequence[int] | None = None,
) -> tuple[str, ...]:
    """Propose axes for an array of unknown ones, the likeliest first.

    Parameters
    ----------
    shape, dtype
        Of the image. An integer image of 8 or 16 bits may be colour.
    rgb
        Known to be colour, with the channels last.
    labels_shape
        Shape of its labels, which tells channels from slices.

    Returns
    -------
    tuple of str
        For example ("zyx", "cyx") for (3, 512, 512).
    """
    n = len(shape)
    if n < 2:
        raise InputError(f"image must have at least 2 axes (Y, X), got shape {tuple(shape)}.")
    leading = {0: "", 1: "z", 2: "tz", 3: "ptz"}
    if n > 6 or (rgb and n < 3):
        raise InputError(f"no axes can be proposed for shape {tuple(shape)}: name them yourself.")
    colour = np.dtype(dtype or np.uint8).kind in "uf" and n >= 3
    colour = colour and shape[-1] in (3, 4) and min(shape[-3:-1]) >= 16
    if rgb:
        return (leading[n - 3] + "yxc",)
    proposals = [leading[n - 3] + "yxc"] if colour else []
    rest = [leading[min(n - 2, 3)] + "yx"] if n <= 5 else []
    if n >= 3:
        slices = leading[n - 3]
        # Up to 4 channels, beside slices or before them; a plain stack comes first.
        channels = [slices[:k] + "c" + slices[k:] + "yx" for k in range(n - 2) if shape[k] <= 4]
        few = n > 3 and channels and min(shape[: n - 2]) < max(shape[: n - 2])
        rest = [*channels, *rest] if few else [*rest, *channels]
        rest = rest or [slices[:1] + "c" + slices[1:] + "yx"]
    proposals += rest
    if labels_shape is not None:
        wanted = tuple(labels_shape)
        proposals.sort(key=lambda a: _without_channels(a, shape) != wanted)
    return tuple(proposals)


def _without_channels(axes: str, shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(n for a, n in zip(axes, shape) if a != "c")


def _as_array(data: Any, what: str) -> Any:
    """Return the array itself, or the finest level of a multiscale image."""
    if isinstance(data, list | tuple):
        levels = [one for one in data if hasattr(one, "shape") and hasattr(one, "dtype")]
        shapes = [tuple(one.shape) for one in levels]
        if len(levels) != len(data) or not levels or len(set(shapes)) < len(shapes):
            raise InputError(
                f"{what} must be one array, or the levels of a multiscale image in decreasing "
                f"size, got a {type(data).__name__} of {len(data)}: join slices with numpy.stack."
            )
        return levels[0]
    if not (hasattr(data, "shape") and hasattr(data, "dtype") and hasattr(data, "ndim")):
        return np.asarray(data)
    return data


def _read(array: Any, name: str, selection: list[int | slice]) -> NDArray[Any]:
    try:
        return np.asarray(array[tuple(selection)])
    except Exception as error:  # whatever the file behind a lazy array raises
        if isinstance(error, UNetError):
            raise
        raise DataSetError(
            f"a part of {name!r} cannot be read ({error}): the file is damaged or out of reach, "
            "copy it again."
        ) from error


def _whole_numbers(labels: NDArray[Any], name: str) -> NDArray[np.int32]:
    """Labels of any real dtype as int32, or an error where that would change a value."""
    floating = labels.dtype.kind == "f"
    if floating and not (np.isfinite(labels).all() and (labels == np.round(labels)).all()):
        raise InputError(
            f"labels must be whole numbers, but those of {name!r} have fractions or NaN: "
            "threshold or round them first."
        )
    wide = floating or not np.can_cast(labels.dtype, np.int32)
    if wide and labels.size and (labels.max() >= 2**31 or labels.min() < -(2**31)):
        raise InputError(
            f"labels must lie below 2147483648, but those of {name!r} reach "
            f"{labels.max():.0f}: number the objects anew from 1."
        )
    return labels.astype(np.int32, copy=False)


def _in_memory(array: Any) -> bool:
    return array is None or (isinstance(array, np.ndarray) and not isinstance(array, np.memmap))


def _sum_of_array(array: NDArray[Any]) -> str:
    rows = array if array.ndim > 2 else array[None]
    return _sum_of_parts(array, rows)


def _sum_of_parts(array: Any, parts: Any) -> str:
    """SHA-256 of dtype, shape and bytes, taken part by part."""
    digest = hashlib.sha256(f"{np.dtype(array.dtype).str} {tuple(array.shape)}".encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
