from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_unet.app import training_job
from napari_unet.app.live_prediction import TimeShare
from napari_unet.app.run_places import (
    claim_run,
    interrupted_runs,
    new_run,
    recent_runs,
    short_path,
)
from napari_unet.app.session import session_of
from napari_unet.app.training_job import TrainingRequest
from napari_unet.base.errors import CheckpointError
from napari_unet.base.quantities import about
from napari_unet.config.network import UNetConfig
from napari_unet.config.presets import PRESETS
from napari_unet.training.cost import (
    parameter_count,
    step_task,
    training_bytes,
)
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.worker import Worker
from napari_unet.widgets.train.run_control import BUSY
from napari_unet.widgets.train.running import Training
from napari_unet.widgets.train.train_dock import NO_LABELS, NO_STACK, TrainDock

from .conftest import controls, pump, until


def choose_layers(viewer, image, labels=None, **placement):
    image_layer = viewer.add_image(image, name="cells", **placement)
    labels_layer = None if labels is None else viewer.add_labels(labels, name="marks", **placement)
    session_of(viewer).use(LayerStack(image_layer, labels_layer))
    return image_layer, labels_layer


def make_tiny(dock, steps=6, validate=3):
    """Set a network that takes a few milliseconds a step."""
    settings = dock.form
    settings.width.setValue(2)
    settings.depth.setValue(1)
    settings.tile.setValue(60)
    settings.batch.setValue(1)
    settings.steps.setValue(steps)
    settings.validate_every.setValue(validate)
    return dock


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path / "documents"))
    return tmp_path / "documents" / "napari-unet" / "runs"


@pytest.fixture
def dock(viewer, cells, runs):
    choose_layers(viewer, *cells)
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    return make_tiny(dock)


def one_line(tip):
    """A tooltip without the line breaks that keep it narrow."""
    return " ".join(tip.split())


def click(button):
    assert button.isEnabled(), button.toolTip()
    button.click()


def choose_start(dock, value):
    """Choose what to start from, as with the mouse."""
    dock.start_from.value = value
    assert dock.start_from.value == value
    dock.start_from.activated.emit(dock.start_from.currentIndex())


def finish(dock, seconds=60):
    until(lambda: not dock.session.training.is_running, seconds)


# -- before the start ---------------------------------------------------------------------------


def test_without_a_stack_the_button_says_what_is_missing(viewer, qtbot):
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.control.start.isEnabled()
    assert one_line(dock.control.start.toolTip()) == NO_STACK
    assert dock.control.cost.text() == NO_STACK


def test_without_labels_the_button_says_what_is_missing(viewer, cells, qtbot):
    choose_layers(viewer, cells[0])
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.control.start.isEnabled()
    assert one_line(dock.control.start.toolTip()) == NO_LABELS


def test_the_button_says_what_it_will_do_and_cost(dock):
    # 6 slices: the last 20 %, rounded, validate
    assert dock.control.start.full_text == "Train on 5 slices"
    assert "5 + 1 slices" in dock.control.cost.text()
    assert "time is known after the first steps" in dock.control.cost.text()
    dock.control.cost.remember(dock.session.config, 0.01)
    dock.form.steps.setValue(60_000)
    assert dock.control.cost.text().startswith(f"{about(600)}, ")
    dock.form.width.setValue(4)  # another network takes another time: nothing is said
    assert "time is known after the first steps" in dock.control.cost.text()


def test_presets_fill_the_fields_and_the_fields_make_the_configuration(viewer, cells, qtbot):

    choose_layers(viewer, *cells)
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    for name in ("paper", "best", "fast"):
        radio = dock.form.preset.radio(name)
        qtbot.mouseClick(radio, Qt.MouseButton.LeftButton, pos=radio.rect().center())
        radio.click()
        assert dock.session.config == PRESETS["best-cells" if name == "best" else name]
        assert dock.form.by_hand.text() == ""
    dock.form.weights.value = None
    dock.form.weights.activated.emit(0)
    dock.form.augment.setChecked(False)
    config = dock.session.config
    assert config.weights is None
    assert config.augment == type(config.augment).none()
    assert "weight map, augmentation" in dock.form.by_hand.text()


