"""A model as one safetensors file, which cannot run code."""

from __future__ import annotations

import json
import math
import platform
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    NotRequired,  # pydantic asks for these before 3.12
)

import numpy as np
import safetensors
import safetensors.torch
import torch
from pydantic import with_config
from typing_extensions import TypedDict

from napari_unet import __version__
from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import CheckpointError, UNetError
from napari_unet.base.records import record_from
from napari_unet.base.regular_files import opened
from napari_unet.config.decoding import Decoding
from napari_unet.config.network import UNetConfig
from napari_unet.config.zoom import check_zoom
from napari_unet.images.intensity import Intensity
from napari_unet.images.label_sums import SeenLabels
from napari_unet.network.compute import available_memory
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet

if TYPE_CHECKING:
    import os


__all__ = [
    "FORMAT_VERSION",
    "LARGEST_HEADER",
    "METADATA_KEY",
    "MODEL_FORMAT",
    "check_format",
    "damaged",
    "read_model_file",
    "save_model",
    "to_json",
    "versions",
]


FORMAT_VERSION = 1


MODEL_FORMAT = "napari-unet model"


METADATA_KEY = "napari_unet"  # one key only: safetensors keeps no order, and files shall be equal


WHAT = "model file"


WRONG = (
    safetensors.SafetensorError, KeyError, TypeError, ValueError, OverflowError, RuntimeError,
    UNetError,
)  # fmt: skip
"""All that building a model from a damaged description can come to."""


LARGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format itself


@with_config(extra="allow")
class Origin(TypedDict, total=False):
    """Where a model comes from."""

    step: int
    preset: str
    best: dict[str, float | None]
    folder: str | None
    unit: str | None
    labels: list[SeenLabels]
    scores: dict[str, float | None]


@with_config(extra="allow")
class Description(TypedDict):
    """What a model file says about its tensors."""

    name: str
    network: UNetConfig
    intensity: Intensity
    labels: LabelScheme
    pixel_size: tuple[float, float] | None
    zoom: NotRequired[float]
    decoding: NotRequired[Decoding | None]
    run: Origin


def save_model(path: str | os.PathLike[str], model: TrainedModel, *, half: bool = False) -> None:
    """Write a model to one safetensors file, replacing a previous one only when complete.

    Parameters
    ----------
    path
        The file; missing folders are made.
    model
        Its tensors are stored bit by bit, in their own dtype.
    half
        Weights of convolutions are rounded to 16 bits, in half the space.

    Raises
    ------
    CheckpointError
        The disk is full or the place cannot be written. A previous file stays as it was.
    """
    tensors = {
        name: (_halved(tensor) if half else tensor).detach().cpu().contiguous()
        for name, tensor in model.network.state_dict().items()
    }
    metadata = {METADATA_KEY: to_json(_describe_model(model))}
    write_atomically(path, safetensors.torch.save(tensors, metadata))


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    """16 bits where they can hold it; what is small beside convolutions stays as it is."""
    if not tensor.is_floating_point() or tensor.ndim < 2:
        return tensor
    half = tensor.half()
    return half if bool(half.isfinite().all()) else tensor


def read_model_file(path: str | os.PathLike[str]) -> TrainedModel:
    """Read a model from a safetensors file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    TrainedModel
        On the CPU, in evaluation mode; weights that were stored with 16 bits have 32 again.

    Raises
    ------
    CheckpointError
        The file is missing, not a model of napari-unet, truncated, of a newer format, or has
        weights that are no numbers.
    """
    path = Path(path)
    with opened(path, WHAT, available_memory("cpu")) as stream:
        content = stream.read(8)
        content += stream.read(_header_size(path, content))
        description = _read_description(path, content)
        content += stream.read()
    try:
        stored = safetensors.torch.load(content)
        tensors = {k: v.float() if v.dtype == torch.float16 else v for k, v in stored.items()}
        model = _build_model(description, tensors)
    except WRONG as error:
        raise damaged(path, WHAT, error) from error
    _check_weights(path, model)
    return model


def _check_weights(path: Path, model: TrainedModel) -> None:
    """Refuse weights with which every prediction would be nothing."""
    for name, values in model.network.state_dict().items():
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise CheckpointError(
                f"The {WHAT} {path} has weights that are not numbers ({name}), as a training "
                "that diverged leaves them; use another model, or train again with a lower "
                "learning rate."
            )


