"""A prediction of the slice being shown, made between two training steps.

It runs in the thread that trains, so network and device are never used by two at once, and it
takes at most a stated share of the time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from napari_unet.model import TrainedModel
    from napari_unet.stack import Stack

__all__ = ["LivePrediction", "LiveTile", "TimeShare"]


@dataclass(frozen=True, eq=False)
class LiveTile:
    """A finished piece of the live prediction.

    Attributes
    ----------
    index : tuple of int
        Leading index of the slice.
    rows, cols : slice
        Where the piece lies in the plane.
    values : ndarray, shape (h, w), uint8 or uint16
        Label values.
    """

    index: tuple[int, ...]
    rows: slice
    cols: slice
    values: np.ndarray


class TimeShare:
    """Decides when a side job may run so that it takes at most a share of the time.

    Parameters
    ----------
    share : float
        Part of all time, 0 to 1.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._share = share
        self._clock = clock
        self._saved = 0.0
        self._cost = 0.0
        self._since = clock()

    def affords(self, *, on_credit: bool = False) -> bool:
        """Tell whether the job may run now.

        Parameters
        ----------
        on_credit : bool
            Do not wait until the time for the whole job is saved up, only until no debt is left.
            For a slice that the user has just turned to.
        """
        now = self._clock()
        # What is saved is bounded: after a long wait one job is due, not a burst of them.
        self._saved = min(self._saved + self._share * (now - self._since), self._cost)
        self._since = now
        return self._saved >= (0.0 if on_credit else self._cost)

    def charge(self) -> None:
        """Book the time since `affords` as the cost of the job."""
        now = self._clock()
        self._cost = now - self._since
        self._saved -= self._cost * (1 - self._share)
        self._since = now


class LivePrediction:
    """Predicts the slice being shown whenever time for it is saved up.

    Parameters
    ----------
    stack : Stack
        The stack being trained on.
    wanted : callable
        Returns the flat index of the slice being shown, or None for no prediction.
    share : float
        Part of all time that it may take, 0 to 1.
    """

    def __init__(self, stack: Stack, wanted: Callable[[], int | None], share: float = 0.12) -> None:
        self._stack = stack
        self._wanted = wanted
        self._time = TimeShare(share)
        self._last: int | None = None

    def tiles(self, model: TrainedModel, *, again: bool = False) -> Iterator[LiveTile]:
        """Yield the tiles of the slice being shown, or nothing when it is not yet time.

        Parameters
        ----------
        model : TrainedModel
            The model as it is between two steps.
        again : bool
            Predict whether it is time or not: the last picture of a run.
        """
        wanted = self._wanted()
        if wanted is None:
            return
        if not (again or self._time.affords(on_credit=wanted != self._last)):
            return
        self._last = wanted
        from napari_unet.predict import predict

        try:
            for tile in predict(model, self._stack, slices=(wanted,), device=_device_of(model)):
                yield LiveTile(tile.index, tile.rows, tile.cols, label_values(tile, model))
                if self._wanted() != wanted:
                    break
        finally:
            self._time.charge()


def label_values(tile: Any, model: TrainedModel) -> np.ndarray:
    """Return the label values of a predicted tile, shape (h, w), uint8 or uint16."""
    return model.scheme.encode(tile.probabilities.argmax(axis=0))


def _device_of(model: TrainedModel) -> str:
    """Return where the network is, so that predicting does not move it away from the trainer."""
    return str(next(model.network.parameters()).device.type)
