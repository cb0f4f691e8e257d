"""A slider over a training: the slice shown as it was predicted at an earlier step."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QSlider, QVBoxLayout, QWidget

from napari_unet.app.prediction_job import ModelRead, PredictionRequest, prediction_job
from napari_unet.base.quantities import score
from napari_unet.prediction.pieces import Piece
from napari_unet.training.snapshots import Snapshots
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.form import Row
from napari_unet.widgets.common.latest import Latest
from napari_unet.widgets.common.layer_facts import is_result
from napari_unet.widgets.common.layers import shown_slice
from napari_unet.widgets.common.notes import Heading, Note, set_tip
from napari_unet.widgets.common.notices import sentence
from napari_unet.widgets.common.numbers import scroll_the_dock
from napari_unet.widgets.train.live_layer import LiveLayer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.train.running import Training

__all__ = ["PastSlider"]

TIP = (
    "Look back: the slice shown as it was predicted after earlier steps. All the way to the right "
    "is now."
)
GO_ON_TIP = (
    "Begin another training with the network as it was then, in a folder of its own. This one, "
    "with its later steps, stays."
)
LISTED_EVERY = 2.0
"""Seconds between two looks for new snapshots."""


class PastSlider(QWidget):
    """Hidden until there is something to look back at.

    Parameters
    ----------
    dock
        Whose viewer shows it.
    """

    go_on_wanted = Signal(object)
    """A model to go on from."""

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock = dock
        self._training: Training | None = None
        self._files: dict[int, Path] = {}
        self._listed = 0.0
        self._model: tuple[int, TrainedModel] | None = None  # of the step that is shown
        self._asked: tuple[int, int] | None = None  # step and slice
        self._plane: np.ndarray[Any, Any] | None = None
        self._layer: LiveLayer | None = None
        self._shown: dict[tuple[int, ...], int] = {}  # index of a slice -> step
        self._is_back = False
        self._latest = Latest(dock)
        self._latest.done.connect(self._on_event)
        self._latest.failed.connect(self._on_error)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        set_tip(self.slider, TIP)
        self.slider.setAccessibleName("Earlier steps")
        self.slider.wheelEvent = scroll_the_dock
        self.slider.valueChanged.connect(self._on_moved)
        self.line = Note()
        self.go_on = button("&Go on from here", GO_ON_TIP)
        self.go_on.clicked.connect(self._on_go_on)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (Heading("Earlier steps"), self.slider, self.line, Row(self.go_on)):
            column.addWidget(widget)
        dock.listen(dock.viewer.dims.events.current_step, self._on_slice)
        self.watch(None)

    def watch(self, training: Training | None) -> None:
        """Look back at a training from now on; None: at none."""
        if self._training is not None:
            self._training.looked.disconnect(self._look)
            self._training.over.disconnect(self._list)
            self._show_now()
            self._take_away()
        self._training = training
        self._files, self._model, self._layer, self._shown = {}, None, None, {}
        if training is not None:
            training.looked.connect(self._look)
            training.over.connect(self._list)
        self._list()

    def _take_away(self) -> None:
        """Leave no layer behind that nobody has made one's own."""
        layer = None if self._layer is None else self._layer.layer
        if layer is not None and is_result(layer):
            self._dock.viewer.layers.remove(layer)

    # -- which steps there are ----------------------------------------------------------------

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that can be looked at."""
        return tuple(self._files)

    @property
    def step(self) -> int | None:
        """The step that is looked at; None: now."""
        k = self.slider.value()
        return self.steps[k] if k < len(self.steps) else None

    def _look(self) -> None:
        if monotonic() - self._listed >= LISTED_EVERY:
            self._list()

    def _list(self) -> None:
        """Offer what is there; the step that is looked at stays, or the next one to it."""
        self._listed, step = monotonic(), self.step
        run = None if self._training is None else self._training.request.run
        files = {} if run is None else Snapshots(run).files()
        self.setVisible(bool(files))
        if list(files) != list(self._files):
            self._files = files
            steps = np.array(list(files) or [0])
            with QSignalBlocker(self.slider):
                self.slider.setRange(0, len(files))
                self.slider.setValue(
                    len(files) if step is None else int(np.abs(steps - step).argmin())
                )
            if self.step != step:
                self._on_moved()
        self._say_now()

    # -- looking back -------------------------------------------------------------------------

    def _on_moved(self, _: object = None) -> None:
        if self.step is None:
            self._show_now()
        else:
            self._ask()

    def _on_slice(self, _: object = None) -> None:
        if self.step is not None:
            self._ask()

    def _ask(self) -> None:
        """Predict the slice shown as at the step; whatever was asked before is given up."""
        training, step = self._training, self.step
        if training is None or step is None:
            return
        stack = training.job.stack
        i = shown_slice(self._dock.viewer, stack, training.image_layer)
        if (step, i) == self._asked:
            return
        self._asked, self._plane = (step, i), None
        known = self._model[1] if self._model is not None and self._model[0] == step else None
        self.go_on.setEnabled(known is not None)
        config = training.config or self._dock.session.config
        request = PredictionRequest(
            known or self._files[step],
            stack.with_labels(None),
            slices=(i,),
            device=self._dock.session.config.device,
            match_pixels=config.pixel_size is not None,
        )
        if known is None:
            self.line.say(f"step {step:,} …")
        self._latest.follow(partial(_predict, step, request))

    def _on_event(self, told: tuple[int, ModelRead | Piece]) -> None:
        step, event = told
        if isinstance(event, ModelRead):
            self._model = step, event.model
            self.go_on.setEnabled(True)
            self.line.say(_scores(step, event.model))
        elif isinstance(event, Piece) and self._training is not None:
            if self._plane is None:
                self._plane = np.zeros(self._training.job.stack.plane_shape, event.values.dtype)
            self._plane[event.rows, event.cols] = event.values
            if event.done == event.total:
                self._draw(step, event.index, self._plane)

    def _draw(self, step: int, index: tuple[int, ...], plane: np.ndarray[Any, Any]) -> None:
        """Show a slice when it is complete; slices of other steps are taken away."""
        if self._layer is None or self._layer.taken_away:
            self._layer, self._shown = self._make_layer(), {}
        for other in [one for one, of in self._shown.items() if of != step and one != index]:
            self._layer.write_at(other, np.zeros_like(plane))
            del self._shown[other]
        self._layer.write_at(index, plane)
        self._shown[index] = step
        self._layer.draw()
        self._set_visible(past=True)

    def _make_layer(self) -> LiveLayer:
        training = self._training
        assert training is not None
        painted_in = self._dock.session.labels_layer if training.request.painting else None
        return LiveLayer(
            self._dock.viewer,
            training.job.stack,
            training.image_layer,
            f"training {training.request.run}",
            below=painted_in,
            kind="earlier prediction",
        )

    def _on_error(self, error: Exception) -> None:
        self._asked = None
        self.line.say(sentence(error))
        self.go_on.setEnabled(False)

    def _show_now(self) -> None:
        self._latest.cancel()
        self._asked = None
        self._set_visible(past=False)
        self._say_now()

    def _say_now(self) -> None:
        if self.step is None:
            self.go_on.setEnabled(False)
            self.line.say("now")

    def _set_visible(self, *, past: bool) -> None:
        """Show the earlier prediction instead of the live one, or the other way round."""
        earlier = None if self._layer is None else self._layer.layer
        live = None if self._training is None else self._training.live_layer
        if earlier is not None:
            earlier.visible = past
        if past != self._is_back:  # what the user hides or shows meanwhile stays
            self._is_back = past
            if live is not None:
                live.visible = not past

    def _on_go_on(self) -> None:
        if self._model is not None:
            self.go_on_wanted.emit(self._model[1])


def _predict(step: int, request: PredictionRequest) -> Iterator[tuple[int, object]]:
    for event in prediction_job(request):
        yield step, event


def _scores(step: int, model: TrainedModel) -> str:
    """The step and its scores, as far as they are known."""
    known = {name: v for name, v in model.run.get("scores", {}).items() if v is not None}
    parts = [f"step {step:,}"]
    if "loss" in known:
        parts.append(f"loss {known['loss']:.3f}")
    if "iou" in known:
        parts.append(f"IoU {score(known['iou'])}")
    if "right" in known:
        parts.append(f"{known['right']:.0%} of the strokes were right before")
    return " · ".join(parts)
