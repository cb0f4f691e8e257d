"""What is trained on, what is predicted, and how that is scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation.labels import LabelScheme
from napari_unet.datasets import registry as datasets
from napari_unet.evaluation.comparison import evaluate
from napari_unet.images.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_unet.evaluation.scores import Scores

__all__ = ["TASKS", "Task"]

EM_TRAIN, EM_TEST = range(24), range(24, 30)


@dataclass(frozen=True)
class Task:
    """One protocol.

    Attributes
    ----------
    name : str
        As it is asked for.
    data : str
        Name of the data set.
    title : str
        For the page.
    score : str
        The one that the figure shows.
    """

    name: str
    data: str
    title: str
    score: str

    @property
    def has_objects(self) -> bool:
        """Whether objects are asked for; else the probability of the inside of a cell."""
        return self.score == "SEG"

    def train(self) -> Stack:
        """Return what is trained on: silver truth of sequence 01, or slices 0 to 23 of EM."""
        if self.has_objects:
            return datasets.open(self.data, None, "01", "silver")
        stack = datasets.open(self.data)
        assert stack.labels is not None
        assert stack.scheme is not None
        part = Stack("EM 0-23", np.asarray(stack.image)[EM_TRAIN.start : EM_TRAIN.stop], stack.axes)
        labels = np.asarray(stack.labels)[EM_TRAIN.start : EM_TRAIN.stop]
        return replace(part, scale=stack.scale, units=stack.units).with_labels(labels, stack.scheme)

    def test(self) -> NDArray[Any]:
        """Return what is predicted, (N, Y, X): frames with gold truth of 02, or EM 24 to 29."""
        if not self.has_objects:
            return np.asarray(datasets.open(self.data).image)[EM_TEST.start : EM_TEST.stop]
        gold = datasets.open(self.data, None, "02", "gold")
        return np.stack([gold.image_plane(i)[0] for i in gold.labelled_slices])

    def scores(self, found: Sequence[NDArray[Any]]) -> dict[str, float]:
        """Score objects, (N, Y, X) of ids, or probabilities of the inside, (N, Y, X) in 0 to 1."""
        if self.has_objects:
            gold, markers = (
                datasets.open(self.data, None, "02", truth) for truth in ("gold", "markers")
            )

            def cells(truth: Stack) -> Scores:
                labels = np.stack([truth.label_plane(i) for i in gold.labelled_slices])
                scheme = LabelScheme("objects")
                return evaluate(np.asarray(found), labels, "ctc", kind="objects", scheme=scheme)

            return {"SEG": round(cells(gold)["SEG"], 4), "DET": round(cells(markers)["DET"], 4)}
        stack = datasets.open(self.data)
        truth = np.asarray(stack.labels)[EM_TEST.start : EM_TEST.stop]
        best = evaluate(
            np.asarray(found), truth, "isbi2012", kind="probabilities", scheme=stack.scheme
        )
        return {name: round(best[name], 4) for name in ("V_Rand", "V_Info")}


TASKS = {
    task.name: task
    for task in (
        Task("hela", "dic-c2dh-hela", "DIC-C2DH-HeLa", "SEG"),
        Task("u373", "phc-c2dh-u373", "PhC-C2DH-U373", "SEG"),
        Task("em", "isbi2012-em", "ISBI-2012 EM", "V_Rand"),
    )
}
