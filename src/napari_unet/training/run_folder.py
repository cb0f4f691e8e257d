"""Everything that a run writes to disk or reads from it.

A model is one safetensors file: its tensors, and in the file's metadata one
JSON text that describes network, intensity, labels and origin. A run is a
folder::

    run.json            configuration, seed, data, versions, compute: enough to replay the run
    best.safetensors    the model with the best validation so far
    last.safetensors    the model of the last checkpoint
    state.pt            what training needs to go on: weights, optimiser, step, ...
    history.jsonl       one event per line
    validations/        a picture of one slice after every validation
    snapshots/          small models along the way, see `snapshots`
    journal.jsonl       what was painted into it, see `journal`

Files are written beside their place, flushed to the disk and then renamed, so
a reader finds either the previous file or the new one, whenever the power
goes. Nothing that is read here can run code: safetensors and JSON hold only
data, and ``state.pt`` is opened with ``weights_only=True``.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_unet.base.atomic_files import unwritable, write_atomically
from napari_unet.base.errors import CheckpointError
from napari_unet.base.locks import held
from napari_unet.base.regular_files import is_regular
from napari_unet.network.model_file import (
    FORMAT_VERSION,
    read_model_file,
    save_model,
    to_json,
    versions,
)
from napari_unet.training import run_description, run_state
from napari_unet.training.begun import FILE_NAME as BEGUN
from napari_unet.training.history import History
from napari_unet.training.journal import FILE_NAME as JOURNAL
from napari_unet.training.run_description import RUN_FORMAT, Description
from napari_unet.training.snapshots import Snapshots
from napari_unet.training.validation_pictures import ValidationPictures

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.intensity import Intensity
    from napari_unet.network.compute import Compute
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.run_state import State

__all__ = [
    "RunFolder",
    "load_model",
]

RUN_FILES = ("run.json", "best.safetensors", "last.safetensors", "state.pt", "history.jsonl")

LOCK = ".lock"

Which = Literal["best", "last"]


def load_model(path: str | os.PathLike[str], step: int | None = None) -> TrainedModel:
    """Read a model from a model file or from a run folder.

    Parameters
    ----------
    path
        A safetensors file, or a run folder: its best model, else its last one.
    step
        The snapshot of a run after so many steps instead.

    Returns
    -------
    TrainedModel
        On the CPU, in evaluation mode.

    Raises
    ------
    CheckpointError
        The file is missing, not a model of napari-unet, truncated or of a newer format.
    """
    path = Path(path)
    if step is not None:
        return RunFolder(path).snapshots.read(step)
    return RunFolder(path).read_model() if path.is_dir() else read_model_file(path)


class RunFolder:
    """The folder of one training run.

    Parameters
    ----------
    path
        The folder; it need not exist yet.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._history = History(self.path / "history.jsonl")
        self._content: bytes | None = None  # of run.json, while it is trained

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep everybody else from writing this run; the folder is made.

        Raises
        ------
        CheckpointError
            Somebody else is writing it, in this process or another, or the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = held(self.path / LOCK)
            mine = lock.__enter__()
        except OSError as error:
            raise unwritable(self.path, error) from error
        try:
            if not mine:
                raise CheckpointError(
                    f"The run in {self.path} is being written by another training; wait until "
                    "it has ended, or choose another folder."
                )
            with suppress(OSError):  # said by whoever needs it
                self._content = self._description_file.read_bytes() if self.exists() else None
            yield
        finally:
            lock.__exit__(None, None, None)

    def create(self, description: Mapping[str, Any], *, painted: bool = False) -> None:
        """Make the folder and write ``run.json``; to be called while it is `locked`.

        Parameters
        ----------
        description
            What replays the run: configuration, seed, fingerprints of the data, compute. Format,
            versions and the time of creation are added.
        painted
            As of `check_free`.

        Raises
        ------
        CheckpointError
            The folder holds a run already, or cannot be written.
        """
        self.check_free(painted=painted)
        content = {
            "format": RUN_FORMAT,
            "format_version": FORMAT_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            **description,
        }
        self._content = (to_json(content, indent=2) + "\n").encode()
        write_atomically(self._description_file, self._content)
        (self.path / BEGUN).unlink(missing_ok=True)  # which says less

    def describe_again(self) -> bool:
        """Write ``run.json`` anew where somebody moved or removed the folder; tell whether."""
        if self._content is None or self.exists():
            return False
        write_atomically(self._description_file, self._content)
        return True

    def exists(self) -> bool:
        """Tell whether the folder holds a run, readable or not."""
        return is_regular(self._description_file)

    def check_free(self, *, painted: bool = False) -> None:
        """Raise when the folder holds a run, or any file that one would replace.

        Parameters
        ----------
        painted
            The journal there is this run's: strokes are saved before the run begins.

        Raises
        ------
        CheckpointError
            It does; the sentence names the file.
        """
        if self.exists():
            raise CheckpointError(
                f"The folder {self.path} already holds a run; choose another folder, or resume it."
            )
        for name in RUN_FILES if painted else (*RUN_FILES, JOURNAL):
            try:
                (self.path / name).lstat()
            except (OSError, ValueError):
                continue  # what cannot be looked at cannot be replaced either
            raise CheckpointError(
                f"The folder {self.path} holds {name} without a run, and training would replace "
                "it; choose another folder."
            )
        for file in (*self.pictures.files().values(), *self.snapshots.files().values()):
            raise CheckpointError(
                f"The folder {self.path} holds {file.relative_to(self.path)} without a run, and "
                "training would replace it; choose another folder."
            )

    def clear(self) -> None:
        """Remove the run; other files in the folder stay."""
        try:
            for name in (*RUN_FILES, JOURNAL, BEGUN):
                (self.path / name).unlink(missing_ok=True)
            self.pictures.forget()
            self.snapshots.forget()
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._history = History(self._history.file)

    @property
    def _description_file(self) -> Path:
        return self.path / "run.json"

    def description(self) -> Description:
        """Return what ``run.json`` says.

        Raises
        ------
        CheckpointError
            There is no run here, or it is foreign, truncated or of a newer format, or a field
            has another type than it should; the sentence names it.
        """
        if not self.path.is_dir():
            raise CheckpointError(
                f"There is no run folder {self.path}; give the folder that training made."
            )
        if not self.exists():
            raise CheckpointError(
                f"The folder {self.path} holds no run: there is no run.json in it; "
                "give the folder that training made."
            )
        return run_description.read(self._description_file)

    def config(self) -> TrainConfig:
        """Return the settings of the run; errors as `description`."""
        return run_description.config_of(self._description_file, self.description())

    def intensity(self) -> Intensity:
        """Return the grey-value limits of the run; errors as `description`."""
        return run_description.intensity_of(self._description_file, self.description())

    def compute(self) -> Compute:
        """Return how the run computed; errors as `description`."""
        return run_description.compute_of(self._description_file, self.description())

    def write_model(self, which: Which, model: TrainedModel) -> Path:
        """Write the best or the last model; return its file."""
        file = self.path / f"{which}.safetensors"
        save_model(file, model)
        return file

    def read_model(self, which: Which | None = None) -> TrainedModel:
        """Read the best or the last model; by default the best, else the last.

        Raises
        ------
        CheckpointError
            There is no run or no model yet, or the file cannot be used.
        """
        names = (which,) if which else ("best", "last")
        files = [self.path / f"{name}.safetensors" for name in names]
        for file in files:
            if file.is_file():
                return read_model_file(file)
        self.description()  # says when this is no run at all
        raise CheckpointError(
            f"The run {self.path} holds no {' or '.join(names)} model yet; "
            "train until its first checkpoint."
        )

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Write what resuming needs: tensors, numbers, texts, lists and dicts of them."""
        run_state.write(self.path / "state.pt", state)

    def read_state(self) -> State | None:
        """Return what `write_state` wrote, tensors on the CPU; None if it never did.

        Raises
        ------
        CheckpointError
            See `run_state.read`.
        """
        file = self.path / "state.pt"
        return run_state.read(file) if file.exists() else None

    def append_history(self, event: Any) -> None:
        """Add one event, a dataclass or a mapping; see `History.append`."""
        self._history.append(event)

    def history(self) -> list[dict[str, Any]]:
        """Return the events so far, oldest first; see `History.entries`."""
        return list(self._history.entries())

    def rewind_history(self, step: int) -> None:
        """Forget the events after a step, as a resumed run will make them anew."""
        self._history.rewind(step)
        self.pictures.forget(step)
        self.snapshots.forget(step)

    @property
    def snapshots(self) -> Snapshots:
        """Small models along the way."""
        return Snapshots(self.path)

    @property
    def pictures(self) -> ValidationPictures:
        """The picture of every validation."""
        return ValidationPictures(self.path)
