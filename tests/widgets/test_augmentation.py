"""The Augmentation dock: the very tiles of the trainer, and the strengths it will use."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_unet.app.session import session_of
from napari_unet.app.tiles_job import ShownTile, mosaic
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.training.trainer import Trainer
from napari_unet.widgets.augment.augmentation_dock import AugmentationDock
from napari_unet.widgets.augment.tile_grid import TileGrid
from napari_unet.widgets.common.layer_stack import LayerStack

from .conftest import until

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack

TILING = (2, 84, 2)  # a shallow network keeps the tiles of the tests small


@pytest.fixture
def stack(model, cells) -> Stack:
    image, labels = cells
    layer = model.add_image(image, name="cells", scale=(3, 0.5, 0.5))
    truth = model.add_labels(labels, name="truth", scale=(3, 0.5, 0.5))
    session = session_of(model)
    depth, tile, batch = TILING
    session.change(network={"depth": depth}, tile=tile, batch=batch)
    session.use(LayerStack(layer, truth))
    return session.stack


@pytest.fixture
def dock(model, stack, qtbot) -> AugmentationDock:
    dock = AugmentationDock(model)
    qtbot.addWidget(dock)
    dock.resize(320, 700)
    dock.show()
    settled(dock)
    return dock


def settled(dock) -> None:
    until(lambda: not dock._job.is_busy, 60)


def trainers_sampler(session):
    """The sampler of a trainer that was given the session's stacks and settings."""
    config = session.config.changed(network={"width": 2}, device="cpu")
    trainer = Trainer(session.stacks, config)
    with closing(trainer.run()) as events:
        next(events)
    return trainer.sampler


