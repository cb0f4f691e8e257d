"""Results as layers that lie where their source lies; what the user touched is left alone."""

from __future__ import annotations

import math
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref
from zlib import crc32

import numpy as np

from napari_unet.base.errors import InputError
from napari_unet.widgets.common.layer_facts import (
    find_made,
    is_result,
    made_of,
    mark_made,
    note_sum,
    touch,
    writing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack
    from napari_unet.training.data import Placement
    from napari_unet.widgets.common.layer_facts import Kind

__all__ = [
    "GrowingLayer",
    "live_dtype",
    "placement",
    "refresh",
    "remove_made",
    "same_place",
    "seen_placement",
    "show_result",
]

SUMMED = 2**29
"""Bytes of a result up to which it is summed, to see whether anybody wrote into it; a larger one
is never added to by a later prediction."""

LOOKED_AT = 2**18
"""Pixels of an image, evenly over it, by which a change in place is noticed."""

SECONDS_PER_PIXEL = 1.6 / 4096**2
"""Least time between two pictures: 1.6 s at 4096², at once for ordinary slices."""


def placement(stack: Stack, source: Layer | None, ndim: int | None = None) -> dict[str, Any]:
    """Return scale, translate, units, axis labels and affine for a result over ``stack``.

    Parameters
    ----------
    stack
        The stack.
    source
        The image layer it came from, whose own axis labels and affine are kept.
    ndim
        Axes of the result. None: all axes of the stack but the channels; 2: a plane.
    """
    axes = stack.axes.replace("c", "")
    count = len(axes) if ndim is None else ndim
    keep = slice(len(axes) - count, None)
    kept: dict[str, Any] = {
        "scale": stack.scale[keep],
        "translate": stack.translate[keep],
        "units": stack.units[keep],
    }
    if source is None:
        kept["axis_labels"] = tuple(axes[keep])
        return kept
    spatial = [k for k, a in enumerate(stack.axes) if a != "c" and k < source.ndim]
    kept["affine"] = _turned(source, spatial[keep])
    if has_named_axes(source):
        names = [name for a, name in zip(stack.axes, source.axis_labels) if a != "c"]
        kept["axis_labels"] = tuple(names[keep])
    return kept


def has_named_axes(layer: Layer) -> bool:
    """Tell whether the axes of a layer have names: not "-2" or "axis -2", as napari calls them."""
    usual = [(str(k), f"axis {k}") for k in range(-layer.ndim, 0)]
    return any(name not in names for name, names in zip(layer.axis_labels, usual))


def seen_placement(
    stack: Stack, source: Layer | None, seen: Placement, ndim: int = 2
) -> dict[str, Any]:
    """Return `placement` of planes in pixels as the network sees those of ``stack``."""
    given = placement(stack, source, ndim)
    scale, translate = (np.array(given[name], float) for name in ("scale", "translate"))
    translate[-2:] += scale[-2:] * seen.translate
    scale[-2:] *= seen.scale
    return {**given, "scale": tuple(scale.tolist()), "translate": tuple(translate.tolist())}


def same_place(layer: Layer) -> dict[str, Any]:
    """Return what a layer of the same axes needs to lie where another one lies."""
    kept = {
        name: getattr(layer, name)
        for name in ("scale", "translate", "rotate", "shear", "affine", "units")
    }
    if has_named_axes(layer):
        kept["axis_labels"] = layer.axis_labels
    return kept


def _turned(source: Layer, kept: list[int]) -> NDArray[np.float64]:
    """Rotation, shear and affine of a layer in one matrix, for the axes that a result keeps.

    From where scale and translate alone put a point to where the layer shows it.
    """
    n = source.ndim
    origin = np.asarray(source.data_to_world(np.zeros(n)), float)
    columns = [np.asarray(source.data_to_world(unit), float) - origin for unit in np.eye(n)]
    linear = np.stack(columns, axis=1) / np.asarray(source.scale, float)
    matrix = np.eye(n + 1)
    matrix[:n, :n] = linear
    matrix[:n, n] = origin - linear @ np.asarray(source.translate, float)
    rows = [*kept, n]
    return np.round(matrix[np.ix_(rows, rows)], 12)


def live_dtype(largest: int) -> type[np.unsignedinteger[Any]]:
    """Smallest dtype for label values up to ``largest``; small ones refresh fast.

    Raises
    ------
    InputError
        When 32 bits do not suffice.
    """
    for dtype in (np.uint8, np.uint16, np.uint32):
        if largest <= np.iinfo(dtype).max:
            return dtype
    raise InputError(f"label values must fit 32 bits, got {largest}: renumber the labels.")


def show_result(
    viewer: Any, kind: Kind, layer: Layer, source: Layer | None, model: str = ""
) -> Layer:
    """Add a layer of ours to the viewer; the layer that the user works on stays the active one."""
    mark_made(layer, kind, source, model)
    active = viewer.layers.selection.active
    viewer.add_layer(layer)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
    return layer


def remove_made(viewer: Any, kind: Kind, source: Layer | None) -> None:
    """Take former results away that nobody has touched."""
    for layer in find_made(viewer, kind, source):
        viewer.layers.remove(layer)


_origins: WeakKeyDictionary[Any, tuple[Callable[[], Any], str]] = WeakKeyDictionary()
"""The image array that a result was made of, and its look and place then, by result layer."""


class GrowingLayer:
    """A result that is written piece by piece, now or over several predictions.

    A former layer goes on where it is of the same image, pixels, place and model, and nobody
    has touched it since. Once the user touches the layer, it is left alone, and a new one takes
    what was written and what is still to come.

    Parameters
    ----------
    viewer
        Where to show it.
    stack, source
        What is predicted, and the image layer it came from.
    kind, model
        See `layer_facts.Made`.
    make
        Makes the layer that shows an array: labels of whole numbers, an image of others.
    shape, dtype
        Of the array.
    """

    def __init__(
        self,
        viewer: Any,
        stack: Stack,
        source: Layer | None,
        kind: Kind,
        model: str,
        make: Callable[[NDArray[Any]], Layer],
        shape: tuple[int, ...],
        dtype: Any,
    ) -> None:
        self._viewer, self._stack, self._source = viewer, stack, source
        self._kind, self._model, self._make = kind, model, make
        self._written, self._drawn = False, 0.0
        former = self._former(shape, np.dtype(dtype))
        self._values = np.zeros(shape, dtype) if former is None else self._own(former.data)
        self.layer = self._show() if former is None else former

    @property
    def taken_away(self) -> bool:
        """Whether the user deleted the layer."""
        return self.layer not in self._viewer.layers

    def write(self, where: tuple[Any, ...], values: NDArray[Any]) -> None:
        """Write values into a part of the array; `draw` shows it.

        Parameters
        ----------
        where
            Index of the part.
        values
            Of its shape. A wider dtype than the array's makes the array as wide.
        """
        if values.size == 0 or self.taken_away:
            return
        if self._is_touched(where):
            touch(self.layer)
            self.layer = self._show()  # with all that was written until now
        if values.dtype.itemsize > self._values.dtype.itemsize:  # more objects than 16 bits count
            self._values = self._values.astype(values.dtype)
            with writing(self.layer):
                self.layer.data = self._own(self._values)
        if np.array_equal(self._values[where], values):
            return  # a picture takes the window time, also the same one again
        self._values[where] = values
        self.layer.data[where] = values
        self._written = True

    def draw(self, *, now: bool = False) -> None:
        """Show what was written: at once, or when it is time for another picture.

        A picture of a large plane takes the window tens of milliseconds, so it gets fewer.
        """
        if not self._written or self.taken_away:
            return
        pixels = self._values.shape[-2] * self._values.shape[-1]
        if now or monotonic() - self._drawn >= SECONDS_PER_PIXEL * pixels:
            refresh(self.layer)
            self._drawn, self._written = monotonic(), False

    def finish(self) -> None:
        """Draw, and remember what was written, so that a later prediction may go on."""
        self.draw(now=True)
        if is_result(self.layer) and isinstance(self.layer.data, np.ndarray):
            note_sum(self.layer, _sum(self.layer.data))

    def _show(self) -> Layer:
        layer = self._make(self._own(self._values))
        show_result(self._viewer, self._kind, layer, self._source, self._model)
        _origins[layer] = (_reference(self._stack.image), self._origin())
        return layer

    def _own(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return an array of one's own where the other is painted on: labels, not images."""
        return values if values.dtype.kind == "f" else values.copy()

    def _is_touched(self, where: tuple[Any, ...]) -> bool:
        """Tell whether the layer is the user's by now, also where no event told of it."""
        data = self.layer.data
        if not is_result(self.layer) or getattr(data, "shape", None) != self._values.shape:
            return True
        return data is not self._values and not np.array_equal(data[where], self._values[where])

    # -- a former layer ---------------------------------------------------------------------

    def _former(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Layer | None:
        for layer in find_made(self._viewer, self._kind, self._source, self._model):
            if self._goes_on(layer, shape, dtype):
                return layer
        return None

    def _goes_on(self, layer: Layer, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
        data, made = layer.data, made_of(layer)
        if not isinstance(data, np.ndarray) or data.shape != shape or data.dtype.kind != dtype.kind:
            return False
        if layer not in _origins or made is None or data.dtype.itemsize < dtype.itemsize:
            return False
        image, origin = _origins[layer]
        if image() is not self._stack.image or origin != self._origin():
            return False
        if made.sum is not None and made.sum != _sum(data):
            touch(layer)  # by a script, of which no event told
            return False
        return made.sum is not None

    def _origin(self) -> str:
        """What the image is like and where it lies, as far as it can be told quickly."""
        image = self._stack.image
        seen = 0
        if isinstance(image, np.ndarray):
            step = math.ceil((image.size / LOOKED_AT) ** (1 / image.ndim))
            seen = crc32(np.ascontiguousarray(image[(slice(0, None, step),) * image.ndim]).data)
        return f"{seen} {self._stack.axes} {placement(self._stack, self._source)}"


def refresh(layer: Layer) -> None:
    """Draw a layer whose array was written in place, without measuring it anew."""
    layer.refresh(extent=False, thumbnail=False, highlight=False)


def _sum(values: NDArray[Any]) -> int | None:
    return crc32(np.ascontiguousarray(values).data) if values.nbytes <= SUMMED else None


def _reference(array: Any) -> Callable[[], Any]:
    """Return a weak reference where there can be one; lazy arrays are small."""
    try:
        return ref(array)
    except TypeError:
        return lambda: array
