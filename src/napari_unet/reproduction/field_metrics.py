"""The metrics in which the field compares methods, of slices that were held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.annotation.labels import read_target
from napari_unet.evaluation.metrics import ctc_det, ctc_seg
from napari_unet.evaluation.metrics import isbi2012 as isbi2012_metrics
from napari_unet.prediction.objects import instances

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        EM: the five metrics of ISBI-2012. Cells: SEG on the gold segmentation and DET on the
        tracking markers, both of the predicted frames that have gold truth, and how many these
        are. Empty where there is nothing to measure on.
    """
    if not foreground:
        return {}
    if data.gold is None or data.markers is None:
        return _em(data.stack, foreground)
    return _cells(data.gold, data.markers, foreground)


def _em(stack: Stack, foreground: Mapping[int, NDArray[np.float32]]) -> dict[str, float]:
    assert stack.scheme is not None
    targets = [read_target(stack.label_plane(i), stack.scheme) for i in foreground]
    found = isbi2012_metrics(
        np.clip(np.stack(list(foreground.values())), 0, 1),  # a softmax may end at 1 + 1e-7
        np.stack([target.classes > 0 for target in targets]),
        np.stack([target.known for target in targets]),
    )
    names = ("rand_error", "warping_error", "pixel_error", "v_rand", "v_info")
    return {"slices": len(targets)} | {name: float(getattr(found, name)) for name in names}


def _cells(
    gold: Stack, markers: Stack, foreground: Mapping[int, NDArray[np.float32]]
) -> dict[str, float]:
    """Objects are the 4-connected parts of probability above 0.5; nothing is filled or left out."""
    frames = [i for i in foreground if i in gold.labelled_slices and i in markers.labelled_slices]
    if not frames:
        return {}
    objects = [instances(np.clip(foreground[i], 0, 1)) for i in frames]
    return {
        "frames": len(frames),
        "seg": ctc_seg(objects, [gold.label_plane(i) for i in frames]),
        "det": ctc_det(objects, [markers.label_plane(i) for i in frames]),
    }
