"""What was painted is there tomorrow, however the window ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from napari_unet.training.journal import Journal

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
