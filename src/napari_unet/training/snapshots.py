"""Small models along the way of a training: what the network was like after so many steps.

They lie in the run folder as ``snapshots/step-000120.safetensors``, with weights of 16 bits and
the scores of that step. The longer a training, the further they lie apart: at most `MOST` are
kept, and fewer of a large network. Which ones depends on the step alone, so that a run that is
killed and resumed has the same.

A training that begins with a model keeps its weights, all bits of them, as step 0: without them
nobody could repeat it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_unet.base.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_unet.network.trained_model import TrainedModel

__all__ = ["EVERY", "LARGEST", "LEAST", "MOST", "Snapshots", "spacing"]

EVERY = 10
"""Steps between the first ones."""

MOST, LEAST = 20, 3
"""How many are kept at most, and of the largest network at least."""

LARGEST = 200_000_000
"""Bytes of all together, where that leaves at least `LEAST`."""


class Snapshots:
    """The snapshots in the folder of a run.

    Parameters
    ----------
    run
        The folder of the run.
    """

    def __init__(self, run: Path) -> None:
        self.run, self.folder = run, run / "snapshots"

    def files(self) -> dict[int, Path]:
        """Return the files by step, the first step first."""
        found = {}
        for file in self.folder.glob("step-*.safetensors"):
            match = re.fullmatch(r"step-(\d+)\.safetensors", file.name)
            if match:
                found[int(match[1])] = file
        return dict(sorted(found.items()))

    def keep(self, step: int, model: TrainedModel) -> None:
        """Write the model after a step, and remove those that lie too close by now.

        Parameters
        ----------
        step
            Steps that are done; 0 keeps all bits of the weights that a training begins with.
        model
            The model to show and predict with.

        Raises
        ------
        CheckpointError
            It cannot be written, or others cannot be removed.
        """
        from napari_unet.network.model_file import save_model  # torch: not to list files

        save_model(self._file(step), model, half=step > 0)
        every = spacing(step, model.network.parameter_count)
        self._remove(one for one in self.files() if one % every)

    def is_due(self, step: int, parameters: int) -> bool:
        """Whether one is kept after this step, of a network with so many parameters."""
        return step % spacing(step, parameters) == 0

    def read(self, step: int) -> TrainedModel:
        """Return the model after a step, on the CPU.

        Raises
        ------
        CheckpointError
            There is none of that step, or its file is damaged.
        """
        files = self.files()
        if step not in files:
            known = ", ".join(f"{one:,}" for one in files)
            raise CheckpointError(
                f"{self.run} has no snapshot of step {step:,}: "
                + (f"choose one of {known}." if known else "none was kept of this run.")
            )
        from napari_unet.network.model_file import read_model_file

        return read_model_file(files[step])

    def forget(self, after: int = -1) -> None:
        """Remove those of later steps, as a resumed run will make them anew; errors as `keep`."""
        self._remove(step for step in self.files() if step > after)
        with suppress(OSError):  # there is something in it still
            self.folder.rmdir()

    def _file(self, step: int) -> Path:
        return self.folder / f"step-{step:06}.safetensors"

    def _remove(self, steps: Iterable[int]) -> None:
        try:
            for step in list(steps):
                self._file(step).unlink(missing_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"the snapshots in {self.folder} cannot be removed ({error}): free that folder."
            ) from error


def spacing(step: int, parameters: int) -> int:
    """Return how many steps lie between the snapshots that are kept after a step.

    Parameters
    ----------
    step
        Steps that are done.
    parameters
        Of the network, two bytes each.
    """
    most = min(MOST, max(LEAST, LARGEST // (2 * max(1, parameters))))
    every = EVERY
    while step // every > most:
        every *= 2
    return every
