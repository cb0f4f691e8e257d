"""The settings of a training run."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the types of the fields are read
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.bounds import check_bounds, check_number
from napari_unet.config.network import UNetConfig
from napari_unet.config.outside import OUTSIDE, Outside
from napari_unet.config.settings import Settings
from napari_unet.config.size_rule import output_size
from napari_unet.config.split import SplitConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.config.zoom import check_zoom

__all__ = ["VALIDATIONS", "TrainConfig"]

OPEN_STEPS = 1000  # stands for the length of a training without a planned end
VALIDATIONS = 10
"""How often a run is validated, whatever its length, unless its settings say otherwise."""


NUMBERS = (
    "steps", "batch", "patience", "checkpoint_every", "tile", "learning_rate",
    "momentum", "weight_decay", "average", "consistency", "stroke_share", "seed",
)  # fmt: skip
"""Fields of `TrainConfig` with bounds of `napari_unet.config.bounds`."""


@dataclass(frozen=True)
class TrainConfig(Settings):
    """Everything that decides the result of a run, besides the data.

    Attributes
    ----------
    network : UNetConfig
        Shape of the network; channels and classes are taken from the data.
    steps : int
        Optimiser steps.
    tile : int
        Side of an input tile, in pixels; must suit the network.
    batch : int
        Tiles in a step.
    optimiser : {"adam", "sgd"}
        SGD has the paper's momentum; Adam has betas 0.9 and 0.999.
    learning_rate : float
        The greatest over the schedule.
    momentum : float
        Of SGD.
    weight_decay : float
        Decoupled (AdamW) for Adam, the classic penalty for SGD.
    schedule : {"one-cycle", "constant", "open"}
        One-cycle: a linear rise over the first tenth, then half a cosine down
        to nothing. Constant is the paper's. Open: constant as long as something
        is painted, then down to nothing; see `training.schedule`.
    patience : int
        Steps without an edit after which an open training settles.
    average : float
        Decay of an exponential average of the weights, which is then what
        validates, predicts and is saved; 0 is off.
    consistency : float
        Weight of a term that keeps the network near its average where nothing
        is annotated, see `training.loss.consistency_loss`; needs `average`. 0 is off.
    stroke_share : float
        Share of the tiles that are drawn at recent strokes, most of them at
        those that the network had wrong.
    loss : {"mean", "weighted mean", "dice"}
        The sum of weighted cross-entropies divided by the number of pixels, or
        by the sum of the weights; "dice" adds a Dice term to the latter.
    weights : WeightConfig or None
        The border weight map; None weighs all annotated pixels alike.
    augment : AugmentConfig
        Random deformation and grey values.
    split : SplitConfig
        What validates.
    intensity : {"stack", "image"}
        Grey-value limits of the whole stack, or of each slice.
    pixel_size : float, (float, float), "first" or None
        What every stack is resampled to before it is zoomed, in the unit of the first one (y, x);
        "first" is the pixel size of that one, None leaves all as they are.
    outside : {"border", "all"}
        Pixels that are NaN and lie outside of the image: those that reach the border of their
        slice, or all of them. They weigh nothing; the image is mirrored there.
    zoom : float
        How many times as many pixels the network sees along y and x; 0.5 halves
        the images before training, and before every prediction.
    validate_every : int or None
        In steps; None: ten times in the run, see `validation_interval`.
    checkpoint_every : int
        In steps.
    seed : int
        Of the weights, the tiles and the dropout.
    device : str
        "auto", "cpu", "cuda", "cuda:1" …, or "mps"; see `napari_unet.network.choice.choose`.
    compile : bool
        Let torch compile the network before the first step, which takes a minute or two and a C++
        compiler. Measured not to pay on a CPU.
    preset : str
        The preset these settings came from, for the record.
    """

    described_as: ClassVar[str] = "training settings"
    nested: ClassVar[Mapping[str, type[Settings]]] = {
        "network": UNetConfig,
        "augment": AugmentConfig,
        "split": SplitConfig,
        "weights": WeightConfig,
    }
    presets: ClassVar[dict[str, TrainConfig]] = {}
    """Settings by name; `napari_unet.config.presets` puts them here."""

    network: UNetConfig = field(default_factory=UNetConfig)
    steps: int = 4000
    tile: int = 572
    batch: int = 1
    optimiser: Literal["adam", "sgd"] = "sgd"
    learning_rate: float = 1e-3
    momentum: float = 0.99
    weight_decay: float = 0.0
    schedule: Literal["one-cycle", "constant", "open"] = "constant"
    patience: int = 300
    average: float = 0.0
    consistency: float = 0.0
    stroke_share: float = 0.0
    loss: Literal["mean", "weighted mean", "dice"] = "mean"
    weights: WeightConfig | None = field(default_factory=WeightConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    intensity: Literal["stack", "image"] = "stack"
    pixel_size: float | tuple[float, float] | Literal["first"] | None = None
    outside: Outside = "border"
    zoom: float = 1.0
    validate_every: int | None = None
    checkpoint_every: int = 200
    seed: int = 0
    device: str = "auto"
    compile: bool = False
    preset: str = "paper"

    def __post_init__(self) -> None:
        check_bounds(self, *NUMBERS)
        if self.validate_every is not None:
            check_bounds(self, "validate_every")
        if self.consistency and not self.average:
            raise InputError("consistency is with the average of the weights: set average, too.")
        if not isinstance(self.compile, bool):
            raise InputError(f"compile must be true or false, got {self.compile!r}: choose one.")
        _one_of("optimiser", self.optimiser, ("adam", "sgd"))
        _one_of("schedule", self.schedule, ("one-cycle", "constant", "open"))
        _one_of("loss", self.loss, ("mean", "weighted mean", "dice"))
        _one_of("intensity", self.intensity, ("stack", "image"))
        _check_pixel_size(self.pixel_size)
        _one_of("outside", self.outside, OUTSIDE)
        check_zoom(self.zoom)
        output_size(self.tile, self.network.depth)

    @classmethod
    def preset_named(cls, name: str, **changes: Any) -> TrainConfig:
        """One of the presets, with some settings changed.

        Parameters
        ----------
        name : str
            "fast", "best", "best-cells" or "paper".
        **changes
            Fields of this class that replace the preset's.
        """
        if not isinstance(name, str) or name not in cls.presets:
            msg = f"the preset must be one of {', '.join(cls.presets)}, got {name!r}: choose one"
            raise InputError(msg)
        return cls.presets[name].changed(**changes)

    @property
    def validation_interval(self) -> int:
        """Steps from one validation to the next."""
        steps = OPEN_STEPS if self.schedule == "open" else self.steps
        return self.validate_every or max(1, steps // VALIDATIONS)


def _check_pixel_size(value: object) -> None:
    if value is None or value == "first":
        return
    sides = value if isinstance(value, tuple) else (value, value)
    if len(sides) != 2:
        msg = f"the pixel size must be one or two numbers, or 'first', got {value!r}"
        raise InputError(msg)
    for side in sides:
        check_number("pixel_size", side, "the pixel size")


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f"{name} must be one of {', '.join(choices)}, got {value!r}: choose one"
        raise InputError(msg)
