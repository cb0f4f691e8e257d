"""The metrics in which the field compares methods, of slices that were held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.evaluation.comparison import evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack
    from napari_unet.reproduction.data import ExperimentData

__all__ = ["field_metrics"]


def field_metrics(
    data: ExperimentData, foreground: Mapping[int, NDArray[np.float32]]
) -> dict[str, float]:
    """Measure predicted slices.

    Parameters
    ----------
    data
        EM has labels only, a cell set also gold truth and markers.
    foreground
        Flat index of a slice -> (Y, X) probability of lying inside a cell.

    Returns
    -------
    dict
        By the names of `napari_unet.evaluation`. EM: the five metrics of ISBI-2012. Cells: SEG
        on the gold segmentation and DET on the tracking markers, both of the predicted frames
        that have gold truth, and how many these
        are. Empty where there is nothing to measure on.
    """
    if not foreground:
        return {}
    if data.gold is None or data.markers is None:
        return _em(data.stack, foreground)
    return _cells(data.gold, data.markers, foreground)


def _em(stack: Stack, foreground: Mapping[int, NDArray[np.float32]]) -> dict[str, float]:
    planes, labels = _stacked(foreground, stack, tuple(foreground))
    found = evaluate(planes, labels, "isbi2012", kind="probabilities", scheme=stack.scheme)
    return {"slices": len(foreground), **found}


def _cells(
    gold: Stack, markers: Stack, foreground: Mapping[int, NDArray[np.float32]]
) -> dict[str, float]:
    """Objects are the 4-connected parts of probability above 0.5; nothing is filled or left out."""
    frames = [i for i in foreground if i in gold.labelled_slices and i in markers.labelled_slices]
    if not frames:
        return {}
    found = {}
    for name, truth in (("SEG", gold), ("DET", markers)):
        planes, labels = _stacked(foreground, truth, frames)
        found[name] = evaluate(planes, labels, "ctc", kind="probabilities", scheme=truth.scheme)[
            name
        ]
    return {"frames": len(frames), **found}


def _stacked(
    foreground: Mapping[int, NDArray[np.float32]], truth: Stack, slices: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return prediction and labels of slices, both (N, Y, X)."""
    return (
        np.stack([foreground[i] for i in slices]),
        np.stack([truth.label_plane(i) for i in slices]),
    )
