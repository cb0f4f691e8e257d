"""What was published: by the paper, by those who were better later, and by the reproduction.

Values of the reproduction are the final ones read off its plots. Its score is the *thresholded
IoU* (see `napari_unet.evaluation.metrics.thresholded_iou`), which is no intersection over union.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CELLS", "EM_CHALLENGE", "REPRODUCTION", "Published"]


@dataclass(frozen=True)
class Published:
    """What the reproduction's plots show at the end of a run.

    Attributes
    ----------
    thresholded_iou
        0 … 1, on augmented validation tiles.
    validation_loss
        Of the same tiles; None where it was not read.
    remark
        Anything else, or "".
    """

    thresholded_iou: float
    validation_loss: float | None = None
    remark: str = ""


REPRODUCTION: dict[str, Published] = {
    "em-baseline": Published(0.86, 0.54),
    "u373-baseline": Published(0.89),
    "hela-baseline": Published(0.89),
    "em-batch16": Published(0.83, 0.19),
    "u373-batch16": Published(0.955),
    "hela-batch16": Published(0.81),
    "em-no-weights": Published(0.84, 0.21),
    "em-adam": Published(0.83, 0.95),
    "u373-adam": Published(0.23, remark="diverged"),
    "hela-adam": Published(0.67),
    "em-adam-3e-4": Published(0.80, 0.97),
    "u373-adam-3e-4": Published(0.945),
    "hela-adam-3e-4": Published(0.90),
}
"""By the name of the run."""

EM_CHALLENGE: dict[str, dict[str, float]] = {
    "paper, challenge server": {
        "warping error": 0.000353,
        "Rand error": 0.0382,
        "pixel error": 0.0611,
        "V_Rand": 0.9728,
        "V_Info": 0.9866,
    },
    "best later, challenge server": {"V_Rand": 0.987, "V_Info": 0.991},
}
"""ISBI-2012: on the 30 hidden test slices."""

CELLS: dict[str, dict[str, float]] = {
    "u373": {"paper, challenge server": 0.9203, "best later, challenge server": 0.931},
    "hela": {"paper, challenge server": 0.7756, "best later, challenge server": 0.887},
}
"""SEG of the Cell Tracking Challenge: on its hidden test sequences."""
