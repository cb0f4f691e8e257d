"""The Weights dock: the map of the slice shown follows the controls and the slider."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from napari_unet.annotation.labels import read_target
from napari_unet.annotation.splits import split_stack
from napari_unet.annotation.weights import target_weights
from napari_unet.app.session import session_of
from napari_unet.app.weights_job import describe, measure_class_weights
from napari_unet.config.size_rule import border
from napari_unet.config.split import SplitConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.images.stack import Stack
from napari_unet.widgets.weights.weights_dock import WeightsDock

from .conftest import until

NAME = "cells · weights"


@pytest.fixture
def stack(model, cells) -> Stack:
    image, labels = cells
    layer = model.add_image(image, name="cells", scale=(3, 0.5, 0.5), translate=(9, 1, 2))
    stack = Stack("cells", image, "zyx", labels=labels, scale=(3, 0.5, 0.5), translate=(9, 1, 2))
    session_of(model).use_layers(stack, layer)
    return stack


@pytest.fixture
def dock(model, stack, qtbot) -> WeightsDock:
    dock = WeightsDock(model)
    qtbot.addWidget(dock)
    dock.show()
    settled(dock)
    return dock


def settled(dock) -> None:
    until(lambda: not dock._job.is_busy)


def expected(dock, stack, i):
    session = dock.session
    split = split_stack(stack, session.config.split, border(session.config.network.depth))
    target = read_target(stack.label_plane(i), stack.scheme)
    config = session.config.weights
    weights = measure_class_weights(stack, split) if config.balance else None
    return target_weights(target, config, None if config.preset == "fiji" else weights)


def test_the_map_is_the_trainers_and_lies_over_the_image(dock, model, stack):
    layer = model.layers[NAME]
    assert np.array_equal(layer.data, expected(dock, stack, dock._shown[1]))
    assert np.allclose(layer.scale, (0.5, 0.5))
    assert np.allclose(layer.translate, (1, 2))
    assert layer.colormap.name == "magma"
    assert layer.contrast_limits == [0, pytest.approx(float(layer.data.max()), rel=1e-5)]
    assert "class weights: background" in dock.note.text()


@pytest.mark.parametrize("region", [None, (0, 40, 0, 30)])
def test_class_weights_are_the_samplers(stack, region):
    from napari_unet.config.augmentation import AugmentConfig
    from napari_unet.images.stack import Intensity
    from napari_unet.training.sampling import TileSampler

    config = SplitConfig() if region is None else SplitConfig(mode="region", region=region)
    split = split_stack(stack, config, 40)
    sampler = TileSampler(
        (stack,), (split,), depth=1, tile=60, batch=1, intensity=Intensity.measure(stack),
        weights=WeightConfig(), augment=AugmentConfig.none(), seed=0,
    )  # fmt: skip
    assert np.allclose(measure_class_weights(stack, split), sampler.class_weights)


def test_controls_change_the_session_and_the_map_in_a_moment(dock, model, stack):
    before = model.layers[NAME].data.copy()
    start = time.monotonic()
    dock.sigma.box.setValue(9)
    until(lambda: not np.array_equal(model.layers[NAME].data, before), 5)
    assert time.monotonic() - start < 1.5  # 0.3 s where nothing else runs
    assert dock.session.config.weights == WeightConfig(sigma=9.0)
    settled(dock)
    assert np.array_equal(model.layers[NAME].data, expected(dock, stack, dock._shown[1]))
    assert len([one for one in model.layers if "weights" in one.name]) == 1


def test_dragging_a_slider_ends_with_its_last_value(dock, model, stack):
    for position in range(5, 40):
        dock.w0.slider.setValue(position)
    settled(dock)
    assert dock.session.config.weights.w0 == 39
    assert np.array_equal(model.layers[NAME].data, expected(dock, stack, dock._shown[1]))


def test_the_map_follows_the_slice_slider(dock, model, stack):
    for i in (4, 1):
        model.dims.set_current_step(0, i)
        settled(dock)
        assert dock._shown[1] == i
        assert np.array_equal(model.layers[NAME].data, expected(dock, stack, i))
        assert dock.note.text().startswith(f"Slice {i}")


def test_a_preset_starts_with_its_own_numbers(dock):
    dock.preset.radio("fiji").click()
    settled(dock)
    assert (dock.w0.value, dock.sigma.value) == (50, 6)
    assert dock.session.config.weights == WeightConfig("fiji")
    assert not dock.balance.isEnabled()
    assert "class weights of its own" in dock.balance.toolTip()
    assert dock.background.isEnabled()
    dock.preset.radio("none").click()
    settled(dock)
    assert not dock.w0.isEnabled()
    dock.preset.radio("paper").click()
    assert dock.session.config.weights == WeightConfig()
    assert not dock.background.isEnabled()


def test_another_dock_changes_the_controls(dock):
    dock.session.change(weights=WeightConfig("fiji", w0=20.0, balance=False))
    assert dock.preset.value == "fiji"
    assert dock.w0.value == 20
    assert not dock.balance.isChecked()


def test_the_map_is_hidden_with_the_dock_and_comes_back(dock, model):
    dock.hide()
    assert not model.layers[NAME].visible
    dock.show()
    settled(dock)
    assert model.layers[NAME].visible
    dock.visible.click()
    assert not model.layers[NAME].visible


def test_deleting_the_layer_switches_the_map_off(dock, model):
    model.layers.remove(NAME)
    assert not dock.visible.isChecked()
    dock.sigma.box.setValue(3)
    settled(dock)
    assert NAME not in [one.name for one in model.layers]
    dock.visible.click()
    settled(dock)
    assert NAME in [one.name for one in model.layers]


def test_without_labels_it_says_what_is_missing(model, stack, qtbot):
    session_of(model).stack = replace(stack, labels=None, scheme=None)
    dock = WeightsDock(model)
    qtbot.addWidget(dock)
    dock.show()
    assert dock.problem.text().startswith("Choose labels under Data first")
    session_of(model).stack = stack
    settled(dock)
    assert dock.problem.text() == ""
    assert NAME in [one.name for one in model.layers]


def test_a_slice_without_annotation_has_no_map(dock, model, stack):
    dock.session.stack = replace(stack, annotated=(0, 1, 2))
    model.dims.set_current_step(0, 5)
    settled(dock)
    assert "slice 5 is not annotated" in dock.note.text().lower()
    assert not model.layers[NAME].visible
    dock.jump.click()
    settled(dock)
    assert dock._shown[1] == 2
    assert model.layers[NAME].visible
    assert dock.jump.isHidden()


def test_statistics_by_hand():
    found = describe(np.array([[0, 1, 2], [4, 4, 4]], np.float32))
    assert found.greatest == 4
    assert found.counts.sum() == 5
    assert found.counts[-1] == 3
    assert found.usual == 4
    assert describe(np.zeros((2, 2), np.float32)).greatest == 0
