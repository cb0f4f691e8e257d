"""What a training run tells: small frozen events, one type for each thing that happens.

The window, the command line, the experiments and the tests consume the same
stream. Times are in seconds, losses are weighted cross-entropies, scores lie
between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "Adjusted",
    "Checkpointed",
    "Diverged",
    "Event",
    "Finished",
    "Painted",
    "Prepared",
    "Step",
    "Validated",
    "Waiting",
]


@dataclass(frozen=True)
class Prepared:
    """Data are read, the network stands; training begins after `start_step` steps."""

    compute: str
    parameters: int
    train_slices: int
    validation_slices: int
    tile: int
    batch: int
    start_step: int
    run: str | None


@dataclass(frozen=True)
class Adjusted:
    """Something differs from what was asked; `message` is one sentence for people."""

    message: str


@dataclass(frozen=True)
class Step:
    """One step of the optimiser. `waited` is the part of `seconds` spent on data.

    `loss` is that of annotated pixels alone, before the step. Of a training without a planned end
    `steps` is 0 and `seconds_left` NaN.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    seconds: float
    seconds_left: float
    waited: float = 0.0


@dataclass(frozen=True)
class Validated:
    """The network was measured on the validation slices.

    `iou` and `f_score` are those of everything that is not background (mean
    over the classes), counted over all validation pixels; `best` says whether
    this model is kept: its IoU is the greatest so far, or less by 0.01 at most,
    of which the later one is better trained.
    """

    step: int
    loss: float
    iou: float
    pixel_accuracy: float
    f_score: float
    best: bool


@dataclass(frozen=True)
class Painted:
    """Edits of the labels took effect: the step after `step` learns from them.

    `right` is the mean, over the latest strokes, of the share of their pixels that the network
    had right before it learnt them; NaN while there is none. `problem` says why they could not
    be saved, if so.
    """

    step: int
    edits: int
    right: float
    problem: str = ""


@dataclass(frozen=True)
class Waiting:
    """Nothing is learnt until something is painted: two classes are needed, or all is settled."""

    step: int
    settled: bool


@dataclass(frozen=True)
class Checkpointed:
    """Model and training state after `step` are on disk under `path`."""

    step: int
    path: str


@dataclass(frozen=True)
class Diverged:
    """The loss is no longer a number; training ends and the last good model stays."""

    step: int
    message: str


@dataclass(frozen=True)
class Finished:
    """All steps are done. Best values are NaN where nothing was validated."""

    step: int
    best_step: int
    best_loss: float
    best_iou: float
    seconds: float
    run: str | None


Event: TypeAlias = (
    Prepared | Adjusted | Step | Painted | Waiting | Validated | Checkpointed | Diverged | Finished
)