def test_the_best_preset_follows_the_kind_of_the_labels(viewer, cells, qtbot):
    from napari_unet.annotation.labels import LabelScheme

    choose_layers(viewer, *cells)
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.preset.radio("best").click()
    assert dock.session.config == PRESETS["best-cells"]
    stack = dock.session.stack
    mask = LabelScheme(kind="classes", values=(0, 1))
    dock.session.stack = stack.with_labels(np.asarray(stack.labels) > 0, mask)
    assert dock.session.config == PRESETS["best"]


def test_a_weight_map_set_by_hand_survives_another_preset(dock):
    from napari_unet.config.weights import WeightConfig

    mine = WeightConfig(w0=3.0)
    dock.session.change(weights=mine)
    dock.form.preset.radio("best").click()
    assert dock.session.config.weights == mine
    assert "weight map" in dock.form.by_hand.text()
    dock.form.preset.radio("best").click()  # once more: all is the preset's own
    assert dock.session.config.weights == PRESETS["best-cells"].weights


def test_learning_rates_go_in_steps_of_a_half_decade(dock):
    box = dock.form.rate
    box.setValue(0.003)
    assert box.text() == "0.003"
    box.stepBy(-1)
    assert box.text() == "0.001"
    box.stepBy(-3)
    assert box.text() == "3e-05"
    box.lineEdit().setText("2e-4")
    box.interpretText()
    assert box.value() == pytest.approx(2e-4)
    assert dock.session.config.learning_rate == pytest.approx(2e-4)


def test_tiles_are_rounded_to_what_the_network_takes(dock):
    dock.form.depth.setValue(4)
    dock.form.tile.setValue(565)
    assert dock.form.tile.value() == 572


def test_the_seed_is_shared_with_the_session(dock):
    dock.form.seed.setValue(7)
    assert dock.session.config.seed == 7
    dock.session.change(seed=11)
    assert dock.form.seed.value() == 11


def test_every_control_has_a_tooltip(dock):
    for control in controls(dock):
        assert control.toolTip(), f"{control} {getattr(control, 'text', str)()}"


def test_it_fits_into_320_pixels(dock):
    assert dock.minimumSizeHint().width() <= 320
    dock.form.advanced.toggle.click()
    assert dock.column.parentWidget().minimumSizeHint().width() <= 320


# -- a training ---------------------------------------------------------------------------------


def test_a_training_ends_with_a_model_curves_and_a_run_folder(dock, runs):
    click(dock.control.start)
    assert not dock.control.start.isEnabled()
    assert one_line(dock.control.start.toolTip()) == BUSY
    finish(dock)
    assert dock.control.problem.text() == ""
    assert dock.progress.line.text().startswith("6 steps in ")
    assert "best IoU" in dock.progress.line.text()
    np.testing.assert_array_equal(dock.progress.loss.points("training")[0], np.arange(1, 7))
    np.testing.assert_array_equal(dock.progress.iou.points("validation")[0], [3, 6])
    (run,) = list(runs.iterdir())
    assert dock.session.run == run
    assert run.name.endswith("-cells-fast")
    assert {"run.json", "best.safetensors", "last.safetensors"} <= {p.name for p in run.iterdir()}
    assert dock.session.model is not None
    assert dock.session.model.run["folder"] == str(run)
    assert dock.control.start.isEnabled()
    assert not dock.progress.saved_row.isHidden()
    # the rate just measured is used for the next estimate
    assert "time is known" not in dock.control.cost.text()


def test_the_shown_slice_is_predicted_where_the_image_lies(viewer, cells, qtbot):
    choose_layers(viewer, *cells, scale=(4, 0.5, 0.5), translate=(0, 10, 20))
    viewer.dims.set_point(0, 8)  # slice 2
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    make_tiny(dock, steps=30)
    click(dock.control.start)
    finish(dock)
    layer = viewer.layers["cells · live prediction"]
    np.testing.assert_array_equal(layer.scale, (4, 0.5, 0.5))
    np.testing.assert_array_equal(layer.translate, (0, 10, 20))
    assert layer.data.dtype == np.uint8
    shown = layer.data[2]
    expected = training_job_prediction(dock, 2)
    np.testing.assert_array_equal(shown, expected)
    assert not layer.data[[0, 1, 3, 4, 5]].any()


