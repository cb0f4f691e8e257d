"""Start from a painted run: its labels are made anew, and its training goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_unet.app.run_places import interrupted_runs, painted_runs, runs_folder
from napari_unet.app.session import session_of
from napari_unet.config.presets import PRESETS
from napari_unet.images.stack import Stack
from napari_unet.training.journal import Journal
from napari_unet.training.painting import Painting, to_paint
from napari_unet.training.run_folder import RunFolder
from napari_unet.training.strokes import Stroke
from napari_unet.training.trainer import Trainer
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.train.new_labels import COLOURS
from napari_unet.widgets.train.train_dock import TrainDock

from .conftest import until

pytestmark = pytest.mark.usefixtures("quick_presets")

PLACE = {"scale": (2, 0.5, 0.5), "translate": (0, 3, 4)}
NAMES = ("ground", "cell", "rim")
SCRIPT = (
    Stroke(0, 0, 0, ((5, 5), (5, 40)), 5),
    Stroke(0, 0, 1, ((50, 5), (50, 40)), 5),
    Stroke(3, 2, 2, ((20, 20), (40, 60)), 7),
    Stroke(4, 2, None, ((30, 40), (34, 44)), 3),
)


@pytest.fixture
def run(cells):
    """A run of yesterday: three classes painted, six steps."""
    folder = runs_folder() / "yesterday"
    stack = to_paint(Stack("cells", cells[0], "zyx", scale=PLACE["scale"]), NAMES)
    painting = Painting([stack], Journal(folder), script=SCRIPT)
    config = PRESETS["paint"].changed(steps=6)
    list(Trainer(painting.stacks, config, folder, painting=painting).run())
    history = folder / "history.jsonl"  # it was stopped, not finished
    lines = [line for line in history.read_text().splitlines() if '"Finished"' not in line]
    history.write_text("\n".join(lines) + "\n")
    described = json.loads((folder / "run.json").read_text())
    described["config"]["steps"] = 10**6
    (folder / "run.json").write_text(json.dumps(described))
    return folder, painting


@pytest.fixture
def dock(viewer, run):
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    training = dock.session.training
    if training is not None and training.is_running:
        training.stop()
        until(lambda: not training.is_running, 60)


def choose(dock, run):
    dock.start_from.value = ("painted", run)
    dock.start_from.chosen.emit(dock.start_from.value)


def test_a_painted_run_is_offered_as_such_alone(dock, run):
    assert painted_runs(runs_folder()) == [run[0]]
    assert interrupted_runs(runs_folder()) == []
    assert "painted run yesterday" in [
        dock.start_from.itemText(k) for k in range(dock.start_from.count())
    ]


def test_its_labels_are_made_anew_and_its_training_goes_on(dock, run, cells):
    folder, painting = run
    image = dock.viewer.add_image(cells[0], name="called otherwise", **PLACE)
    dock.session.use(LayerStack(image))
    choose(dock, folder)
    until(lambda: dock.control.start.full_text == "Go on painting yesterday")
    dock.control.start.click()
    until(lambda: dock.session.training is not None)
    labels, training = dock.session.labels_layer, dock.session.training
    assert np.array_equal(labels.data, painting.whole(0))
    assert (labels.data == 3).any()
    assert tuple(labels.scale) == PLACE["scale"]
    assert tuple(labels.translate) == PLACE["translate"]
    assert labels.features["name"].tolist() == list(NAMES)
    shown = [
        "#" + "".join(f"{round(255 * c):02x}" for c in labels.get_color(k)[:3]) for k in (1, 2, 3)
    ]
    assert shown == list(COLOURS[:3])
    assert labels.mode == "paint"
    assert dock.paint.switch.isChecked()
    assert training.request.run == folder
    until(lambda: training.step is not None, 60)
    assert training.step.step > 6
    assert training.error is None
    before = len(Journal(folder).edits)
    labels.data_setitem((np.full(9, 4), np.full(9, 70), np.arange(9)), 2)
    until(lambda: len(Journal(folder).edits) == before + 1)  # and nothing else was taken for new


def test_what_another_window_goes_on_with_is_left_alone(dock, run, cells):
    dock.session.use(LayerStack(dock.viewer.add_image(cells[0], **PLACE)))
    with RunFolder(run[0]).locked():
        before = (run[0] / "journal.jsonl").read_bytes()
        choose(dock, run[0])
        until(lambda: dock.control.start.full_text == "Go on painting yesterday")
        dock.control.start.click()
        until(lambda: "being written by another training" in dock.control.problem.text())
        assert dock.session.labels_layer is None  # there is nothing to paint in that is not saved
        assert dock.session.training is None
        assert (run[0] / "journal.jsonl").read_bytes() == before


def test_pixels_of_another_size_are_refused_before_anything_is_made(dock, run, cells):
    image = dock.viewer.add_image(cells[0], name="cells", scale=(2, 0.25, 0.25))
    dock.session.use(LayerStack(image))
    choose(dock, run[0])
    until(lambda: "2 × 0.25 × 0.25 pixel now" in dock.control.problem.text())
    assert "were 2 × 0.5 × 0.5 pixel" in dock.control.problem.text()
    assert not dock.control.start.isEnabled()
    image.scale = PLACE["scale"]
    until(lambda: dock.control.start.full_text == "Go on painting yesterday")


def test_another_image_is_refused_before_anything_is_made(dock, run, cells):
    image = dock.viewer.add_image(cells[0][:, :90], name="small")
    dock.session.use(LayerStack(image))
    choose(dock, run[0])
    until(lambda: "was painted on 'cells' (6 × 96 × 112)" in dock.control.problem.text())
    assert not dock.control.start.isEnabled()


def test_other_pixels_of_the_same_size_are_refused(dock, run, cells):
    image = dock.viewer.add_image(255 - cells[0], name="cells", **PLACE)
    dock.session.use(LayerStack(image))
    choose(dock, run[0])
    until(lambda: dock.control.start.full_text == "Go on painting yesterday")
    dock.control.start.click()
    until(lambda: "are not those that yesterday was painted on" in dock.control.problem.text())
    assert dock.session.training is None
    assert len(dock.viewer.layers) == 1


def test_without_an_image_it_is_asked_for(dock, run):
    choose(dock, run[0])
    assert "Open the image" in dock.control.problem.text()
    assert session_of(dock.viewer).training is None
