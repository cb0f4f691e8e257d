"""A prediction of the slice being shown, made between two training steps.

It runs in the thread that trains, so network and device are never used by two at once, and it
takes at most a stated share of the time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import UNetError
from napari_unet.prediction.outputs import Output
from napari_unet.prediction.pieces import extent_of
from napari_unet.training.events import Adjusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack
    from napari_unet.network.compute import Compute
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.pieces import Piece

__all__ = ["LivePrediction", "TimeShare"]

TILE = 796
"""Largest side of an input tile: a slice of 512 px in one, and no step waits long for it."""


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
    """Predicts the slice being shown, tile by tile, whenever time for a tile is saved up.

    A picture is begun with a copy of the network as it is then, and finished with that copy,
    however many steps are taken meanwhile: no seams between steps.

    Parameters
    ----------
    stack : Stack
        The stack being trained on.
    wanted : callable
        Returns the flat index of the slice being shown, or None for no prediction.
    share : float
        Part of all time that it may take, 0 to 1.
    config : TrainConfig, optional
        Of the training, whose pixel size and outside a prediction has too.
    """

    def __init__(
        self,
        stack: Stack,
        wanted: Callable[[], int | None],
        share: float = 0.12,
        config: TrainConfig | None = None,
    ) -> None:
        self._stack = stack
        self._as_trained: dict[str, Any] = {}
        if config is not None:
            same_pixels = config.pixel_size is not None
            self._as_trained = {"match_pixels": same_pixels, "outside": config.outside}
        self._wanted = wanted
        self._time = TimeShare(share)
        self._slice: int | None = None
        self._tiles: Iterator[Piece] | None = None
        self._refused: set[int] = set()

    def next_tile(self, model: TrainedModel, compute: Compute) -> Piece | Adjusted | None:
        """Predict one more tile of the slice being shown.

        Parameters
        ----------
        model : TrainedModel
            The model as it is between two steps.
        compute : Compute
            How the trainer computes; a prediction that computed otherwise would change torch's
            threads under it.

        Returns
        -------
        Piece, Adjusted or None
            None when nothing is wanted, or it is not yet time. Adjusted says once why a slice
            cannot be predicted; the training does not depend on it.
        """
        wanted = self._wanted()
        if wanted is None or wanted in self._refused:
            self._slice = None
            return None
        turned = wanted != self._slice
        if not self._time.affords(on_credit=turned):
            return None
        if turned:
            self.close()
        try:
            return self._predict(model, compute, wanted)
        finally:
            self._time.charge()

    def whole_slice(self, model: TrainedModel, compute: Compute) -> Iterator[Piece | Adjusted]:
        """Predict the slice being shown at once: the last picture of a training."""
        wanted = self._wanted()
        self.close()
        while wanted is not None and wanted == self._wanted() and wanted not in self._refused:
            yield self._predict(model, compute, wanted)
            if self._tiles is None:
                return

    def turned_to(self, model: TrainedModel, compute: Compute) -> Iterator[Piece | Adjusted]:
        """Predict the slice being shown where the last picture was of another one."""
        wanted = self._wanted()
        if wanted is not None and (wanted != self._slice or self._tiles is not None):
            yield from self.whole_slice(model, compute)

    def close(self) -> None:
        """Give up the picture that was begun."""
        if self._tiles is not None:
            self._tiles.close()  # type: ignore[attr-defined]
        self._tiles = None

    def _predict(self, model: TrainedModel, compute: Compute, i: int) -> Piece | Adjusted:
        try:
            return self._next(model, compute, i)
        except (UNetError, OSError, RuntimeError, MemoryError) as error:
            self.close()
            self._refused.add(i)
            return Adjusted(f"there is no live prediction of slice {i}: {error}")

    def _next(self, model: TrainedModel, compute: Compute, i: int) -> Piece:
        from napari_unet.prediction.predict import predict

        if self._tiles is None:
            self._slice = i
            # Nothing is computed beside the training's own steps.
            tiles = predict(
                model, self._stack, slices=(i,), tile=TILE, compute=compute, lookahead=False,
                **self._as_trained,
            )  # fmt: skip
            self._tiles = Output().finished(tiles, model, extent_of(self._stack))
        tile = next(self._tiles)
        if tile.done == tile.total:
            self.close()
        return tile
