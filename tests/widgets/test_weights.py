"""The Weights dock: the map of the slice shown follows the controls and the slider."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.session import session_of
from napari_unet.app.weights_job import describe
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.images.stack import Stack
from napari_unet.network.tiles import mirrored_indices
from napari_unet.training.trainer import Trainer
from napari_unet.widgets.common.layer_facts import tell
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.weights.weights_dock import WeightsDock

from .conftest import until

NAME = "cells · weights"


@pytest.fixture
def stack(model, cells) -> Stack:
    image, labels = cells
    layer = model.add_image(image, name="cells", scale=(3, 0.5, 0.5), translate=(9, 1, 2))
    truth = model.add_labels(labels, name="truth", scale=(3, 0.5, 0.5), translate=(9, 1, 2))
    session_of(model).use(LayerStack(layer, truth))
    return session_of(model).stack


@pytest.fixture
def dock(model, stack, qtbot) -> WeightsDock:
    dock = WeightsDock(model)
    qtbot.addWidget(dock)
    dock.show()
    settled(dock)
    return dock


def settled(dock) -> None:
    until(lambda: not dock._job.is_busy)


def trainers_weights(session, i):
    """A tile of the first stack's slice, as a trainer's own sampler draws it, and its corner."""
    config = replace(session.config, augment=AugmentConfig.none(), steps=1, device="cpu")
    trainer = Trainer(session.stacks, config)
    with closing(trainer.run()) as events:
        next(events)
    tiles = (trainer.sampler.tile(step, 0) for step in range(200))
    tile = next(one for one in tiles if (one.stack_index, one.slice_index) == (0, i))
    side = tile.weights.shape[0]
    top, left = (round(at - (side - 1) / 2) for at in tile.centre)
    return tile.weights.numpy(), top, left


def assert_is_the_trainers(dock, shown, i):
    """The map is what a trainer's tile holds; beyond the borders tiles are mirrored."""
    weights, top, left = trainers_weights(dock.session, i)
    rows, cols = (
        mirrored_indices(start, start + len(weights), n)
        for start, n in zip((top, left), shown.shape)
    )
    assert np.array_equal(shown[np.ix_(rows, cols)], weights)


def test_the_map_lies_over_the_image(dock, model, stack):
    layer = model.layers[NAME]
    assert layer.data.shape == stack.plane_shape
    assert np.allclose(layer.scale, (0.5, 0.5))
    assert np.allclose(layer.translate, (1, 2))
    assert layer.colormap.name == "magma"
    assert layer.contrast_limits == [0, pytest.approx(float(layer.data.max()), rel=1e-5)]
    assert "class weights: background" in dock.note.text()


@pytest.mark.parametrize("preset", ["paper", "fiji"])
@pytest.mark.parametrize(
    ("zoom", "stacks", "pixel_size"),
    [
        (1.0, 1, None), (0.5, 1, None), (1.0, 2, None), (0.5, 2, None),
        (1.0, 2, "first"), (0.5, 2, "first"), (1.0, 1, 1.0), (0.5, 2, 0.8),
    ],
)  # fmt: skip
def test_the_map_is_the_trainers_own(dock, model, stack, preset, zoom, stacks, pixel_size):
    if stacks == 2:  # twice as fine, and with other class frequencies
        labels = np.where(np.arange(160)[:, None] < 40, 0, stack.labels[:2, :80].repeat(2, 1))
        other = np.random.default_rng(0).integers(0, 200, labels.shape, np.uint8)
        dock.session.added = (
            Stack("more", other, "zyx", labels=labels, scheme=stack.scheme, scale=(3, 0.25, 0.25)),
        )
    dock.session.change(
        network={"depth": 1, "width": 2}, tile=60, batch=1, split=SplitConfig("none"),
        weights=WeightConfig(preset), zoom=zoom, pixel_size=pixel_size,
    )  # fmt: skip
    model.dims.set_current_step(0, 2)
    settled(dock)
    layer = model.layers[NAME]
    assert_is_the_trainers(dock, layer.data, 2)
    # The same outline as the image, whatever the size of its pixels.
    low = np.subtract(layer.translate, np.multiply(layer.scale, 0.5))
    assert np.allclose(low, (0.75, 1.75))
    assert np.allclose(low + np.multiply(layer.scale, layer.data.shape), (48.75, 57.75))


