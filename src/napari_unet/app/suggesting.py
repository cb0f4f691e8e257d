"""Looks for places to paint at next, between two training steps or while nothing is learnt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_unet.app.live_prediction import TimeShare
from napari_unet.base.errors import UNetError
from napari_unet.training.suggestions import Place, rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_unet.training.stack_scan import StackScan
    from napari_unet.training.trainer import Trainer

__all__ = ["Suggested", "Suggesting"]

SHARE = 0.08  # of the time of a training


@dataclass(frozen=True)
class Suggested:
    """Places to paint at next, the best first; an event of a `TrainingJob`."""

    places: tuple[Place, ...]


class Suggesting:
    """Looks at one window at a time, in the thread that trains.

    Parameters
    ----------
    trainer
        With a painting.
    looked_at
        What the user turned to: it is not suggested again. The window adds to it.
    share
        Part of all time that it may take, 0 to 1.
    clock
        Returns the time in seconds.
    """

    def __init__(
        self,
        trainer: Trainer,
        looked_at: list[Place],
        share: float = SHARE,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._looked_at = looked_at
        self._trainer = trainer
        self._time = TimeShare(share, clock)
        self._scan: StackScan | None = None

    def next(self, *, at_rest: bool = False) -> Suggested | None:
        """Look at one more window, if it is time.

        Parameters
        ----------
        at_rest
            Nothing is learnt meanwhile, so that all time is free.

        Returns
        -------
        Suggested or None
            None when nothing was looked at.
        """
        step = self._trainer.learner.step
        if self._scan is not None and self._scan.is_fresh(step):
            return None
        if not at_rest and not self._time.affords():
            return None
        try:
            places = self._look(step)
        except (UNetError, OSError, RuntimeError, MemoryError):
            return None  # a window that cannot be read; the training says so, if it meets it
        finally:
            if not at_rest:
                self._time.charge()
        return Suggested(tuple(places))

    def _is_done(self, place: Place) -> bool:
        painting = self._trainer.painting
        assert painting is not None
        if painting.is_painted(place.stack_index, place.slice_index, place.box):
            return True
        return any(map(place.overlaps, tuple(self._looked_at)))

    def _look(self, step: int) -> list[Place]:
        from napari_unet.network.inference import network_for_inference
        from napari_unet.training.stack_scan import COUNT, StackScan, Views

        trainer = self._trainer
        if self._scan is None:
            self._scan = StackScan(trainer.data, trainer.config.seed)
        learner = trainer.learner
        shown, latest = (
            network_for_inference(network, learner.compute)
            for network in (learner.shown, learner.network)
        )
        self._scan.look(Views(shown, latest, learner.compute), step)
        return rank(self._scan.places, COUNT, step=step, is_done=self._is_done)
