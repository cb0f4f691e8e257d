"""The same work over and over in one process: memory must stay where it is."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Soaked", "soak"]

WARM_UP = 10  # rounds until caches are full


@dataclass
class Soaked:
    """Rounds of training, reading and predicting, and what they left in memory."""

    rounds: int = 0
    growth: int = 0  # bytes since the warm-up


def soak(
    rounds: int,
    *,
    each: Callable[[Soaked], object] | None = None,
    deadline: float | None = None,
) -> Soaked:
    """Train, read and predict again and again.

    Parameters
    ----------
    rounds
        How often.
    each
        Called after every round.
    deadline
        In `time.monotonic` seconds; no round begins later.
    """
    from napari_unet.prediction.arrays import predict_labels
    from napari_unet.training.run_folder import load_model
    from napari_unet.training.trainer import Trainer
    from tests.fuzz.kills import _config, _stack

    found, before = Soaked(), 0
    process = psutil.Process()
    stack = _stack(0)
    for k in range(rounds):
        if deadline is not None and time.monotonic() > deadline:
            break
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            list(Trainer(stack, _config(), run).run())
            predict_labels(load_model(run), stack)
        found.rounds += 1
        if k == WARM_UP:
            before = process.memory_info().rss
        elif k > WARM_UP:
            found.growth = process.memory_info().rss - before
        if each is not None:
            each(found)
    return found
