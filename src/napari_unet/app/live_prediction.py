"""A prediction of the slice being shown, made between two training steps.

It runs in the thread that trains, so network and device are never used by two at once, and it
takes at most a stated share of the time. It begins with what the canvas shows, there with what
was painted last, and comes back to that while somebody paints.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import UNetError
from napari_unet.prediction.outputs import Output
from napari_unet.training.events import Adjusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_unet.config.split import Region
    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack
    from napari_unet.network.compute import Compute
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.pieces import Piece

__all__ = ["LivePrediction", "Look", "TimeShare", "parts"]

PART = 512
"""Largest side of what is predicted at once, px: no step waits long for it."""

IN_TURN = 2
"""Parts after which whoever went on painting sees what became of it, however many are left."""

TILE = 796
"""Largest side of an input tile: a part in one, whatever the network."""


@dataclass(frozen=True)
class Look:
    """What somebody looks at.

    Attributes
    ----------
    slice_index : int
        Flat index of the slice.
    region : (int, int, int, int), optional
        y0, y1, x0, x1 of what the canvas shows of it; all of it when omitted.
    """

    slice_index: int
    region: Region | None = None


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
    """Predicts the slice being shown, part by part, whenever time for a part is saved up.

    A picture is begun with a copy of the network as it is then, and finished with that copy,
    however many steps are taken meanwhile: no seams between steps. Whoever looks elsewhere begins
    another one, and whoever goes on painting as well, after some parts: the one that was painted
    in, and what has waited longest.

    Parameters
    ----------
    stack : Stack
        The stack being trained on.
    wanted : callable
        Returns the `Look`, or None for no prediction.
    share : float
        Part of all time that it may take, 0 to 1.
    config : TrainConfig, optional
        Of the training, whose pixel size and outside a prediction has too.
    painted : callable, optional
        Returns row and column of what was painted last, None while nothing was.
    """

    def __init__(
        self,
        stack: Stack,
        wanted: Callable[[], Look | None],
        share: float = 0.12,
        config: TrainConfig | None = None,
        painted: Callable[[], tuple[float, float] | None] = lambda: None,
    ) -> None:
        self._stack, self._wanted, self._painted = stack, wanted, painted
        self._as_trained: dict[str, Any] = {}
        if config is not None:
            same_pixels = config.pixel_size is not None
            self._as_trained = {"match_pixels": same_pixels, "outside": config.outside}
        self._time = TimeShare(share)
        self._look: Look | None = None
        self._picture: Iterator[Piece] | None = None
        self._near: tuple[float, float] | None = None  # what was painted when it was begun
        self._done: list[Region] = []  # parts of what is looked at, those done last at the end
        self._in_turn = 0
        self._refused: set[int] = set()

    def next_piece(self, model: TrainedModel, compute: Compute) -> Piece | Adjusted | None:
        """Predict one more part of the slice being shown.

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
        if wanted is None or wanted.slice_index in self._refused:
            self._look = None
            return None
        turned = wanted != self._look
        if not self._time.affords(on_credit=turned):
            return None
        painted_on = self._in_turn >= IN_TURN and self._painted() != self._near
        if turned or painted_on:
            self.close()
        try:
            piece = self._next(model, compute, wanted)
            return piece or self._next(model, compute, wanted)  # of the next picture
        finally:
            self._time.charge()

    def whole_slice(self, model: TrainedModel, compute: Compute) -> Iterator[Piece | Adjusted]:
        """Predict the slice being shown at once: the last picture of a training."""
        self.close()
        begun = wanted = self._wanted()
        while begun and wanted and wanted.slice_index == begun.slice_index:
            refused = begun.slice_index in self._refused
            piece = None if refused else self._next(model, compute, begun)
            if piece is None:
                return
            yield piece
            wanted = self._wanted()

    def turned_to(self, model: TrainedModel, compute: Compute) -> Iterator[Piece | Adjusted]:
        """Predict the slice being shown where the last picture was of another one."""
        wanted, last = self._wanted(), self._look
        is_another = last is None or wanted is None or wanted.slice_index != last.slice_index
        if wanted is not None and (is_another or self._picture is not None):
            yield from self.whole_slice(model, compute)

    def close(self) -> None:
        """Give up the picture that was begun."""
        if self._picture is not None:
            self._picture.close()  # type: ignore[attr-defined]
        self._picture = None

    def _next(self, model: TrainedModel, compute: Compute, look: Look) -> Piece | Adjusted | None:
        """The next piece of a picture, None where it is complete."""
        try:
            if self._picture is None:
                if look != self._look:
                    self._look, self._done = look, []
                self._near, self._in_turn = self._painted(), 0
                self._picture = self._pieces(model, compute, look)
            piece = next(self._picture, None)
        except (UNetError, OSError, RuntimeError, MemoryError) as error:
            self.close()
            self._refused.add(look.slice_index)
            return Adjusted(f"there is no live prediction of slice {look.slice_index}: {error}")
        if piece is None:
            self.close()
        return piece

    def _pieces(self, model: TrainedModel, compute: Compute, look: Look) -> Iterator[Piece]:
        from napari_unet.prediction.predict import predict

        model = replace(model, network=copy.deepcopy(model.network))
        seen, hidden = parts(self._stack.plane_shape, look.region, self._near)
        for region in (*seen[:1], *self._longest_ago(seen[1:]), *self._longest_ago(hidden)):
            # Nothing is computed beside the training's own steps.
            pieces = predict(
                model, self._stack, slices=(look.slice_index,), region=region, tile=TILE,
                compute=compute, lookahead=False, **self._as_trained,
            )  # fmt: skip
            self._done = [*(one for one in self._done if one != region), region]
            self._in_turn += 1
            yield from Output().finished(pieces, model, region)

    def _longest_ago(self, regions: list[Region]) -> list[Region]:
        ages = {region: age for age, region in enumerate(self._done, start=1)}
        return sorted(regions, key=lambda region: ages.get(region, 0))


