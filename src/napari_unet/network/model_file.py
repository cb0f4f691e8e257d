"""A model as one safetensors file, which cannot run code."""

from __future__ import annotations

import json
import math
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from napari_unet import __version__
from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import CheckpointError, UNetError
from napari_unet.config.decoding import Decoding
from napari_unet.config.network import UNetConfig
from napari_unet.images.stack import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet

if TYPE_CHECKING:
    import os


__all__ = [
    "FORMAT_VERSION",
    "LARGEST_HEADER",
    "METADATA_KEY",
    "MODEL_FORMAT",
    "read_model_file",
    "save_model",
    "versions",
]


FORMAT_VERSION = 1


MODEL_FORMAT = "napari-unet model"


METADATA_KEY = "napari_unet"  # one key only: safetensors keeps no order, and files shall be equal


LARGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format itself


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


def read_model_file(path: Path) -> TrainedModel:
    """Read a model from a safetensors file; see `training.run_folder.load_model`."""
    content = _read(path, "model file")
    description = _read_description(path, content)
    try:
        tensors = safetensors.torch.load(content)
        return _build_model(description, tensors)
    except safetensors.SafetensorError as error:
        raise _damaged(path, "model file", error) from error
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, UNetError) as error:
        raise _damaged(path, "model file", error) from error


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


def _build_model(description: dict[str, Any], tensors: dict[str, torch.Tensor]) -> TrainedModel:
    config = UNetConfig.from_dict(description["network"])
    # On "meta" a network costs neither time, memory nor random numbers, whatever the file claims.
    with torch.device("meta"):
        network = UNet(config)
    network.load_state_dict(tensors, assign=True)
    size, decoding = description["pixel_size"], description.get("decoding")
    return TrainedModel(
        network=network.eval(),
        intensity=Intensity.from_dict(description["intensity"]),
        scheme=LabelScheme.from_dict(description["labels"]),
        name=str(description["name"]),
        pixel_size=None if size is None else (float(size[0]), float(size[1])),
        run=dict(description["run"]),
        zoom=float(description.get("zoom", 1.0)),
        decoding=None if decoding is None else Decoding.from_dict(decoding),
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


def versions() -> dict[str, str]:
    """Return the versions that a model or a run was made with."""
    return {
        "napari_unet": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }
