"""The stack that an experiment trains on, and the truth that its objects are measured with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.annotation.labels import LabelScheme
from napari_unet.datasets import registry as datasets
from napari_unet.reproduction.table import SETS

if TYPE_CHECKING:
    from pathlib import Path

    from napari_unet.images.stack import Stack
    from napari_unet.reproduction.table import Experiment

__all__ = ["CELL_OR_NOT", "ExperimentData", "binary", "open_data"]

CELL_OR_NOT = LabelScheme(kind="classes", values=(0, 1), names=("background", "cell"))


@dataclass(frozen=True, eq=False)
class ExperimentData:
    """What an experiment needs.

    Attributes
    ----------
    stack
        With the labels to learn. Sequence 02 of a cell set follows 01.
    gold, markers
        Of a cell set: the same frames with the challenge's gold segmentation (of a few frames)
        and tracking markers (of all). None for EM.
    """

    stack: Stack
    gold: Stack | None = None
    markers: Stack | None = None


def open_data(experiment: Experiment, folder: Path | None = None) -> ExperimentData:
    """Open the data of an experiment, fetching them if needed.

    Parameters
    ----------
    experiment
        Says which set and which truth.
    folder
        Of the data sets; see `napari_unet.datasets.registry.path`.

    Raises
    ------
    DataSetError
        When they cannot be had.
    """
    name = SETS[experiment.data][1]
    if not datasets.DATA_SETS[name].has_sequences:
        return ExperimentData(datasets.open(name, folder, progress=True))
    gold, markers = (
        datasets.open(name, folder, "both", truth, progress=True) for truth in ("gold", "markers")
    )
    if experiment.truth == "gold":
        return ExperimentData(gold, gold, markers)
    silver = datasets.open(name, folder, "both", "silver", progress=True)
    return ExperimentData(binary(silver), gold, markers)


def binary(stack: Stack) -> Stack:
    """Return a stack whose labels say cell or not: the reproduction's ``truth > 0``."""
    labels = (np.asarray(stack.labels) > 0).astype(np.uint8)
    return stack.with_labels(labels, CELL_OR_NOT, annotated=stack.annotated)
