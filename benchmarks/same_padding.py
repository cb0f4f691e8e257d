"""The same network with zero-padded convolutions: as large an output as the input."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_unet.network.unet import UNet

__all__ = ["SamePaddingUNet", "phase"]


class SamePaddingUNet(nn.Module):
    """A network's weights in same-padding form, for inferers that expect it.

    Parameters
    ----------
    network : UNet
        Left alone; its weights are copied.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.parts = copy.deepcopy(network).eval()
        for module in self.parts.modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                module.padding = (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every input pixel; sides must be multiples of 2^depth."""
        parts, skips = self.parts, []
        for contract in parts.down[:-1]:
            x = contract(x)
            skips.append(x)
            x = parts.pool(x)
        x = parts.down[-1](x)
        for up, merge, skip in zip(parts.up[::-1], parts.merge[::-1], skips[::-1]):
            x = merge(torch.cat([skip, up(x)], dim=1))
        logits: Tensor = parts.classify(x)
        return logits


def phase(network: UNet) -> int:
    """First pixel of a plane from which same padding pools as the valid convolutions do.

    Those begin half a border before the plane, and lose two pixels of each level's size before
    they pool.
    """
    depth = network.config.depth
    first = -network.border // 2 + sum(2 * 2**level for level in range(depth))
    return first % 2**depth
