"""The layer "NAME · prediction" into which a training's live tiles are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_unet.widgets.common.class_look import dress
from napari_unet.widgets.common.layers import find_result, refresh, result_name, show_labels
from napari_unet.widgets.predict.prediction_layer import OUTPUT_KEY

if TYPE_CHECKING:
    from napari_unet.app.session import Session
    from napari_unet.images.stack import Stack
    from napari_unet.prediction.pieces import Piece

__all__ = ["LiveLayer"]


class LiveLayer:
    """The layer "NAME · prediction" into which live tiles are written.

    Parameters
    ----------
    viewer, session
        Where to show it.
    stack : Stack
        The stack being trained on.
    """

    def __init__(self, viewer: Any, session: Session, stack: Stack) -> None:
        self._viewer, self._session, self._stack = viewer, session, stack
        self._layer: Labels | None = None
        self._written = False

    @property
    def taken_away(self) -> bool:
        """Whether the user deleted the layer, and so wants no live prediction."""
        return self._layer is not None and self._layer not in self._viewer.layers

    def write(self, tile: Piece) -> None:
        """Write a tile into the layer's array; `draw` shows it."""
        if self._layer is None:
            self._layer = self._show(tile.values.dtype)
        if self.taken_away:
            return
        data = self._layer.data
        if tuple(data.shape) != self._shape():
            return  # the user put other data into it
        data[(*tile.index, tile.rows, tile.cols)] = tile.values
        self._written = True

    def draw(self) -> None:
        """Show what was written."""
        if self._written and self._layer is not None and not self.taken_away:
            refresh(self._layer)
        self._written = False

    def _shape(self) -> tuple[int, ...]:
        return (*self._stack.leading_shape, *self._stack.plane_shape)

    def _show(self, dtype: np.dtype[Any]) -> Labels:
        name = result_name(self._stack, "prediction")
        old = find_result(self._viewer, name, Labels, self._shape())
        layer = old
        if old is None or old.data.dtype != dtype or not isinstance(old.data, np.ndarray):
            layer = show_labels(
                self._viewer,
                self._session,
                self._stack,
                "prediction",
                np.zeros(self._shape(), dtype),
                opacity=0.5,
                metadata={OUTPUT_KEY: "labels"},
            )
        if self._stack.scheme is not None:
            dress(layer, self._stack.scheme)
        return layer
