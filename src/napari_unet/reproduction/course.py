"""How the losses of a run went: few enough points to be kept beside its result."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.atomic_files import write_atomically
from napari_unet.training.events import Step, Validated
from napari_unet.training.history import events_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["POINTS", "Course", "read_course", "write_course"]

FILE = "curves.json"
POINTS = 80  # of the training loss, each the mean of the steps around it


@dataclass(frozen=True)
class Course:
    """The curves of one run.

    Attributes
    ----------
    steps, losses
        Training loss: mean over consecutive steps, at the last of them.
    validated, validation_losses, ious
        Of every validation.
    """

    steps: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    validated: tuple[int, ...] = ()
    validation_losses: tuple[float, ...] = ()
    ious: tuple[float, ...] = ()

    @classmethod
    def of(cls, history: Iterable[Mapping[str, Any]]) -> Course:
        """Gather the events that a run folder keeps."""
        events = list(events_of(history))
        steps = [(e.step, e.loss) for e in events if isinstance(e, Step)]
        checks = [e for e in events if isinstance(e, Validated)]
        parts = [part for part in np.array_split(np.arange(len(steps)), POINTS) if part.size]
        return cls(
            tuple(steps[part[-1]][0] for part in parts),
            tuple(_short(np.mean([steps[k][1] for k in part])) for part in parts),
            tuple(e.step for e in checks),
            tuple(_short(e.loss) for e in checks),
            tuple(_short(e.iou) for e in checks),
        )


def write_course(folder: Path, course: Course) -> None:
    """Write ``curves.json`` into the folder of a run."""
    plain = {
        name: [v if math.isfinite(v) else None for v in values]
        for name, values in asdict(course).items()
    }
    write_atomically(folder / FILE, (json.dumps(plain) + "\n").encode())


def read_course(folder: Path) -> Course:
    """Return what `write_course` wrote; without any point where there is no such file."""
    file = folder / FILE
    if not file.is_file():
        return Course()
    plain = json.loads(file.read_text(encoding="ascii"))
    return Course(
        tuple(plain["steps"]),
        tuple(map(_number, plain["losses"])),
        tuple(plain["validated"]),
        tuple(map(_number, plain["validation_losses"])),
        tuple(map(_number, plain["ious"])),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _short(value: float) -> float:
    """Four digits are more than can be seen."""
    return float(f"{value:.4g}")
