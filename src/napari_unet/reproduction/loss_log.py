"""The training loss of every step, beside the run, for the curves of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.base.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LossLog", "read_losses"]

HEAD = "step,loss"


class LossLog:
    """Collects the losses of a run and keeps them in a text file.

    Parameters
    ----------
    file
        Written by `write`; what an interrupted run left there is taken over.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._losses = dict(zip(*read_losses(file)))

    def begin(self, start_step: int) -> None:
        """Forget what a resumed run will compute again: the steps after `start_step`."""
        self._losses = {k: v for k, v in self._losses.items() if k <= start_step}

    def add(self, step: int, loss: float) -> None:
        """Take the loss of a step."""
        self._losses[step] = loss

    def write(self) -> None:
        """Replace the file."""
        lines = [HEAD, *(f"{step},{loss:.6g}" for step, loss in sorted(self._losses.items()))]
        write_atomically(self._file, ("\n".join(lines) + "\n").encode())


def read_losses(file: Path) -> tuple[list[int], list[float]]:
    """Return steps and losses; two empty lists where there is no such file."""
    if not file.is_file():
        return [], []
    rows = [line.split(",") for line in file.read_text(encoding="ascii").splitlines()[1:]]
    return [int(step) for step, _ in rows], [float(loss) for _, loss in rows]
