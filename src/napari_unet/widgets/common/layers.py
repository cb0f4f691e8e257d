"""Layers to stacks, and the slice of a stack that the viewer shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.images.source import Source
from napari_unet.images.stack import Stack, from_multiscale, guess_axes
from napari_unet.widgets.common.layer_facts import tell, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Labels, Layer

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.config.split import Region

__all__ = [
    "annotated_slices",
    "default_level",
    "describe_levels",
    "fits",
    "go_to_slice",
    "label_axes",
    "labelled_slice",
    "level_options",
    "proposed_axes",
    "put_on_slice",
    "shown_index",
    "shown_region",
    "shown_slice",
    "stack_from_layers",
]

ROUNDED = 64  # px, to which what the canvas shows is rounded


def proposed_axes(image: Image, labels: Labels | None = None) -> tuple[str, ...]:
    """Propose axes for an image layer, the likeliest first.

    The layer's axis labels count first, then what its file told; otherwise they are guessed
    from the shape, the labels' shape and whether it is shown as colour.
    """
    data = _finest(image)
    named = _axes_from_labels(image) or told(image, "axes")
    if named is not None and len(named) != data.ndim:
        named = None
    labels_shape = None if labels is None else _finest(labels).shape
    guessed = guess_axes(data.shape, data.dtype, image.rgb, labels_shape)
    if labels_shape is not None and len(labels_shape) < len(data.shape):
        # Labels of one plane may lie on a slice, so that a plain stack stays the likeliest.
        plain = guess_axes(data.shape, data.dtype, image.rgb)
        planes = [(data.shape[one.index("y")], data.shape[one.index("x")]) for one in plain]
        if tuple(labels_shape[-2:]) in planes:
            guessed = tuple(sorted(guessed, key=lambda axes: axes not in plain))
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
        "source": _source(image, level),
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


def _source(image: Image, level: int) -> Source | None:
    """How the layer was opened, as far as anybody knows."""
    known = told(image, "source")
    if known is not None:
        return Source.from_dict(known)
    path = image.source.path
    return None if path is None else Source.of(path, level=level)


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
    image: Image, labels: Labels | None, axes: str | None = None
) -> tuple[int, ...] | None:
    """Find the slices that labels of fewer slices belong to: those they lie over.

    Parameters
    ----------
    image, labels
        Layers. An axis that the labels have covers a run of the image's, from where they lie on.
        Where they lie along one that they lack (z of a single plane) cannot be seen: it is told
        by their fact "slice", see `put_on_slice`.
    axes
        Of the image. None: ``proposed_axes``.

    Returns
    -------
    tuple of int or None
        None: all slices, or it cannot be told.
    """
    if labels is None:
        return None
    annotated = told(labels, "annotated")
    if annotated is not None:
        return tuple(annotated)
    axes = axes or proposed_axes(image, labels)[0]
    stack = stack_from_layers(image, axes=axes)
    sizes, leading = tuple(_finest(labels).shape[:-2]), stack.leading_shape
    missing = len(leading) - len(sizes)
    if missing < 0 or sizes == leading:
        return None
    shown = [*told(labels, "slice", ()), *(0,) * missing][:missing]
    spatial = [stack.axes.replace("c", "").index(a) for a in stack.leading_axes]
    runs = [np.array([min(i, n - 1)]) for i, n in zip(shown, leading)]
    for k, size in enumerate(sizes):
        axis = spatial[missing + k]
        offset = float(labels.translate[k]) - stack.translate[axis]
        first = round(offset / stack.scale[axis])
        if not 0 <= first <= leading[missing + k] - size:
            return None
        runs.append(np.arange(first, first + size))
    flat = np.ravel_multi_index(np.meshgrid(*runs, indexing="ij"), leading).ravel()
    return tuple(flat.tolist())


def put_on_slice(labels: Labels, image: Image, viewer: Any, axes: str | None = None) -> None:
    """Tell labels that lack axes of their image (a plane) that they lie on the slice shown now.

    To be called when the user means the slice shown: on choosing the labels, on the first
    stroke. Afterwards they stay there, wherever the viewer goes.
    """
    stack = stack_from_layers(image, axes=axes or proposed_axes(image, labels)[0])
    missing = len(stack.leading_shape) - (_finest(labels).ndim - 2)
    if missing > 0:
        shown = stack.index(shown_slice(viewer, stack, image))
        tell(labels, slice=list(shown[:missing]))


def label_axes(labels: Labels, stack: Stack) -> str:
    """Return one letter for each axis of a labels layer: those of its stack, "n" for few slices."""
    own = stack.axes.replace("c", "")
    whole = tuple(stack.image.shape[stack.axes.index(axis)] for axis in own)
    return own if labels.data.shape == whole else "n" * (labels.ndim - 2) + "yx"


def labelled_slice(labels: Labels, stack: Stack, index: Sequence[int]) -> int:
    """Flat index of the slice of a stack at a place of its labels layer.

    Parameters
    ----------
    labels
        Of all slices, or of those that are annotated.
    stack
        Made with these labels.
    index
        Along the axes of the layer but y and x.
    """
    axes = label_axes(labels, stack)
    sizes = [n for n, axis in zip(labels.data.shape, axes) if axis not in "yx"]
    i = int(np.ravel_multi_index(tuple(index), sizes)) if sizes else 0
    is_few = axes != stack.axes.replace("c", "") and stack.annotated is not None
    return stack.annotated[i] if is_few and stack.annotated else i


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


def shown_index(viewer: Any, layer: Layer) -> tuple[int, ...]:
    """Index, along all axes of a layer, of its pixel at the viewer's point, or nearest to it."""
    point = np.asarray(viewer.dims.point, float)
    point = np.concatenate([np.zeros(max(0, layer.ndim - len(point))), point])[-layer.ndim :]
    place, last = np.rint(layer.world_to_data(point)), np.subtract(_finest(layer).shape, 1)
    return tuple(np.clip(place, 0, last).astype(int).tolist())


