"""Presets: what a choice takes over, and what stays."""

from __future__ import annotations

import pytest

from napari_unet.base.errors import InputError
from napari_unet.config.presets import (
    PRESETS,
    choice_of,
    choose_preset,
    follow_labels,
    preset_for,
    set_by_hand,
)
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.config.weights import WeightConfig


def test_best_depends_on_the_labels_and_the_others_do_not():
    assert preset_for("best", "objects") == "best-cells"
    assert preset_for("best", "classes") == preset_for("best", None) == "best"
    assert preset_for("fast", "objects") == "fast"
    assert [choice_of(name) for name in ("fast", "best", "paper")] == ["fast", "best", "paper"]
    assert choice_of("best-cells") == "best"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_nothing_about_the_data_and_the_computer(name):
    mine = {
        "split": SplitConfig("slices", slices=(3,)),
        "intensity": "image",
        "pixel_size": "first",
        "seed": 5,
        "device": "cpu",
    }
    config = choose_preset(PRESETS["fast"].changed(**mine), name)
    assert config == PRESETS[name].changed(**mine)
    assert set_by_hand(config) == {}


def test_what_other_docks_set_by_hand_outlives_another_preset_until_it_is_chosen_again():
    config = PRESETS["fast"].changed(weights={"w0": 3.0}, augment={"noise": 0.1}, steps=50)
    assert list(set_by_hand(config)) == ["steps", "weights", "augment"]
    config = choose_preset(config, "best")
    assert config == PRESETS["best"].changed(weights={"w0": 3.0}, augment={"noise": 0.1})
    assert choose_preset(config, "best") == PRESETS["best"]


def test_edits_after_choosing_stay_when_the_kind_of_labels_changes():
    config = PRESETS["best"].changed(steps=3000, network={"width": 24}, seed=4)
    followed = follow_labels(config, "objects")
    assert followed == PRESETS["best-cells"].changed(steps=3000, network={"width": 24}, seed=4)
    assert follow_labels(followed, "classes") == config
    assert follow_labels(config, None) is config
    assert follow_labels(PRESETS["paper"], "objects") is PRESETS["paper"]


def test_an_edited_tile_is_fitted_to_the_other_network():
    followed = follow_labels(PRESETS["best"].changed(tile=92), "objects")
    assert (followed.network.depth, followed.tile) == (4, 188)


def test_a_weight_map_switched_off_stays_off():
    assert choose_preset(PRESETS["fast"].changed(weights=None), "paper").weights is None


def test_an_unknown_preset_is_one_sentence():
    with pytest.raises(InputError, match="fast, best, best-cells,"):
        TrainConfig.preset_named("quick")
    assert TrainConfig.preset_named("best-cells").weights == WeightConfig("none")
