"""Prediction of a plane, against MONAI's sliding windows and against one pass.

MONAI's inferer gets the same weights with zero-padded convolutions (it takes a smaller output for
a rescaled one), windows of 512², its own overlap of a quarter, and both predict every pixel of
the same plane. Zero padding shows the network borders where there are none, so its windows do not
add up to one pass; the overlap-tile strategy does, to rounding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.inferers import sliding_window_inference

from benchmarks.result import Line, Result
from benchmarks.same_padding import SamePaddingUNet, phase
from benchmarks.samples import picture
from benchmarks.timing import Spread, check, interleaved, ratio, spread
from napari_unet.config.network import UNetConfig
from napari_unet.network.choice import choose
from napari_unet.network.compute import Compute
from napari_unet.network.tiles import plan_tiles
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["run"]

WINDOW = 512
TILE = 700  # output of 516, about MONAI's window


def run(quick: bool) -> Result:
    """Check that one window is one pass, then time whole planes."""
    width, side, repeats = (16, 592, 2) if quick else (32, 1024, 2)
    agrees = _check()
    network = UNet(UNetConfig(width=width), torch.Generator().manual_seed(0)).eval()
    plane = picture(side).astype(np.float32) / 255
    compute = choose(network=network.config, purpose="predict")
    plain = replace(compute, dtype="float32", channels_last=False)
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: _ours(network, plane, compute),
        "ours, tiles": lambda: _ours(network, plane, compute, TILE),
        "ours, float32, tiles": lambda: _ours(network, plane, plain, TILE),
        "MONAI": _monai(network, plane, plain),
        "MONAI, same precision": _monai(network, plane, compute),
    }
    seconds = interleaved(ways, repeats, warm=1)
    times = {name: spread(values).show() for name, values in seconds.items()}
    shape = f"{side}², {width} channels"

    def line(what: str, peer: str, ours: str, at_least: float | None = None) -> Line:
        found = ratio(seconds[peer], seconds[ours])
        detail = f"{times[peer]} against {times[ours]}"
        return Line(
            f"{what}, {shape}", found.median, "×", found.low, found.high, at_least, detail=detail
        )

    waste = plan_tiles(plane.shape, 4, TILE).waste / plan_tiles(plane.shape, 4).waste
    lines = [
        line("as they come (MONAI in float32)", "MONAI", "ours", 1.0),
        line("both in float32, windows of about equal output", "MONAI", "ours, float32, tiles"),
        line(
            "both as chosen by the probe, windows of about equal output",
            "MONAI, same precision",
            "ours, tiles",
        ),
        replace(
            line("one pass, against tiles of 700²", "ours, tiles", "ours"),
            what=f"one pass, against tiles of 700² ({waste:.2f} times the pixels), {shape}",
        ),
    ]
    return Result(agrees, lines, notes=[_seams(network, plane[:592, :592], plain)])


def _ours(
    network: UNet, plane: NDArray[np.float32], compute: Compute, tile: int | None = None
) -> NDArray[np.float32]:
    return predict_probabilities(network, plane, "yx", compute=compute, tile=tile)


def _monai(
    network: UNet, plane: NDArray[np.float32], compute: Compute, window: int = WINDOW
) -> Callable[[], torch.Tensor]:
    ready = SamePaddingUNet(network).requires_grad_(False)
    ready.to(compute.device, compute.torch_dtype).to(memory_format=compute.memory_format)
    image = torch.from_numpy(plane)[None, None].to(compute.device, compute.torch_dtype)

    @torch.inference_mode()
    def predict() -> torch.Tensor:
        logits = sliding_window_inference(image, (window, window), 1, ready, overlap=0.25)
        return torch.softmax(logits.float(), 1)[0].cpu()

    return predict


def _check() -> str:
    """Far from the borders, one window over the plane is one pass of valid convolutions."""
    network = UNet(UNetConfig(width=8), torch.Generator().manual_seed(0)).eval()
    side, first = 512, phase(network)
    plane = picture(side + first).astype(np.float32) / 255
    compute = Compute(choose("auto").device, threads=torch.get_num_threads())
    ours = _ours(network, plane, compute)[:, first:, first:]
    theirs = _monai(network, plane[first:, first:], compute, side)().numpy()
    inside = slice(network.border // 2 + 16, side - network.border // 2 - 16)
    difference = float(np.abs(ours - theirs)[:, inside, inside].max())
    check(difference, 1e-4, "probabilities in the inside of one window")
    return (
        f"with one window over the whole plane, probabilities farther than {inside.start} px from "
        f"its border within {difference:.1g}"
    )


def _seams(network: UNet, plane: NDArray[np.float32], compute: Compute) -> str:
    """How far tiles are from one pass, in the pixels farther than the border from the plane's."""
    side = min(plane.shape)
    once, tiled = (_ours(network, plane, compute, tile) for tile in (None, 444))
    whole = _monai(network, plane, compute, side)().numpy()
    windows = _monai(network, plane, compute, 256)().numpy()
    ours, theirs = (
        Spread(float(np.median(d)), float(d.min()), float(d.max()))
        for d in (np.abs(once - tiled)[0], np.abs(whole - windows)[0])
    )
    return (
        f"Tiles against one pass of the same network, foreground probabilities of {side}²: ours "
        f"differ by {ours.high:.1g} at most, MONAI's windows of 256² by {theirs.high:.2g} at most "
        f"and {theirs.median:.1g} in the median (random weights)."
    )
