"""Numbers between this project and a peer in an environment of its own: files in one folder.

The script of a peer imports this too: it needs numpy alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Request", "keep_point", "points"]


@dataclass(frozen=True)
class Request:
    """What a peer is asked for.

    Attributes
    ----------
    images, labels : ndarray (N, Y, X)
        To train on. Labels are ids of objects, or classes.
    test : ndarray (M, Y, X)
        To predict.
    seconds : sequence of float
        Processor seconds after which to predict, ascending.
    seed : int
        Of whatever is drawn at random.
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    test: NDArray[Any]
    seconds: Sequence[float]
    seed: int

    def write(self, folder: Path) -> None:
        """Write the files into a folder that is there."""
        for name in ("images", "labels", "test"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        rest = {"seconds": list(self.seconds), "seed": self.seed}
        (folder / "request.json").write_text(json.dumps(rest), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Request:
        """Read what `write` wrote."""
        arrays = (np.load(folder / f"{name}.npy") for name in ("images", "labels", "test"))
        return cls(*arrays, **json.loads((folder / "request.json").read_text("utf-8")))


def keep_point(folder: Path, found: Any, **point: Any) -> None:
    """Write a prediction of ``test``, and how it came about: budget, seconds, steps, how."""
    name = f"{point['budget']:g}"
    np.save(folder / f"found-{name}.npy", np.stack(found))
    (folder / f"writing-{name}").write_text(json.dumps(point), "utf-8")
    (folder / f"writing-{name}").rename(folder / f"point-{name}.json")  # complete from here on


def points(folder: Path, known: set[float]) -> Iterator[tuple[dict[str, Any], NDArray[Any]]]:
    """Read the points that are not known yet, with their predictions."""
    for file in sorted(folder.glob("point-*.json")):
        point = json.loads(file.read_text("utf-8"))
        if point["budget"] not in known:
            known.add(point["budget"])
            yield point, np.load(folder / f"found-{point['budget']:g}.npy")
