"""Make the pictures of the docks in docs/images, by using them.

Usage: ``xvfb-run -a -s "-screen 0 1600x1000x24" python -m scripts.screenshots``, or without
xvfb-run where there is a screen. With ``NAPARI_UNET_DATA`` the pictures show the ISBI-2012 stack,
without it the synthetic one. ``--steps`` says how long the network learns before its picture.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["NAPARI_CONFIG"] = ""

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QScrollArea

from napari_unet.app.session import session_of
from napari_unet.datasets import registry as datasets
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.unet import UNetDock

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
LONGEST_WAIT = 3600.0  # s


def wait(seconds: float, until: Callable[[], bool] | None = None) -> None:
    """Let the window live for a while, or until something is true."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    timer = QTimer()
    if until is not None:
        timer.timeout.connect(lambda: until() and loop.quit())
        timer.start(50)
    loop.exec()


class Studio:
    """One viewer with the U-Net dock, and a camera.

    Parameters
    ----------
    name : str
        The data set to show.
    folder : Path
        Where the pictures go.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1400, 900)
        stack = datasets.open(name)
        axes = {"axis_labels": tuple(stack.axes)}
        self.image = self.viewer.add_image(stack.image, name=stack.name, **axes)
        self.labels = self.viewer.add_labels(
            np.asarray(stack.labels), name="labels", opacity=0.3, **axes
        )
        self.unet = UNetDock(self.viewer)
        self.viewer.window.add_dock_widget(self.unet, name="U-Net", area="right")
        session_of(self.viewer).use(LayerStack(self.image, self.labels))
        self.viewer.dims.set_current_step(0, stack.n_slices - 3)

    def show(self, tab: str, **visible: bool) -> Any:
        """Turn to a tab, and show the layers whose name ends so."""
        for layer in self.viewer.layers:
            for name, shown in visible.items():
                if layer.name.endswith(name):
                    layer.visible = shown
        return self.unet.show_tab(tab)

    def shoot(self, name: str) -> None:
        """Save the whole window as a picture."""
        wait(0.6)
        picture = self.viewer.screenshot(canvas_only=False, flash=False)
        self.folder.mkdir(parents=True, exist_ok=True)
        # A palette makes the files a third as large; "maximum coverage" keeps rare colours.
        palette = (
            Image.fromarray(picture)
            .convert("RGB")
            .quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        )
        palette.save(self.folder / f"{name}.png", optimize=True)
        print(f"{name}.png {picture.shape[1]} × {picture.shape[0]}", flush=True)


def data_weights_augmentation(studio: Studio) -> None:
    """Show the docks that need no network."""
    studio.show("Data", labels=True)
    studio.shoot("data")
    studio.show("Weights", labels=False)
    wait(30, lambda: any(layer.name.endswith("weights") for layer in studio.viewer.layers))
    studio.shoot("weights")
    studio.show("Augment", weights=False)
    wait(5)
    studio.shoot("augmentation")


def train(studio: Studio, steps: int, place: str) -> None:
    """Train, with a picture on the way."""
    dock = studio.show("Train", labels=False, weights=False)
    for layer in list(studio.viewer.layers):
        if layer.name.split(" · ")[-1] not in (studio.image.name, "labels"):
            layer.visible = False
    wait(60, lambda: dock.control.start.isEnabled())
    dock.place.field.setText(place)
    dock.form.steps.setValue(steps)
    dock.form.validate_every.setValue(max(1, steps // 12))
    dock.control.start.click()
    wait(LONGEST_WAIT, lambda: dock.progress.bar.value() >= 0.7 * steps)
    studio.shoot("train")
    wait(LONGEST_WAIT, lambda: dock.control.start.isEnabled())


def predict_evaluate(studio: Studio) -> None:
    """Predict the stack and compare it with the labels."""
    dock = studio.show("Predict")
    wait(1)
    dock.start.click()
    wait(LONGEST_WAIT, lambda: dock._worker is None)
    studio.shoot("predict")
    dock = studio.show("Evaluate", prediction=False)
    wait(1)
    dock.start.click()
    wait(LONGEST_WAIT, lambda: dock._worker is None)
    studio.shoot("evaluate")


def paint(name: str, folder: Path, strokes: int) -> None:
    """Paint into a training as the benchmark's annotator does, with pictures on the way."""
    from benchmarks.interactive.annotator import Annotator
    from napari_unet.training.strokes import draw_stroke

    studio = Studio(name, folder)
    viewer, session = studio.viewer, session_of(studio.viewer)
    truth = (np.asarray(studio.labels.data) > 0).astype(np.uint8)
    viewer.layers.remove(studio.labels)
    session.use(LayerStack(studio.image))
    viewer.dims.set_current_step(0, 0)
    dock = studio.unet.show_tab("Train")
    dock.paint.new.click()
    labels, annotator = session.labels_layer, Annotator({0: truth[0]})

    def put(stroke: Any) -> None:
        edit = draw_stroke(stroke, labels.data[0], stroke.class_index + 1)
        if edit is not None:
            y, x = (axis.ravel() + corner for axis, corner in zip(
                np.indices(edit.values.shape), (edit.box[0], edit.box[2])
            ))  # fmt: skip
            labels.data_setitem((np.zeros_like(y), y, x), edit.values.ravel())

    for stroke in annotator.first(0):
        put(stroke)
    wait(60, lambda: session.training is not None)
    training = session.training
    wait(LONGEST_WAIT, lambda: training.live_layer is not None)
    for _ in range(strokes):
        wait(3)
        predicted = (np.asarray(training.live_layer.data[0]) == 2).astype(np.uint8)
        stroke = annotator.correct(0, 0, predicted)
        if stroke is not None:
            put(stroke)
    wait(10)
    studio.shoot("paint")
    dock.past.slider.setValue(1)
    wait(60, lambda: any("earlier" in layer.name for layer in viewer.layers))
    scroll = dock.past
    while not isinstance(scroll, QScrollArea):
        scroll = scroll.parentWidget()
    scroll.ensureWidgetVisible(dock.predicted)
    studio.shoot("paint-earlier")
    training.stop()
    wait(60, lambda: not training.is_running)
    viewer.close()


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    real = bool(os.environ.get("NAPARI_UNET_DATA"))
    parser.add_argument("--stack", default="isbi2012-em" if real else "synthetic")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("-o", "--output", type=Path, default=IMAGES)
    parser.add_argument("--strokes", type=int, default=40, help="of the pictures of painting")
    parser.add_argument("--only", choices=("docks", "painting"), help="a part of the pictures")
    options = parser.parse_args()
    if options.only != "docks":
        with tempfile.TemporaryDirectory() as place:
            os.environ["XDG_DOCUMENTS_DIR"] = place
            paint(options.stack, options.output, options.strokes)
    if options.only == "painting":
        return
    studio = Studio(options.stack, options.output)
    wait(1)
    data_weights_augmentation(studio)
    with tempfile.TemporaryDirectory() as place:
        train(studio, options.steps, place)
        predict_evaluate(studio)
    studio.viewer.theme = "light"
    studio.show("Train")
    studio.shoot("train-light")
    studio.viewer.close()


if __name__ == "__main__":
    main()
