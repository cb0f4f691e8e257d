"""The result layer of a prediction: made when the model is known, filled tile by tile."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.widgets.common.class_look import dress
from napari_unet.widgets.common.layers import (
    live_dtype,
    placement,
    refresh,
    show_image,
    show_labels,
)

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.app.session import Session
    from napari_unet.images.stack import Stack
    from napari_unet.prediction.outputs import Kind
    from napari_unet.prediction.pieces import Piece

__all__ = ["OUTPUT_KEY", "PredictionLayer"]

OUTPUT_KEY = "napari-unet output"
"""In a result layer's metadata: labels, probabilities or objects."""

SECONDS_PER_PIXEL = 1.6 / 4096**2
"""Least time between two pictures: 1.6 s at 4096², at once for ordinary slices."""

NAMES = {
    "labels": "prediction",
    "probabilities": "probabilities",
    "objects": "objects",
}


class PredictionLayer:
    """The layer "NAME · prediction" (or probabilities, objects) of a stack.

    Parameters
    ----------
    viewer, session
        Where to show it.
    stack : Stack
        What is predicted.
    output : {"labels", "probabilities", "objects"}
        What the layer holds.
    """

    def __init__(self, viewer: Any, session: Session, stack: Stack, output: Kind) -> None:
        self._viewer, self._session, self._stack = viewer, session, stack
        self._output = output
        self.layer: Layer | None = None
        self._data: np.ndarray = np.zeros(0)
        self._drawn = 0.0

    def make(self, scheme: LabelScheme) -> None:
        """Show the layer, or go on with the one of a former prediction of other slices.

        Parameters
        ----------
        scheme : LabelScheme
            The model's: how many classes, and which label values.
        """
        shape = (*self._stack.leading_shape, *self._stack.plane_shape)
        if self._output == "probabilities":
            self._make_image(shape, scheme)
            return
        largest = max(scheme.values) if self._output == "labels" else 2**16 - 1
        self._data = self._former(shape, live_dtype(largest))
        self.layer = show_labels(
            self._viewer,
            self._session,
            self._stack,
            NAMES[self._output],
            self._data,
            opacity=0.5,
            metadata={OUTPUT_KEY: self._output},
        )
        self.layer.metadata[OUTPUT_KEY] = self._output  # also where a live prediction was before
        if self._output == "labels":
            dress(self.layer, scheme)

    def _make_image(self, shape: tuple[int, ...], scheme: LabelScheme) -> None:
        options: dict[str, Any] = {}
        if scheme.n_classes > 2:
            shape = (scheme.n_classes - 1, *shape)
            placed = placement(self._session, self._stack)
            turned = placed.pop("affine", None)
            first = {"scale": 1.0, "translate": 0.0, "units": "pixel", "axis_labels": "class"}
            options = {key: (first[key], *values) for key, values in placed.items()}
            if turned is not None:
                options["affine"] = np.eye(len(turned) + 1)
                options["affine"][1:, 1:] = turned
        self._data = self._former(shape, np.float32)
        self.layer = show_image(
            self._viewer,
            self._session,
            self._stack,
            NAMES[self._output],
            self._data,
            contrast_limits=(0, 1),
            colormap="viridis",
            opacity=0.6,
            metadata={OUTPUT_KEY: self._output},
            **options,
        )

    def _former(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return the array of such a layer that is there already, else an empty one."""
        name = f"{self._stack.name} · {NAMES[self._output]}"
        for layer in self._viewer.layers:
            data = layer.data
            fits = isinstance(data, np.ndarray) and data.shape == shape and data.dtype == dtype
            if layer.name == name and fits:
                return data
        return np.zeros(shape, dtype)

    @property
    def taken_away(self) -> bool:
        """Whether the user deleted the layer."""
        return self.layer is not None and self.layer not in self._viewer.layers

    def write(self, piece: Piece) -> None:
        """Write a piece into the layer's array; `draw` shows it."""
        if piece.values.size == 0 or self.layer is None:
            return
        if piece.values.dtype.itemsize > self._data.dtype.itemsize:
            # More objects than 16 bits count.
            self._data = self._data.astype(piece.values.dtype)
            self.layer.data = self._data
        where: tuple[Any, ...] = (..., *piece.index, piece.rows, piece.cols)
        self._data[where] = piece.values

    def draw(self, *, now: bool = False) -> None:
        """Show what was written: at once, or when it is time for another picture.

        A picture of a large plane takes the window tens of milliseconds, so it gets fewer.
        """
        if self.layer is None or self.taken_away:
            return
        pixels = self._data.shape[-2] * self._data.shape[-1]
        if now or monotonic() - self._drawn >= SECONDS_PER_PIXEL * pixels:
            refresh(self.layer)
            self._drawn = monotonic()
