"""New labels to paint: a layer that lies exactly on its image, with a brush in the hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.training.painting import to_paint
from napari_unet.widgets.common.layer_facts import tell
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.result_layers import placement

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_unet.app.session import Session
    from napari_unet.images.stack import Stack

__all__ = ["COLOURS", "new_labels"]

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
    scheme = to_paint(stack, names).scheme
    assert scheme is not None
    axes = stack.axes.replace("c", "")
    shape = [stack.image.shape[stack.axes.index(axis)] for axis in axes]
    name = f"{image.name} labels"
    layer = Labels(np.zeros(shape, np.uint8), name=name, **placement(stack, image))
    colours = [COLOURS[k % len(COLOURS)] for k in range(len(names))]
    shown: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    shown |= dict(zip(scheme.values, colours))
    layer.colormap = DirectLabelColormap(color_dict=shown)
    layer.features = {"index": list(scheme.values), "name": list(scheme.names)}
    layer.opacity = 0.8
    tell(layer, scheme=scheme.to_dict())
    viewer.add_layer(layer)
    session.use(LayerStack(image, layer, axes=stack.axes, scheme=scheme))
    viewer.layers.selection.active = layer
    layer.brush_size = int(np.clip(BRUSH * min(stack.plane_shape), SMALLEST, LARGEST))
    layer.selected_label = scheme.values[1]
    layer.mode = "paint"
    return layer
