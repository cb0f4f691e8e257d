"""One object has the settings: every dock shows and edits a part of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet.app.session import session_of
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.presets import PRESETS
from napari_unet.config.split import SplitConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.images.stack import Stack
from napari_unet.widgets.augment.augmentation_dock import AugmentationDock
from napari_unet.widgets.data.data_dock import DataDock
from napari_unet.widgets.train.train_dock import TrainDock
from napari_unet.widgets.weights.weights_dock import WeightsDock


@pytest.fixture
def docks(model, qtbot):
    made = {}
    for kind in (DataDock, WeightsDock, AugmentationDock, TrainDock):
        dock = kind(model)
        qtbot.addWidget(dock)
        made[kind] = dock
    return made


def shown(docks):
    """What the docks show: fields of their own controls."""
    weights, augment, form = docks[WeightsDock].form, docks[AugmentationDock], docks[TrainDock].form
    return {
        "preset": form.preset.value,
        "steps": form.steps.value(),
        "tile": form.tile.value(),
        "depth": form.depth.value(),
        "zoom": form.zoom.value,
        "weights in Train": form.weights.value,
        "augmented": form.augment.isChecked(),
        "seeds": {form.seed.value(), augment.seed.value()},
        "weights": (weights.preset.value, weights.w0.value, weights.sigma.value),
        "balance": weights.balance.isChecked(),
        "displacement": augment.form.displacement.value,
        "rotation": augment.form.rotation.value,
        "limits": docks[DataDock].grey.limits.value,
    }


FAST = {
    "preset": "fast", "steps": 600, "tile": 284, "depth": 3, "zoom": 1.0,
    "weights in Train": "paper", "augmented": True, "seeds": {0},
    "weights": ("paper", 10, 5), "balance": True, "displacement": 10, "rotation": 180,
    "limits": "stack",
}  # fmt: skip


def test_all_docks_show_the_same_object_from_the_start(docks):
    assert shown(docks) == FAST


def test_choosing_a_preset_shows_in_every_dock_at_once(docks, monkeypatch):
    """Also its augmentation, which once stayed behind."""
    other = PRESETS["paper"].changed(
        augment={"displacement": 4.0, "rotation": 30.0}, weights={"preset": "fiji", "w0": 20.0}
    )
    monkeypatch.setitem(PRESETS, "paper", other)
    docks[TrainDock].form.preset.radio("paper").click()
    assert shown(docks) == FAST | {
        "preset": "paper", "steps": 4000, "tile": 572, "depth": 4,
        "weights in Train": "fiji", "weights": ("fiji", 20, 6), "displacement": 4, "rotation": 30,
    }  # fmt: skip
    assert docks[TrainDock].session.config == other


def test_the_kind_of_labels_shows_in_every_dock(docks, model):
    from napari_unet.annotation.labels import LabelScheme

    docks[TrainDock].form.preset.radio("best").click()
    plane = np.zeros((3, 16, 16), np.uint8)
    stack = Stack("s", plane, "zyx", labels=plane, scheme=LabelScheme("objects"))
    docks[WeightsDock].form.sigma.box.setValue(7)  # an edit after choosing stays
    session_of(model).stack = stack
    assert shown(docks)["preset"] == "best"
    assert shown(docks)["zoom"] == 0.5
    assert shown(docks)["weights"] == ("paper", 10, 7)
    docks[TrainDock].form.preset.radio("best").click()
    cells = PRESETS["best-cells"].weights
    assert shown(docks)["weights"] == (cells.preset, cells.resolved_w0, cells.resolved_sigma)
    session_of(model).stack = replace(stack, scheme=LabelScheme("classes", values=(0, 1)))
    assert shown(docks)["weights"] == ("paper", 10, 5)


def test_a_preset_that_the_form_does_not_offer_is_none_of_its_choices(docks, model):
    session_of(model).config = PRESETS["paper"].changed(preset="mine")
    assert docks[TrainDock].form.preset.value is None
    docks[TrainDock].form.preset.radio("fast").click()
    assert session_of(model).config == PRESETS["fast"]
    assert shown(docks) == FAST


def test_every_dock_edits_the_same_object(docks):
    form, weights = docks[TrainDock].form, docks[WeightsDock].form
    augment, data = docks[AugmentationDock], docks[DataDock]
    form.preset.radio("paper").click()
    form.steps.setValue(50)
    weights.w0.box.setValue(30)
    augment.form.displacement.box.setValue(2)
    augment.seed.setValue(9)
    data.grey.limits.value = "image"
    data.grey.limits.activated.emit(1)
    assert docks[TrainDock].session.config == PRESETS["paper"].changed(
        steps=50,
        weights=WeightConfig(w0=30.0),
        augment=AugmentConfig(displacement=2.0),
        seed=9,
        intensity="image",
    )
    assert shown(docks)["seeds"] == {9}
    said = form.by_hand.text()
    assert said == "By hand: steps, weight map, augmentation. Choose the preset again to undo."


def test_a_change_from_outside_shows_and_changes_nothing_else(docks, model):
    config = PRESETS["paper"].changed(
        weights={"preset": "fiji", "sigma": 7.25}, zoom=0.35, seed=123_456_789,
        augment={"zoom": (0.9, 1.1), "noise": 0.015}, learning_rate=1.234567e-5,
        split=SplitConfig("none"),
    )  # fmt: skip
    session_of(model).config = config
    assert session_of(model).config is config
    assert docks[TrainDock].form.zoom.currentText() == "35% of full size"


def test_switching_augmentation_off_and_on_keeps_its_strengths(docks):
    form, augment = docks[TrainDock].form, docks[AugmentationDock]
    augment.form.displacement.box.setValue(3)
    form.augment.click()
    assert shown(docks)["displacement"] == 0
    assert docks[TrainDock].session.config.augment == AugmentConfig.none()
    form.augment.click()
    assert shown(docks)["displacement"] == 3


def test_no_weight_map_shows_as_one_that_weighs_all_alike(docks):
    form, weights = docks[TrainDock].form, docks[WeightsDock].form
    form.weights.value = None
    form.weights.activated.emit(0)
    assert docks[TrainDock].session.config.weights is None
    assert weights.preset.value == "none"
    assert not weights.balance.isChecked()
    weights.balance.click()
    assert docks[TrainDock].session.config.weights == WeightConfig("none")
    assert form.weights.value == "none"


def test_settings_that_no_dock_shows_stay_as_they_are(docks, model):
    """As the reproduction's code has them: set by the command line, and opened from its run."""
    session = session_of(model)
    weights = WeightConfig(balance="pixels")
    augment = AugmentConfig(about="slice", turn=30.0, interpolation="spline", labels="spline")
    session.change(weights=weights, augment=augment)
    assert shown(docks)["balance"] is True
    docks[WeightsDock].form.w0.box.setValue(7)
    docks[AugmentationDock].form.rotation.box.setValue(20)
    assert session.config.weights == replace(weights, w0=7.0)
    assert session.config.augment == replace(augment, rotation=20.0)
    docks[WeightsDock].form.balance.setChecked(False)
    assert session.config.weights.balance is False