def test_training_at_half_size_predicts_at_full_size(dock):
    dock.form.zoom.value = 0.5
    dock.form.zoom.activated.emit(1)
    assert dock.session.config.zoom == 0.5
    dock.viewer.dims.set_point(0, 2)
    click(dock.control.start)
    finish(dock)
    assert dock.control.problem.text() == ""
    assert dock.session.model.zoom == 0.5
    shown = dock.viewer.layers["cells · live prediction"].data[2]
    assert shown.shape == dock.session.stack.plane_shape
    np.testing.assert_array_equal(shown, training_job_prediction(dock, 2))


def test_a_zoom_chosen_elsewhere_is_shown(dock):
    dock.session.change(zoom=0.35)
    assert dock.form.zoom.currentText() == "35% of full size"
    assert dock.session.config.zoom == 0.35
    dock.session.change(zoom=1.0)
    assert dock.form.zoom.currentText() == "full size"


def training_job_prediction(dock, i):
    from napari_unet.prediction.arrays import predict_labels

    return predict_labels(dock.session.model, dock.session.stack, slices=(i,), device="cpu")[0]


def test_live_prediction_can_be_switched_off(dock):
    dock.progress.live.setChecked(False)
    click(dock.control.start)
    finish(dock)
    assert [layer.name for layer in dock.viewer.layers] == ["cells", "marks"]


def test_pause_holds_and_resume_goes_on(dock):
    dock.form.steps.setValue(10_000)
    click(dock.control.start)
    until(lambda: dock.progress.bar.value() > 2)
    click(dock.control.pause)
    until(lambda: dock.progress.line.text().startswith("Paused at step"))
    held = len(dock.session.training.job.losses)
    pump(0.4)
    assert len(dock.session.training.job.losses) == held
    assert dock.control.pause.text() == "&Resume"
    click(dock.control.pause)
    until(lambda: len(dock.session.training.job.losses) > held + 2)
    click(dock.control.stop)
    finish(dock)


def test_stop_acts_within_a_step_and_keeps_the_model(dock, runs):
    dock.form.steps.setValue(10_000)
    click(dock.control.start)
    until(lambda: dock.progress.bar.value() > 5)
    job = dock.session.training.job
    click(dock.control.stop)
    told = len(job.losses)
    finish(dock)
    assert len(job.losses) <= told + 1
    assert "Stopped after" in dock.progress.line.text()
    assert dock.session.model is not None
    (run,) = runs.iterdir()
    assert (run / "state.pt").is_file()
    assert dock.control.start.isEnabled()


def test_stop_while_paused(dock):
    dock.form.steps.setValue(10_000)
    click(dock.control.start)
    until(lambda: dock.progress.bar.value() > 2)
    click(dock.control.pause)
    until(lambda: dock.progress.line.text().startswith("Paused"))
    click(dock.control.stop)
    finish(dock)
    assert "Stopped after" in dock.progress.line.text()


def test_an_interrupted_run_is_resumed_where_it_stopped(dock, runs):
    dock.form.steps.setValue(400)
    click(dock.control.start)
    until(lambda: dock.progress.bar.value() > 5)
    click(dock.control.stop)
    finish(dock)
    (run,) = runs.iterdir()
    stopped = dock.session.model.run["step"]
    last = json.loads((run / "history.jsonl").read_text().splitlines()[-1])
    assert last["event"] != "Finished"
    choose_start(dock, run)
    assert dock.control.start.full_text == f"Resume {run.name}"
    click(dock.control.start)
    training = dock.session.training
    until(lambda: training.step is not None and training.step.step > stopped + 1)
    # the curves go on where they were
    until(lambda: dock.progress.loss.points("training")[0].size > stopped)
    shown = dock.progress.loss.points("training")[0]
    np.testing.assert_array_equal(shown, np.arange(1, shown.size + 1))
    click(dock.control.stop)
    finish(dock)
    assert list(runs.iterdir()) == [run]


