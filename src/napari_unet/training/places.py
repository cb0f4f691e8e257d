"""Where a tile lies, and how its image and its truth are interpolated there.

Legend: ``(H, W)`` input tile, ``(Y, X)`` slice. Positions are in pixels, row before column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_unet.training.augmentation import slice_coordinates, source_coordinates

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_unet.config.augmentation import AugmentConfig
    from napari_unet.training.augmentation import Deformation, Order

__all__ = ["SlicePlace", "TilePlace", "draw_corner", "orders"]


@dataclass(frozen=True, eq=False)
class TilePlace:
    """A tile that is deformed about its own middle.

    Attributes
    ----------
    deformation
        Its control points span the tile.
    side
        px, of the input tile.
    centre
        Row and column of the slice that the middle of the tile shows.
    """

    deformation: Deformation
    side: int
    centre: tuple[float, float]

    @classmethod
    def around(cls, deformation: Deformation, side: int, pixel: tuple[int, int]) -> TilePlace:
        """Return the tile with a pixel in its middle, which of an even side lies behind it."""
        half = (side - 1) / 2 - side // 2
        return cls(deformation, side, (pixel[0] + half, pixel[1] + half))

    @classmethod
    def of_output(
        cls, deformation: Deformation, side: int, corner: tuple[int, int], margin: int
    ) -> TilePlace:
        """Return the tile whose output begins at a corner, `margin` px inside the input."""
        half = (side - 1) / 2 - margin
        return cls(deformation, side, (corner[0] + half, corner[1] + half))

    def coordinates(self, origin: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
        """Position in the slice of each pixel, counted from `origin`: (2, H, W) float32."""
        near = self.centre[0] - origin[0], self.centre[1] - origin[1]
        return source_coordinates(self.deformation, (self.side, self.side), near, device)


@dataclass(frozen=True, eq=False)
class SlicePlace:
    """A tile of a slice that is deformed as a whole; beyond its edges lies its mirror image.

    Attributes
    ----------
    deformation
        Its control points span the slice.
    side
        px, of the input tile.
    corner
        Row and column of the deformed slice at which the output begins.
    margin
        px that the input has more than the output, on either side.
    shape
        (Y, X) of the slice.
    """

    deformation: Deformation
    side: int
    corner: tuple[int, int]
    margin: int
    shape: tuple[int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the slice that the middle of the tile shows, but for displacements."""
        middle = np.array([(n - 1) / 2 for n in self.shape])
        offset = np.array(self.corner) - self.margin + (self.side - 1) / 2 - middle
        y, x = middle + self.deformation.matrix @ offset
        return float(y), float(x)

    def coordinates(self, origin: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
        """Position in the slice of each pixel, counted from `origin`: (2, H, W) float32."""
        rows, cols = (
            _mirrored(np.arange(self.side) + start - self.margin, n)
            for start, n in zip(self.corner, self.shape)
        )
        return slice_coordinates(self.deformation, rows, cols, self.shape, origin, device)


def _mirrored(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Fold indices into 0 … size - 1, as a mirror in the outermost pixel does."""
    period = max(1, 2 * (size - 1))
    folded = np.mod(index, period)
    inside: NDArray[np.int64] = np.minimum(folded, period - folded)
    return inside


def draw_corner(
    shape: tuple[int, int], output_side: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Draw where an output tile begins, so that it lies inside a slice: any place alike.

    Of a slice that is smaller than the tile, the middle is taken.
    """
    y, x = (
        int(rng.integers(0, n - output_side, endpoint=True))
        if n >= output_side
        else (n - output_side) // 2
        for n in shape
    )
    return y, x


def orders(
    augment: AugmentConfig, deformation: Deformation
) -> tuple[Order, Literal["nearest", "spline"], Order]:
    """Return how image, classes and weights are interpolated.

    Whole pixels that come from whole pixels need no interpolation, and stay exact without it.
    Weights go with the classes: smoothly, or as blurred as they are.
    """
    if deformation.on_grid:
        return "nearest", "nearest", "nearest"
    weights: Order = "linear" if augment.labels == "nearest" else "spline"
    return augment.interpolation, augment.labels, weights
