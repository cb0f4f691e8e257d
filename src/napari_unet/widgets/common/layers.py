"""Layers to stacks, and results to layers that lie where their source lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QSignalBlocker

from napari_unet.base.errors import InputError
from napari_unet.images.stack import Stack, from_multiscale, guess_axes
from napari_unet.widgets.common.form import Combo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.app.session import Session
    from napari_unet.training.data import Placement

__all__ = [
    "LayerCombo",
    "annotated_slices",
    "default_level",
    "describe_levels",
    "find_result",
    "fits",
    "go_to_slice",
    "level_options",
    "live_dtype",
    "placement",
    "proposed_axes",
    "refresh",
    "result_name",
    "seen_placement",
    "show_image",
    "show_labels",
    "shown_slice",
    "stack_from_layers",
]

# -- from layers ----------------------------------------------------------------------------


def proposed_axes(image: Image, labels: Labels | None = None) -> tuple[str, ...]:
    """Propose axes for an image layer, the likeliest first.

    Axis labels that the user or a file gave to the layer count; otherwise they
    are guessed from the shape, the labels' shape and whether it is shown as colour.
    """
    data = _finest(image)
    named = _axes_from_labels(image)
    labels_shape = None if labels is None else _finest(labels).shape
    guessed = guess_axes(data.shape, data.dtype, image.rgb, labels_shape)
    if named is None:
        return guessed
    return (named, *(axes for axes in guessed if axes != named))


def _axes_from_labels(image: Image) -> str | None:
    """The layer's axis labels as single letters, where they can be."""
    letters = "".join(
        "c" if label.lower() == "channel" else label.lower()[:1] for label in image.axis_labels
    )
    letters += "c" if image.rgb else ""
    usable = letters.isalpha() and len(set(letters)) == len(letters)
    return letters if usable and "y" in letters and "x" in letters else None


def _finest(layer: Layer) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def stack_from_layers(
    image: Image,
    labels: Labels | None = None,
    *,
    axes: str | None = None,
    scheme: LabelScheme | None = None,
    annotated: tuple[int, ...] | None = None,
    level: int = 0,
) -> Stack:
    """Make a stack of an image layer, and perhaps a labels layer drawn on it.

    The arrays are the layers' own, never copied nor loaded: painting changes them.

    Parameters
    ----------
    image, labels
        Layers of any container (numpy, dask, zarr), multiscale or not, RGB or not.
    axes
        One letter per axis of the image. None: ``proposed_axes``.
    scheme, annotated
        As in ``Stack``.
    level
        Of a multiscale image; 0 is the finest.

    Raises
    ------
    InputError
        When the image and the labels do not fit together.
    """
    axes = axes or proposed_axes(image, labels)[0]
    spatial = [k for k, a in enumerate(axes) if a != "c" and k < image.ndim]
    described: dict[str, Any] = {
        "scale": tuple(float(image.scale[k]) for k in spatial),
        "translate": tuple(float(image.translate[k]) for k in spatial),
        "units": tuple(str(image.units[k]) for k in spatial),
        "annotated": annotated,
    }
    array: Any = None if labels is None else labels.data
    if labels is not None and labels.multiscale:
        array = list(array) if image.multiscale else array[0]
    if annotated is not None and array is not None and array.ndim > 3:
        array = _few_planes(array, image, axes)
    if image.multiscale:
        levels = list(image.data)
        return from_multiscale(
            image.name, levels, axes, level=level, labels=array, scheme=scheme, **described
        )
    return Stack(image.name, image.data, axes, labels=array, scheme=scheme, **described)


def _few_planes(array: Any, image: Image, axes: str) -> Any:
    """Labels (T, Z, Y, X) of a part of an image as (N, Y, X), which a stack expects."""
    finest = _finest(image)
    leading = tuple(n for a, n in zip(axes, finest.shape) if a not in "cyx")
    if tuple(array.shape[:-2]) == leading:
        return array
    if not hasattr(array, "reshape"):
        import dask.array as da

        array = da.from_array(array)
    return array.reshape(-1, *array.shape[-2:])


def fits(labels: Labels, image: Image) -> bool:
    """Tell whether labels could have been drawn on an image: their planes have the same size."""
    plane = tuple(_finest(labels).shape[-2:])
    return labels.ndim <= image.ndim and plane in [
        _plane_shape(image, level) for level in range(_n_levels(image))
    ]


def _n_levels(image: Image) -> int:
    return len(image.data) if image.multiscale else 1


def _plane_shape(image: Image, level: int) -> tuple[int, ...]:
    shape = (image.data[level] if image.multiscale else image.data).shape
    return tuple(shape[-3:-1] if image.rgb else shape[-2:])


def default_level(image: Image, labels: Labels | None = None) -> int:
    """Return the level of a multiscale image to use: the one its labels were drawn on, else 0."""
    if labels is None:
        return 0
    plane = tuple(_finest(labels).shape[-2:])
    levels = range(_n_levels(image))
    return next((level for level in levels if _plane_shape(image, level) == plane), 0)


