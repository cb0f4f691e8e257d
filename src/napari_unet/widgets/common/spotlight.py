"""Go to a place: turn to its slice, zoom in, and draw a thin outline around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_unet.widgets.common.layer_facts import is_result, made_of, writing
from napari_unet.widgets.common.result_layers import same_place, show_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_unet.config.split import Region

__all__ = ["go_to", "spotlight", "spotlight_off"]

SHARE = 1 / 3  # of the canvas that a place fills
SMALLEST = 24  # px, of a place: a speck alone shows nothing of what is around it
COLOUR = "#ff3dc8"  # seen on bright and dark, and no colour of labels or predictions
LINE = 2  # px on the screen


def go_to(viewer: Any, layer: Layer, point: Sequence[float]) -> None:
    """Show a point of a layer in the middle of the canvas.

    Parameters
    ----------
    viewer
        Where.
    layer
        Wherever it lies; the viewer may have axes before those of the layer, which stay.
    point
        In pixels of the layer, one number an axis.
    """
    world = np.asarray(layer.data_to_world(point), float)
    before = viewer.dims.ndim - len(world)
    shown = viewer.dims.displayed
    for axis, value in enumerate(world):
        if before + axis not in shown:
            viewer.dims.set_point(before + axis, value)
    camera = _scene(viewer).camera
    centre = [*camera.center]
    for k, axis in enumerate(reversed(shown), start=1):
        if axis >= before:
            centre[-k] = float(world[axis - before])
    camera.center = tuple(centre)


def spotlight(viewer: Any, layer: Layer, index: Sequence[int], box: Region) -> None:
    """Go to a place, zoom until it fills a third of the canvas, and outline it.

    At the border of the layer the place is not in the middle, so that the layer fills the canvas,
    or is seen whole where it is smaller.

    The outline is a layer of ours, "NAME · look here", of which there is one at most.

    Parameters
    ----------
    viewer
        Where.
    layer
        What the place belongs to; its last two axes are those of a slice.
    index
        The place along the axes before.
    box
        y0, y1, x0, x1 in pixels of the layer; y1 and x1 are the first outside.
    """
    y0, y1, x0, x1 = _not_too_small(box)
    go_to(viewer, layer, (*index, (y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2))
    corners = [(y0, x0), (y0, x1), (y1, x1), (y1, x0)]
    outline = np.array([(*index, y - 0.5, x - 0.5) for y, x in corners], float)
    _zoom(viewer, layer, outline)
    _fill(viewer, layer)
    _mark(viewer, layer, outline)


def spotlight_off(viewer: Any) -> None:
    """Take the outline away."""
    for layer in _marks(viewer):
        viewer.layers.remove(layer)


def _not_too_small(box: Region) -> tuple[float, float, float, float]:
    """Grow a box around its middle."""
    sides: list[float] = []
    for low, high in (box[:2], box[2:]):
        more = max(0, SMALLEST - (high - low)) / 2
        sides += [low - more, high + more]
    return sides[0], sides[1], sides[2], sides[3]


def _zoom(viewer: Any, layer: Layer, outline: np.ndarray) -> None:
    """Let an outline (4, ndim) fill a share of the canvas, whichever side is tighter."""
    world = np.array([layer.data_to_world(point) for point in outline])
    before = viewer.dims.ndim - world.shape[1]
    axes = [axis - before for axis in viewer.dims.displayed[-2:] if axis >= before]
    sides = np.ptp(world[:, axes], axis=0)
    if len(sides) == 2 and sides.max() > 0:
        zooms = [SHARE * c / s for c, s in zip(_canvas_size(viewer), sides) if s > 0]
        _scene(viewer).camera.zoom = min(zooms)


def _fill(viewer: Any, layer: Layer) -> None:
    """Move the camera until the layer fills the canvas; a smaller one is seen whole."""
    camera, before = _scene(viewer).camera, viewer.dims.ndim - layer.ndim
    if len(viewer.dims.displayed) != 2:
        return
    centre = [*camera.center]
    for k, axis in enumerate(viewer.dims.displayed, start=-2):
        if axis >= before:
            first, last = layer.extent.world[:, axis - before]  # middles of pixels
            pixel = layer.extent.step[axis - before]
            low, high = first - pixel / 2, last + pixel / 2
            half = _canvas_size(viewer)[k] / camera.zoom / 2
            centre[k] = float(np.clip(centre[k], *sorted((low + half, high - half))))
    camera.center = tuple(centre)


def _canvas_size(viewer: Any) -> tuple[int, int]:
    """Rows and columns; napari before 0.9 keeps them otherwise."""
    canvas = getattr(viewer, "canvas", None)
    rows, cols = viewer._canvas_size if canvas is None else canvas.size
    return int(rows), int(cols)


def _mark(viewer: Any, layer: Layer, outline: np.ndarray) -> None:
    scale = float(np.abs(layer.scale[-2:]).mean())
    width = LINE / (_scene(viewer).camera.zoom * scale)
    for former in _marks(viewer):
        made = made_of(former)
        if made is not None and made.source == str(layer.unique_id):
            with writing(former):
                former.data = [outline]
                former.edge_width = width
            return
        viewer.layers.remove(former)
    mark = Shapes(
        [outline],
        shape_type="polygon",
        face_color="transparent",
        edge_color=COLOUR,
        edge_width=width,
        name=f"{layer.name} · look here",
        **same_place(layer),
    )
    mark.editable = False
    show_result(viewer, "place", mark, layer)


def _marks(viewer: Any) -> list[Any]:
    """The outline that is shown, where the user has not made it a layer of theirs."""
    return [
        layer
        for layer in viewer.layers
        if is_result(layer) and getattr(made_of(layer), "kind", "") == "place"
    ]


def _scene(viewer: Any) -> Any:
    """What has the camera; napari before 0.9 has no scene."""
    return getattr(viewer, "scene", viewer)
