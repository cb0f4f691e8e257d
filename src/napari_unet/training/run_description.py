"""What ``run.json`` holds: enough to replay a run, and typed when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from napari_unet.base.errors import CheckpointError, InputError
from napari_unet.base.records import RecordError, record_from
from napari_unet.base.regular_files import read_whole
from napari_unet.config.training import TrainConfig
from napari_unet.images.intensity import Intensity
from napari_unet.network.compute import Compute
from napari_unet.network.model_file import check_format, damaged

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RUN_FORMAT", "Description", "compute_of", "config_of", "intensity_of", "read"]

RUN_FORMAT = "napari-unet run"

LARGEST = 64_000_000  # bytes; real ones have a few thousand
MOST_THREADS = 4096

T = TypeVar("T")


@with_config(extra="allow")
class DataDescription(TypedDict, total=False):
    """One stack; see `images.stack.Stack.fingerprint`."""

    name: str
    shape: list[int]
    dtype: str
    axes: str
    scale: list[float]
    units: list[str]
    image: str
    sampled: bool
    labels: str
    labels_shape: list[int]
    labels_dtype: str
    annotated: list[int] | None
    quick: bool


@with_config(extra="allow")
class ComputeDescription(TypedDict, total=False):
    """One way of computing; see `network.compute.Compute`."""

    device: str
    dtype: Literal["float32", "bfloat16"]
    channels_last: bool
    threads: int
    pace: list[tuple[int, float]]


@with_config(extra="allow")
class Description(TypedDict, total=False):
    """All that a run says about itself; what is not listed here is kept as it is."""

    format: str
    format_version: int
    created: str
    versions: dict[str, str]
    name: str
    config: dict[str, Any]
    data: list[DataDescription]
    sources: list[dict[str, Any] | None]
    compute: ComputeDescription
    intensity: dict[str, Any]
    labels: dict[str, Any]
    started_from: str | None


def read(file: Path, kind: str = RUN_FORMAT) -> Description:
    """Return what a ``run.json`` says, or another file of that kind.

    Raises
    ------
    CheckpointError
        It is missing, foreign, truncated, of a newer format, or one of its fields has another
        type than a run gives it; the sentence names the field.
    """
    content = read_whole(file, "run description", LARGEST)
    plain = check_format(file, "run description", content, kind)
    try:
        return record_from(Description, plain)
    except RecordError as error:
        raise damaged(file, "run description", error) from None


def config_of(file: Path, description: Description) -> TrainConfig:
    """Return the settings of a run.

    Raises
    ------
    CheckpointError
        They are missing or cannot be used.
    """
    return _part(file, description, "config", TrainConfig)


def intensity_of(file: Path, description: Description) -> Intensity:
    """Return the grey-value limits of a run; errors as `config_of`."""
    return _part(file, description, "intensity", Intensity)


def compute_of(file: Path, description: Description) -> Compute:
    """Return how a run computed; errors as `config_of`."""
    compute = _part(file, description, "compute", Compute)
    if not 1 <= compute.threads <= MOST_THREADS:
        raise damaged(file, "run description", f"compute.threads is {compute.threads}")
    return compute


def _part(file: Path, description: Description, name: str, kind: type[T]) -> T:
    if name not in description:
        raise damaged(file, "run description", f"{name} is missing")
    try:
        return record_from(kind, description[name])  # type: ignore[literal-required]
    except (RecordError, InputError) as error:
        raise CheckpointError(
            f"In the run description {file}, {name} cannot be used ({str(error).rstrip('.')}); "
            "use a copy of it, or begin a new run."
        ) from None
