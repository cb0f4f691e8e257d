"""What became of one run: how it went, and how good its network is."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import CheckpointError
from napari_unet.base.records import RecordError, record_from, record_of
from napari_unet.base.regular_files import read_whole
from napari_unet.reproduction.table import NARROW

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Reading", "Result", "Scores", "Training", "read_result", "read_results", "write_result"]

FILE = "result.json"
NAMES = {
    "rand_error": "Rand error",
    "warping_error": "warping error",
    "pixel_error": "pixel error",
    "v_rand": "V_Rand",
    "v_info": "V_Info",
    "seg": "SEG",
    "det": "DET",
}
"""Names of metrics in results that were written before all faces shared one name."""

LARGEST = 10_000_000  # bytes; real ones have a few thousand
LEAST_GAIN = 0.01  # of IoU, over what calls every pixel a cell


@dataclass(frozen=True)
class Reading:
    """One way of measuring a network on the slices that were held out.

    Attributes
    ----------
    loss
        Weighted as in training, divided by the number of pixels.
    cross_entropy
        The same without any weights: comparable between runs.
    iou
        "IoU by slice": intersection over union of the foreground, mean over images.
    thresholded_iou
        The reproduction's score of the same images.
    images
        How many there were.
    spread
        Of tiles: standard deviation of the thresholded IoU of one tile a slice, which is one
        evaluation of the reproduction; NaN where it was not measured.
    """

    loss: float
    cross_entropy: float
    iou: float
    thresholded_iou: float
    images: int
    spread: float = math.nan


@dataclass(frozen=True)
class Scores:
    """How good the last network of a run is.

    Attributes
    ----------
    whole
        On whole slices, not augmented: the same pixels for every run with the same split.
    tiles
        On tiles of the run's own size.
    augmented
        On the same tiles, augmented as in training: the reproduction's way.
    field
        The metrics of the field, by name; empty where there is nothing to measure on.
    everything
        On whole slices, of what calls every pixel a cell; None where that was not measured.
    """

    whole: Reading
    tiles: Reading
    augmented: Reading
    field: dict[str, float] = field(default_factory=dict)
    everything: Reading | None = None

    @property
    def learnt(self) -> bool:
        """Whether the network overlaps more than what calls every pixel a cell."""
        return self.everything is None or self.whole.iou > self.everything.iou + LEAST_GAIN


@dataclass(frozen=True)
class Training:
    """How a training went.

    Attributes
    ----------
    steps, width
        Steps done, and channels of the first level.
    full_steps, full_width
        Of the full run.
    tile, batch
        Input side in pixels; tiles a step.
    seconds
        Of steps and validations, over all sessions.
    peak_memory
        Bytes, of the last session; None where it is not known.
    compute
        Device, precision and threads, for people.
    parameters, train_slices, validation_slices
        Numbers of them.
    diverged
        Why it ended early, or "".
    remarks
        What differs from what was asked.
    """

    steps: int
    full_steps: int
    width: int
    full_width: int
    tile: int
    batch: int
    seconds: float
    peak_memory: int | None
    compute: str
    parameters: int
    train_slices: int
    validation_slices: int
    diverged: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def scale(self) -> str:
        """Return "full", "narrow" (`napari_unet.reproduction.table.NARROW`), or what is less."""
        less = self.shortened
        if less == f"width {NARROW} of {self.full_width}":
            return "narrow"
        return f"shortened: {less}" if less else "full"

    @property
    def shortened(self) -> str:
        """What was less than in the full run, or ""."""
        parts = []
        if self.steps < self.full_steps and not self.diverged:
            parts.append(f"{self.steps:,} of {self.full_steps:,} steps")
        if self.width < self.full_width:
            parts.append(f"width {self.width} of {self.full_width}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Result:
    """One run of the table with one seed."""

    experiment: str
    seed: int
    training: Training
    scores: Scores


def write_result(folder: Path, result: Result) -> None:
    """Write ``result.json`` into the folder of a run."""
    text = json.dumps(_plain(asdict(result)), indent=2, ensure_ascii=False)
    write_atomically(folder / FILE, (text + "\n").encode())


def read_result(folder: Path) -> Result | None:
    """Return what `write_result` wrote; None where a run is not done.

    Raises
    ------
    CheckpointError
        If the file cannot be read.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        plain = record_of(dict[str, Any], read_whole(file, "result", LARGEST))
        return record_from(Result, _with_nan(plain))
    except (CheckpointError, RecordError) as error:
        raise CheckpointError(
            f"the result {file} cannot be read ({error}): remove that file, and the run is "
            "measured again."
        ) from error


def read_results(output: Path) -> dict[str, list[Result]]:
    """Return all results below an output folder, by experiment, seeds ascending."""
    found: dict[str, list[Result]] = {}
    for file in sorted((output / "runs").glob(f"*/seed-*/{FILE}")):
        result = read_result(file.parent)
        if result is not None:
            found.setdefault(result.experiment, []).append(result)
    return {name: sorted(some, key=lambda r: r.seed) for name, some in found.items()}


def _plain(value: Any) -> Any:
    """JSON has no NaN: null stands for it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _with_nan(plain: dict[str, Any]) -> dict[str, Any]:
    """Put NaN where null stands for it: in every reading, and in the metrics of the field."""
    scores = plain.get("scores")
    if not isinstance(scores, dict):
        return plain
    filled = dict(scores)
    for name, part in scores.items():
        if isinstance(part, dict):
            filled[name] = {
                NAMES.get(key, key) if name == "field" else key: math.nan if one is None else one
                for key, one in part.items()
                if one is not None or key != "spread"  # NaN by default
            }
    return {**plain, "scores": filled}
