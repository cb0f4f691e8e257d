"""Several stacks in one training, from the Data dock to the trained model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_unet.config.split import SplitConfig
from napari_unet.widgets.data.data_dock import DataDock
from napari_unet.widgets.train.train_dock import TrainDock

from .conftest import until


@pytest.fixture(autouse=True)
def _runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def settled(dock):
    until(lambda: not dock.is_looking)


def choose(dock, image, labels):
    dock.image.value = image
    dock.image.chosen.emit(image)
    dock.labels.value = labels
    dock.labels.chosen.emit(labels)
    settled(dock)


@pytest.fixture
def two(model, cells, qtbot):
    """A Data dock with two pairs of layers of different sizes and pixel sizes."""
    image, labels = cells
    units = ("um",) * 3
    first = model.add_image(image, name="cells", scale=(1, 0.5, 0.5), units=units)
    first_labels = model.add_labels(labels, name="truth", scale=(1, 0.5, 0.5), units=units)
    more, more_labels = image[:3, :80, :90].copy(), labels[:3, :80, :90].copy()
    second = model.add_image(more, name="more", scale=(1, 0.25, 0.25), units=units)
    second_labels = model.add_labels(more_labels, name="truth 2", scale=(1, 0.25, 0.25),
                                     units=units)  # fmt: skip
    dock = DataDock(model)
    qtbot.addWidget(dock)
    dock.show()
    choose(dock, second, second_labels)
    return dock, (first, first_labels), (second, second_labels)


def lines(dock):
    rows = dock.training_stacks._lines
    return [row.layout().itemAt(0).widget().text() for row in rows]


def test_a_second_stack_is_added_and_taken_away(two):
    dock, first, _ = two
    stacks = dock.training_stacks
    assert lines(dock) == []
    assert stacks.summary.isHidden()
    stacks.add.click()
    assert not stacks.add.isEnabled()
    choose(dock, *first)
    assert [s.name for s in dock.session.stacks] == ["cells", "more"]
    assert lines(dock) == ["cells, 6 slices (chosen above)", "more, 3 slices"]
    assert stacks.summary.text() == "2 stacks, 9 labelled slices"
    assert stacks.add.isEnabled()
    remove = stacks._lines[1].layout().itemAt(1).widget()
    assert remove.text() == "Remove"
    remove.click()
    assert [s.name for s in dock.session.stacks] == ["cells"]
    assert lines(dock) == []


def test_another_reading_of_added_labels_counts(two):
    dock, first, second = two
    dock.training_stacks.add.click()
    dock.layers.gap.click()
    settled(dock)
    choose(dock, *first)
    dock.layers.gap.setChecked(True)
    settled(dock)
    assert [s.scheme.gap for s in dock.session.stacks] == [True, False]
    choose(dock, *second)
    assert len(dock.session.stacks) == 1


def test_different_pixel_sizes_are_said_and_made_alike_when_asked(two):
    dock, first, _ = two
    stacks = dock.training_stacks
    assert stacks.common.isHidden()
    stacks.add.click()
    choose(dock, *first)
    assert not stacks.common.isHidden()
    assert stacks.sizes.text() == "Pixel sizes differ: cells 0.5 µm, more 0.25 µm."
    stacks.common.click()
    assert dock.session.config.pixel_size == "first"
    assert stacks.sizes.text() == "All are brought to the pixel size of cells, 0.5 µm."


def test_stacks_that_do_not_go_together_are_said_so(two, model, cells):
    dock = two[0]
    dock.training_stacks.add.click()
    picture = np.random.default_rng(0).integers(0, 255, (96, 112, 3), np.uint8)
    colour = model.add_image(picture, rgb=True, name="rgb")
    marks = model.add_labels(cells[1][0], name="marks")
    choose(dock, colour, marks)
    assert "'rgb' has 3 and 'more' 1" in dock.training_stacks.problem.text()


def test_chosen_slices_may_be_in_the_other_stack_only(two):
    dock, first, second = two
    choose(dock, *first)
    dock.training_stacks.add.click()
    choose(dock, *second)
    dock.session.change(split=SplitConfig("slices", slices=(5,)))
    settled(dock)
    assert dock.validation.note.text() == (
        "more trains as a whole; only the other stacks validate."
    )
    assert dock.validation.problem.text() == ""
    dock.session.change(split=SplitConfig("slices", slices=(9,)))
    assert "slice 9 has none" in dock.validation.problem.text()


def test_the_train_dock_measures_a_step_and_trains_on_both(two, model, qtbot):
    dock, first, _ = two
    dock.training_stacks.add.click()
    choose(dock, *first)
    dock.training_stacks.common.click()
    train = TrainDock(model)
    qtbot.addWidget(train)
    settings = train.form
    for box, value in (("width", 2), ("depth", 1), ("tile", 60), ("batch", 1), ("steps", 3),
                       ("validate_every", 3)):  # fmt: skip
        getattr(settings, box).setValue(value)
    # the last 20 %: 1 of 6 slices, and 1 of 3
    assert train.control.start.full_text == "Train on 7 slices of 2 stacks"
    assert "time is known after the first steps" in train.control.cost.text()
    train.control.cost.measure.click()
    assert train.control.cost.text() == "Measuring one step …"
    until(lambda: not train.control.cost.is_measuring, 60)
    cost = train.control.cost.text()
    assert "s per step, measured, 7 + 2 slices" in cost
    assert cost.startswith("a few seconds, ")
    settings.steps.setValue(200)  # other settings: reckoned from the measured rate
    assert "measured" not in train.control.cost.text()
    assert "time is known" not in train.control.cost.text()
    settings.steps.setValue(3)
    assert "measured" in train.control.cost.text()
    train.control.start.click()
    until(lambda: not train.session.training.is_running, 60)
    assert not train.control.problem.text()
    assert train.session.model.name == "cells"
    described = json.loads((train.session.run / "run.json").read_text())
    shapes = [(one["name"], one["shape"]) for one in described["data"]]
    assert shapes == [("cells", [6, 96, 112]), ("more", [3, 80, 90])]
    assert described["config"]["pixel_size"] == "first"
    assert "more: resampled from 80 × 90 to 40 × 45 pixels a slice." in train.progress.notes.text()
