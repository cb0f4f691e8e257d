"""The table of runs: what each asks, and its exact settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.training import TrainConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.reproduction.published import REPRODUCTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_unet.reproduction.published import Published

__all__ = [
    "BASELINE",
    "EXPERIMENTS",
    "FOLDS",
    "GROUPS",
    "NARROW",
    "SETS",
    "Experiment",
    "choose",
]

Group = Literal["reproduction", "as-run", "paper", "stricter"]

FOLDS = 5

NARROW = 8
"""Channels of the first level at the scale *narrow*: everything else is as published.

On one idle CPU core (bfloat16) a step of the baseline took 0.27 s with 8 channels, 0.49 with 12
and 0.62 with 16, so all runs of EM and of the cells take 5, 9 or 12 hours.
"""

SETS: dict[str, tuple[str, str]] = {
    "em": ("ISBI-2012 EM", "isbi2012-em"),
    "u373": ("PhC-C2DH-U373", "phc-c2dh-u373"),
    "hela": ("DIC-C2DH-HeLa", "dic-c2dh-hela"),
}
"""Key of a data set -> its title, its name in `napari_unet.datasets.registry`."""

GROUPS: dict[str, str] = {
    "reproduction": "the 13 runs of the reproduction, with the settings that its article states",
    "as-run": "EM with what the reproduction's public code does instead: other class weights, and "
    "every slice turned by 30° and magnified 1.5 times",
    "paper": "the paper's own setting: one tile of 572² a step, momentum 0.99, dropout 0.5",
    "stricter": "the baseline, tested on a block or a sequence that training never saw",
}

AUGMENT = AugmentConfig(
    displacement=10.0,
    grid=3,
    rotation=30.0,
    zoom=(1.0, 1.5),
    flips=False,
    brightness=0.0,
    contrast=0.0,
    gamma=0.0,
    interpolation="linear",
)
"""The reproduction's: elastic σ 10 px on 3 points, rotation ±30°, zoom 1 to 1.5, nothing else."""

AUGMENT_AS_RUN = replace(
    AUGMENT,
    rotation=0.0,
    turn=30.0,
    zoom=(1.5, 1.5),
    interpolation="spline",
    labels="spline",
    about="slice",
)
"""What its code does with these numbers: rotation and zoom are the same for every sample, and
the cubic interpolation, of labels and weights too, lacks the filter that keeps it sharp."""

WEIGHTS_AS_RUN = WeightConfig(balance="pixels")
"""Its class weights are 1 / (pixels of the class), which leaves the border term alone."""

# A tile of 512² loses its last four rows and columns to the poolings, which drop what is odd, and
# yields 324²: just what 508², the valid size below, yields. Likewise 256² and 252² yield 68².
BASELINE = TrainConfig(
    network=UNetConfig(dropout=0.1),
    steps=4000,
    tile=508,
    batch=4,
    optimiser="sgd",
    learning_rate=1e-3,
    momentum=0.99,
    augment=AUGMENT,
    preset="reproduction",
)
"""The reproduction's baseline, for EM; its cell sets have no weight map."""


CELL_BASELINE = replace(BASELINE, weights=None)
"""Its baseline for cell or not: the weight map is for EM alone."""


@dataclass(frozen=True)
class Experiment:
    """One run of the table.

    Attributes
    ----------
    name
        For the command line and for folders.
    data
        Key of `SETS`.
    group
        Key of `GROUPS`.
    question
        What it is compared for: runs with the same question share a figure.
    asks
        One sentence for people.
    settings
        Of a full run; split and seed are filled in for an attempt.
    truth
        Of the cell sets: "silver" (cell or not) or "gold" (objects).
    held_out
        What validates: "random" fifth, "last" fifth, "fold k" of five contiguous blocks, or
        "sequence 01" or "02".
    """

    name: str
    data: str
    group: Group
    question: str
    asks: str
    settings: TrainConfig
    truth: Literal["silver", "gold"]
    held_out: str

    @property
    def published(self) -> Published | None:
        """What the reproduction shows for it."""
        return REPRODUCTION.get(self.name)

    def describe_settings(self) -> str:
        """Return what distinguishes this run, such as "SGD 0.001, 4 × 508², weight map"."""
        s = self.settings
        parts = [
            f"{s.optimiser.upper() if s.optimiser == 'sgd' else 'Adam'} {s.learning_rate:g}",
            f"{s.batch} × {s.tile}²",
            _weights_text(s.weights),
            f"dropout {s.network.dropout:g}",
            f"{s.steps:,} steps",
            *(["every slice turned and magnified"] if s.augment.about == "slice" else []),
        ]
        return ", ".join(parts)


