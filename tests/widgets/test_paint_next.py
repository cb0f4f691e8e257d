"""Paint here next: the list in the dock, the key, the way there, and the end."""

from __future__ import annotations

import numpy as np
import pytest
from app_model.types import KeyBinding
from napari.layers import Shapes
from qtpy.QtWidgets import QWidget

from napari_unet.app.session import session_of
from napari_unet.app.suggesting import Suggested
from napari_unet.app.training_job import TrainingRequest
from napari_unet.config.network import UNetConfig
from napari_unet.config.presets import PRESETS
from napari_unet.images.stack import Stack
from napari_unet.training.painting import Painting
from napari_unet.training.suggestions import Place
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.train.new_labels import new_labels
from napari_unet.widgets.train.next_places import _index_in
from napari_unet.widgets.train.paint_mode import paint_mode_of
from napari_unet.widgets.train.paint_next import PaintNext
from napari_unet.widgets.train.running import Training
from napari_unet.widgets.train.train_dock import TrainDock

from .conftest import pump, until


@pytest.fixture
def training(model, cells, qapp):
    """One that is painted into, and never really begins."""
    model.canvas.size = (600, 900)
    image = model.add_image(cells[0], name="cells", scale=(2, 0.5, 0.5), translate=(0, 3, 4))
    session = session_of(model)
    session.use(LayerStack(image))
    new_labels(model, session, session.stack, image)
    painting = Painting([session.stack], live=True)
    request = TrainingRequest(painting.stacks, PRESETS["paint"], None, painting=painting)
    return Training(model, session, request, "Training while you paint")


@pytest.fixture
def dock(qtbot):
    """What the list lies in, and lives as long as."""
    dock = QWidget()
    qtbot.addWidget(dock)
    return dock


@pytest.fixture
def listed(model, training, dock):
    """The list, before the training is there."""
    listed = PaintNext(paint_mode_of(model, session_of(model)).next, dock)
    assert listed.isHidden()
    return listed


@pytest.fixture
def suggest(model, training, listed):
    """Suggest places."""

    def suggest(*places):
        session_of(model).training = training
        training._on_event(Suggested(places))
        training.looked.emit()

    return suggest


@pytest.fixture
def press(model):
    """Press the key."""

    def press():
        model.keymap[KeyBinding.from_str("N")](model)

    return press


def place(i, y, x, score=0.5, reason="unsure"):
    return Place(0, i, (y, y + 20, x, x + 20), score, reason)


FIRST, SECOND = place(3, 10, 60), place(5, 40, 20, 0.4, "views disagree")


def texts(listed):
    table = listed.table
    return [tuple(table.item(row, k).text() for k in range(3)) for row in range(table.rowCount())]


def marks(viewer):
    return [layer for layer in viewer.layers if isinstance(layer, Shapes)]


def test_the_list_says_where_and_why(listed, suggest):
    suggest()
    assert not listed.isHidden()
    assert listed.table.isHidden()
    assert listed.note.text() == "The network is sure wherever it looked so far."
    suggest(FIRST, SECOND)
    assert texts(listed) == [("3", "20, 70", "unsure"), ("5", "50, 30", "views disagree")]
    assert listed.table.currentRow() == -1
    assert not listed.table.isHidden()


def test_a_click_goes_there_zooms_in_and_marks_it(model, training, listed, suggest):
    suggest(FIRST, SECOND)
    labels = session_of(model).labels_layer
    listed.table.setCurrentCell(1, 0)
    assert model.dims.point[0] == 5 * 2
    camera = getattr(model, "scene", model).camera
    # column 29.5 is near the border: the image, from 3.75 on, fills the canvas, which shows 54
    assert camera.center[-2:] == pytest.approx((3 + 49.5 * 0.5, 3.75 + 54 / 2))
    assert camera.zoom == pytest.approx(600 / 3 / 12)  # 24 px of 0.5
    (mark,) = marks(model)
    assert mark.data[0][0].tolist() == [5, 37.5, 17.5]  # grown to 24 px
    assert model.layers.selection.active is labels
    assert labels.mode == "paint"
    assert training.job.looked_at == [SECOND]
    # where one is stays in the list, chosen, until one goes on
    assert [row[0] for row in texts(listed)] == ["5", "3"]
    assert listed.table.currentRow() == 0


