"""The pixel size that a layer lost: napari's own Open and Save leave it out."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import UNetError
from napari_unet.base.units import pixel_in_words
from napari_unet.preflight import Finding
from napari_unet.widgets.common.layers import go_to_slice, shown_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from napari.layers import Layer

    from napari_unet.preflight.finding import Fix
    from napari_unet.widgets.common.dock import Dock

__all__ = [
    "FilePixelSize",
    "give_pixel_size",
    "kept_in_sight",
    "lost_pixel_size",
    "with_lost_pixel_size",
]

FIX: Fix = "give the file's pixel size"


@dataclass(frozen=True)
class FilePixelSize(Finding):
    """What the file of a layer knows about its pixels, and the layer does not."""

    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()


def lost_pixel_size(path: str | None, scale: tuple[float, ...]) -> FilePixelSize | None:
    """Say so where a layer has pixels of size 1 and the file it came from knows better.

    Parameters
    ----------
    path
        The file that napari opened the layer from; None: it came from elsewhere.
    scale
        Of the layer.
    """
    if path is None or any(one != 1 for one in scale) or not Path(path).is_file():
        return None
    from napari_unet.images.files import open_image

    try:
        stack = open_image(path)
    except (UNetError, OSError):  # a file of another reader
        return None
    unit = stack.unit
    if len(stack.scale) != len(scale) or (unit == "pixel" and set(stack.pixel_size) == {1.0}):
        return None
    text = (
        "the layer says nothing about the size of its pixels, but its file does: "
        f"{pixel_in_words(stack.pixel_size, unit)}; napari's own Open leaves it out."
    )
    return FilePixelSize("warning", text, FIX, "pixel size", scale=stack.scale, units=stack.units)


def give_pixel_size(layer: Layer, axes: str, found: FilePixelSize) -> None:
    """Give a layer of these axes the scale and units of its file."""
    spatial = [k for k, axis in enumerate(axes) if axis != "c" and k < layer.ndim]
    scale, units = list(layer.scale), list(map(str, layer.units))
    for k, size, unit in zip(spatial, found.scale, found.units):
        scale[k], units[k] = size, unit
    layer.units, layer.scale = units, scale


@contextmanager
def kept_in_sight(dock: Dock, image: Layer, finding: Finding) -> Iterator[None]:
    """Show the same slice of the image after it got the pixel size of its file."""
    viewer, session = dock.viewer, dock.session
    shown = 0 if session.stack is None else shown_slice(viewer, session.stack, image)
    yield
    if isinstance(finding, FilePixelSize) and session.stack is not None:  # else out of sight
        viewer.reset_view()
        go_to_slice(viewer, session.stack, shown, image)


def with_lost_pixel_size(
    look: Callable[[], Iterable[Any]], path: str | None, scale: tuple[float, ...]
) -> Iterator[Any]:
    """Look at a stack, and at last at the file that its layer came from."""
    yield from look()
    found = lost_pixel_size(path, scale)
    if found is not None:
        yield found
