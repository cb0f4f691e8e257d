"""What was painted is there tomorrow, however the window ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from napari_unet.app.run_places import painted_runs
from napari_unet.images.stack import Stack
from napari_unet.training.journal import Journal
from napari_unet.training.painted_run import PaintedRun

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


FIRST_STROKE = """
    import os, signal, sys, time
    import numpy as np
    from qtpy.QtWidgets import QApplication, QWidget
    application = QApplication([])
    from napari.components import ViewerModel
    from napari_unet.app.run_places import painted_runs
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
    labels.paint((20, 200), 1)
    end = time.monotonic() + 60
    while not painted_runs() and time.monotonic() < end:
        application.processEvents()
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_window_killed_after_the_first_stroke_has_it_tomorrow(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path))
    code = textwrap.dedent(FIRST_STROKE)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (run,) = painted_runs()
    stack = Stack("Image", np.arange(64 * 400, dtype=np.uint16).reshape(64, 400), "yx")
    painted = PaintedRun(run).painting([stack]).whole(0)
    assert painted[20, 200] == 1
    assert set(np.unique(painted)) == {0, 1}