def test_training_on_starts_from_the_current_model(dock, monkeypatch):
    import torch

    click(dock.control.start)
    finish(dock)
    first = dock.session.model
    seen = []
    original = training_job.TrainingJob.__init__
    monkeypatch.setattr(
        training_job.TrainingJob,
        "__init__",
        lambda self, request: (seen.append(request.start_from), original(self, request))[1],
    )
    assert dock.start_from.value == "model"  # what was just trained is offered
    assert dock.control.start.full_text == "Train on with 5 slices"
    dock.form.rate.setValue(1e-7)
    dock.form.steps.setValue(1)
    click(dock.control.start)
    finish(dock)
    assert seen == [first]
    before = torch.nn.utils.parameters_to_vector(first.network.parameters())
    after = torch.nn.utils.parameters_to_vector(dock.session.model.network.parameters())
    assert dock.session.model is not first
    assert float((before - after).detach().abs().max()) < 1e-5


# -- what users do meanwhile --------------------------------------------------------------------


def test_painting_deleting_and_renaming_layers_does_not_disturb(dock):
    viewer = dock.viewer
    dock.form.steps.setValue(10_000)
    click(dock.control.start)
    until(lambda: dock.progress.bar.value() > 2)
    trained = dock.session.training.job._trainer.data.stacks[0].labels
    before = trained.copy()
    viewer.layers["marks"].data[:] = 1
    viewer.layers["marks"].name = "something else"
    viewer.layers.remove("cells")
    viewer.layers.remove("something else")
    step = dock.progress.bar.value()
    until(lambda: dock.progress.bar.value() > step + 3)
    np.testing.assert_array_equal(trained, before)
    click(dock.control.stop)
    finish(dock)
    assert dock.control.problem.text() == ""
    assert dock.session.model is not None


def test_deleting_the_live_layer_switches_the_live_prediction_off(dock):
    viewer = dock.viewer
    dock.form.steps.setValue(10_000)
    click(dock.control.start)
    until(lambda: "cells · live prediction" in viewer.layers)
    viewer.layers.remove("cells · live prediction")
    until(lambda: not dock.progress.live.isChecked())
    pump(0.3)
    assert "cells · live prediction" not in viewer.layers
    dock.progress.live.setChecked(True)
    until(lambda: "cells · live prediction" in viewer.layers)
    click(dock.control.stop)
    finish(dock)


def test_closing_the_dock_ends_no_training_and_a_new_dock_shows_it(viewer, cells, runs):
    choose_layers(viewer, *cells)
    dock = TrainDock(viewer)
    docked = viewer.window.add_dock_widget(dock)
    make_tiny(dock, steps=10_000)
    click(dock.control.start)
    training = dock.session.training
    until(lambda: training.step is not None and training.step.step > 5)
    before = training.step.step
    viewer.window.remove_dock_widget(docked)
    until(lambda: training.step.step > before + 3)  # it goes on without a dock
    again = TrainDock(viewer)
    viewer.window.add_dock_widget(again)
    assert again.progress.loss.points("training")[0][0] == 1  # from its first step on
    assert again.form.steps.value() == 10_000
    assert not again.control.start.isEnabled()
    click(again.control.stop)
    finish(again)
    assert "Stopped after" in again.progress.line.text()
    assert again.control.start.isEnabled()
    assert again.session.model is not None
    closed = weakref.ref(dock)
    del dock, docked

    def is_given_back():
        gc.collect()  # of no use while a worker runs: what was there before it is not looked at
        return closed() is None

    until(is_given_back)


def test_a_training_that_is_over_holds_no_trainer(dock):
    dock.form.steps.setValue(10_000)
    click(dock.control.start)
    until(lambda: dock.progress.bar.value() > 2)
    trainer = weakref.ref(dock.session.training.job._trainer)
    click(dock.control.stop)
    finish(dock)
    gc.collect()
    assert trainer() is None  # nor the memory of a graphics card
    assert dock.session.training.job.losses


