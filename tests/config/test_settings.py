"""Settings: cheap to import, changed in one way, read back as they were written."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.presets import PRESETS
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.config.weights import WeightConfig

IMPORT = """
import sys, time
begun = time.process_time()
import napari_unet.config.training
print(time.process_time() - begun)
heavy = ("torch", "scipy", "skimage", "numpy", "qtpy", "napari")
assert not [name for name in heavy if name in sys.modules]
assert napari_unet.config.training.TrainConfig.preset_named("paper").steps == 4000
"""


def test_importing_the_settings_is_quick_and_loads_nothing_large():
    # time of the processor, so that what else runs does not count
    seconds = [
        float(
            subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True).stdout
        )
        for _ in range(5)
    ]
    assert min(seconds) < 0.1


def test_a_change_reaches_nested_settings_and_leaves_the_rest():
    before = TrainConfig()
    after = before.changed(steps=7, augment={"noise": 0.1}, network={"width": 8})
    assert (after.steps, after.augment.noise, after.network.width) == (7, 0.1, 8)
    assert after.augment == AugmentConfig(noise=0.1)
    assert after.changed(steps=4000, augment=AugmentConfig(), network=UNetConfig()) == before
    assert before.augment.noise == 0.0


def test_a_change_of_a_weight_map_that_is_off_switches_it_on():
    off = TrainConfig(weights=None)
    assert off.changed(weights={"preset": "fiji"}).weights == WeightConfig("fiji")


@pytest.mark.parametrize("change", [{"stepps": 3}, {"augment": {"nois": 0.1}}])
def test_a_misspelt_field_is_one_sentence(change):
    with pytest.raises(InputError, match=r"have no field '(stepps|nois)'"):
        TrainConfig().changed(**change)


@pytest.mark.parametrize(
    "change",
    [{"augment": None}, {"split": "none"}, {"weights": False}, {"network": 3}, {"device": None}],
)
def test_a_change_of_another_type_is_one_sentence(change):
    name = next(iter(change))
    with pytest.raises(InputError, match=f"training settings cannot be used: {name} should be"):
        TrainConfig().changed(**change)


def test_numbers_of_numpy_become_those_of_run_json():
    split = {"mode": "slices", "slices": np.arange(2)}
    after = TrainConfig().changed(steps=np.int64(3), zoom=np.float32(0.5), split=split)
    assert after == TrainConfig(steps=3, zoom=0.5, split=SplitConfig("slices", slices=(0, 1)))
    assert after == TrainConfig().changed(
        steps=3, zoom=0.5, split={"mode": "slices", "slices": range(2)}
    )
    json.dumps(after.to_dict())


def test_a_change_that_contradicts_another_setting_is_refused():
    with pytest.raises(InputError, match="tiles of 44"):
        TrainConfig().changed(network={"depth": 2}, tile=85)


@given(
    depth=st.integers(0, 4),
    weights=st.none() | st.builds(WeightConfig, st.sampled_from(("paper", "fiji", "none"))),
    zoom=st.floats(0.05, 8.0),
    pixel_size=st.sampled_from([None, "first", 0.5, (0.5, 0.25)]),
    split=st.builds(SplitConfig, fraction=st.floats(0.1, 0.9)),
    every=st.none() | st.integers(1, 100),
)
def test_what_is_written_is_read_back(depth, weights, zoom, pixel_size, split, every):
    import json

    config = TrainConfig(
        network=UNetConfig(depth=depth), tile=572, weights=weights, zoom=zoom,
        pixel_size=pixel_size, split=split, validate_every=every,
    )  # fmt: skip
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("steps", "interval"), [(1, 1), (5, 1), (10, 1), (99, 9), (600, 60), (2000, 200), (4000, 400)]
)
def test_a_run_is_validated_about_ten_times_whatever_its_length(steps, interval):
    config = TrainConfig(steps=steps)
    assert config.validation_interval == interval
    # after every interval and at the end
    assert min(steps, 10) <= -(-steps // interval) <= 11 + (steps < 100) * 9
    assert TrainConfig(steps=steps, validate_every=3).validation_interval == 3


def test_the_presets_are_validated_ten_times():
    closed = [config for config in PRESETS.values() if config.schedule != "open"]
    assert {config.steps / config.validation_interval for config in closed} == {10}


def test_numbers_may_be_numpys():
    import numpy as np

    assert WeightConfig(w0=np.float32(3.0)).resolved_w0 == 3
    assert AugmentConfig(noise=np.float64(0.5)).noise == 0.5
    with pytest.raises(InputError, match="noise must be a number"):
        AugmentConfig(noise=True)
