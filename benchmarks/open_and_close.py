"""Open and close the docks again and again while trainings run: nothing may crash or pile up.

    python benchmarks/open_and_close.py [ROUNDS]

A crash ends the program with a traceback; otherwise one line every 20 rounds, and the last says
how much memory was gained after the first 20. The prediction that a training leaves in the layer
list is the user's: it is removed here, as a user would.
"""

from __future__ import annotations

import faulthandler
import gc
import sys
import tempfile
from pathlib import Path
from time import monotonic

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from napari_unet.app.session import session_of
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.train.train_dock import TrainDock
from napari_unet.widgets.unet import TABS, UNetDock

RUN = 7  # rounds from the start of a training until it is stopped


def pump(seconds: float) -> None:
    """Let the window live."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def memory() -> float:
    """Resident memory, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def main(rounds: int) -> None:
    """Open, look, close."""
    faulthandler.enable()
    rng = np.random.default_rng(0)
    labels = np.zeros((4, 96, 96), np.uint8)
    labels[:, 20:40, 20:50], labels[:, 60:80, 30:70] = 1, 2
    image = (60 + 90 * (labels > 0) + rng.integers(0, 9, labels.shape)).astype(np.uint8)
    viewer = napari.Viewer()
    layers = viewer.add_image(image, name="cells"), viewer.add_labels(labels, name="truth")
    session = session_of(viewer)
    session.use(LayerStack(*layers))
    session.change(network={"depth": 1, "width": 2}, tile=60, batch=1, steps=10**6, device="cpu")
    folder = tempfile.mkdtemp()
    begun, first, trainings = monotonic(), 0.0, 0
    for k in range(rounds):
        dock = UNetDock(viewer) if k % 2 else TrainDock(viewer)
        shown = viewer.window.add_dock_widget(dock, name="U-Net")
        train = dock
        if isinstance(dock, UNetDock):
            dock.show_tab(list(TABS)[k // 2 % len(TABS)])
            train = dock.show_tab("Train")
        pump(0.05)
        running = session.training is not None and session.training.is_running
        if k % RUN == 0 and not running:
            train.place.field.setText(folder)
            train.control.start.click()
            trainings += 1
        elif k % RUN == RUN - 1 and running:
            session.training.stop()
        pump(0.05)
        viewer.window.remove_dock_widget(shown)
        if session.training is not None and not session.training.is_running:
            for layer in set(viewer.layers) - set(layers):  # a training leaves its prediction
                viewer.layers.remove(layer)
        del dock, shown, train
        gc.collect()
        if k % 20 == 19:
            first = first or memory()
            spent = monotonic() - begun
            print(f"{k + 1} rounds, {trainings} trainings, {spent:.0f} s, {memory():.0f} MB",
                  flush=True)  # fmt: skip
    if session.training is not None and session.training.is_running:
        session.training.stop()
        while session.training.is_running:
            pump(0.1)
    print(f"no crash in {rounds} rounds; {memory() - first:+.0f} MB since round 20")
    viewer.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
