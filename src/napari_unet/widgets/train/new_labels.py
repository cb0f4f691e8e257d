"""New labels to paint: a layer that lies exactly on its image, with a brush in the hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.annotation.labels import LabelScheme
from napari_unet.training.painting import to_paint
from napari_unet.widgets.common.layer_facts import tell, told
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.layers import default_level
from napari_unet.widgets.common.result_layers import placement

if TYPE_CHECKING:
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_unet.app.session import Session
    from napari_unet.images.stack import Stack

__all__ = ["COLOURS", "begin_to_paint", "labels_to_paint", "new_labels"]

COLOURS = ("#56b4e9", "#e69f00", "#f0e442", "#0072b2", "#d55e00")
"""Of background and classes in turn: told apart by everybody (Okabe and Ito)."""

BRUSH = 1 / 100  # of the shorter side of a slice
SMALLEST, LARGEST = 3, 40  # px, of the brush


def new_labels(
    viewer: Any,
    session: Session,
    stack: Stack,
    image: Image,
    names: tuple[str, ...] = ("background", "foreground"),
) -> Labels:
    """Add empty labels over an image, choose them, and take up the brush.

    0 means "not annotated"; 1 is background, 2 and more are classes.

    Parameters
    ----------
    viewer, session
        Where; the session's stack has these labels from now on.
    stack, image
        The image, and its layer.
    names
        Of the classes, background first.
    """
    axes = stack.axes.replace("c", "")
    shape = [stack.image.shape[stack.axes.index(axis)] for axis in axes]
    layer = labels_to_paint(to_paint(stack, names), image, np.zeros(shape, np.uint8))
    begin_to_paint(viewer, session, stack, image, layer)
    return layer


def labels_to_paint(stack: Stack, image: Image, values: NDArray[Any], name: str = "") -> Labels:
    """Return a layer that lies exactly on an image, with named and coloured classes.

    Parameters
    ----------
    stack
        Says what label values mean, and which slices have labels.
    image
        The layer of the image.
    values
        The labels, with the axes of the stack but for channels; the layer's from now on.
    name
        Of the layer; that of the image and "labels" by default.
    """
    scheme = stack.scheme
    assert scheme is not None
    layer = Labels(values, name=name or f"{image.name} labels", **placement(stack, image))
    if scheme.kind == "classes":
        shown: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
        for k, (value, colour) in enumerate(zip(scheme.values, scheme.colours)):
            shown[value] = colour or COLOURS[k % len(COLOURS)]
        layer.colormap = DirectLabelColormap(color_dict=shown)
    layer.features = {"index": list(scheme.values), "name": list(scheme.names)}
    layer.opacity = 0.8
    annotated = None if stack.annotated is None else list(stack.annotated)
    tell(layer, scheme=scheme.to_dict(), annotated=annotated)
    return layer


def begin_to_paint(
    viewer: Any, session: Session, stack: Stack, image: Image, layer: Labels
) -> None:
    """Show labels, choose them, and take up the brush; parameters as of `new_labels`."""
    scheme = LabelScheme.from_dict(told(layer, "scheme"))
    if layer not in viewer.layers:
        viewer.add_layer(layer)
    level = default_level(image, layer)
    session.use(LayerStack(image, layer, axes=stack.axes, scheme=scheme, level=level))
    viewer.layers.selection.active = layer
    layer.brush_size = int(np.clip(BRUSH * min(stack.plane_shape), SMALLEST, LARGEST))
    layer.selected_label = scheme.values[1]
    layer.mode = "paint"