def assert_trainers_tiles(dock) -> None:
    drawn = trainers_sampler(dock.session)
    assert len(dock.picture.tiles) == 9
    for k, shown in enumerate(dock.picture.tiles):
        tile = drawn.tile(k // TILING[2], k % TILING[2])
        assert (shown.step, shown.index) == (k // TILING[2], k % TILING[2])
        assert np.array_equal(shown.classes, tile.classes.numpy())
        assert np.array_equal(shown.weights, tile.weights.numpy())
        assert np.array_equal(shown.image, (tile.image[0].clamp(0, 1) * 255).byte().numpy())


def test_the_tiles_are_those_of_the_trainer(dock, stack):
    assert_trainers_tiles(dock)
    assert "the first 5 steps of training will see: tiles of 84 px" in dock.note.text()
    assert "framed 44 px" in dock.note.text()


def test_a_zoom_shows_the_tiles_of_the_zoomed_stack(dock, stack):
    dock.session.change(zoom=2.0)
    settled(dock)
    assert_trainers_tiles(dock)


def test_what_nan_mean_shows_in_the_tiles_at_once(dock, stack, model):
    image = stack.image.astype(np.float32)
    image[:, 40:60, 40:60] = np.nan  # a hole, so that it is an error at the border only
    dock.session.change(outside="all")
    model.layers["cells"].data = image
    settled(dock)
    assert_trainers_tiles(dock)
    dock.session.change(outside="border")
    settled(dock)
    assert "NaN" in dock.problem.text()
    dock.session.change(outside="all")
    settled(dock)
    assert_trainers_tiles(dock)


def test_shuffle_draws_others_and_gives_its_seed_to_training(dock, stack):
    before = dock.picture.tiles[0].image
    dock.shuffle.click()
    settled(dock)
    assert dock.seed.value() == dock.session.config.seed
    assert not np.array_equal(dock.picture.tiles[0].image, before)
    assert_trainers_tiles(dock)


def test_strengths_become_the_sessions_and_the_tiles_follow(dock, stack):
    dock.form.displacement.box.setValue(0)
    dock.form.rotation.box.setValue(0)
    dock.form.zoom_out.setValue(1)
    dock.form.zoom_in.setValue(1)
    dock.form.grey.box.setValue(0)
    dock.form.flips.click()
    settled(dock)
    config = dock.session.config.augment
    assert (config.displacement, config.rotation, config.zoom) == (0, 0, (1, 1))
    assert not config.flips
    assert config.brightness == config.contrast == config.gamma == 0
    assert_trainers_tiles(dock)
    for line in dock.picture.tiles[0].lines:  # nothing is deformed: straight lines
        assert np.ptp(line[:, 0]) < 1e-6 or np.ptp(line[:, 1]) < 1e-6


def test_there_and_back_is_no_change(dock):
    before = dock.session.config
    dock.form.displacement.box.setValue(20)
    assert dock.session.config.augment.displacement == 20
    dock.form.displacement.box.setValue(10)
    assert dock.session.config == before


def test_settings_from_elsewhere_are_shown(dock):
    settings = {"displacement": 4.0, "zoom": (0.9, 1.1), "flips": False, "noise": 0.05,
                "brightness": 0.05, "contrast": 0.1, "gamma": 0.1}  # fmt: skip
    dock.session.change(augment=settings)
    assert dock.form.displacement.value == 4
    assert dock.form.zoom_out.value() == pytest.approx(0.9)
    assert not dock.form.flips.isChecked()
    assert dock.form.grey.value == 50
    assert dock.form.noise.value() == 0.05
    assert dock.session.config.augment == AugmentConfig(**settings)  # showing changes nothing


def test_switches_change_the_picture_but_not_the_tiles(dock):
    tiles = dock.picture.tiles
    picture = dock.picture.grab().toImage()
    for box in (dock.weights, dock.labels, dock.mesh):
        box.click()
        after = dock.picture.grab().toImage()
        assert after != picture
        picture = after
    assert dock.picture.tiles is tiles


def test_a_click_enlarges_a_tile_and_another_shows_all(dock, qtbot):
    from qtpy.QtCore import QPoint, Qt

    corner = QPoint(dock.picture.width() - 5, 5)
    qtbot.mouseClick(dock.picture.viewport(), Qt.MouseButton.LeftButton, pos=corner)
    assert dock.picture.alone == 2
    qtbot.mouseClick(dock.picture.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(20, 20))
    assert dock.picture.alone is None


def test_tiles_can_be_put_beside_the_image_as_layers(dock, model):
    dock.as_layers.click()
    names = ["cells · tiles", "cells · tiles weights", "cells · tiles labels", "cells · tiles grid"]
    for name in names:
        layer = model.layers[name]
        assert np.allclose(layer.scale[-2:], (0.5, 0.5))
        assert layer.translate[-1] > 112 * 0.5
    dock.as_layers.click()
    assert sum(one.name in names for one in model.layers) == 4


def test_a_mosaic_by_hand():
    one = ShownTile(
        image=np.full((4, 4), 7, np.uint8), classes=np.ones((2, 2), np.uint8),
        weights=np.full((2, 2), 3, np.float32), lines=[np.array([[0.0, 1.0], [3.0, 1.0]])],
        step=0, index=0, slice_index=0,
    )  # fmt: skip
    image, labels, weights, lines = mosaic([one] * 9, gap=1)
    assert image.shape == labels.shape == weights.shape == (14, 14)
    assert labels.sum() == 9 * 4
    assert labels[1, 1] == labels[6, 6] == 1
    assert labels[0, 0] == 0
    assert weights[11, 11] == 3
    assert lines[4].tolist() == [[5, 6], [8, 6]]


def test_a_picture_of_colour_tiles(qtbot):
    one = ShownTile(
        image=np.full((40, 40, 3), (200, 10, 10), np.uint8), classes=np.zeros((20, 20), np.uint8),
        weights=np.ones((20, 20), np.float32), lines=[], step=0, index=0, slice_index=0,
    )  # fmt: skip
    grid = TileGrid()
    qtbot.addWidget(grid)
    grid.show_labels = grid.show_weights = False
    grid.resize(300, 300)
    grid.show_tiles([one] * 9)
    colour = grid.grab().toImage().pixelColor(50, 50)
    assert (colour.red(), colour.green(), colour.blue()) == (200, 10, 10)


def test_without_labels_it_says_what_is_missing(dock, stack):
    dock.session.stack = replace(stack, labels=None, scheme=None)
    assert dock.problem.text().startswith("Choose labels under Data first")
    assert dock.picture.isHidden()
    assert not dock.shuffle.isEnabled()


def test_settings_that_do_not_fit_are_said(dock, stack):
    dock.session.stack = replace(stack, labels=np.zeros_like(stack.labels))
    settled(dock)
    dock.session.change(split={"mode": "slices", "slices": tuple(range(6))})
    settled(dock)
    assert "At least one labelled slice must be left" in dock.problem.text()
