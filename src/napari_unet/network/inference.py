"""A network made ready for prediction, and the forward pass of a batch of tiles.

Legend: B tiles, C channels, K classes, M object maps, (H, W) input, (h, w) output pixels.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from napari_unet.config.network import UNetConfig
    from napari_unet.network.compute import Compute
    from napari_unet.network.unet import UNet

__all__ = [
    "LARGEST_TILE",
    "MEMORY_SHARE",
    "MEMORY_SHARE_BESIDE_TRAINING",
    "VIEWS",
    "bytes_per_pixel",
    "forward_tiles",
    "network_for_inference",
    "seen_back",
    "seen_from",
]

VIEWS = 8
"""Mirrored and turned versions of a tile."""

MEMORY_SHARE = 0.4
"""Share of the free memory that tiles in prediction take when no budget is given."""

MEMORY_SHARE_BESIDE_TRAINING = 0.3
"""The same where a network in training stays beside."""

LARGEST_TILE = 2048
"""px, side from which a larger tile saves less than 20 % and only delays the first result."""


def network_for_inference(network: UNet, compute: Compute) -> UNet:
    """Copy a network for prediction: fixed, folded, and in the precision it computes in.

    The copy is independent of the original, which may go on training. Batch
    normalisation is folded into the convolution before it, and weights are
    stored in `compute`'s precision, so that nothing is converted per tile.
    """
    ready = copy.deepcopy(network).eval().requires_grad_(False)
    for block in (*ready.down, *ready.merge):
        assert isinstance(block, nn.Sequential)
        for position, layer in enumerate(block):
            if isinstance(layer, nn.BatchNorm2d):
                convolution = block[position - 1]
                assert isinstance(convolution, nn.Conv2d)
                block[position - 1] = fuse_conv_bn_eval(convolution, layer)
                block[position] = nn.Identity()
    return compute.place(ready, compute.torch_dtype)


@torch.inference_mode()
def forward_tiles(
    network: UNet, images: Tensor, compute: Compute, *, mirror_average: bool = False
) -> Tensor:
    """Probabilities and object maps of a batch of input tiles.

    Parameters
    ----------
    network : UNet
        From `network_for_inference`.
    images : Tensor (B, C, H, W) float32
        Normalised tiles on any device.
    compute : Compute
        How the network computes.
    mirror_average : bool
        Average over the eight mirrored and rotated versions of every tile.
        Eight times the work; a little more certain borders.

    Returns
    -------
    Tensor (B, K + M, h, w) float32
        On the CPU; the first K sum to 1.

    Notes
    -----
    A mirrored tile meets the poolings counted from its far end. As all tile
    sides are equal modulo ``2^depth``, that phase too is the same for every
    tile of a plan, and the average is as seamless as a single pass.
    """
    x = images.to(compute.device, compute.torch_dtype, non_blocking=True)
    views = range(VIEWS if mirror_average else 1)
    total: Tensor | None = None
    classes = network.config.classes
    for view in views:
        logits = network(seen_from(x, view).contiguous(memory_format=compute.memory_format))
        back = torch.softmax(logits[:, :classes], dim=1, dtype=torch.float32)
        if classes < logits.shape[1]:
            back = torch.cat([back, logits[:, classes:].float()], dim=1)
        back = seen_back(back, view)
        total = back if total is None else total.add_(back)
    assert total is not None
    return (total.div_(len(views)) if len(views) > 1 else total).cpu()


def seen_from(tiles: Tensor, view: int) -> Tensor:
    """Mirror (views 4 to 7) and turn tiles, (..., H, W): one of eight views; 0 is as it is."""
    mirrored = tiles.flip(-1) if view >= 4 else tiles
    return torch.rot90(mirrored, view % 4, (-2, -1)) if view % 4 else mirrored


def seen_back(output: Tensor, view: int) -> Tensor:
    """Undo `seen_from` on what came out."""
    back = torch.rot90(output, -view % 4, (-2, -1)) if view % 4 else output
    return back.flip(-1) if view >= 4 else back


@torch.inference_mode()
def forward_logits(network: UNet, images: Tensor, compute: Compute) -> Tensor:
    """Logits of a batch of input tiles; as `forward_tiles` without the softmax."""
    x = images.to(compute.device, compute.torch_dtype, non_blocking=True)
    logits: Tensor = network(x.contiguous(memory_format=compute.memory_format))
    return logits.float().cpu()


def bytes_per_pixel(config: UNetConfig, dtype_bytes: int = 4) -> int:
    """Memory of a prediction for each input pixel of a tile, a safe estimate.

    The peak lies in the top level of the expanding path, where the skip (w
    channels), the upsampled features (w), their concatenation (2w), the result
    of the next convolution (w) and its workspace live together; the deeper
    levels' skips add w/2 + w/4 + …, and gaps between blocks another 2w. Of
    narrow networks the rest counts too: workspaces hold 16 channels at least,
    the tile and the next one are float32 and copied on their way, and so are
    the classes of this tile and the two before.
    """
    network = (9 * config.width + 16) * dtype_bytes
    return network + 4 * (4 * config.in_channels + 5 * config.outputs)
