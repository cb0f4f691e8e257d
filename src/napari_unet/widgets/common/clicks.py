"""Clicks in the canvas, told from drags; whoever hears of them is not kept alive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["on_click"]


def on_click(viewer: Any, heard: Callable[[Any], object]) -> None:
    """Call a bound method on every click while the active layer only pans and zooms.

    Parameters
    ----------
    viewer
        Whose canvas.
    heard
        Gets napari's event. It is held weakly.
    """
    method = WeakMethod(heard)

    def pressed(_viewer: Any, event: Any) -> Iterator[None]:
        call = method()
        if call is None:
            viewer.mouse_drag_callbacks.remove(pressed)
            return
        active = viewer.layers.selection.active
        yield
        if event.type == "mouse_release" and getattr(active, "mode", "pan_zoom") == "pan_zoom":
            call(event)

    viewer.mouse_drag_callbacks.append(pressed)