def shown_region(viewer: Any, stack: Stack, layer: Layer | None) -> Region | None:
    """Rows and columns of a slice that the canvas shows: y0, y1, x0, x1 in pixels of the stack.

    Parameters
    ----------
    viewer
        The viewer.
    stack
        The stack.
    layer
        The layer the stack came from.

    Returns
    -------
    (int, int, int, int) or None
        Rounded, so that a canvas that is moved a little shows the same; y1 and x1 are the first
        outside. None where nothing of it is shown, or no plane of the stack.
    """
    if layer is None:
        return None
    sides = [stack.axes.index(axis) for axis in "yx"]
    before = viewer.dims.ndim - layer.ndim
    if [axis - before for axis in viewer.dims.displayed] != sides:
        return None
    level = layer.data[layer.data_level] if layer.multiscale else layer.data
    region: list[int] = []
    for axis, size in zip(sides, stack.plane_shape):
        ratio = size / level.shape[axis]
        low, high = (float(corner) for corner in layer.corner_pixels[:, axis])
        if high <= low:
            return None
        first = math.floor(low * ratio / ROUNDED) * ROUNDED
        last = math.ceil((high + 1) * ratio / ROUNDED) * ROUNDED
        region += [max(0, first), min(size, last)]
    return region[0], region[1], region[2], region[3]


def go_to_slice(viewer: Any, stack: Stack, i: int, layer: Layer | None = None) -> None:
    """Make the viewer show slice ``i`` of ``stack``; the way back of `shown_slice`."""
    index = dict(zip(stack.leading_axes, stack.index(i)))
    if layer is None:
        axes = stack.axes.replace("c", "")
        at = np.array([index.get(axis, 0) for axis in axes])
        place = np.asarray(stack.translate) + at * np.asarray(stack.scale)
    else:  # which may be moved and turned in ways of which a stack knows nothing
        axes = stack.axes[: layer.ndim]
        ratio = np.divide(stack.image.shape, _finest(layer).shape)[: layer.ndim]
        shown = np.asarray(layer.world_to_data(viewer.dims.point[-layer.ndim :]), float)
        there = ((index[a] + 0.5) / r - 0.5 if a in index else s
                 for a, r, s in zip(axes, ratio, shown))  # fmt: skip
        place = np.asarray(layer.data_to_world(tuple(there)), float)
    offset = viewer.dims.ndim - len(axes)
    for axis in index:
        viewer.dims.set_point(offset + axes.index(axis), place[axes.index(axis)])
