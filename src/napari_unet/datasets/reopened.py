"""Images that were opened once, opened again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet.datasets import registry
from napari_unet.images import files

if TYPE_CHECKING:
    from napari_unet.images.source import Source
    from napari_unet.images.stack import Stack

__all__ = ["open_again"]


def open_again(source: Source, axes: str | None = None) -> tuple[Stack, ...]:
    """Open an image as it was opened before; several where it is a folder of several sizes.

    Parameters
    ----------
    source
        How it was opened.
    axes
        What they were taken for.

    Raises
    ------
    DataSetError, InputError
        It is not there any more, or cannot be read.
    """
    if source.image in registry.names() and not Path(source.image).exists():
        return (registry.open(source.image, sequence=source.sequence or "01"),)
    return files.open_images(
        source.image,
        axes=axes,
        level=source.level,
        series=source.series,
        sequence=source.sequence,
    )