def _describe_model(model: TrainedModel) -> dict[str, Any]:
    return {
        "format": MODEL_FORMAT,
        "format_version": FORMAT_VERSION,
        "versions": versions(),
        "name": model.name,
        "network": model.network.config.to_dict(),
        "intensity": model.intensity.to_dict(),
        "labels": model.scheme.to_dict(),
        "pixel_size": model.pixel_size,
        "zoom": model.zoom,
        "decoding": None if model.decoding is None else model.decoding.to_dict(),
        "run": model.run,
    }


def _build_model(description: Description, tensors: dict[str, torch.Tensor]) -> TrainedModel:
    config = description["network"]
    # On "meta" a network costs neither time, memory nor random numbers, whatever the file claims.
    with torch.device("meta"):
        network = UNet(config)
    for name, expected in network.state_dict().items():
        found = tensors.get(name)
        if found is not None and found.is_floating_point() != expected.is_floating_point():
            raise ValueError(f"{name} has the type {found.dtype}")
    network.load_state_dict(tensors, assign=True)
    zoom = description.get("zoom", 1.0)
    check_zoom(zoom)
    size = description["pixel_size"]
    if size is not None and not all(0 < float(side) < math.inf for side in size):
        raise ValueError(f"pixel_size is {size}")
    return TrainedModel(
        network=network.eval(),
        intensity=description["intensity"],
        scheme=description["labels"],
        name=description["name"],
        pixel_size=size,
        run=dict(description["run"]),
        zoom=float(zoom),
        decoding=description.get("decoding"),
    )


def _header_size(path: Path, start: bytes) -> int:
    size = int.from_bytes(start, "little")
    if len(start) < 8 or size > LARGEST_HEADER:
        raise _foreign(path)
    return size


def _read_description(path: Path, content: bytes) -> Description:
    """Return the JSON description in a safetensors file's metadata, format checked."""
    size = _header_size(path, content[:8])
    if content[8:9] != b"{":
        raise _foreign(path)
    if len(content) < 8 + size:
        raise damaged(path, WHAT, f"{len(content)} bytes, its header alone has {size}")
    try:
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__")
        text = (metadata or {}).get(METADATA_KEY, "null")
        plain = check_format(path, WHAT, text, MODEL_FORMAT)
        return record_from(Description, plain)
    except (
        ValueError,
        AttributeError,
        TypeError,
        OverflowError,
        RecursionError,
        UNetError,
    ) as error:
        if isinstance(error, CheckpointError):
            raise
        raise damaged(path, WHAT, error) from error


def check_format(path: Path, what: str, content: bytes | str, expected: str) -> dict[str, Any]:
    """Return JSON that says that it is of the expected format, in a version known here.

    Raises
    ------
    CheckpointError
        It is foreign, truncated, or of a newer format.
    """
    try:
        plain = json.loads(content)
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(path, what, error) from error
    if not isinstance(plain, dict) or plain.get("format") != expected:
        raise _foreign(path)
    version = plain.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise damaged(path, what, f"format_version is {version!r}")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} was written by a newer napari-unet (format {version:.9g}; "
            f"this one, {__version__}, reads up to {FORMAT_VERSION}); upgrade napari-unet-trainer."
        )
    return plain


def _foreign(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a file of napari-unet; give a run folder or a .safetensors file that "
        "training made."
    )


def damaged(path: Path, what: str, reason: object) -> CheckpointError:
    """Return the error of a file that cannot be what it should be, with the reason found."""
    said = " ".join(str(reason).split())[:160].rstrip(".") or type(reason).__name__
    return CheckpointError(
        f"The {what} {path} is truncated or damaged ({said}); use a copy of it, or train again."
    )


def to_json(content: object, indent: int | None = None) -> str:
    """Return JSON, in which null stands for what is no number."""
    return json.dumps(_plain(content), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what is not finite becomes null, as JSON has no NaN."""
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return _plain(str(value))
    if isinstance(value, str):  # the name of a file need not be text
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def versions() -> dict[str, str]:
    """Return the versions that a model or a run was made with."""
    return {
        "napari_unet": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }
