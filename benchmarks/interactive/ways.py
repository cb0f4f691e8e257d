"""How a simulated annotator comes to its next place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_unet.app.suggesting import SHARE, Suggesting
from napari_unet.training.suggestions import SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.interactive.clocks import Clock
    from napari_unet.config.split import Region
    from napari_unet.training.suggestions import Place
    from napari_unet.training.trainer import Trainer

__all__ = ["WAYS", "Way"]

LOOK_EVERY = 3.0  # s, of training
SLICE_AFTER = 5  # strokes in a slice before the next one is turned to
ROUND_STROKES, ROUND_STEPS = 10, 120
VIEW = 3  # sides of a place that are seen around it, as the window zooms


class Way(Protocol):
    """Says when and where the annotator looks."""

    _looked_at = 0.0

    def looks(self, _step: int, clock: Clock) -> int:
        """Return how many times to look after this step."""
        if clock.now() - self._looked_at < LOOK_EVERY:
            return 0
        self._looked_at = clock.now()
        return 1

    def after_step(self, clock: Clock) -> None:
        """Do what is done between two steps."""

    def here(self) -> tuple[int, Region | None]:
        """Return the slice that is looked at, and which part of it; None: all of it."""

    def looked(self, *, painted: bool) -> None:
        """Take note that a stroke was painted, or that there was nothing to paint."""

    def wrong(self, predicted: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the prediction of which the wrong parts are painted; as it is, to correct it."""
        return predicted


class Leafing(Way):
    """Slice after slice, a few strokes each, anywhere in it."""

    def __init__(self, _: Trainer, slices: Sequence[int], _seed: int) -> None:
        self._slices, self._at, self._strokes = slices, 0, 0

    def after_step(self, clock: Clock) -> None:
        """Nothing."""

    def here(self) -> tuple[int, None]:
        """The slice."""
        return self._slices[self._at % len(self._slices)], None

    def looked(self, *, painted: bool) -> None:
        """Turn to the next slice in time."""
        self._strokes += 1
        if not painted or self._strokes >= SLICE_AFTER:
            self._at, self._strokes = self._at + 1, 0


class Rounds(Leafing):
    """The same, but nothing is trained while strokes are painted, and nothing painted meanwhile."""

    def looks(self, step: int, clock: Clock) -> int:
        """Return the strokes of a round, which take their time."""
        if step % ROUND_STEPS:
            return 0
        clock.wait(ROUND_STROKES * LOOK_EVERY)
        return ROUND_STROKES


class Wandering(Way):
    """A random place, zoomed in, one stroke each."""

    def __init__(self, trainer: Trainer, slices: Sequence[int], seed: int) -> None:
        self._rng, self._slices = np.random.default_rng(seed), slices
        self._shape = trainer.data.given[0].plane_shape

    def after_step(self, clock: Clock) -> None:
        """Nothing."""

    def here(self) -> tuple[int, Region | None]:
        """Another place every time."""
        y, x = (int(self._rng.integers(n)) for n in self._shape)
        return int(self._rng.choice(self._slices)), _view(y, x, self._shape)

    def looked(self, *, painted: bool) -> None:
        """Nothing."""


class Typical(Wandering):
    """Random places as well, but a class drawn by lot, whether it is right there or not."""

    def wrong(self, predicted: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return one class everywhere, so that the other one is painted."""
        return np.full_like(predicted, self._rng.integers(2))


class Led(Way):
    """Where *Paint here next* leads, zoomed in, one stroke each; the search takes its time."""

    def __init__(self, trainer: Trainer, slices: Sequence[int], seed: int) -> None:
        self._seen: list[Place] = []
        self._suggesting = Suggesting(trainer, self._seen, SHARE, time.process_time)
        self._places: list[Place] = []
        self._slices = set(slices)
        self._shape = trainer.data.given[0].plane_shape
        self._until_then = Leafing(trainer, slices, seed)

    def after_step(self, clock: Clock) -> None:
        """Search on."""
        may = clock.may_search()
        suggested = None if may is False else self._suggesting.next(at_rest=bool(may))
        if suggested is not None:
            clock.searched()
            self._places = [p for p in suggested.places if p.slice_index in self._slices]

    def here(self) -> tuple[int, Region | None]:
        """The first of the list; the first slice while there is none."""
        if not self._places:
            return self._until_then.here()
        place = self._places.pop(0)
        self._seen.append(place)
        y, x = place.middle
        return place.slice_index, _view(int(y), int(x), self._shape)

    def looked(self, *, painted: bool) -> None:
        """Nothing: the next look is at the next place."""


def _view(y: int, x: int, shape: tuple[int, int]) -> Region:
    half = VIEW * SIDE // 2
    return max(0, y - half), min(shape[0], y + half), max(0, x - half), min(shape[1], x + half)


WAYS: dict[str, Callable[[Trainer, Sequence[int], int], Way]] = {
    "order": Leafing,
    "random": Wandering,
    "typical": Typical,
    "suggested": Led,
    "rounds": Rounds,
}
