"""The slider over a training: what was predicted at an earlier step, and on from there."""

from __future__ import annotations

import itertools
import json
from functools import partial
from time import sleep

import numpy as np
import pytest

from napari_unet.app.session import session_of
from napari_unet.config.presets import PRESETS
from napari_unet.prediction.arrays import predict_labels
from napari_unet.training.run_folder import RunFolder, load_model
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.latest import Latest
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.train.train_dock import TrainDock

from .conftest import pump, until
from .test_paint import begun

pytestmark = pytest.mark.usefixtures("quick_presets")

STEPS = 30


def make_dock(viewer, image, labels=None):
    layers = [viewer.add_image(image, name="cells", scale=(2, 0.5, 0.5))]
    if labels is not None:
        layers.append(viewer.add_labels(labels, name="marks", scale=(2, 0.5, 0.5)))
    session_of(viewer).use(LayerStack(*layers))
    viewer.dims.set_point(0, 0)
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    return dock


@pytest.fixture
def dock(viewer, cells):
    """A training of thirty steps that is over."""
    dock = make_dock(viewer, *cells)
    session_of(viewer).config = PRESETS["fast"].changed(steps=STEPS, validate_every=5)
    until(lambda: dock.control.start.isEnabled(), 60)
    assert not dock.past.isVisibleTo(dock)
    dock.control.start.click()
    until(lambda: dock.session.training is not None and not dock.session.training.is_running, 120)
    yield dock
    training = dock.session.training
    if training.is_running:
        training.stop()
        until(lambda: not training.is_running, 60)


@pytest.fixture
def painting(viewer, cells):
    dock = make_dock(viewer, cells[0])
    labels, training = begun(dock)
    until(lambda: training.step.step > 25, 60)
    yield dock, labels, training
    training = dock.session.training
    if training.is_running:
        training.stop()
        until(lambda: not training.is_running, 60)


def earlier(dock):
    layers = [one for one in dock.viewer.layers if "earlier prediction" in one.name]
    assert len(layers) <= 1
    return layers[0] if layers else None


def shows(dock, i, step):
    """Whether a slice is shown exactly as the snapshot predicts it."""
    layer, training = earlier(dock), dock.session.training
    if layer is None or not layer.visible:
        return False
    model = load_model(training.request.run, step)
    expected = predict_labels(model, training.job.stack, slices=(i,), device="cpu")[0]
    return np.array_equal(layer.data[i], expected)


def test_the_slice_is_shown_as_it_was_predicted_with_its_scores(dock):
    past, run = dock.past, dock.session.training.request.run
    assert past.isVisibleTo(dock)
    assert past.step is None
    assert list(RunFolder(run).snapshots.files()) == [10, 20, 30]
    past.slider.setValue(0)
    assert past.step == 10
    until(lambda: shows(dock, 0, 10), 60)
    model = load_model(run, 10)
    assert past.line.text() == (
        f"step 10 · loss {model.run['scores']['loss']:.3f} · IoU {model.run['scores']['iou']:.3f}"
    )
    past.slider.setValue(1)
    until(lambda: shows(dock, 0, 20), 60)
    layer = earlier(dock)
    assert tuple(layer.scale) == (2, 0.5, 0.5)


def test_the_slice_that_is_turned_to_is_shown_and_others_are_not_left_over(dock):
    past = dock.past
    past.slider.setValue(0)
    until(lambda: shows(dock, 0, 10), 60)
    dock.viewer.dims.set_point(0, 4)
    until(lambda: shows(dock, 2, 10), 60)
    assert shows(dock, 0, 10)
    past.slider.setValue(2)
    until(lambda: shows(dock, 2, 30), 60)
    assert not earlier(dock).data[0].any()


def test_the_latest_request_wins(dock):
    past = dock.past
    for k in (0, 1, 2, 0, 1):
        past.slider.setValue(k)
    until(lambda: shows(dock, 0, 20), 60)
    pump(0.5)
    assert shows(dock, 0, 20)
    assert past.line.text().startswith("step 20")