def parts(
    shape: tuple[int, int], seen: Region | None = None, near: tuple[float, float] | None = None
) -> tuple[list[Region], list[Region]]:
    """Cut a plane into parts of at most `PART` px.

    Parameters
    ----------
    shape
        Y, X of the plane.
    seen
        y0, y1, x0, x1 of what is seen; all of it when omitted.
    near
        Row and column; the middle of what is seen when omitted.

    Returns
    -------
    list of (int, int, int, int)
        What is seen, the part that is nearest first.
    list of (int, int, int, int)
        The rest, likewise.
    """
    Y, X = shape
    y0, y1, x0, x1 = seen or (0, Y, 0, X)
    rest = (0, y0, 0, X), (y0, y1, 0, x0), (y0, y1, x1, X), (y1, Y, 0, X)
    y, x = near or ((y0 + y1) / 2, (x0 + x1) / 2)

    def away(part: Region) -> float:
        above, left = max(part[0] - y, 0, y - part[1]), max(part[2] - x, 0, x - part[3])
        return math.hypot(above, left)

    hidden = [part for region in rest for part in _cut(region)]
    return sorted(_cut((y0, y1, x0, x1)), key=away), sorted(hidden, key=away)


def _cut(region: Region) -> Iterator[Region]:
    """Parts of about one size."""
    y0, y1, x0, x1 = region
    rows, cols = -(-(y1 - y0) // PART), -(-(x1 - x0) // PART)
    for i in range(rows):
        for k in range(cols):
            yield (
                y0 + (y1 - y0) * i // rows, y0 + (y1 - y0) * (i + 1) // rows,
                x0 + (x1 - x0) * k // cols, x0 + (x1 - x0) * (k + 1) // cols,
            )  # fmt: skip
