"""The learning rate of every step, also where nobody knows how many steps there will be.

*Open*: a training that a person paints into has no planned end. The rate rises within a few steps,
stays while something is painted, and once nothing was painted for a while it falls to nothing:
the training has settled. The next edit wakes it up. What the rate is at a step depends on the
settings and on the steps at which edits took effect.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_unet.config.training import TrainConfig

__all__ = ["RISE", "SETTLING", "Schedule"]

RISE = 30
"""Steps in which the rate of an open training rises."""

SETTLING = 150
"""Steps in which it falls to nothing."""


class Schedule:
    """Learning rates of one training.

    Parameters
    ----------
    config
        The settings; see `TrainConfig.schedule`.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._last_edit = self._rise_from = 0
        self._rise_share = 0.0  # of the rate, where the latest rise began

    def edited(self, step: int) -> None:
        """Take note that an edit took effect when `step` steps were done."""
        if self._since(step) > 0:  # it had begun to settle
            self._rise_share = self._share(step + 1)
            self._rise_from = step
        self._last_edit = step

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 1."""
        config = self._config
        if config.schedule == "open":
            return config.learning_rate * self._share(step)
        if config.schedule == "constant":
            return config.learning_rate
        rise = max(1, config.steps // 10)
        if step <= rise:
            return config.learning_rate * step / rise
        progress = (step - rise) / max(1, config.steps - rise)
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def has_settled(self, step: int) -> bool:
        """Whether nothing more is learnt after `step` steps, until something is painted."""
        return self._config.schedule == "open" and self._since(step) >= SETTLING

    def _since(self, step: int) -> int:
        """Steps since settling began; 0 or less before."""
        return step - self._last_edit - self._config.patience

    def _share(self, step: int) -> float:
        risen = min(1.0, self._rise_share + (step - self._rise_from) / RISE)
        fallen = min(1.0, max(0, self._since(step)) / SETTLING)
        return risen * 0.5 * (1 + math.cos(math.pi * fallen))
