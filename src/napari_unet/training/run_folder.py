"""Everything that a run writes to disk or reads from it.

A model is one safetensors file: its tensors, and in the file's metadata one
JSON text that describes network, intensity, labels and origin. A run is a
folder::

    run.json            configuration, seed, data, versions, compute: enough to replay the run
    best.safetensors    the model with the best validation so far
    last.safetensors    the model of the last checkpoint
    state.pt            what training needs to go on: weights, optimiser, step, ...
    history.jsonl       one event per line

Files are written beside their place, flushed to the disk and then renamed, so
a reader finds either the previous file or the new one, whenever the power
goes. Nothing that is read here can run code: safetensors and JSON hold only
data, and ``state.pt`` is opened with ``weights_only=True``.
"""

from __future__ import annotations

import dataclasses
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from napari_unet.base.atomic_files import _unwritable, write_atomically
from napari_unet.base.errors import CheckpointError
from napari_unet.network.model_file import (
    FORMAT_VERSION,
    _check_format,
    _damaged,
    _read,
    _to_json,
    read_model_file,
    save_model,
    versions,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from napari_unet.network.trained_model import TrainedModel

__all__ = [
    "RunFolder",
    "load_model",
]

RUN_FORMAT = "napari-unet run"

RUN_FILES = ("run.json", "best.safetensors", "last.safetensors", "state.pt", "history.jsonl")

Which = Literal["best", "last"]


def load_model(path: str | os.PathLike[str]) -> TrainedModel:
    """Read a model from a model file or from a run folder.

    Parameters
    ----------
    path
        A safetensors file, or a run folder: its best model, else its last one.

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
        self._history_is_whole = False

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def create(self, description: Mapping[str, Any]) -> None:
        """Make the folder and write ``run.json``.

        Parameters
        ----------
        description
            What replays the run: configuration, seed, fingerprints of the data, compute. Format,
            versions and the time of creation are added.

        Raises
        ------
        CheckpointError
            The folder holds a run already, or cannot be written.
        """
        if self.exists():
            raise CheckpointError(
                f"The folder {self.path} already holds a run; choose another folder, or resume it."
            )
        content = {
            "format": RUN_FORMAT,
            "format_version": FORMAT_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            **description,
        }
        write_atomically(self.path / "run.json", (_to_json(content, indent=2) + "\n").encode())

    def exists(self) -> bool:
        """Tell whether the folder holds a run, readable or not."""
        return (self.path / "run.json").is_file()

    def clear(self) -> None:
        """Remove the run; other files in the folder stay."""
        try:
            for name in RUN_FILES:
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._history_is_whole = False

    def description(self) -> dict[str, Any]:
        """Return what ``run.json`` says.

        Raises
        ------
        CheckpointError
            There is no run here, or it is foreign, truncated or of a newer format.
        """
        file = self.path / "run.json"
        if not self.path.is_dir():
            raise CheckpointError(
                f"There is no run folder {self.path}; give the folder that training made."
            )
        if not file.is_file():
            raise CheckpointError(
                f"The folder {self.path} holds no run: there is no run.json in it; "
                "give the folder that training made."
            )
        try:
            content = json.loads(_read(file, "run description"))
        except ValueError as error:
            raise _damaged(file, "run description", error) from error
        _check_format(file, content, RUN_FORMAT)
        return dict(content)

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
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        write_atomically(self.path / "state.pt", buffer.getbuffer())

    def read_state(self) -> dict[str, Any] | None:
        """Return what :meth:`write_state` wrote, tensors on the CPU; None if it never did.

        Raises
        ------
        CheckpointError
            The file is truncated or foreign, or holds anything but data.
        """
        file = self.path / "state.pt"
        if not file.exists():
            return None
        try:
            with file.open("rb") as stream:
                state = torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # torch has no base class for what a damaged file can cause
            raise _damaged(file, "training state", error) from error
        if not isinstance(state, dict):
            raise _damaged(file, "training state", f"a {type(state).__name__}")
        return state

    def append_history(self, event: Any) -> None:
        """Add one event, a dataclass or a mapping, as one line of ``history.jsonl``."""
        if dataclasses.is_dataclass(event) and not isinstance(event, type):
            entry = {"event": type(event).__name__, **dataclasses.asdict(event)}
        else:
            entry = dict(event)
        file = self.path / "history.jsonl"
        try:
            if not self._history_is_whole:
                _drop_torn_line(file)
            self._history_is_whole = False  # until the line is there, should the disk be full
            with file.open("ab") as stream:
                stream.write((_to_json(entry) + "\n").encode())
            self._history_is_whole = True
        except OSError as error:
            raise _unwritable(file, error) from error

    def history(self) -> list[dict[str, Any]]:
        """Return the events so far, oldest first; a last line that was cut off is left out."""
        file = self.path / "history.jsonl"
        if not file.exists():
            return []
        entries = []
        for number, line in enumerate(_read(file, "history").split(b"\n")[:-1], start=1):
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise _damaged(file, f"history (line {number})", error) from error
            if not isinstance(entry, dict):
                raise _damaged(file, f"history (line {number})", "no event")
            entries.append(entry)
        return entries

    def rewind_history(self, step: int) -> None:
        """Forget the events after a step, as a resumed run will make them anew."""
        kept = [entry for entry in self.history() if (entry.get("step") or 0) <= step]
        text = "".join(_to_json(entry) + "\n" for entry in kept)
        write_atomically(self.path / "history.jsonl", text.encode())


def _drop_torn_line(file: Path) -> None:
    """Cut an unfinished last line, left by a kill or a full disk, off a text file."""
    if not file.exists():
        return
    with file.open("r+b") as stream:
        content = stream.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            stream.truncate(whole)
