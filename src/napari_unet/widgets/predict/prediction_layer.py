"""The layer that shows a prediction, made when the model is known and filled tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_unet.annotation.labels import LabelScheme
from napari_unet.widgets.common.class_look import dress
from napari_unet.widgets.common.layer_facts import is_result, made_of, tell
from napari_unet.widgets.common.result_layers import GrowingLayer, live_dtype, placement

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack
    from napari_unet.prediction.outputs import Output
    from napari_unet.widgets.common.layer_facts import Kind

__all__ = ["hide_others", "prediction_layer"]

KINDS: dict[str, Kind] = {
    "labels": "prediction",
    "probabilities": "probabilities",
    "objects": "objects",
}


def prediction_layer(
    viewer: Any,
    stack: Stack,
    source: Layer | None,
    output: Output,
    scheme: LabelScheme,
    model: str,
    *,
    kind: Kind | None = None,
    predicted: dict[str, Any] | None = None,
) -> GrowingLayer:
    """Show the layer of a prediction, or go on with a former one of the same.

    Parameters
    ----------
    viewer
        Where to show it.
    stack, source
        What is predicted, and the image layer it came from.
    output
        What the layer holds.
    scheme
        The model's: how many classes, and which label values.
    model
        What tells the model and its settings from others.
    kind
        What it is besides its output: the live prediction of a training, or an earlier one.
    predicted
        By which model, and how, for whoever reads scores of it.
    """
    kind = kind or KINDS[output.kind]
    shape = (*stack.leading_shape, *stack.plane_shape)
    name = f"{stack.name} · {kind}"
    meaning = LabelScheme("objects") if output.kind == "objects" else scheme

    def labels_of(values: NDArray[Any]) -> Layer:
        layer = Labels(values, name=name, opacity=0.5, **placement(stack, source))
        tell(layer, output=output.kind, scheme=meaning.to_dict(), predicted=predicted)
        if output.kind == "labels":
            dress(layer, scheme)
        return layer

    def image_of(values: NDArray[Any]) -> Layer:
        placed = placement(stack, source)
        layer = Image(
            values,
            name=name,
            contrast_limits=(0, 1),
            colormap="viridis",
            opacity=0.6,
            **(_with_classes(placed) if values.ndim > len(shape) else placed),
        )
        tell(layer, output=output.kind, scheme=meaning.to_dict(), predicted=predicted)
        return layer

    if output.kind == "probabilities":
        grown = ((*output.channels(scheme), *shape), np.float32)
        return GrowingLayer(viewer, stack, source, kind, model, image_of, *grown)
    largest = max(scheme.values) if output.kind == "labels" else 2**16 - 1
    return GrowingLayer(viewer, stack, source, kind, model, labels_of, shape, live_dtype(largest))


def hide_others(viewer: Any, result: Layer) -> list[str]:
    """Hide what would lie in colours over or under a result; return which of it is the user's.

    Labels that the user is painting into stay, and so do layers that show contours alone.
    """
    hidden = []
    for layer in viewer.layers:
        kind = getattr(made_of(layer), "kind", "")
        piles = isinstance(layer, Labels) or kind in ("probabilities", "live prediction")
        painted = layer is viewer.layers.selection.active and layer.mode != "pan_zoom"
        if layer is result or not (piles and layer.visible) or painted:
            continue
        if getattr(layer, "contour", 0) == 0:
            layer.visible = False
            hidden += [] if is_result(layer) else [str(layer.name)]
    result.visible = True
    return hidden


def _with_classes(placed: dict[str, Any]) -> dict[str, Any]:
    """Placement of an array with an axis of classes in front."""
    first = {"scale": 1.0, "translate": 0.0, "units": "pixel", "axis_labels": "class"}
    longer: dict[str, Any] = {
        key: (first[key], *values) for key, values in placed.items() if key in first
    }
    if "affine" in placed:
        affine = np.eye(len(placed["affine"]) + 1)
        affine[1:, 1:] = placed["affine"]
        longer["affine"] = affine
    return longer
