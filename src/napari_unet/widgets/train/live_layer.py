"""The layer "NAME · live prediction" into which a training's live tiles are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_unet.prediction.outputs import Output
from napari_unet.widgets.predict.prediction_layer import prediction_layer

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_unet.images.stack import Stack
    from napari_unet.prediction.pieces import Piece
    from napari_unet.widgets.common.result_layers import GrowingLayer

__all__ = ["LiveLayer"]


class LiveLayer:
    """Made when the first tile comes; never one of another training.

    Parameters
    ----------
    viewer
        Where to show it.
    stack, source
        The stack being trained on, and the image layer it came from.
    training
        What tells this training from others.
    """

    def __init__(self, viewer: Any, stack: Stack, source: Layer | None, training: str) -> None:
        self._viewer, self._stack, self._source = viewer, stack, source
        self._training = training
        self._layer: GrowingLayer | None = None

    @property
    def taken_away(self) -> bool:
        """Whether the user deleted the layer, and so wants no live prediction."""
        return self._layer is not None and self._layer.taken_away

    def write(self, tile: Piece) -> None:
        """Write a tile into the layer's array; `draw` shows it."""
        if self._layer is None:
            scheme = self._stack.scheme
            assert scheme is not None
            self._layer = prediction_layer(
                self._viewer, self._stack, self._source, Output(), scheme, self._training, live=True
            )
        self._layer.write((*tile.index, tile.rows, tile.cols), tile.values)

    def draw(self) -> None:
        """Show what was written."""
        if self._layer is not None:
            self._layer.draw(now=True)

    def finish(self) -> None:
        """Draw; a training that goes on in the same folder may go on in the layer."""
        if self._layer is not None:
            self._layer.finish()
