"""What a run needs to go on, in ``state.pt``: weights, optimiser, step, and little else."""

from __future__ import annotations

import io
import pickletools
import zipfile
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import torch
from pydantic import Field, with_config
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.records import RecordError, record_of_objects
from napari_unet.base.regular_files import opened
from napari_unet.network.compute import available_memory
from napari_unet.network.model_file import damaged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["State", "read", "write"]

WHAT = "training state"

LARGEST_PICKLE = 16_000_000  # bytes without the tensors; real ones have a few ten thousand

SAFE = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Byte")),
}
"""All that the pickle of a state names; torch's own list also holds what takes memory at will."""

Count = Annotated[int, Field(ge=0, le=10**12)]


@with_config(extra="allow")
class Best(TypedDict, total=False):
    """The best validation so far."""

    step: int
    loss: float
    iou: float
    greatest_iou: float


@with_config(arbitrary_types_allowed=True)
class Optimiser(TypedDict):
    """As torch's optimisers describe themselves."""

    state: dict[int, dict[str, torch.Tensor | float | None]]
    param_groups: list[dict[str, Any]]


@with_config(extra="allow", arbitrary_types_allowed=True)
class State(TypedDict):
    """Everything that the next step depends on, besides settings and data."""

    step: Count
    micro: Annotated[int, Field(ge=1)]
    network: dict[str, torch.Tensor]
    optimiser: Optimiser
    tile: Annotated[int, Field(ge=1)]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    best: Best


def write(file: Path, state: Mapping[str, Any]) -> None:
    """Write what resuming needs: tensors, numbers, texts, lists and dicts of them."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(file, buffer.getbuffer())


def read(file: Path) -> State:
    """Return what `write` wrote, tensors on the CPU.

    Raises
    ------
    CheckpointError
        The file is truncated or foreign, unpacks to more than it has or than memory holds, holds
        anything but data, or a field has another type; the sentence names it.
    """
    with opened(file, WHAT, available_memory("cpu")) as stream:
        try:
            _check_archive(stream)
            stream.seek(0)
            state = torch.load(stream, map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception as error:  # torch has no base class for what a damaged file can cause
            raise damaged(file, WHAT, error) from error
    try:
        return record_of_objects(State, state)
    except RecordError as error:
        raise damaged(file, WHAT, error) from None


def _check_archive(stream: BinaryIO) -> None:
    """Raise unless nothing in the archive is larger than it looks."""
    with zipfile.ZipFile(stream) as archive:
        for part in archive.infolist():
            if part.compress_type != zipfile.ZIP_STORED or part.file_size != part.compress_size:
                raise ValueError(f"{part.filename} is packed, which training never does")
            if part.filename.endswith("data.pkl"):
                if part.file_size > LARGEST_PICKLE:
                    raise ValueError(f"{part.filename} has {part.file_size} bytes")
                _check_pickle(archive.read(part))


def _check_pickle(content: bytes) -> None:
    """Raise when a pickle names anything that a state does not need; nothing of it is run."""
    for code, name, _ in pickletools.genops(content):
        if code.name in ("STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2"):
            raise ValueError(f"{code.name} is no part of a training state")
        if code.name == "GLOBAL" and name not in SAFE:
            raise ValueError(f"{name} is no part of a training state")
