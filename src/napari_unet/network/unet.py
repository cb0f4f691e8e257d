"""The U-Net of Ronneberger, Fischer and Brox (2015), and a trained model.

Legend: B tiles, C channels, K classes, M object maps, (H, W) input, (h, w) output pixels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows
from torch import Tensor, nn

from napari_unet.config.network import UNetConfig
from napari_unet.config.size_rule import border, output_size

__all__ = ["UNet", "forward_flops"]


class UNet(nn.Module):
    """Two valid 3×3 convolutions a level, centre-cropped skips, 1×1 output.

    Parameters
    ----------
    config : UNetConfig, optional
        Shape of the network.
    generator : torch.Generator, optional
        Source of the initial weights; the global generator when omitted.

    Notes
    -----
    ``forward`` takes ``(B, C, H, W)`` with sides that
    `napari_unet.config.size_rule.next_valid_size` returns, and gives
    ``(B, K + M, H - border, W - border)``: the logits, then the object maps. Weights are drawn from
    N(0, 2 / fan_in) with fan_in = k²·channels in (paper, section 3); biases
    start at 0.
    """

    def __init__(
        self, config: UNetConfig | None = None, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or UNetConfig()
        widths = [config.width * 2**level for level in range(config.depth + 1)]
        self.down = nn.ModuleList(
            _double_convolution(before, after, config.norm)
            for before, after in zip([config.in_channels, *widths[:-1]], widths)
        )
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(config.dropout)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[:-1])
        self.merge = nn.ModuleList(_double_convolution(2 * w, w, config.norm) for w in widths[:-1])
        self.classify = nn.Conv2d(config.width, config.outputs, 1)
        self._draw_weights(generator)

    def forward(self, x: Tensor, dropped: Tensor | None = None) -> Tensor:
        """Logits, and after them object maps, of every output pixel.

        Parameters
        ----------
        x : Tensor (B, C, H, W)
            Normalised image.
        dropped : Tensor, optional
            From `draw_dropout`, in training; torch draws it from numbers that all of a process
            share when it is omitted.

        Returns
        -------
        Tensor (B, K + M, h, w)
        """
        for side in x.shape[-2:]:
            output_size(int(side), self.config.depth)
        skips = []
        for contract in self.down[:-1]:
            x = contract(x)
            skips.append(x)
            x = self.pool(x)
        x = self.down[-1](x)
        x = self.dropout(x) if dropped is None else x * dropped.to(x.dtype)
        for up, merge, skip in zip(self.up[::-1], self.merge[::-1], skips[::-1]):
            x = up(x)
            x = merge(torch.cat([_centre_crop(skip, x), x], dim=1))
        logits: Tensor = self.classify(x)
        return logits

    def draw_dropout(
        self,
        shape: torch.Size,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor | None:
        """Draw what dropout multiplies by: 0, or what keeps the mean; None without dropout.

        Values are those that ``torch.nn.Dropout`` draws on a CPU, bit by bit.

        Parameters
        ----------
        shape
            (B, C, H, W) of the network's input.
        generator
            Source of the random numbers, on the device of the input.
        dtype, memory_format
            Of the features.
        """
        kept = 1 - self.dropout.p
        if kept == 1:
            return None
        sides = list(shape[-2:])
        for _ in range(self.config.depth):
            sides = [(side - 4) // 2 for side in sides]
        drawn = torch.empty(
            (shape[0], self.config.width * 2**self.config.depth, *(side - 4 for side in sides)),
            dtype=dtype, device=generator.device, memory_format=memory_format,
        )  # fmt: skip
        return drawn.bernoulli_(kept, generator=generator).div_(kept)

    def _draw_weights(self, generator: torch.Generator | None) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                fan_in = module.in_channels * math.prod(module.kernel_size)
                with torch.no_grad():
                    module.weight.normal_(0.0, math.sqrt(2.0 / fan_in), generator=generator)
                    if module.bias is not None:
                        module.bias.zero_()

    @property
    def border(self) -> int:
        """Pixels that a side loses from input to output; 184 at depth 4."""
        return border(self.config.depth)

    @property
    def parameter_count(self) -> int:
        """Number of trained values; 31,030,658 at the paper's setting."""
        return sum(p.numel() for p in self.parameters())


def _double_convolution(before: int, after: int, norm: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers.append(nn.Conv2d(channels, after, 3, bias=norm == "none"))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _centre_crop(skip: Tensor, like: Tensor) -> Tensor:
    """Cut the middle out, all around the same number of pixels but for an odd one at the end."""
    above, before = ((skip.shape[axis] - like.shape[axis]) // 2 for axis in (-2, -1))
    below, after = (
        skip.shape[-2] - like.shape[-2] - above,
        skip.shape[-1] - like.shape[-1] - before,
    )
    if not torch.is_grad_enabled():
        return skip[..., above : above + like.shape[-2], before : before + like.shape[-1]]
    # A slice's gradient has the channels first, whatever the skip's format, and all that follows
    # pays for the mixture; that of a negative padding keeps the format, for a copy here.
    return F.pad(skip, (-before, -after, -above, -below))


def forward_flops(config: UNetConfig, height: int, width: int) -> int:
    """Floating-point operations (a multiply-add is two) of one forward pass.

    Parameters
    ----------
    config : UNetConfig
        Shape of the network.
    height, width : int
        Input tile, of sides that the network can take.

    Returns
    -------
    int
        300.9e9 at the paper's setting for 572 × 572.
    """
    total = 0
    y, x = height, width
    channels = config.in_channels
    sizes = []
    for level in range(config.depth + 1):
        after = config.width * 2**level
        for before in (channels, after):
            y, x = y - 2, x - 2
            total += 2 * 9 * before * after * y * x
        channels = after
        sizes.append((y, x))
        if level < config.depth:
            y, x = y // 2, x // 2
    for level in reversed(range(config.depth)):
        after = config.width * 2**level
        y, x = 2 * y, 2 * x
        total += 2 * (2 * after) * after * y * x
        for before in (2 * after, after):
            y, x = y - 2, x - 2
            total += 2 * 9 * before * after * y * x
    return total + 2 * config.width * config.outputs * y * x
