"""The errors of one comparison: a layer, a list, and the way from the list to the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.widgets.common.spotlight import spotlight, spotlight_off
from napari_unet.widgets.evaluate.error_layer import ErrorLayer
from napari_unet.widgets.evaluate.error_list import ErrorList
from napari_unet.widgets.evaluate.reference_choice import pixel_area, shown_plane

if TYPE_CHECKING:
    from napari_unet.app.session import Session
    from napari_unet.evaluation.comparison import ErrorPlane
    from napari_unet.evaluation.metrics import SegmentationError

__all__ = ["ErrorPanel"]


class ErrorPanel(ErrorList):
    """A list of errors with the layer that shows them.

    Parameters
    ----------
    viewer
        Where the layer is shown.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._layer: ErrorLayer | None = None
        self._source: Any = None
        self._name = ""
        self._compared: list[tuple[int, ...]] = []
        self.found: list[tuple[tuple[int, ...], SegmentationError]] = []
        self.chosen.connect(self._go_to)
        self.kinds.changed.connect(self._on_kinds)

    def begin(self, reference: Any, session: Session) -> None:
        """Forget former errors; those to come are of this layer."""
        self._source, self._layer = reference, None
        known = session.stack is not None and session.labels_layer is reference
        self._name = session.stack.name if known and session.stack is not None else reference.name
        self._compared.clear()
        self.found.clear()
        self.show_errors([])
        spotlight_off(self._viewer)

    def take(self, plane: ErrorPlane) -> None:
        """Write the errors of a slice; `draw` shows them."""
        if self._layer is None:
            self._layer = ErrorLayer(self._viewer, self._source, self._name)
            self._on_kinds()
        self._layer.write(plane)
        self._compared.append(plane.index)
        self.found += [(plane.index, error) for error in plane.errors]

    def draw(self) -> None:
        """Show what was written."""
        if self._layer is not None:
            self._layer.draw()

    def finish(self) -> None:
        """List what was found, and turn to a slice that was compared."""
        self.draw()
        if self._layer is not None:
            self._show_compared(self._layer)
            self.found.sort(key=lambda found: -found[1].severity)
            self.show_errors(self.found, pixel_area(self._source))

    def _on_kinds(self) -> None:
        if self._layer is not None:
            self._layer.show_kinds(self.kinds.shown)

    def _show_compared(self, errors: ErrorLayer) -> None:
        """Turn to a slice that was compared, where another one is shown."""
        layer = errors.layer
        leading = tuple(layer.data.shape[:-2])
        if not self._compared or not errors.is_there or not leading:
            return
        if np.unravel_index(shown_plane(self._viewer, layer), leading) not in self._compared:
            first = layer.data_to_world((*self._compared[0], 0, 0))
            for axis in range(len(leading)):
                self._viewer.dims.set_point(self._viewer.dims.ndim - len(first) + axis, first[axis])

    def _go_to(self, index: tuple[int, ...], error: SegmentationError) -> None:
        """Zoom in on an error."""
        if self._source is not None and self._source in self._viewer.layers:
            spotlight(self._viewer, self._source, index, error.surround)
