"""A training loop written the plain way: what one writes in an afternoon.

float32, one process, no thread that prepares tiles; the weight maps are there before training
begins (one distance transform per object), and elasticdeform deforms image, labels and weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import elasticdeform
import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - the name everyone knows

from benchmarks.weight_maps import naive_weights
from napari_unet.annotation.labels import read_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from napari_unet.config.training import TrainConfig
    from napari_unet.config.weights import WeightConfig
    from napari_unet.images.intensity import Intensity
    from napari_unet.images.stack import Stack
    from napari_unet.network.unet import UNet

__all__ = ["PlainLoop"]


class PlainLoop:
    """Steps of plain training.

    Parameters
    ----------
    network : UNet
        Trained in place, in float32.
    config : TrainConfig
        Tile, batch, optimiser and rate.
    stack : Stack
        Dense annotation.
    slices : sequence of int
        Those to train on.
    intensity : Intensity
        Limits of grey values.
    class_weights : array (K,)
        w_c of the weight map.
    """

    def __init__(
        self,
        network: UNet,
        config: TrainConfig,
        stack: Stack,
        slices: Sequence[int],
        intensity: Intensity,
        class_weights: ArrayLike,
    ) -> None:
        self.network, self.config = network, config
        self.rng = np.random.default_rng(config.seed)
        self.pad = config.tile // 2 + 1
        assert stack.scheme is not None
        assert config.weights is not None
        weights: WeightConfig = config.weights
        self.planes = []
        for i in slices:
            target = read_target(stack.label_plane(i), stack.scheme)
            image = intensity.normalise(stack.image_plane(i))[0]
            maps = (image, target.classes, naive_weights(target, weights, class_weights))
            self.planes.append([np.pad(m.astype(np.float32), self.pad, "reflect") for m in maps])
        rate = config.learning_rate
        if config.optimiser == "sgd":
            self.optimiser: torch.optim.Optimizer = torch.optim.SGD(
                network.parameters(), rate, momentum=config.momentum
            )
        else:
            self.optimiser = torch.optim.AdamW(
                network.parameters(), rate, weight_decay=config.weight_decay
            )

    def step(self) -> float:
        """Draw a batch, and learn from it."""
        return self.learn(*self.batch())

    def batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Augmented tiles: image, classes and weights."""
        tiles = [self._tile() for _ in range(self.config.batch)]
        image, classes, weights = (torch.from_numpy(np.stack(part)) for part in zip(*tiles))
        return image[:, None], classes.long(), weights

    def _tile(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng, side, augment = self.rng, self.config.tile, self.config.augment
        planes = self.planes[rng.integers(len(self.planes))]
        y, x = (int(rng.integers(n - side)) for n in planes[0].shape)
        image, classes, weights = elasticdeform.deform_grid(
            [plane[y : y + side, x : x + side] for plane in planes],
            rng.normal(size=(2, augment.grid, augment.grid)) * augment.displacement,
            order=[1, 0, 1],
            mode="mirror",
            rotate=rng.uniform(-augment.rotation, augment.rotation),
            zoom=rng.uniform(*augment.zoom),
        )
        gamma, contrast = np.exp(rng.uniform(-1, 1, 2) * (augment.gamma, augment.contrast))
        image = np.sign(image) * np.abs(image) ** gamma
        image = (image - 0.5) * contrast + 0.5 + rng.normal() * augment.brightness
        loss = self.network.border // 2
        inner = (slice(loss, -loss), slice(loss, -loss))
        return image.astype(np.float32), classes[inner], weights[inner]

    def learn(self, image: torch.Tensor, classes: torch.Tensor, weights: torch.Tensor) -> float:
        """Take one step; returns the loss before it."""
        self.network.train()
        self.optimiser.zero_grad()
        losses = F.cross_entropy(self.network(image), classes, reduction="none")
        loss = (losses * weights).sum() / weights.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())