def test_settings_are_folded_away_while_a_training_runs(dock):
    assert not dock.form.isHidden()
    dock.form.steps.setValue(10_000)
    click(dock.control.start)
    assert dock.form.isHidden()
    assert not dock.settings.toggle.isHidden()
    dock.settings.toggle.click()  # they may be looked at
    assert not dock.form.isHidden()
    assert not dock.form.steps.isEnabled()
    until(lambda: dock.progress.bar.value() > 2)
    click(dock.control.stop)
    finish(dock)
    assert not dock.form.isHidden()
    assert dock.settings.toggle.isHidden()


def test_a_long_name_never_widens_the_dock(dock, runs):
    run = runs / ("2026-11-27-" + "a-very-long-name-of-a-stack-" * 8 + "fast-2")
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / "state.pt").write_text("")
    (run / "history.jsonl").write_text("")
    dock.place.changed.emit()
    choose_start(dock, run)
    assert dock.control.start.full_text == f"Resume {run.name}"
    shown = dock.control.start.text()
    assert "…" in shown
    assert shown.startswith("Resume 2026-11-27")
    assert shown.endswith("fast-2")  # where names differ
    assert one_line(dock.control.start.toolTip()).startswith(f"Resume {run.name}")
    dock.progress.saved.say(f"Run saved in {run}", tip=str(run))
    assert dock.progress.saved.toolTip() == str(run)
    assert dock.column.parentWidget().minimumSizeHint().width() <= 320
    item = dock.start_from.currentIndex()
    assert run.name in dock.start_from.itemData(item, Qt.ItemDataRole.ToolTipRole)


def test_closing_the_window_stops_and_saves(viewer, cells, runs):
    choose_layers(viewer, *cells)
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    make_tiny(dock, steps=10_000)
    click(dock.control.start)
    until(lambda: dock.progress.bar.value() > 2)
    viewer.close()
    assert not Worker.running
    (run,) = runs.iterdir()
    assert (run / "last.safetensors").is_file()
    assert (run / "state.pt").is_file()


# -- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "does not hold one tile"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "shapes cannot be"),
        (CheckpointError("the disk is full: free some space."), "The disk is full"),
    ],
)
def test_errors_in_the_worker_become_one_sentence(dock, monkeypatch, raised, said):
    from napari_unet.training import learner

    calls = []

    def learn(self, batch):
        calls.append(batch)
        if len(calls) > 2:
            raise raised
        return 0.5

    monkeypatch.setattr(learner.Learner, "learn", learn)
    monkeypatch.setattr("napari_unet.widgets.train.running.show_error", lambda error: None)
    click(dock.control.start)
    finish(dock)
    assert said in dock.control.problem.text()
    assert "Traceback" not in dock.control.problem.text()
    assert dock.control.start.isEnabled()
    assert dock.form.steps.isEnabled()
    assert dock.form.rate.isEnabled()
    monkeypatch.undo()


def test_a_disk_that_fills_up_leaves_the_model_in_the_window(dock, monkeypatch):
    from napari_unet.training.run_folder import RunFolder

    def full(*_):
        raise CheckpointError("The disk is full: free some space.")

    monkeypatch.setattr(RunFolder, "write_state", full)
    monkeypatch.setattr("napari_unet.widgets.train.running.show_error", lambda error: None)
    steps = dock.form.steps.value()
    click(dock.control.start)
    finish(dock)
    assert "The disk is full" in dock.control.problem.text()
    assert dock.session.model.run["step"] == steps
    assert "Predict uses this model now" in dock.progress.line.text()
    assert dock.control.start.isEnabled()


