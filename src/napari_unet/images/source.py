"""How an image was opened, so that it can be opened again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from napari_unet.config.settings import Settings
from napari_unet.images.ome_zarr import is_url

__all__ = ["Source"]


@dataclass(frozen=True)
class Source(Settings):
    """What was opened, and as what.

    Attributes
    ----------
    image
        A whole path, an address, or the name of a data set.
    series, level, sequence
        As in `images.files.open_image`.
    """

    described_as: ClassVar[str] = "the origin of an image"

    image: str
    series: int = 0
    level: int = 0
    sequence: str | None = None

    @classmethod
    def of(
        cls, path: str | Path, series: int = 0, level: int = 0, sequence: str | None = None
    ) -> Source:
        """Return the source that a path is, wherever it is looked for from."""
        place = str(path) if is_url(path) else str(Path(path).absolute())
        return cls(place, series, level, sequence)
