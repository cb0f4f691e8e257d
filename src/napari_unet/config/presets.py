"""The settings that a user chooses from by name, and what is kept when another is chosen."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from napari_unet.config.network import UNetConfig
from napari_unet.config.size_rule import next_valid_size
from napari_unet.config.training import TrainConfig
from napari_unet.config.weights import WeightConfig

if TYPE_CHECKING:
    from typing import Literal

__all__ = ["PRESETS", "choice_of", "choose_preset", "follow_labels", "preset_for", "set_by_hand"]

# Minutes on two CPU cores: a narrow network with batch normalisation, Adam on
# one cycle. See docs/results.md for what it reaches.
FAST = TrainConfig(
    network=UNetConfig(depth=3, width=16, dropout=0.0, norm="batch"),
    steps=600,
    tile=284,
    batch=4,
    optimiser="adam",
    learning_rate=3e-3,
    schedule="one-cycle",
    loss="weighted mean",
    checkpoint_every=100,
    preset="fast",
)

PRESETS = TrainConfig.presets
"""Settings by name."""

PRESETS |= {
    "fast": FAST,
    # For densely packed tissue more steps gain more than a wider network; see docs/recipe.md.
    "best": replace(FAST, steps=2000, preset="best"),
    # ... and for separate cells, whose ids are objects: how far inside its object a pixel lies is
    # learnt beside the classes. That parts touching cells better than a weight map.
    "best-cells": replace(
        FAST,
        network=replace(FAST.network, depth=4, object_maps=("distance",)),
        zoom=0.5,
        tile=316,
        steps=2400,
        weights=WeightConfig(preset="none"),
        preset="best-cells",
    ),
    # Painted into: no end, a steady rate, and a network that is an average of the last ones and
    # agrees with it where nobody painted.
    "paint": replace(
        FAST,
        steps=10**6,
        schedule="open",
        learning_rate=1e-3,
        average=0.98,
        consistency=30.0,
        stroke_share=0.1,
        tile=188,
        weights=WeightConfig(preset="none"),
        preset="paint",
    ),
    # The paper: 64 channels, one large tile a step, SGD with momentum 0.99.
    "paper": TrainConfig(preset="paper"),
}

NEVER_PRESET = ("split", "intensity", "pixel_size", "seed", "device")
"""About the data and the computer, so no preset says anything about them."""

KEPT = ("weights", "augment", "zoom")
"""Set in docks of their own, or by advice on the data: by hand, they outlive another preset."""


def preset_for(name: str, kind: Literal["objects", "classes"] | None) -> str:
    """Return the preset that a choice stands for: "best" has one for each kind of labels.

    Parameters
    ----------
    name
        What was chosen.
    kind
        What label values of the stack are, None without labels; objects are taken for cells.
    """
    return "best-cells" if name == "best" and kind == "objects" else name


def choice_of(preset: str) -> str:
    """Return the choice that stands for a preset; see `preset_for`."""
    return "best" if preset == "best-cells" else preset


def set_by_hand(config: TrainConfig) -> dict[str, Any]:
    """Return the settings that differ from those of the preset they came from."""
    edits = _differing(config, PRESETS.get(config.preset, config))
    return {name: value for name, value in edits.items() if name not in NEVER_PRESET}


def _differing(one: Any, other: Any) -> dict[str, Any]:
    """Fields of settings in which they differ from others of the same kind."""
    names = [field.name for field in fields(one)]
    return {n: getattr(one, n) for n in names if getattr(one, n) != getattr(other, n)}


def choose_preset(config: TrainConfig, name: str) -> TrainConfig:
    """Return the settings after somebody chose a preset.

    Weight map, augmentation and zoom that were set by hand stay, unless the preset is the one
    that was chosen before: then all are its own again.

    Parameters
    ----------
    config
        The settings before.
    name
        A key of `PRESETS`.
    """
    kept = {one: getattr(config, one) for one in NEVER_PRESET}
    if name != config.preset:
        kept |= {one: value for one, value in set_by_hand(config).items() if one in KEPT}
    return TrainConfig.preset_named(name, **kept)


def follow_labels(config: TrainConfig, kind: Literal["objects", "classes"] | None) -> TrainConfig:
    """Return the settings for the kind of labels that the stack has now; edits stay.

    Parameters
    ----------
    config
        The settings before.
    kind
        See `preset_for`; None changes nothing.
    """
    name = preset_for(choice_of(config.preset), kind)
    if kind is None or name == config.preset:
        return config
    edits = set_by_hand(config)
    if "network" in edits:
        edits["network"] = _differing(config.network, PRESETS[config.preset].network)
    network = PRESETS[name].network.changed(**edits.get("network", {}))
    edits["tile"] = next_valid_size(edits.get("tile", PRESETS[name].tile), network.depth)
    never = {one: getattr(config, one) for one in NEVER_PRESET}
    return TrainConfig.preset_named(name, **never, **edits)
