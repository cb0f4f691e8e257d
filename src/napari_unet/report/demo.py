"""The demo's data, settings and scores: the whole path once on an example stack."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.base.errors import DataSetError
from napari_unet.config.training import TrainConfig
from napari_unet.datasets import registry as datasets
from napari_unet.evaluation.comparison import evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.evaluation.scores import Scores
    from napari_unet.images.stack import Stack

__all__ = ["demo_config", "open_demo_stack", "scores"]

REAL = "isbi2012-em"
STEPS = {REAL: 200, "synthetic": 120}  # about a minute on two cores; the synthetic stack takes less

WITHOUT_DATA = (
    "the ISBI-2012 EM stack is not on this machine and could not be downloaded, so the synthetic "
    "stack is used; --data DIR or NAPARI_UNET_DATA names a folder that holds the real one"
)


def open_demo_stack(data: Path | None = None) -> tuple[str, Stack, str]:
    """Open the ISBI-2012 EM stack, or the synthetic one where that cannot be had.

    Parameters
    ----------
    data
        Folder of the data sets. None: NAPARI_UNET_DATA, the cache, or a download.

    Returns
    -------
    name : str
        Of the data set.
    stack : Stack
        With labels.
    remark : str
        Why it is not the real one, or "".

    Raises
    ------
    DataSetError
        When ``data`` is given and does not hold the stack.
    """
    if data is not None:
        return REAL, datasets.open(REAL, data), ""
    try:
        return REAL, datasets.open(REAL, progress=True), ""
    except DataSetError:
        return "synthetic", datasets.open("synthetic"), WITHOUT_DATA


def demo_config(name: str, steps: int | None = None) -> TrainConfig:
    """Return the settings of the demo: the fast preset, shortened, validated five times."""
    steps = STEPS[name] if steps is None else steps
    config = TrainConfig.preset_named("fast", steps=steps)
    every = max(1, config.steps // 5)
    return replace(config, validate_every=every, checkpoint_every=every)


def scores(stack: Stack, probabilities: Mapping[int, NDArray[np.float32]]) -> Scores:
    """Compare predicted slices with their labels.

    Parameters
    ----------
    stack
        With labels.
    probabilities
        Flat index of a slice -> (K, Y, X).

    Returns
    -------
    Scores
        Areas; where there are two classes also Rand and pixel error, at the best threshold.
    """
    assert stack.scheme is not None
    names = ("overlap", "rand") if stack.scheme.n_classes == 2 else ("overlap",)
    chosen = tuple(probabilities)
    planes = np.stack([probabilities[i] for i in chosen])
    labels = np.stack([stack.label_plane(i) for i in chosen])
    return evaluate(planes, labels, names, kind="probabilities", scheme=stack.scheme)