def test_the_key_goes_from_one_to_the_next(model, training, listed, suggest, press):
    suggest(FIRST, SECOND)
    press()
    assert model.dims.point[0] == 3 * 2
    assert listed.table.currentRow() == 0  # it was the first before
    press()
    assert model.dims.point[0] == 5 * 2
    assert [row[0] for row in texts(listed)] == ["5"]
    press()  # there is no other one
    assert model.dims.point[0] == 5 * 2
    assert len(marks(model)) == 1
    assert training.job.looked_at == [FIRST, SECOND]


def test_the_outline_is_not_in_the_way_of_painting_and_undo(model, suggest, press):
    suggest(FIRST)
    labels = session_of(model).labels_layer
    before = labels.data.copy()
    labels.data_setitem((np.full(9, 3), np.full(9, 15), np.arange(61, 70)), 2)
    press()
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)
    assert len(marks(model)) == 1


def test_all_is_taken_away_at_the_end(model, training, listed, suggest, press):
    suggest(FIRST)
    press()
    training.over.emit()
    assert not marks(model)
    assert listed.isHidden()
    press()
    assert not marks(model)


def test_without_the_labels_it_leads_nowhere(model, suggest, press):
    suggest(FIRST)
    model.layers.remove(session_of(model).labels_layer)
    press()
    assert not marks(model)


def test_another_stack_may_be_chosen_meanwhile(model, cells, training, suggest, press):
    suggest(FIRST)
    labels = session_of(model).labels_layer
    other = model.add_image(cells[0][:2], name="other")
    session_of(model).use(LayerStack(other))
    press()
    (mark,) = marks(model)
    np.testing.assert_array_equal(mark.scale, labels.scale)


def test_a_real_training_suggests_places(viewer, cells, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path / "documents"))
    tiny = PRESETS["paint"].changed(network=UNetConfig(depth=1, width=4, norm="batch"), tile=60,
                                    batch=2, device="cpu")  # fmt: skip
    monkeypatch.setitem(PRESETS, "paint", tiny)
    image = viewer.add_image(cells[0], name="cells")
    session_of(viewer).use(LayerStack(image))
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.paint.new.click()
    labels = dock.session.labels_layer
    labels.data_setitem((np.zeros(30, int), np.full(30, 5), np.arange(30)), 1)
    labels.data_setitem((np.zeros(30, int), np.full(30, 50), np.arange(30)), 2)
    until(lambda: dock.session.training is not None, 60)
    until(lambda: dock.next.table.rowCount(), 60)
    training = dock.session.training
    viewer.window.remove_dock_widget(dock)  # the key is the viewer's
    viewer.keymap[KeyBinding.from_str("N")](viewer)
    assert len(marks(viewer)) == 1
    training.stop()
    until(lambda: not training.is_running, 60)
    assert not marks(viewer)
    dock.deleteLater()
    pump(0.05)


def test_where_a_slice_is_in_labels_of_a_part(model):
    image = np.zeros((2, 6, 8, 8), np.uint8)
    whole = model.add_labels(np.zeros((2, 6, 8, 8), np.uint8))
    stack = Stack("a", image, "tzyx")
    assert _index_in(whole, stack, 7) == (1, 1)
    part = model.add_labels(np.zeros((2, 8, 8), np.uint8))
    assert _index_in(part, stack, 7) is None
    stack = Stack("a", image, "tzyx", labels=np.zeros((2, 8, 8), np.uint8), annotated=(4, 7))
    assert _index_in(part, stack, 7) == (1,)
    assert _index_in(part, stack, 6) is None
    plane = model.add_labels(np.zeros((8, 8), np.uint8))
    stack = Stack("a", image, "tzyx", labels=np.zeros((1, 8, 8), np.uint8), annotated=(7,))
    assert _index_in(plane, stack, 7) == ()
