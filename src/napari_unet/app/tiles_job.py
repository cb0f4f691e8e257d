"""What the Augmentation dock computes in the background: the first tiles a run would see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.config.augmentation import AugmentConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack

__all__ = ["SIDE", "ShownTile", "TileSource", "mosaic"]

SIDE = 3  # tiles per side of the grid
GRID_LINES = 6  # lines of the deformed mesh per side of a tile


@dataclass(frozen=True, eq=False)
class ShownTile:
    """One tile, ready to be drawn.

    Attributes
    ----------
    image
        (H, W) or (H, W, 3) uint8: what the network sees; 0..1 became 0..255.
    classes
        (h, w) uint8 class index, where the network must answer: the middle of the image.
    weights
        (h, w) float32.
    lines
        The deformed mesh: (n, 2) row and column in the image, one array per line.
    step, index
        Which tile of which step it is.
    slice_index
        The slice it was taken from.
    """

    image: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    weights: NDArray[np.float32]
    lines: list[NDArray[np.float64]]
    step: int
    index: int
    slice_index: int

    @property
    def margin(self) -> int:
        """Pixels between the edge of the image and the part that is answered."""
        return int(self.image.shape[0] - self.classes.shape[0]) // 2


class TileSource:
    """Draws tiles with the trainer's own sampler; keeps it while only the strengths change."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._sampler: Any = None

    def draw(self, stacks: tuple[Stack, ...], config: TrainConfig) -> list[ShownTile]:
        """Draw the first nine tiles of the run of these stacks and settings."""
        from napari_unet.network.compute import Compute, limit_threads

        limit_threads(Compute(threads=1))
        # A tile depends on these two and its number alone, so the sampler need not be new.
        key = (stacks, replace(config, augment=AugmentConfig(), seed=0))
        if key != self._key:  # stacks are equal when they are the same
            self._sampler = _sampler(stacks, config)
            self._key = key
        self._sampler.augment = config.augment
        self._sampler.seed = config.seed
        batch = config.batch
        return [
            _shown(self._sampler.tile(k // batch, k % batch), k // batch, k % batch)
            for k in range(SIDE * SIDE)
        ]


def _sampler(stacks: tuple[Stack, ...], config: TrainConfig) -> Any:
    from napari_unet.training.data import TrainingData

    return TrainingData(stacks, config, lazy=True).sampler()


def _shown(tile: Any, step: int, index: int) -> ShownTile:
    from napari_unet.training.augmentation import deformed_grid_lines

    image = (tile.image.clamp(0, 1) * 255).byte().numpy()  # (C, H, W)
    H, W = image.shape[1:]
    colour = image.shape[0] == 3
    return ShownTile(
        image=np.ascontiguousarray(image.transpose(1, 2, 0)) if colour else image[0],
        classes=tile.classes.numpy().astype(np.uint8),
        weights=tile.weights.numpy(),
        lines=deformed_grid_lines(tile.deformation, (H, W), spacing=H / GRID_LINES),
        step=step,
        index=index,
        slice_index=tile.slice_index,
    )


def mosaic(
    tiles: list[ShownTile], gap: int = 12
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], list[NDArray[np.float64]]]:
    """Lay tiles side by side.

    Parameters
    ----------
    tiles
        SIDE × SIDE of them.
    gap
        px between two.

    Returns
    -------
    image, labels, weights
        One plane each; labels are the class index, weights 0 where nothing is answered.
    lines
        The meshes, in rows and columns of the planes.
    """
    H, W = tiles[0].image.shape[:2]
    size = (SIDE * H + (SIDE - 1) * gap, SIDE * W + (SIDE - 1) * gap)
    image = np.zeros(size + tiles[0].image.shape[2:], np.uint8)
    labels = np.zeros(size, np.uint8)
    weights = np.zeros(size, np.float32)
    lines: list[NDArray[np.float64]] = []
    for k, tile in enumerate(tiles):
        top, left = k // SIDE * (H + gap), k % SIDE * (W + gap)
        image[top : top + H, left : left + W] = tile.image
        (h, w), margin = tile.classes.shape, tile.margin
        inner = (slice(top + margin, top + margin + h), slice(left + margin, left + margin + w))
        labels[inner], weights[inner] = tile.classes, tile.weights
        lines += [np.add(line, (top, left)) for line in tile.lines]
    return image, labels, weights, lines