def _weights_text(weights: WeightConfig | None) -> str:
    if weights is None:
        return "no weight map"
    return "weight map" if weights.balance is True else "border term of the weight map"


def choose(names: Sequence[str]) -> tuple[Experiment, ...]:
    """Return the experiments that names, groups, data sets or "all" stand for, each once.

    Raises
    ------
    InputError
        If a name is unknown, or none is given.
    """
    if not names:
        raise InputError("expected names of runs, or all, got none: --list shows them.")
    chosen: dict[str, Experiment] = {}
    for name in names:
        found = [
            one for one in EXPERIMENTS.values() if name in ("all", one.name, one.group, one.data)
        ]
        if not found:
            raise InputError(f"there is no run or group of runs named {name!r}: --list shows them.")
        chosen.update({one.name: one for one in found})
    return tuple(chosen.values())


def _experiments() -> Iterator[Experiment]:
    for data in SETS:
        yield from _reproduction(data)
    yield from _as_run()
    for data in SETS:
        yield _paper(data)
    for k in range(1, FOLDS + 1):
        asks = f"how good is the baseline on block {k} of {FOLDS} that it never saw?"
        yield _stricter(f"em-fold-{k}", "em", "folds", asks, f"fold {k}")
    for data in ("u373", "hela"):
        for train, test in (("01", "02"), ("02", "01")):
            asks = f"how good is a network of sequence {train} on sequence {test}?"
            name = f"{data}-{train}-to-{test}"
            yield _stricter(name, data, "sequences", asks, f"sequence {test}")


def _reproduction(data: str) -> Iterator[Experiment]:
    def one(name: str, question: str, asks: str, **changes: Any) -> Experiment:
        settings = replace(BASELINE if data == "em" else CELL_BASELINE, **changes)
        return Experiment(
            f"{data}-{name}", data, "reproduction", question, asks, settings, "silver", "random"
        )

    yield one("baseline", "baseline", "does the U-Net learn this set with the usual settings?")
    asks = "are 16 small tiles a step better than 4 large ones?"
    yield one("batch16", "tiles", asks, tile=252, batch=16)
    if data == "em":
        yield one("no-weights", "weights", "does the weight map help?", weights=None)
    yield one("adam", "optimiser", "is Adam better than SGD?", optimiser="adam")
    asks = "does a lower learning rate help Adam?"
    yield one("adam-3e-4", "optimiser", asks, optimiser="adam", learning_rate=3e-4)


def _as_run() -> Iterator[Experiment]:
    weights, augment = {"weights": WEIGHTS_AS_RUN}, {"augment": AUGMENT_AS_RUN}
    for name, asks, changes in (
        ("em-as-run", "what does the code of the reproduction do?", weights | augment),
        ("em-weights-as-run", "what do its class weights do?", weights),
        ("em-augmentation-as-run", "what does its augmentation do?", augment),
        (
            "em-no-weights-as-run",
            "does its weight map help with its augmentation?",
            {"weights": None} | augment,
        ),
    ):
        settings = replace(BASELINE, **changes)
        yield Experiment(name, "em", "as-run", "as-run", asks, settings, "silver", "random")


def _paper(data: str) -> Experiment:
    asks = "what does the paper's own setting reach in as many steps?"
    held_out = "last" if data == "em" else "sequence 02"
    settings = TrainConfig.preset_named("paper", steps=BASELINE.steps)
    return Experiment(f"{data}-paper", data, "paper", "paper", asks, settings, "gold", held_out)


def _stricter(name: str, data: str, question: str, asks: str, held_out: str) -> Experiment:
    settings = BASELINE if data == "em" else CELL_BASELINE
    return Experiment(name, data, "stricter", question, asks, settings, "gold", held_out)


EXPERIMENTS: dict[str, Experiment] = {one.name: one for one in _experiments()}
"""Every run, by its name."""
