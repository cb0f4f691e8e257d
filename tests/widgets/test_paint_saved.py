"""What was painted is there tomorrow, however the window ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from napari_unet.app.run_places import painted_runs
from napari_unet.base.errors import InputError
from napari_unet.config.network import UNetConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.stack import Stack
from napari_unet.training.begun import note_begun
from napari_unet.training.events import Finished
from napari_unet.training.journal import Edit, Journal
from napari_unet.training.painted_run import PaintedRun
from napari_unet.training.painting import Painting, to_paint
from napari_unet.training.trainer import Trainer

PAINTED_INTO = """
    import os, signal, sys, time
    from pathlib import Path
    import numpy as np
    from qtpy.QtWidgets import QApplication
    application = QApplication([])
    from napari.components import ViewerModel
    from napari_unet.app.session import session_of
    from napari_unet.training.journal import Journal
    from napari_unet.training.painting import Painting
    from napari_unet.widgets.common.layer_stack import LayerStack
    from napari_unet.widgets.train.labels_watch import LabelsWatch
    from napari_unet.widgets.train.new_labels import new_labels

    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((64, 400), np.uint8))
    session = session_of(viewer)
    session.use(LayerStack(image))
    labels = new_labels(viewer, session, session.stack, image)
    painting = Painting([session.stack], Journal(Path(sys.argv[1])), live=True)
    watch = LabelsWatch(viewer, session.source, painting)
    begun, x = time.monotonic(), 0
    with labels.block_history():  # the mouse is down, and moves without a rest
        while time.monotonic() - begun < 2.5:
            x = min(x + 1, 399)
            labels.paint((20, x), 2)
            print(time.monotonic(), x, flush=True)
            until = time.monotonic() + 0.01
            while time.monotonic() < until:
                application.processEvents()
    print(time.monotonic(), -1, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_window_loses_at_most_the_last_second_of_a_stroke(tmp_path):
    code = textwrap.dedent(PAINTED_INTO)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    moves = [line.split() for line in done.stdout.splitlines()]
    times, places = (np.array(column, float) for column in zip(*moves))
    painted = np.zeros((64, 400), np.uint8)
    for edit in Journal(tmp_path).edits:
        painted[edit.window] = edit.values
    before = places[times < times[-1] - 1]
    assert before.size > 20
    assert painted[20, : int(before[-1]) + 1].all()


FIRST_STROKES = """
    import os, signal, sys, time
    import numpy as np
    from qtpy.QtWidgets import QApplication, QWidget
    application = QApplication([])
    from napari.components import ViewerModel
    from napari_unet.app.session import session_of
    from napari_unet.widgets.common.layer_stack import LayerStack
    from napari_unet.widgets.train.new_labels import new_labels
    from napari_unet.widgets.train.paint_mode import paint_mode_of

    viewer, window = ViewerModel(), QWidget()
    image = viewer.add_image(np.arange(64 * 400, dtype=np.uint16).reshape(64, 400))
    session = session_of(viewer)
    session.use(LayerStack(image))
    labels = new_labels(viewer, session, session.stack, image)
    paint_mode_of(viewer, session).watch(window)
    if sys.argv[2] == "one stroke":  # the mouse is not released
        labels._block_history = True
    labels.paint((20, 0), 1)
    begun, x = time.monotonic(), 0
    while time.monotonic() - begun < float(sys.argv[1]):
        if time.monotonic() - begun > 0.1 * (x + 1):  # ten strokes a second
            x += 1
            labels.paint((20, x), 1)
            print(time.monotonic(), x)
        application.processEvents()
        time.sleep(0.005)
    print(time.monotonic(), -1, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("seconds", "strokes"), [(1.2, "many"), (2.5, "many"), (8, "many"), (2.5, "one stroke")]
)
def test_strokes_before_the_training_is_ready_are_there_tomorrow(
    tmp_path, monkeypatch, seconds, strokes
):
    """Killed before, while and after the way to compute is chosen and the network is built."""
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # nothing is known of the machine
    code = textwrap.dedent(FIRST_STROKES)
    done = subprocess.run(
        [sys.executable, "-c", code, str(seconds), strokes],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    times, places = (np.array(column, float) for column in zip(*lines))
    (run,) = painted_runs()
    stack = Stack("Image", np.arange(64 * 400, dtype=np.uint16).reshape(64, 400), "yx")
    painted = PaintedRun(run).painting([stack]).whole(0)
    assert set(np.unique(painted)) <= {0, 1}
    before = places[times < times[-1] - 1]
    assert painted[20, : 1 + int(before.max(initial=0))].all()
    other = Stack("Image", np.zeros((64, 400), np.uint16), "yx")
    with pytest.raises(InputError, match="are not those"):
        PaintedRun(run).painting([other])


@pytest.mark.parametrize("model", [None, "cells"])
def test_a_painting_whose_training_had_not_begun_goes_on(tmp_path, model):
    place = tmp_path / "run"
    image = np.random.default_rng(0).integers(0, 255, (60, 60)).astype(np.uint8)
    stack = to_paint(Stack("Image", image, "yx"), ["background", "cell"])
    painting = Painting([stack], Journal(place))
    note_begun(place, painting.stacks, model)
    for k in (1, 2):
        painting.add(Edit(0, 0, (5 * k, 5 * k + 3, 4, 20), np.full((3, 16), k, np.uint8)))
    assert painted_runs(tmp_path) == [place]
    run = PaintedRun(place)
    assert ("weights of cells" in run.remark) == (model == "cells")
    again = run.painting([Stack("Image", image, "yx")])
    assert np.array_equal(again.whole(0), painting.whole(0))
    network = UNetConfig(depth=1, width=2, dropout=0.0)
    config = TrainConfig.preset_named("paint", network=network, tile=44, batch=1, steps=2)
    *_, last = Trainer(again.stacks, config, place, painting=again).run()
    assert isinstance(last, Finished)
    assert not (place / "painting.json").exists()
    assert np.array_equal(PaintedRun(place).painting([stack]).whole(0), painting.whole(0))