def level_options(image: Image) -> list[tuple[str, int]]:
    """Return the levels of a multiscale image with words for each; none for any other image."""
    if not image.multiscale:
        return []
    planes = [_plane_shape(image, level) for level in range(_n_levels(image))]
    return [(f"{k}: {Y:,} × {X:,} pixels", k) for k, (Y, X) in enumerate(planes)]


def annotated_slices(
    image: Image, labels: Labels | None, viewer: Any, axes: str | None = None
) -> tuple[int, ...] | None:
    """Find the slices that labels of fewer slices belong to: those they lie over.

    Parameters
    ----------
    image, labels
        Layers. An axis that the labels have covers a run of the image's, from where they lie on;
        one that they lack (z of a single plane) is where the viewer is.
    viewer
        Knows which slice is shown.
    axes
        Of the image. None: ``proposed_axes``.

    Returns
    -------
    tuple of int or None
        None: all slices, or it cannot be told.
    """
    known = {} if labels is None else labels.metadata.get("napari_unet", {})
    if known.get("annotated") is not None:
        return tuple(known["annotated"])
    if labels is None:
        return None
    axes = axes or proposed_axes(image, labels)[0]
    stack = stack_from_layers(image, axes=axes)
    sizes, leading = tuple(_finest(labels).shape[:-2]), stack.leading_shape
    missing = len(leading) - len(sizes)
    if missing < 0 or sizes == leading:
        return None
    shown = stack.index(shown_slice(viewer, stack, image)) if missing else ()
    spatial = [stack.axes.replace("c", "").index(a) for a in stack.leading_axes]
    runs = [np.array([i]) for i in shown[:missing]]
    for k, size in enumerate(sizes):
        axis = spatial[missing + k]
        offset = float(labels.translate[k]) - stack.translate[axis]
        first = round(offset / stack.scale[axis])
        if not 0 <= first <= leading[missing + k] - size:
            return None
        runs.append(np.arange(first, first + size))
    flat = np.ravel_multi_index(np.meshgrid(*runs, indexing="ij"), leading).ravel()
    return tuple(flat.tolist())


def describe_levels(image: Image, level: int = 0) -> str:
    """One line about a multiscale image: which level is used. Empty for any other."""
    if not image.multiscale:
        return ""
    start = f"{len(image.data)} resolution levels; "
    if level == 0:
        return start + "the finest is used"
    ratio = (
        image.data[0].shape[image.data[0].ndim - (2 if image.rgb else 1)]
        / (_plane_shape(image, level)[1])
    )
    return start + f"level {level} is used, whose pixels are {ratio:.3g} times as large"


def shown_slice(viewer: Any, stack: Stack, layer: Layer | None = None) -> int:
    """Flat index of the slice of ``stack`` that the viewer shows, the nearest one if outside.

    Parameters
    ----------
    viewer
        The viewer.
    stack
        The stack.
    layer
        The layer the stack came from. None: the stack's own scale and translate are used.
    """
    point = np.asarray(viewer.dims.point, float)
    if layer is not None:
        where = np.asarray(layer.world_to_data(point[-layer.ndim :]), float)
        # of the finest level; the stack may be another one
        ratio = np.divide(stack.image.shape, _finest(layer).shape)[: layer.ndim]
        where = (where + 0.5) * ratio - 0.5
        axes = stack.axes[: layer.ndim]
    else:
        axes = stack.axes.replace("c", "")
        n = min(len(axes), len(point))
        where = np.zeros(len(axes))
        where[len(axes) - n :] = point[len(point) - n :]
        where = (where - np.asarray(stack.translate)) / np.asarray(stack.scale)
    index = [
        int(np.clip(round(where[axes.index(a)]), 0, size - 1))
        for a, size in zip(stack.leading_axes, stack.leading_shape)
    ]
    return int(np.ravel_multi_index(index, stack.leading_shape)) if index else 0


def go_to_slice(viewer: Any, stack: Stack, i: int, layer: Layer | None = None) -> None:
    """Make the viewer show slice ``i`` of ``stack``; the way back of `shown_slice`."""
    spatial = stack.axes.replace("c", "")
    axes = spatial if layer is None else stack.axes[: layer.ndim]
    offset = viewer.dims.ndim - len(axes)
    for axis, index in zip(stack.leading_axes, stack.index(i)):
        k = spatial.index(axis)
        place = stack.translate[k] + index * stack.scale[k]
        viewer.dims.set_point(offset + axes.index(axis), place)


# -- to layers ------------------------------------------------------------------------------


def result_name(stack: Stack, what: str) -> str:
    """Name of a result layer: "cells · weights"."""
    return f"{stack.name} · {what}"


