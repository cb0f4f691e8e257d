"""Painting into a running training, in the window: from an image and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.run_places import painted_runs
from napari_unet.app.session import session_of
from napari_unet.training.journal import Journal
from napari_unet.training.painted_run import PaintedRun
from napari_unet.training.painting import Painting
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.train.labels_watch import LabelsWatch
from napari_unet.widgets.train.new_labels import new_labels
from napari_unet.widgets.train.paint_mode import paint_mode_of
from napari_unet.widgets.train.train_dock import TrainDock

from .conftest import pump, until

pytestmark = pytest.mark.usefixtures("quick_presets")


@pytest.fixture
def dock(viewer, cells):
    image = viewer.add_image(cells[0], name="cells", scale=(2, 0.5, 0.5), translate=(0, 3, 4))
    session_of(viewer).use(LayerStack(image))
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    training = dock.session.training
    if training is not None and training.is_running:
        training.stop()
        until(lambda: not training.is_running, 60)


def after_one_stroke(dock):
    """A training that has nothing to tell apart yet."""
    labels = dock.session.labels_layer
    labels.data_setitem((np.zeros(30, int), np.full(30, 5), np.arange(30)), 1)
    until(lambda: dock.session.training is not None)
    training = dock.session.training
    until(lambda: training.waiting is not None, 60)
    return training


def begun(dock):
    """A training that runs on two strokes."""
    dock.paint.new.click()
    labels = dock.session.labels_layer
    training = after_one_stroke(dock)
    labels.data_setitem((np.zeros(30, int), np.full(30, 50), np.arange(30)), 2)
    until(lambda: training.step is not None, 60)
    return labels, training


def taken(training):
    return training.request.painting.journal


def test_where_labels_are_missing_one_button_makes_them(dock):
    assert not dock.paint.new.isHidden()
    dock.paint.new.click()
    image, labels = dock.session.image_layer, dock.session.labels_layer
    assert labels.data.shape == image.data.shape
    assert tuple(labels.scale) == tuple(image.scale)
    assert tuple(labels.translate) == tuple(image.translate)
    assert labels.mode == "paint"
    assert labels.selected_label == 2
    assert dock.viewer.layers.selection.active is labels
    assert dock.session.stack.scheme.annotation == "sparse"
    assert dock.session.stack.scheme.names == ("background", "foreground")
    assert dock.paint.new.isHidden()
    assert dock.paint.switch.isChecked()
    assert dock.control.problem.text() == ""  # nothing is wrong: it was only just begun
    assert "as soon as two classes" in dock.control.cost.text()
    dock.paint.switch.click()
    assert "Training needs labelled slices" in dock.control.problem.text()


def test_two_strokes_begin_a_training_and_every_further_one_reaches_it(dock):
    labels, training = begun(dock)
    assert dock.control.start.full_text.startswith("Training while you paint")
    assert dock.progress.iou.isHidden()  # nothing validates
    assert not dock.progress.loss.isHidden()
    journal = taken(training)
    assert np.array_equal(training.request.stacks[0].label_plane(0), labels.data[0])
    before = len(journal.edits)
    labels.data_setitem((np.full(9, 2), np.full(9, 70), np.arange(9)), 2)
    until(lambda: journal.in_effect > before)
    assert np.array_equal(training.request.stacks[0].label_plane(2), labels.data[2])
    labels.undo()
    dock.viewer.dims.set_point(0, 4)  # slice 2
    labels.undo()
    until(lambda: not training.request.stacks[0].label_plane(2).any())


def test_fill_erase_and_new_data_count(dock):
    labels, training = begun(dock)
    stack = training.request.stacks[0]
    labels.fill((0, 5, 3), 2)
    until(lambda: np.array_equal(stack.label_plane(0), labels.data[0]))
    labels.data_setitem((np.zeros(5, int), np.full(5, 50), np.arange(5)), 0)
    until(lambda: np.array_equal(stack.label_plane(0), labels.data[0]))
    other = labels.data.copy()
    other[3, 10:20, 10:20] = 1
    labels.data = other
    until(lambda: np.array_equal(stack.label_plane(3), other[3]))


def test_the_prediction_lies_below_the_strokes_as_contours(dock):
    labels, training = begun(dock)
    until(lambda: training.live_layer is not None, 60)
    layers = dock.viewer.layers
    assert layers.index(training.live_layer) < layers.index(labels)
    assert training.live_layer.contour > 0
    assert layers.selection.active is labels


def test_strokes_are_in_the_run_folder_as_they_are_painted(dock):
    labels, training = begun(dock)
    labels.data_setitem((np.full(9, 2), np.full(9, 70), np.arange(9)), 2)
    until(lambda: len(Journal(training.request.run).edits) == len(taken(training).edits) >= 2)


def test_the_first_stroke_is_saved_and_offered_before_there_is_anything_to_learn(dock):
    dock.paint.new.click()
    training = after_one_stroke(dock)
    assert "another class" in dock.progress.line.text()
    assert dock.next.note.text() == ""
    assert painted_runs() == [training.request.run]
    (edit,) = Journal(training.request.run).edits
    assert (edit.slice_index, edit.box) == (0, (5, 6, 0, 30))
    assert training.step is None


def test_stopped_before_the_second_class_it_goes_on_in_the_same_run(dock):
    dock.paint.new.click()
    training = after_one_stroke(dock)
    training.stop()
    until(lambda: not training.is_running, 60)
    labels = dock.session.labels_layer
    labels.data_setitem((np.zeros(30, int), np.full(30, 50), np.arange(30)), 2)
    dock.paint.switch.click()
    until(lambda: dock.session.training is not training)
    again = dock.session.training
    assert again.request.run == training.request.run
    until(lambda: again.step is not None, 60)
    until(lambda: np.array_equal(again.request.stacks[0].label_plane(0), labels.data[0]))


def test_closing_the_dock_ends_nothing_and_a_new_one_shows_it(dock):
    labels, training = begun(dock)
    dock.viewer.window.remove_dock_widget(dock)
    step, before = training.step.step, taken(training).in_effect
    until(lambda: training.step.step > step, 30)
    labels.data_setitem((np.full(9, 2), np.full(9, 70), np.arange(9)), 2)
    until(lambda: taken(training).in_effect > before)
    again = TrainDock(dock.viewer)
    dock.viewer.window.add_dock_widget(again)
    assert again.control.start.full_text.startswith("Training while you paint")
    dock.deleteLater()
    pump(0.05)


def test_a_value_that_is_no_class_is_said_and_the_training_goes_on(dock, monkeypatch):
    said = []
    monkeypatch.setattr("napari_unet.widgets.train.running.show_error", said.append)
    labels, training = begun(dock)
    labels.data_setitem((np.full(9, 2), np.full(9, 70), np.arange(9)), 9)
    until(lambda: said)
    assert "label value 9 was painted" in str(said[0])
    step = training.step.step
    until(lambda: training.step.step > step, 30)


def test_after_stop_a_stroke_begins_nothing_and_the_switch_goes_on(dock):
    labels, training = begun(dock)
    until(lambda: training.step.step > 2, 60)
    training.stop()
    until(lambda: not training.is_running, 60)
    assert not dock.paint.switch.isChecked()
    labels.data_setitem((np.full(9, 2), np.full(9, 70), np.arange(9)), 2)
    pump(0.5)
    assert dock.session.training is training
    dock.paint.switch.click()
    until(lambda: dock.session.training is not training)
    again = dock.session.training
    assert again.request.run == training.request.run
    until(lambda: again.step is not None, 60)
    assert again.step.step > training.ended.step
    # what was painted meanwhile has come along
    until(lambda: np.array_equal(again.request.stacks[0].label_plane(2), labels.data[2]))


def test_a_stroke_is_looked_at_in_its_box_alone(model, cells, monkeypatch, qapp):
    image = model.add_image(cells[0])
    session = session_of(model)
    session.use(LayerStack(image))
    labels = new_labels(model, session, session.stack, image)
    painting, seen = Painting([session.stack], live=True), []
    watch = LabelsWatch(model, session.source, painting)
    until(lambda: not watch.is_looking)
    difference = painting.difference

    def watched(stack_index, i, values, corner=(0, 0)):
        seen.append((i, values.shape))
        return difference(stack_index, i, values, corner)

    monkeypatch.setattr(painting, "difference", watched)
    model.dims.set_point(0, 2)
    labels.paint((2, 70, 30), 2)
    side = labels.brush_size
    until(lambda: seen and not watch.is_looking)
    (looked,) = seen
    assert looked[0] == 2
    assert max(looked[1]) <= side + 1
    assert len(painting.journal.edits) == 1
    labels.undo()
    until(lambda: len(painting.journal.edits) == 2)
    assert not painting.drawn(0, 2).any()
    watch.stop()


def test_two_windows_that_begin_at_once_have_runs_of_their_own(make_napari_viewer, cells):
    docks, slices = [], (0, 1)
    for image in (cells[0], cells[0][::-1].copy()):
        viewer = make_napari_viewer()
        session_of(viewer).use(LayerStack(viewer.add_image(image, name="cells")))
        docks.append(TrainDock(viewer))
        viewer.window.add_dock_widget(docks[-1])
        docks[-1].paint.new.click()
    for dock, z in zip(docks, slices):
        where = np.full(30, z), np.full(30, 5), np.arange(30)
        dock.session.labels_layer.data_setitem(where, 1)
    until(lambda: all(dock.session.training is not None for dock in docks))
    for dock in docks:
        training = dock.session.training
        until(lambda training=training: training.waiting is not None, 60)
        training.stop()
        until(lambda training=training: not training.is_running, 60)
    runs = [dock.session.training.request.run for dock in docks]
    painted = [[edit.slice_index for edit in Journal(run).edits] for run in runs]
    assert painted == [[z] for z in slices]


def test_it_is_saved_where_the_dock_says(dock, tmp_path):
    dock.place.field.setText(str(tmp_path / "mine"))
    dock.place.field.editingFinished.emit()
    dock.paint.new.click()
    training = after_one_stroke(dock)
    assert painted_runs(tmp_path / "mine") == [training.request.run]
    assert painted_runs() == []


def test_a_place_that_takes_no_run_is_said_and_a_later_one_works(dock, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("napari_unet.widgets.train.paint_mode.show_error", said.append)
    (tmp_path / "file").write_text("")
    dock.place.field.setText(str(tmp_path / "file"))
    dock.place.field.editingFinished.emit()
    dock.paint.new.click()
    labels = dock.session.labels_layer
    labels.data_setitem((np.zeros(30, int), np.full(30, 5), np.arange(30)), 1)
    until(lambda: said)
    assert "choose another folder" in str(said[0])
    dock.place.field.setText(str(tmp_path / "mine"))
    dock.place.field.editingFinished.emit()
    labels.data_setitem((np.zeros(30, int), np.full(30, 50), np.arange(30)), 2)
    until(lambda: dock.session.training is not None)
    (run,) = painted_runs(tmp_path / "mine")
    until(lambda: np.array_equal(dock.session.training.job.stack.label_plane(0), labels.data[0]))
    assert dock.session.training.request.run == run


def test_new_labels_wait_for_the_training_that_learns_from_others(dock):
    labels, training = begun(dock)
    dock.viewer.layers.remove(labels)
    dock.session.use(LayerStack(dock.session.image_layer))  # as Data does
    dock.paint.new.click()
    new = dock.session.labels_layer
    assert new is not labels
    new.data_setitem((np.full(30, 1), np.full(30, 5), np.arange(30)), 1)
    pump(0.5)
    assert "neither learnt nor saved before it has stopped" in dock.paint.how.text()
    assert dock.session.training is training
    training.stop()
    until(lambda: dock.session.training is not training, 60)
    again = dock.session.training
    assert again.request.run != training.request.run
    until(lambda: np.array_equal(again.request.painting.whole(0), new.data), 60)
    assert "neither" not in dock.paint.how.text()
    assert not dock.paint.switch.isHidden()
    assert dock.paint.switch.isChecked()


def test_the_switch_is_that_of_the_labels_that_are_chosen(dock):
    dock.paint.new.click()
    assert dock.paint.switch.isChecked()
    image, first = dock.session.image_layer, dock.session.labels_layer
    other = dock.viewer.add_labels(first.data.copy())
    scheme = dock.session.stack.scheme
    dock.session.use(LayerStack(image, other, scheme=scheme))
    assert not dock.paint.switch.isChecked()
    dock.paint.switch.click()
    assert dock.paint.switch.isChecked()
    other.data_setitem((np.zeros(30, int), np.full(30, 5), np.arange(30)), 1)
    until(lambda: dock.session.training is not None)
    assert dock.session.training.request.painting.whole(0).any()


def test_with_a_class_more_a_run_of_its_own_begins_and_the_former_one_stays(dock):
    labels, training = begun(dock)
    training.stop()
    until(lambda: not training.is_running, 60)
    run, journal = training.request.run, (training.request.run / "journal.jsonl").read_bytes()
    labels.data_setitem((np.full(9, 2), np.full(9, 70), np.arange(9)), 3)
    image = dock.session.image_layer
    scheme = LabelScheme("classes", "sparse", (1, 2, 3))
    dock.session.use(LayerStack(image, labels, scheme=scheme))
    dock.paint.switch.click()
    until(lambda: dock.session.training is not training)
    again = dock.session.training
    until(lambda: again.step is not None, 60)
    assert again.request.run != run
    assert np.array_equal(again.request.painting.whole(0), labels.data)
    assert (run / "journal.jsonl").read_bytes() == journal
    PaintedRun(run).painting([dock.session.stack.with_labels(None)])


def test_the_layer_may_be_deleted(dock):
    labels, training = begun(dock)
    dock.viewer.layers.remove(labels)
    step = training.step.step
    until(lambda: training.step.step > step, 30)
    pump(0.2)


def test_the_switch_rests(dock):
    dock.paint.new.click()
    dock.paint.switch.click()
    labels = dock.session.labels_layer
    labels.data_setitem((np.zeros(30, int), np.full(30, 5), np.arange(30)), 1)
    labels.data_setitem((np.zeros(30, int), np.full(30, 50), np.arange(30)), 2)
    pump(0.6)
    assert dock.session.training is None
    dock.paint.switch.click()
    until(lambda: dock.session.training is not None)
    until(lambda: dock.session.training.step is not None, 60)


@pytest.mark.parametrize("names", [("background", "cell", "rim"), ("a", "b", "c", "d", "e")])
def test_several_classes(viewer, cells, names):
    image = viewer.add_image(cells[0], name="cells")
    session = session_of(viewer)
    session.use(LayerStack(image))
    labels = new_labels(viewer, session, session.stack, image, names)
    assert session.stack.scheme.names == names
    colours = [tuple(labels.get_color(k)) for k in range(1, len(names) + 1)]
    assert len(set(colours)) == len(names)
    assert not paint_mode_of(viewer, session).is_on
