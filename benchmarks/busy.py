"""How busy the device is while a whole stack is predicted.

The 30 slices of EM into a labels array, and into a TIFF by ``napari-unet predict``: the share of
the time, from the first tile asked for to the last written, that the network spends in its
forward pass.
"""

from __future__ import annotations

import io
import tempfile
from argparse import Namespace
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.result import Line, Result
from benchmarks.samples import em_stack
from benchmarks.timing import check, timed
from napari_unet.cli.predict import predict_to_file
from napari_unet.files import open_image
from napari_unet.intensity import Intensity
from napari_unet.labels import LabelScheme
from napari_unet.model import TrainedModel, UNet, UNetConfig
from napari_unet.predict import predict_labels
from napari_unet.train_config import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_unet.stack import Stack

__all__ = ["run"]


class Clocked(UNet):
    """A network that adds up the seconds of its forward passes, of all its copies."""

    spent = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Logits; timed."""
        found: list[Tensor] = []
        Clocked.spent += timed(lambda: found.append(UNet.forward(self, x)))
        return found[0]


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
        network = Clocked(config, torch.Generator().manual_seed(0)).eval()
        model = TrainedModel(network, Intensity.measure(stack), LabelScheme())
        predict_labels(model, stack, slices=(0,))
        with tempfile.TemporaryDirectory() as folder:
            result.lines += _shares(name, model, stack, Path(folder) / "out.tif")
    result.agrees = "the labels in the file are those in the array"
    return result


def _shares(name: str, model: TrainedModel, stack: Stack, file: Path) -> list[Line]:
    labels: list[Any] = []

    def into_file() -> None:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            predict_to_file(Namespace(json=False), model, stack, file)

    lines = [
        _share(f"{name}, into an array", lambda: labels.append(predict_labels(model, stack))),
        _share(f"{name}, into a TIFF", into_file),
    ]
    written = np.asarray(open_image(file).image)
    check(float((written != labels[0]).mean()), 0.0, "labels in array and file")
    return lines


def _share(what: str, predict: Callable[[], object]) -> Line:
    Clocked.spent = 0.0
    seconds = timed(predict)
    share = 100 * Clocked.spent / seconds
    detail = f"{Clocked.spent:.2f} of {seconds:.2f} s"
    return Line(what, share, "% of the time", at_least=95.0, detail=detail)
