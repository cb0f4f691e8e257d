"""How busy the device is while a whole stack is predicted.

The 30 slices of EM into a labels array, and into a TIFF by ``napari-unet predict``: the share of
the time, from the first tile asked for to the last written, that the device spends on tiles: their
conversion, the forward pass, the probabilities. The median of several predictions.
"""

from __future__ import annotations

import io
import tempfile
from argparse import Namespace
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_unet.prediction.predict as predicting
from benchmarks.result import Line, Result
from benchmarks.samples import em_stack
from benchmarks.timing import check, spread, timed
from napari_unet.annotation.labels import LabelScheme
from napari_unet.cli.predict import predict_to_file
from napari_unet.config.network import UNetConfig
from napari_unet.config.presets import PRESETS
from napari_unet.images.files import open_image
from napari_unet.images.intensity import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from napari_unet.images.stack import Stack

__all__ = ["run"]


@contextmanager
def clocked() -> Iterator[list[float]]:
    """Collect the seconds that the device computes each batch of tiles."""
    original, spent = predicting.forward_tiles, []

    def forward(*args: Any, **options: Any) -> Tensor:
        found: list[Tensor] = []
        spent.append(timed(lambda: found.append(original(*args, **options))))
        return found[0]

    predicting.forward_tiles = forward
    try:
        yield spent
    finally:
        predicting.forward_tiles = original


def run(quick: bool) -> Result:
    """Predict with the fast preset's network, and with a wider one."""
    stack = em_stack()
    if quick:
        stack = replace(stack, image=np.asarray(stack.image)[:4], labels=None, scheme=None)
    result = Result()
    networks = {"fast preset's network": PRESETS["fast"].network}
    if not quick:
        networks["32 channels, 4 poolings"] = UNetConfig(width=32)
    for name, config in networks.items():
        network = UNet(config, torch.Generator().manual_seed(0)).eval()
        model = TrainedModel(network, Intensity.measure(stack), LabelScheme())
        predict_labels(model, stack, slices=(0,))
        with tempfile.TemporaryDirectory() as folder:
            repeats = 1 if quick else 5 if config.width < 32 else 2
            result.lines += _shares(name, model, stack, Path(folder) / "out.tif", repeats)
    result.agrees = "the labels in the file are those in the array"
    return result


def _shares(name: str, model: TrainedModel, stack: Stack, file: Path, repeats: int) -> list[Line]:
    labels: list[Any] = []

    def into_array() -> None:
        labels.append(predict_labels(model, stack))

    def into_file() -> None:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            predict_to_file(Namespace(json=False), model, stack, file)

    lines = [
        _share(f"{name}, into an array", into_array, repeats),
        _share(f"{name}, into a TIFF", into_file, repeats),
    ]
    written = np.asarray(open_image(file).image)
    check(float((written != labels[0]).mean()), 0.0, "labels in array and file")
    return lines


def _share(what: str, predict: Callable[[], object], repeats: int) -> Line:
    shares, details = [], []
    for _ in range(repeats):
        with clocked() as spent:
            seconds = timed(predict)
        shares.append(100 * sum(spent) / seconds)
        details.append(f"{sum(spent):.2f} of {seconds:.2f} s")
    found = spread(shares)
    middle = details[shares.index(sorted(shares)[len(shares) // 2])]
    return Line(
        what, found.median, "% of the time", found.low, found.high, at_least=95.0, detail=middle
    )
