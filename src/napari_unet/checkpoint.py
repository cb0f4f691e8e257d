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
import errno
import io
import json
import math
import os
import platform
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
import safetensors
import safetensors.torch
import torch

from . import __version__
from .errors import CheckpointError, UNetError
from .labels import LabelScheme
from .model import TrainedModel, UNet, UNetConfig
from .stack import Intensity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "FORMAT_VERSION",
    "RunFolder",
    "load_model",
    "replaced_file",
    "save_model",
    "write_atomically",
]

FORMAT_VERSION = 1
MODEL_FORMAT = "napari-unet model"
RUN_FORMAT = "napari-unet run"
METADATA_KEY = "napari_unet"  # one key only: safetensors keeps no order, and files shall be equal
LARGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format itself

RUN_FILES = ("run.json", "best.safetensors", "last.safetensors", "state.pt", "history.jsonl")

Which = Literal["best", "last"]


def save_model(path: str | os.PathLike[str], model: TrainedModel) -> None:
    """Write a model to one safetensors file, replacing a previous one only when complete.

    Parameters
    ----------
    path
        The file; missing folders are made.
    model
        Its tensors are stored bit by bit, in their own dtype.

    Raises
    ------
    CheckpointError
        The disk is full or the place cannot be written. A previous file stays as it was.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.network.state_dict().items()
    }
    metadata = {METADATA_KEY: _to_json(_describe_model(model))}
    write_atomically(path, safetensors.torch.save(tensors, metadata))


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
    if path.is_dir():
        return RunFolder(path).read_model()
    content = _read(path, "model file")
    description = _read_description(path, content)
    try:
        tensors = safetensors.torch.load(content)
        return _build_model(description, tensors)
    except safetensors.SafetensorError as error:
        raise _damaged(path, "model file", error) from error
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, UNetError) as error:
        raise _damaged(path, "model file", error) from error


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
            "versions": _versions(),
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
                return load_model(file)
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


def write_atomically(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Replace a file by new content, whole or not at all; see `replaced_file`."""
    with replaced_file(path) as stream:
        stream.write(content)


@contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Write a file beside its place; it takes that place when the block ends without an error.

    Parameters
    ----------
    path
        The file; missing folders are made.

    Yields
    ------
    binary file
        For writing and seeking.

    Raises
    ------
    CheckpointError
        The disk is full or the place cannot be written. A previous file stays as it was.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("w+b") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):  # what went wrong before counts
                beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system lets folders be flushed."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some network file systems cannot
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise
    finally:
        os.close(handle)


def _drop_torn_line(file: Path) -> None:
    """Cut an unfinished last line, left by a kill or a full disk, off a text file."""
    if not file.exists():
        return
    with file.open("r+b") as stream:
        content = stream.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            stream.truncate(whole)


def _describe_model(model: TrainedModel) -> dict[str, Any]:
    return {
        "format": MODEL_FORMAT,
        "format_version": FORMAT_VERSION,
        "versions": _versions(),
        "name": model.name,
        "network": model.network.config.to_dict(),
        "intensity": model.intensity.to_dict(),
        "labels": model.scheme.to_dict(),
        "pixel_size": model.pixel_size,
        "zoom": model.zoom,
        "run": model.run,
    }


def _build_model(description: dict[str, Any], tensors: dict[str, torch.Tensor]) -> TrainedModel:
    config = UNetConfig.from_dict(description["network"])
    # On "meta" a network costs neither time, memory nor random numbers, whatever the file claims.
    with torch.device("meta"):
        network = UNet(config)
    network.load_state_dict(tensors, assign=True)
    size = description["pixel_size"]
    return TrainedModel(
        network=network.eval(),
        intensity=Intensity.from_dict(description["intensity"]),
        scheme=LabelScheme.from_dict(description["labels"]),
        name=str(description["name"]),
        pixel_size=None if size is None else (float(size[0]), float(size[1])),
        run=dict(description["run"]),
        zoom=float(description.get("zoom", 1.0)),
    )


def _read_description(path: Path, content: bytes) -> dict[str, Any]:
    """Return the JSON description in a safetensors file's metadata, format checked."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > LARGEST_HEADER or content[8:9] != b"{":
        raise _foreign(path)
    if len(content) < 8 + size:
        raise _damaged(path, "model file", f"{len(content)} bytes, its header alone has {size}")
    try:
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__")
        description = json.loads((metadata or {}).get(METADATA_KEY, "null"))
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise _damaged(path, "model file", error) from error
    _check_format(path, description, MODEL_FORMAT)
    return dict(description)


def _check_format(path: Path, content: object, expected: str) -> None:
    """Raise unless ``content`` says that it is of the expected format, in a version known here."""
    if not isinstance(content, dict) or content.get("format") != expected:
        raise _foreign(path)
    version = content.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise _damaged(path, "file", f"format version {version!r}")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} was written by a newer napari-unet (format {version}; "
            f"this one, {__version__}, reads up to {FORMAT_VERSION}); upgrade napari-unet-trainer."
        )


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(
            f"There is no {what} {path}; give a run folder or a .safetensors file that "
            "training made."
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"The {what} {path} cannot be read ({error.strerror or error}); "
            "check the disk and its permissions."
        ) from error


def _unwritable(path: Path, error: OSError) -> CheckpointError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        reason, advice = "the disk is full", "free some space"
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        reason, advice = "the place is read-only", "choose another folder"
    else:
        reason, advice = error.strerror or str(error), "choose another folder"
    return CheckpointError(
        f"{path} could not be written, because {reason}: {advice}; what was saved before is intact."
    )


def _foreign(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a file of napari-unet; give a run folder or a .safetensors file that "
        "training made."
    )


def _damaged(path: Path, what: str, reason: object) -> CheckpointError:
    said = " ".join(str(reason).split())[:160] or type(reason).__name__
    return CheckpointError(
        f"The {what} {path} is truncated or damaged ({said}); use a copy of it, or train again."
    )


def _versions() -> dict[str, str]:
    return {
        "napari_unet": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def _to_json(content: object, indent: int | None = None) -> str:
    return json.dumps(_plain(content), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what is not finite becomes null, as JSON has no NaN."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value