def test_a_gap_weighs_what_it_does_in_training(dock, model, qtbot):
    """Fiji's preset at half the size: a gap of 20 px is one of 10, and weighs ten times as much."""
    labels = np.zeros((2, 120, 120), np.uint8)
    labels[:, 20:100, 20:50], labels[:, 20:100, 70:100] = 1, 2
    image = np.random.default_rng(0).integers(0, 255, labels.shape, np.uint8)
    layers = model.add_image(image, name="gap"), model.add_labels(labels)
    dock.session.use(LayerStack(*layers, scheme=LabelScheme()))
    dock.session.change(weights=WeightConfig("fiji"), zoom=0.5)
    settled(dock)
    middle = model.layers["gap · weights"].data[30, 30]
    # 5 px from the one and 6 from the other: 10.2 where it would be 0.76 at full size
    expected = 0.1 + 50 * np.exp(-(11**2) / 72) + 0.9 * np.exp(-(5**2) / 200)
    assert middle == pytest.approx(expected, abs=1e-3)


def test_a_region_that_validates_weighs_nothing(dock, model, stack):
    dock.session.change(
        network={"depth": 1}, tile=60, split=SplitConfig("region", region=(0, 30, 0, 112)), zoom=0.5
    )
    settled(dock)
    weights = model.layers[NAME].data
    # 15 px of the region and 16 px as far as the network sees
    assert not weights[:31].any()
    assert weights[31:].all()


def test_what_nan_mean_shows_in_the_map_at_once(dock, model, stack):
    image = stack.image.astype(np.float32)
    image[:, 40:60, 40:60] = np.nan
    model.layers["cells"].data = image
    settled(dock)
    hole = model.layers[NAME].data[40:60, 40:60]
    assert (hole > 0).all()
    dock.session.change(outside="all")
    settled(dock)
    assert (model.layers[NAME].data[40:60, 40:60] == 0).all()


def test_controls_change_the_session_and_the_map_in_a_moment(dock, model, stack):
    before = model.layers[NAME].data.copy()
    start = time.monotonic()
    dock.form.sigma.box.setValue(9)
    until(lambda: not np.array_equal(model.layers[NAME].data, before), 5)
    assert time.monotonic() - start < 1.5  # 0.3 s where nothing else runs
    assert dock.session.config.weights == WeightConfig(sigma=9.0)
    settled(dock)
    assert_is_the_trainers(dock, model.layers[NAME].data, dock._shown[1])
    assert len([one for one in model.layers if "weights" in one.name]) == 1


def test_dragging_a_slider_ends_with_its_last_value(dock, model, stack):
    for position in range(5, 40):
        dock.form.w0.slider.setValue(position)
    settled(dock)
    assert dock.session.config.weights.w0 == 39
    assert_is_the_trainers(dock, model.layers[NAME].data, dock._shown[1])


def test_the_map_follows_the_slice_slider(dock, model, stack):
    for i in (4, 1):
        model.dims.set_current_step(0, i)
        settled(dock)
        assert dock._shown[1] == i
        assert_is_the_trainers(dock, model.layers[NAME].data, i)
        assert dock.note.text().startswith(f"Slice {i}")


def test_a_preset_starts_with_its_own_numbers(dock):
    dock.form.preset.radio("fiji").click()
    settled(dock)
    assert (dock.form.w0.value, dock.form.sigma.value) == (50, 6)
    assert dock.session.config.weights == WeightConfig("fiji")
    assert not dock.form.balance.isEnabled()
    assert "class weights of its own" in dock.form.balance.toolTip()
    assert dock.form.background.isEnabled()
    dock.form.preset.radio("none").click()
    settled(dock)
    assert not dock.form.w0.isEnabled()
    dock.form.preset.radio("paper").click()
    assert dock.session.config.weights == WeightConfig()
    assert not dock.form.background.isEnabled()


def test_another_dock_changes_the_controls(dock):
    dock.session.change(weights=WeightConfig("fiji", w0=20.0, balance=False))
    assert dock.form.preset.value == "fiji"
    assert dock.form.w0.value == 20
    assert not dock.form.balance.isChecked()


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
    dock.form.sigma.box.setValue(3)
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
    tell(model.layers["truth"], annotated=[0, 1, 2])
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