def test_all_the_way_to_the_right_is_now(dock):
    live = dock.session.training.live_layer
    past = dock.past
    past.slider.setValue(0)
    until(lambda: earlier(dock) is not None, 60)
    assert not live.visible
    assert past.go_on.isEnabled()
    past.slider.setValue(3)
    assert past.step is None
    assert live.visible
    assert not earlier(dock).visible
    assert not past.go_on.isEnabled()


def test_going_on_from_a_step_is_a_run_of_its_own_and_later_steps_stay(dock):
    former = dock.session.training
    run = former.request.run
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    dock.past.slider.setValue(1)
    until(lambda: dock.past.go_on.isEnabled(), 60)
    dock.past.go_on.click()
    until(lambda: dock.session.training is not former, 60)
    again = dock.session.training
    until(lambda: not again.is_running, 120)
    assert again.error is None
    assert again.request.run != run
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    begun_with = load_model(again.request.run / "snapshots" / "step-000000.safetensors")
    then = load_model(run, 20)
    for name, values in then.network.state_dict().items():
        assert np.array_equal(values, begun_with.network.state_dict()[name])


def test_a_damaged_snapshot_is_said(dock):
    run = dock.session.training.request.run
    file = RunFolder(run).snapshots.files()[10]
    file.write_bytes(file.read_bytes()[:200])
    dock.past.slider.setValue(0)
    until(lambda: "damaged" in dock.past.line.text(), 60)
    assert not dock.past.go_on.isEnabled()
    assert earlier(dock) is None


def test_while_it_is_painted_into(painting):
    dock, labels, training = painting
    past = dock.past
    until(lambda: past.isVisibleTo(dock), 60)
    past.slider.setValue(0)
    step = past.step
    until(lambda: shows(dock, 0, step), 60)
    layers = dock.viewer.layers
    assert layers.index(earlier(dock)) < layers.index(labels)
    assert earlier(dock).contour > 0
    assert layers.selection.active is labels
    ran = training.step.step
    until(lambda: training.step.step > ran + 25, 60)  # more snapshots come, and early ones go
    pump(2.5)
    assert past.step == min(past.steps, key=lambda one: abs(one - step))
    painted, run = labels.data.copy(), training.request.run
    past.go_on.click()
    until(lambda: dock.session.training is not training, 60)
    again = dock.session.training
    until(lambda: again.step is not None, 60)
    assert again.request.run != run
    assert again.request.painting is not None
    assert np.array_equal(again.request.stacks[0].label_plane(0), painted[0])
    assert json.loads((again.request.run / "run.json").read_text())["started_from"]
    assert past.step is None  # of the new one


def test_closing_the_dock_takes_the_layer_away(dock):
    dock.past.slider.setValue(0)
    until(lambda: earlier(dock) is not None, 60)
    dock.viewer.window.remove_dock_widget(dock)
    assert earlier(dock) is None
    dock.deleteLater()
    pump(0.05)


def test_what_is_not_wanted_any_more_is_stopped_at_its_next_event(viewer):
    dock = Dock(viewer)
    viewer.window.add_dock_widget(dock)
    latest, told, closed = Latest(dock), [], []

    def endless(name):
        try:
            for k in itertools.count():
                sleep(0.01)
                yield name, k
        finally:
            closed.append(name)

    latest.done.connect(told.append)
    latest.follow(partial(endless, "first"))
    until(lambda: told)
    latest.follow(partial(endless, "second"))
    latest.follow(partial(endless, "third"))
    until(lambda: told[-1][0] == "third")
    assert closed == ["first"]
    names = [name for name, _ in told]
    assert names == sorted(names)  # nothing of the first after that
    assert "second" not in names
    latest.cancel()
    until(lambda: not latest.is_busy)
    assert closed == ["first", "third"]
