"""The layer of what a training predicts, now ("NAME · live prediction") or earlier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import DirectLabelColormap

from napari_unet.prediction.outputs import Output
from napari_unet.widgets.predict.prediction_layer import prediction_layer
from napari_unet.widgets.train.contours import draw_fast

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack
    from napari_unet.prediction.pieces import Piece
    from napari_unet.widgets.common.layer_facts import Kind
    from napari_unet.widgets.common.result_layers import GrowingLayer

__all__ = ["LiveLayer"]

CONTOUR = 2  # px
PREDICTED = ("#00d5a0", "#cc79a7", "#ffffff")
"""Of predicted classes beside labels that are painted: none of the colours of those."""


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
    below
        Labels that are painted meanwhile: they stay on top, and the prediction is drawn as
        contours, so that one cannot be taken for the other.
    kind
        Of the prediction.
    """

    def __init__(
        self,
        viewer: Any,
        stack: Stack,
        source: Layer | None,
        training: str,
        below: Layer | None = None,
        kind: Kind = "live prediction",
    ) -> None:
        self._viewer, self._stack, self._source = viewer, stack, source
        self._training, self._below, self._kind = training, below, kind
        self._layer: GrowingLayer | None = None

    @property
    def taken_away(self) -> bool:
        """Whether the user deleted the layer, and so wants no live prediction."""
        return self._layer is not None and self._layer.taken_away

    def write(self, tile: Piece) -> None:
        """Write a tile into the layer's array; `draw` shows it."""
        self.write_at((*tile.index, tile.rows, tile.cols), tile.values)

    def write_at(self, where: tuple[Any, ...], values: NDArray[Any]) -> None:
        """Write values into a part of the layer's array."""
        if self._layer is None:
            scheme = self._stack.scheme
            assert scheme is not None
            self._layer = prediction_layer(
                self._viewer, self._stack, self._source, Output(), scheme, self._training,
                kind=self._kind,
            )  # fmt: skip
            if self._below is not None:
                self._draw_below(self._below)
        self._layer.write(where, values)

    @property
    def layer(self) -> Layer | None:
        """The layer, once there is one and while the user keeps it."""
        return None if self._layer is None or self.taken_away else self._layer.layer

    def _draw_below(self, labels: Layer) -> None:
        layer, layers = self.layer, self._viewer.layers
        if layer is None or labels not in layers:
            return
        draw_fast(layer)
        layer.contour, layer.opacity = CONTOUR, 1.0
        scheme = self._stack.scheme
        assert scheme is not None
        shown: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
        shown[scheme.values[0]] = "transparent"
        for k, value in enumerate(scheme.values[1:]):
            shown[value] = PREDICTED[k % len(PREDICTED)]
        layer.colormap = DirectLabelColormap(color_dict=shown)
        if layers.index(layer) > layers.index(labels):
            layers.move(layers.index(layer), layers.index(labels))
        layers.selection.active = labels

    def draw(self) -> None:
        """Show what was written."""
        if self._layer is not None:
            self._layer.draw(now=True)

    def finish(self) -> None:
        """Draw; a training that goes on in the same folder may go on in the layer."""
        if self._layer is not None:
            self._layer.finish()