def test_a_place_that_cannot_be_written_is_one_sentence(dock, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_unet.widgets.train.running.show_error", lambda error: None)
    file = tmp_path / "a file"
    file.write_text("")
    dock.place.field.setText(str(file / "runs"))
    click(dock.control.start)
    finish(dock)
    assert (
        "could not be written" in dock.control.problem.text()
        or "cannot" in dock.control.problem.text()
    )
    assert dock.control.start.isEnabled()


def test_labels_of_one_class_are_one_sentence(viewer, cells, qtbot, monkeypatch):
    monkeypatch.setattr("napari_unet.widgets.train.running.show_error", lambda error: None)
    choose_layers(viewer, cells[0], np.zeros_like(cells[1]))
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    make_tiny(dock)
    if dock.control.start.isEnabled():
        dock.control.start.click()
        finish(dock)
    assert dock.control.problem.text()
    assert dock.session.model is None


def test_a_loss_that_is_no_number_stops_and_says_so(dock, monkeypatch):
    from napari_unet.training import learner

    dock.form.steps.setValue(30)
    losses = chain([0.5] * 12, repeat(float("nan")))
    monkeypatch.setattr("napari_unet.widgets.train.running.show_warning", lambda text: None)
    original = learner.Learner.learn

    def learn(self, batch):
        loss = next(losses)
        if loss == loss:  # a step that diverges changes nothing
            original(self, batch)
        return loss

    monkeypatch.setattr(learner.Learner, "learn", learn)
    click(dock.control.start)
    finish(dock)
    assert "no longer a number at step 13" in dock.progress.notes.text()
    assert dock.control.start.isEnabled()
    kept = dock.session.model.run["step"]
    assert 0 < kept <= 12
    assert f"the model of step {kept} stays" in dock.progress.notes.text()


def test_a_loss_that_is_no_number_at_once_leaves_no_model(dock, monkeypatch):
    from napari_unet.training import learner

    monkeypatch.setattr("napari_unet.widgets.train.running.show_warning", lambda text: None)
    monkeypatch.setattr(learner.Learner, "learn", lambda self, batch: float("nan"))
    click(dock.control.start)
    finish(dock)
    assert "nothing good had been kept yet" in dock.progress.notes.text()
    assert dock.session.model is None
    assert "Nothing was learned" in dock.progress.line.text()


# -- opening ------------------------------------------------------------------------------------


def test_opening_the_dock_imports_no_torch():
    code = (
        "import sys\n"
        "from napari.components import ViewerModel\n"
        "from qtpy.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "from napari_unet.widgets.train.train_dock import TrainDock\n"
        "from napari_unet.widgets.predict.predict_dock import PredictDock\n"
        "from napari_unet.widgets.evaluate.evaluate_dock import EvaluateDock\n"
        "viewer = ViewerModel()\n"
        "docks = [dock(viewer) for dock in (TrainDock, PredictDock, EvaluateDock)]\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "False", done.stderr


# -- small parts --------------------------------------------------------------------------------


def test_the_time_share_is_kept():
    now = [0.0]
    share = TimeShare(0.2, clock=lambda: now[0])
    spent = ran = 0.0
    while now[0] < 1000:
        if share.affords():
            now[0] += 3.0
            spent += 3.0
            share.charge()
            ran += 1
        now[0] += 0.5
    assert ran > 10
    assert spent / now[0] == pytest.approx(0.2, abs=0.02)


def test_a_slice_just_turned_to_is_predicted_on_credit_but_not_in_debt():
    now = [0.0]
    share = TimeShare(0.1, clock=lambda: now[0])
    assert share.affords()
    now[0] += 1.0
    share.charge()
    assert not share.affords(on_credit=True)
    now[0] += 9.1
    assert share.affords(on_credit=True)


def test_cost_counts_the_papers_network():
    paper = PRESETS["paper"]
    assert parameter_count(paper.network) == 31_030_658
    assert training_bytes(paper.changed(optimiser="adam")) > training_bytes(paper)


@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("classes", [2, 5])
def test_parameters_are_counted_as_the_network_has_them(depth, classes):
    from napari_unet.network.unet import UNet

    config = UNetConfig(in_channels=3, classes=classes, depth=depth, width=4)
    assert parameter_count(config) == UNet(config).parameter_count
    with_maps = replace(config, object_maps=("distance",))
    assert parameter_count(with_maps) == UNet(with_maps).parameter_count


def test_the_time_of_a_step_belongs_to_its_device_network_and_tiles():
    fast = PRESETS["fast"]
    assert step_task(fast) == step_task(fast.changed(steps=9, seed=3, preset="mine"))
    others = [{"device": "cpu"}, {"tile": 300}, {"batch": 2}, {"network": {"width": 8}},
              {"network": {"classes": 3}}, {"network": {"norm": "none"}}]  # fmt: skip
    tasks = {step_task(fast.changed(**one)) for one in others}
    assert len(tasks | {step_task(fast)}) == 7


def test_run_folders_have_names_of_their_own(tmp_path):
    first = new_run("My cells/2", "fast", tmp_path)
    assert first.name.endswith("-my-cells-2-fast")
    first.mkdir()
    assert new_run("My cells/2", "fast", tmp_path).name == f"{first.name}-2"
    assert claim_run("My cells/2", "fast", tmp_path).name == f"{first.name}-2"
    assert claim_run("My cells/2", "fast", tmp_path).name == f"{first.name}-3"


def test_only_unfinished_runs_can_be_resumed(tmp_path):
    for name, history in (("a", '{"event": "Step"}\n'), ("b", '{"event": "Finished"}\n')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
        (tmp_path / name / "state.pt").write_text("")
        (tmp_path / name / "history.jsonl").write_text(history)
    (tmp_path / "c").mkdir()
    assert {run.name for run in recent_runs(tmp_path)} == {"a", "b"}
    assert [run.name for run in interrupted_runs(tmp_path)] == ["a"]
    assert recent_runs(tmp_path / "nowhere") == []


def test_paths_are_shortened_for_people():
    assert short_path(Path.home() / "x") == str(Path("~") / "x")
    long = Path("/data/laboratory/microscope/napari-unet/runs/2026-11-23-em-fast")
    assert short_path(long) == str(Path("/data/…/runs/2026-11-23-em-fast"))


# -- the model and the labels -------------------------------------------------------------------


def test_it_says_how_many_slices_of_labels_are_newer_than_the_model(dock):
    click(dock.control.start)
    finish(dock)
    assert dock.start_from.value == "model"
    marks = dock.viewer.layers["marks"]
    dock.newer.look()
    assert dock.newer.text() == ""
    marks.data_setitem((np.array([1, 4]), np.array([3, 3]), np.array([3, 3])), 5)  # two strokes
    until(lambda: dock.newer.text() == "2 slices of labels newer than this model: train on.")
    choose_start(dock, None)
    assert "2 slices of labels are newer than the current model" in dock.newer.text()
    choose_start(dock, "model")
    click(dock.control.start)
    finish(dock)
    until(lambda: dock.newer.text() == "")  # it has learned from them


def test_a_model_of_other_classes_is_refused_before_the_start(dock):
    click(dock.control.start)
    finish(dock)
    network = dock.session.model.network
    network.config = replace(network.config, classes=3)
    dock.session.change(seed=1)
    assert not dock.control.start.isEnabled()
    assert "has 1 channels and 3 classes" in dock.control.problem.text()
    choose_start(dock, None)
    assert dock.control.start.isEnabled()
    assert dock.control.problem.text() == ""


def test_going_on_with_a_model_says_that_its_network_stays(dock):
    click(dock.control.start)
    finish(dock)
    assert dock.kept.text() == ""
    dock.form.width.setValue(8)
    assert dock.kept.text().startswith("The network stays the model's: 2 channels, depth 1")
    choose_start(dock, None)
    assert dock.kept.text() == ""


def trained_viewer(cells, widget):
    """A weak reference to a viewer in which a training has ended."""
    model = ViewerModel()
    choose_layers(model, *cells)
    session = session_of(model)
    network = UNetConfig(depth=1, width=2)
    session.change(network=network, tile=60, batch=1, steps=3, device="cpu")
    training = Training(model, session, TrainingRequest(session.stacks, session.config, None), "")
    session.training = training
    training.start(widget)
    until(lambda: not training.is_running, 60)
    pump(0.1)
    return weakref.ref(model)


def test_a_viewer_that_trained_can_go(cells, qtbot, runs):
    """What the session of a viewer keeps of a training does not keep the viewer."""
    widget = QWidget()
    qtbot.addWidget(widget)
    gone = trained_viewer(cells, widget)
    gc.collect()
    assert gone() is None