def placement(session: Session, stack: Stack, ndim: int | None = None) -> dict[str, Any]:
    """Return scale, translate, units, axis labels and affine for a result over ``stack``.

    Parameters
    ----------
    session
        Knows the layer the stack came from, whose own axis labels are kept.
    stack
        The stack.
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
    source = session.image_layer if session.stack is stack else None
    if source is None:
        kept["axis_labels"] = tuple(axes[keep])
        return kept
    spatial = [k for k, a in enumerate(stack.axes) if a != "c" and k < source.ndim]
    kept["affine"] = _turned(source, spatial[keep])
    if not source._has_default_axis_labels():
        names = [name for a, name in zip(stack.axes, source.axis_labels) if a != "c"]
        kept["axis_labels"] = tuple(names[keep])
    return kept


def seen_placement(session: Session, stack: Stack, seen: Placement) -> dict[str, Any]:
    """Return scale and translate of a plane in pixels as the network sees those of ``stack``."""
    given = placement(session, stack, 2)
    scale, translate = (np.asarray(given[name], float) for name in ("scale", "translate"))
    return {
        "scale": tuple((scale * seen.scale).tolist()),
        "translate": tuple((translate + scale * seen.translate).tolist()),
    }


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


def find_result(viewer: Any, name: str, kind: type[Layer], shape: Sequence[int]) -> Layer | None:
    """Find a result layer of that name, kind and shape that can be written in place."""
    for layer in viewer.layers:
        if layer.name == name and type(layer) is kind and tuple(layer.data.shape) == tuple(shape):
            return layer
    return None


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


def show_labels(
    viewer: Any,
    session: Session,
    stack: Stack,
    what: str,
    data: NDArray[Any],
    **options: Any,
) -> Labels:
    """Show an array as the labels layer "stack · what", replacing one of that name.

    ``data`` stays the layer's array: write into it, then ``refresh(layer)``.
    """
    return _show(
        viewer,
        Labels,
        result_name(stack, what),
        data,
        {**placement(session, stack, data.ndim), **options},
    )


def show_image(
    viewer: Any,
    session: Session,
    stack: Stack,
    what: str,
    data: NDArray[Any],
    **options: Any,
) -> Image:
    """Show an array as the image layer "stack · what", replacing the data of one of that name."""
    return _show(
        viewer,
        Image,
        result_name(stack, what),
        data,
        {**placement(session, stack, data.ndim), **options},
    )


def _show(viewer: Any, kind: type[Layer], name: str, data: Any, options: dict[str, Any]) -> Any:
    old = find_result(viewer, name, kind, data.shape)
    if old is not None and old.data.dtype == data.dtype:
        if old.data is not data:
            old.data = data
        for attribute in ("scale", "translate", "units", "affine"):
            if attribute in options:
                setattr(old, attribute, options[attribute])
        return old
    for layer in [one for one in viewer.layers if one.name == name]:
        viewer.layers.remove(layer)
    active = viewer.layers.selection.active
    layer = viewer.add_layer(kind(data, name=name, **options))
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active  # the user's choice stays
    return layer


def refresh(layer: Layer) -> None:
    """Draw a layer whose array was written in place, without measuring it anew."""
    layer.refresh(extent=False, thumbnail=False, highlight=False)


# -- choosing layers ------------------------------------------------------------------------


class LayerCombo(Combo):
    """A combo box of the viewer's layers of one kind; follows the viewer by itself.

    ``chosen(layer or None)`` is emitted when the user chooses and when the
    chosen layer is taken away.

    Parameters
    ----------
    dock
        The dock it belongs to; gives the viewer and ends the listening.
    kind
        ``napari.layers.Image``, ``Labels``, or several.
    none
        Text of the entry for no layer; None: there is no such entry.
    results
        Whether layers made by this plugin ("… · weights") are offered too.
    """

    def __init__(
        self,
        dock: Any,
        kind: type[Layer] | tuple[type[Layer], ...],
        tip: str,
        *,
        none: str | None = None,
        results: bool = False,
    ) -> None:
        self._viewer, self._kind, self._none, self._results = dock.viewer, kind, none, results
        super().__init__((), tip)
        events = self._viewer.layers.events
        for name in ("inserted", "removed", "reordered"):
            dock.listen(getattr(events, name), self.reset)
        self._dock = dock
        self._watched: list[Any] = []
        self.reset()

    def reset(self, event: Any = None) -> None:  # noqa: ARG002 (napari sends one)
        """Offer the layers that the viewer has now."""
        layers = [
            layer
            for layer in reversed(self._viewer.layers)
            if isinstance(layer, self._kind) and (self._results or " · " not in layer.name)
        ]
        before = self.value
        options: list[tuple[str, Any]] = [(layer.name, layer) for layer in layers]
        if self._none is not None or not options:
            options.insert(0, (self._none or "no such layer open", None))
        with QSignalBlocker(self):
            self.set_options(options)
        for layer in layers:
            if all(layer is not one for one in self._watched):
                self._dock.listen(layer.events.name, self.reset)
        self._watched = layers
        if self.value is not before:
            self.chosen.emit(self.value)
