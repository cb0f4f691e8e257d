"""The validation region as layers: a cyan outline that can be moved, and its guard band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_unet.widgets.common.layer_facts import identity, made_of
from napari_unet.widgets.common.result_layers import placement, show_result
from napari_unet.widgets.common.theme import VALIDATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_unet.app.session import Session
    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.layer_facts import Kind

__all__ = ["RegionLayers", "default_region"]

FAINT = 0.35  # opacity of the guard band's outline


def default_region(stack: Stack) -> Region:
    """Return the lowest quarter of the plane: y0, y1, x0, x1."""
    Y, X = stack.plane_shape
    return round(0.75 * Y), Y, 0, X


class RegionLayers:
    """The layers "NAME · validation" and "NAME · guard band" of one viewer.

    Parameters
    ----------
    viewer, session
        Where to show them.
    on_moved
        Called with the region, inside the plane, after the user moved or resized it.
    """

    def __init__(self, viewer: Any, session: Session, on_moved: Callable[[Region], None]) -> None:
        self._viewer, self._session, self._on_moved = viewer, session, on_moved
        self._stack: Stack | None = None
        self._region: Any = None
        self._guard: Any = None
        self._moving = False

    @property
    def shown(self) -> bool:
        """Whether the region is there; the user may have deleted it."""
        return self._region is not None and self._region in self._viewer.layers

    @property
    def is_here(self) -> bool:
        """Whether what is shown lies on the session's image."""
        made = made_of(self._region) if self.shown else None
        return made is not None and made.source == identity(self._session.image_layer)

    def show(self, stack: Stack, region: Region, guard: int) -> None:
        """Outline a region and the band around it that does not train.

        Parameters
        ----------
        stack
            What they lie on.
        region
            y0, y1, x0, x1.
        guard
            Width of the band, px.
        """
        if not self.is_here:
            self.hide()
            self._remove_former()
            self._guard = self._add(stack, "guard", "guard band", FAINT)
            self._region = self._add(stack, "validation", "validation", 1.0)
            self._region.events.data.connect(self._on_data)
        self._stack = stack
        if not self._moving:
            self._put(self._region, region)
            self._region.mode = "select"
        y0, y1, x0, x1 = region
        Y, X = stack.plane_shape
        band = (max(0, y0 - guard), min(Y, y1 + guard), max(0, x0 - guard), min(X, x1 + guard))
        if self._guard in self._viewer.layers:
            self._put(self._guard, band)
            self._guard.editable = False  # which other data undoes

    def hide(self) -> None:
        """Take both layers away."""
        for layer in (self._region, self._guard):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._region = self._guard = None

    def _remove_former(self) -> None:
        """Take away what a dock that was closed left behind."""
        for layer in list(self._viewer.layers):
            made = made_of(layer)
            if made is not None and made.kind in ("validation", "guard"):
                self._viewer.layers.remove(layer)

    def _add(self, stack: Stack, kind: Kind, name: str, opacity: float) -> Any:
        source = self._session.image_layer
        layer = Shapes(
            ndim=2, name=f"{stack.name} · {name}", opacity=opacity, **placement(stack, source, 2)
        )
        show_result(self._viewer, kind, layer, source)
        # also for a rectangle that the user draws anew
        layer.current_edge_color, layer.current_face_color = VALIDATION, "transparent"
        layer.current_edge_width = _edge_width(stack)
        return layer

    def _put(self, layer: Any, region: Region) -> None:
        """Make a region the only shape of a layer."""
        with layer.events.data.blocker(self._on_data):
            layer.data = []
            layer.add_rectangles(
                [_corners(region)],
                edge_color=VALIDATION,
                face_color="transparent",
                edge_width=layer.current_edge_width,
            )

    def _on_data(self, _: object = None) -> None:
        stack = self._stack
        if stack is None or not self.shown or not len(self._region.data):
            return
        corners = np.asarray(self._region.data[0])[:, -2:] + 0.5
        low = np.clip(np.floor(corners.min(0)), 0, stack.plane_shape).astype(int)
        high = np.clip(np.ceil(corners.max(0)), 0, stack.plane_shape).astype(int)
        self._moving = True  # the shape is the user's just now, not to be put anywhere
        try:
            self._on_moved((int(low[0]), int(high[0]), int(low[1]), int(high[1])))
        finally:
            self._moving = False


def _edge_width(stack: Stack) -> int:
    return max(2, stack.plane_shape[1] // 200)


def _corners(region: Region) -> NDArray[np.float64]:
    """(4, 2) corners on the outline of the pixels, whose centres are whole numbers."""
    y0, y1, x0, x1 = region
    return np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]], float) - 0.5
