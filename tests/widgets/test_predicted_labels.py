"""Labels from the prediction, in the window: a layer of its own, and nothing else is touched."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from napari_unet.training.run_folder import RunFolder
from napari_unet.widgets.common.class_look import class_colours
from napari_unet.widgets.train.paint_mode import paint_mode_of

from .conftest import pump, until
from .test_paint import begun, dock  # noqa: F401 (fixtures)

pytestmark = pytest.mark.usefixtures("quick_presets")


@pytest.fixture
def labelled(dock):  # noqa: F811
    labels, training = begun(dock)
    labels.data_setitem((np.full(9, 2), np.full(9, 70), np.arange(9)), 2)
    return dock, labels, training


def state(layer):
    history = [[len(step) for step in kept] for kept in (layer._undo_history, layer._redo_history)]
    return hashlib.sha256(layer.data).hexdigest(), history, layer.name, layer.mode


def test_a_layer_of_its_own_and_the_users_is_not_changed(labelled):
    dock, labels, _ = labelled  # noqa: F811
    before = state(labels)
    dock.predicted.where.value = "stack"
    dock.predicted.make.click()
    until(lambda: dock.predicted.layer is not None, 60)
    layer = dock.predicted.layer
    assert state(labels) == before
    assert dock.session.labels_layer is labels
    assert dock.viewer.layers.selection.active is labels
    assert tuple(layer.scale) == tuple(labels.scale)
    assert tuple(layer.translate) == tuple(labels.translate)
    assert class_colours(layer, (1, 2)) == class_colours(labels, (1, 2))
    assert layer.data.all()  # dense
    own = labels.data != 0
    assert np.array_equal(layer.data[own], labels.data[own])
    assert not np.shares_memory(layer.data, labels.data)


def test_of_the_slice_shown_where_it_is_sure(labelled):
    dock, labels, _ = labelled  # noqa: F811
    dock.viewer.dims.set_point(0, 6)  # slice 3
    dock.predicted.sure.value = 0.99
    dock.predicted.make.click()
    until(lambda: dock.predicted.layer is not None, 60)
    data = dock.predicted.layer.data
    assert not data[3].all()  # a network of a few steps is not sure
    assert np.array_equal(np.delete(data, 3, 0), np.delete(labels.data, 3, 0))


def test_the_next_training_learns_from_it_where_the_user_wants(labelled):
    dock, labels, training = labelled  # noqa: F811
    dock.predicted.make.click()
    until(lambda: dock.predicted.layer is not None, 60)
    layer, before = dock.predicted.layer, labels.data.copy()
    dock.predicted.learn.click()
    until(lambda: dock.session.training is not training, 60)
    again = dock.session.training
    assert not training.is_running
    assert training.ended.step > 0
    assert again.request.run != training.request.run
    until(lambda: again.step is not None, 60)
    assert RunFolder(again.request.run).description()["started_from"] is not None
    assert dock.session.labels_layer is layer
    assert np.array_equal(again.request.stacks[0].label_plane(0), layer.data[0])
    assert np.array_equal(labels.data, before)
    layer.data_setitem((np.full(9, 3), np.full(9, 70), np.arange(9)), 2)  # it is painted in now
    until(lambda: (again.request.stacks[0].label_plane(3) == layer.data[3]).all(), 60)


def test_a_training_that_did_not_begin_leaves_no_model_to_the_next(labelled):
    dock, _, training = labelled  # noqa: F811
    training.stop()
    until(lambda: not training.is_running, 60)
    mode = paint_mode_of(dock.viewer, dock.session)
    mode.begin_from(dock, dock.session.model)
    mode.rest()  # before its labels are read
    pump(1)
    assert dock.session.training is training
    mode.watch(dock)
    until(lambda: dock.session.training is not training, 60)
    assert dock.session.training.request.start_from is None


def test_it_can_be_cancelled(labelled):
    dock, *_ = labelled  # noqa: F811
    count = len(dock.viewer.layers)
    dock.predicted.where.value = "stack"
    dock.predicted.make.click()
    dock.predicted.make.click()
    until(lambda: dock.predicted.make.text() == "Make labe&ls", 60)
    assert dock.predicted.layer is None
    assert len([one for one in dock.viewer.layers if "correct" in one.name]) == 0
    assert len(dock.viewer.layers) <= count + 1  # the live prediction may have come
