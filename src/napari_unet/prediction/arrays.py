"""A whole prediction as one array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_unet.network.trained_model import TrainedModel
from napari_unet.prediction.outputs import Output
from napari_unet.prediction.pieces import collect, extent_of
from napari_unet.prediction.predict import as_stack, predict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack
    from napari_unet.network.unet import UNet

__all__ = ["predict_array", "predict_labels", "predict_probabilities"]


def predict_array(
    model: TrainedModel,
    image: Stack | Any,
    axes: str | None = None,
    *,
    output: Output | None = None,
    **options: Any,
) -> NDArray[Any]:
    """Predict and collect any output.

    Parameters
    ----------
    model, image, axes, **options
        Those of `napari_unet.prediction.predict.predict`.
    output : Output, optional
        What the result holds; labels when omitted.

    Returns
    -------
    ndarray, leading axes of the stack + (Y, X), or + (K, Y, X) for probabilities
        With `slices`, one leading axis that counts them; with `region`, only
        its rows and columns.
    """
    output = output or Output()
    stack = as_stack(image, axes)
    region = options.get("region")
    pieces = predict(model, stack, **options)
    return collect(
        output.finished(pieces, model, extent_of(stack, region)),
        stack,
        slices=options.get("slices"),
        region=region,
        channels=output.channels(model.scheme),
        dtype=output.dtype(model.scheme),
    )


def predict_labels(
    model: TrainedModel, image: Stack | Any, axes: str | None = None, **options: Any
) -> NDArray[Any]:
    """Predict the likeliest class of every pixel, as the user's own label values.

    Parameters are those of `napari_unet.prediction.predict.predict`.

    Returns
    -------
    ndarray, leading axes of the stack + (Y, X), uint8 or uint16
        Values of ``model.scheme.values``; with `slices`, one leading axis that
        counts them; with `region`, only its rows and columns.
    """
    return predict_array(model, image, axes, **options)


def predict_probabilities(
    model: TrainedModel | UNet, image: Stack | Any, axes: str | None = None, **options: Any
) -> NDArray[np.float32]:
    """Predict the probabilities of all classes, or logits, as the network gives them.

    Parameters are those of `napari_unet.prediction.predict.predict`.

    Returns
    -------
    ndarray, leading axes of the stack + (K, Y, X), float32
        With `slices`, one leading axis that counts them; with `region`, only
        its rows and columns.
    """
    network = model.network if isinstance(model, TrainedModel) else model
    stack = as_stack(image, axes)
    classes = network.config.classes
    pieces = (
        piece.with_values(piece.values[:classes]) for piece in predict(model, stack, **options)
    )
    return collect(
        pieces,
        stack,
        slices=options.get("slices"),
        region=options.get("region"),
        channels=(classes,),
    )
