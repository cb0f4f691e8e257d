"""Where a run begins: anew, from a model, or where an earlier session of it stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from napari_unet.base.errors import CheckpointError, InputError
from napari_unet.config.size_rule import output_size
from napari_unet.network.choice import as_recorded, choose
from napari_unet.network.model_file import damaged
from napari_unet.network.unet import UNet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.intensity import Intensity
    from napari_unet.network.compute import Compute
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.data import TrainingData
    from napari_unet.training.learner import Learner
    from napari_unet.training.run_folder import RunFolder

__all__ = [
    "as_divided_then",
    "check_fits",
    "check_same_run",
    "described",
    "first_network",
    "former_limits",
    "how_to_compute",
    "restore",
]

FREE_ON_RESUME = ("steps", "device", "validate_every", "checkpoint_every", "preset")
"""Settings that may change when a run is resumed."""


# -- before the data are read ------------------------------------------------------------------


def as_divided_then(config: TrainConfig, folder: RunFolder) -> TrainConfig:
    """Settings for a run of a version that took the last slices whatever their axes were."""
    split = folder.description().get("config", {}).get("split", {})
    known = not isinstance(split, dict) or "axis" in split
    return config if known else config.changed(split={"axis": ""})


def check_fits(model: TrainedModel, config: TrainConfig) -> None:
    """Refuse to go on with a model of other channels or classes than the stacks have."""
    theirs, ours = model.network.config, config.network
    if (theirs.in_channels, theirs.classes) != (ours.in_channels, ours.classes):
        msg = (
            f"the model to continue from has {theirs.in_channels} channels and "
            f"{theirs.classes} classes, the stack {ours.in_channels} and {ours.classes}: "
            "choose another"
        )
        raise InputError(msg)


def check_same_run(folder: RunFolder, config: TrainConfig, data: TrainingData) -> None:
    """Raise unless a run was made with these settings and data."""
    description = folder.description()
    before, now = _as_json(folder.config().to_dict()), _as_json(config.to_dict())
    recorded, stacks = description.get("config", {}), data.given
    if "pixel_size" not in recorded:  # of a version that kept the stacks resampled to it
        before = {**before, "pixel_size": now["pixel_size"]}
        stacks = data.stacks if config.pixel_size is not None else stacks
    if "axis" not in recorded.get("split", {}):  # see `as_divided_then`
        before["split"] = {**before["split"], "axis": now["split"]["axis"]}
    changed = [name for name in _changed(before, now) if name not in FREE_ON_RESUME]
    if changed:
        msg = (
            f"the run in {folder.path} was made with other settings ({', '.join(changed)}): "
            "resume it with its own, or begin a new run"
        )
        raise CheckpointError(msg)
    recorded_data = [_without_name(one) for one in description.get("data", ())]
    data_now = [_without_name(_as_json(stack.fingerprint())) for stack in stacks]
    if recorded_data != data_now:
        differing = {name for pair in zip(recorded_data, data_now) for name in _changed(*pair)}
        what = f" ({', '.join(sorted(differing))})" if differing else ""
        msg = (
            f"the run in {folder.path} was made with other images or labels{what}: open the same "
            "stack, or begin a new run that starts from its model"
        )
        raise CheckpointError(msg)


def _without_name(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is called otherwise, as a layer may be, is the same all the same."""
    return {key: value for key, value in data.items() if key != "name"}


def _changed(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Name the settings that differ, those of the augmentation as ``augment.zoom``."""
    for name, value in now.items():
        was = before.get(name)
        if isinstance(value, dict) and isinstance(was, dict):
            yield from (f"{name}.{inner}" for inner in _changed(was, value))
        elif value != was:
            yield name


def _as_json(value: Any) -> Any:
    """A value as it comes back from a JSON file."""
    return json.loads(json.dumps(value))


# -- what the first step begins with -----------------------------------------------------------


def how_to_compute(
    former: RunFolder | None, config: TrainConfig, spare_cores: int
) -> tuple[Compute, str]:
    """As recorded where a run is resumed: other arithmetic would give other weights."""
    if former is None:
        return choose(config.device, config.network, spare_cores=spare_cores), ""
    return as_recorded(former.compute(), config.device, config.network, spare_cores=spare_cores)


def former_limits(former: RunFolder | None, start_from: TrainedModel | None) -> Intensity | None:
    """Grey-value limits that the run or model to go on with has."""
    if former is not None:
        return former.intensity()
    return None if start_from is None else start_from.intensity


def first_network(config: TrainConfig, start_from: TrainedModel | None) -> UNet:
    """Return random weights of the seed, or those of a model."""
    network = UNet(config.network, torch.Generator().manual_seed(config.seed))
    if start_from is not None:
        network.load_state_dict(start_from.network.state_dict())
    return network


def restore(former: RunFolder, learner: Learner, config: TrainConfig) -> Mapping[str, Any] | None:
    """Put a learner where an earlier session stopped; None where none had begun.

    Raises
    ------
    CheckpointError
        If the state is damaged, or missing where random weights were not the beginning.
    """
    state = former.read_state()
    if state is None:
        if former.description().get("started_from") is not None:
            msg = (
                f"the run in {former.path} was begun with the weights of a model and ended before "
                "they were saved: begin a new run from that model"
            )
            raise CheckpointError(msg)
        return None
    try:
        output_size(state["tile"], config.network.depth)
        if state["tile"] > config.tile:
            raise ValueError(f"tile is {state['tile']}, larger than the settings say")
        learner.restore(state)
    except (InputError, ValueError, RuntimeError, KeyError) as error:
        raise damaged(former.path / "state.pt", "training state", error) from error
    return state


def described(data: TrainingData, compute: Compute, start_from: TrainedModel | None) -> Any:
    """Return what a new run says about itself."""
    return {
        "name": data.given[0].name,
        "config": data.config.to_dict(),
        "data": [stack.fingerprint() for stack in data.given],
        "sources": [None if one.source is None else one.source.to_dict() for one in data.given],
        "compute": compute.to_dict(),
        "intensity": data.limits.to_dict(),
        "labels": data.scheme.to_dict(),
        "started_from": None if start_from is None else start_from.name,
    }
