"""Labels from the prediction: a new layer to correct, and to learn from where that is wanted."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.app.labels_to_correct import CorrectionRequest, LabelsMade, labels_to_correct
from napari_unet.base.quantities import duration
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.choices import Combo
from napari_unet.widgets.common.form import Expander, Form, Row
from napari_unet.widgets.common.layers import shown_slice
from napari_unet.widgets.common.notes import Note, set_tip
from napari_unet.widgets.common.notices import sentence
from napari_unet.widgets.common.worker import Worker
from napari_unet.widgets.train.after_stop import after_stop
from napari_unet.widgets.train.new_labels import begin_to_paint, labels_to_paint
from napari_unet.widgets.train.paint_mode import paint_mode_of

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.pieces import Piece
    from napari_unet.widgets.common.dock import Dock

__all__ = ["PredictedLabels"]

WHERE = [("the slice shown", "slice"), ("all slices", "stack")]
SURE = [
    ("everywhere", 0.0),
    ("where it is 80 % sure", 0.8),
    ("where it is 90 % sure", 0.9),
    ("where it is 95 % sure", 0.95),
    ("where it is 99 % sure", 0.99),
]
SURE_TIP = "Pixels of which the network is less sure stay without a label, and are not learnt from."
MAKE_TIP = (
    "Add a labels layer with what the network predicts now. What you painted stays as it is, and "
    "is on top in the new layer."
)
LEARN_TIP = (
    "Stop the training, and begin one that learns from these labels, with the network as it is. "
    "The labels painted before, and their run, stay."
)


OPACITY = 0.4  # of labels all over a slice: the image is seen below them


class PredictedLabels(Expander):
    """A form, a button, and what came of it.

    Parameters
    ----------
    dock
        Whose viewer is painted in.
    """

    def __init__(self, dock: Dock) -> None:
        inside = QWidget()
        super().__init__("Labels from the prediction", inside)
        set_tip(self.toggle, "Make labels of your own from what the network predicts.")
        self._dock, self._session = dock, dock.session
        self._worker: Worker | None = None
        self._stack: Stack | None = None
        self._image: Image | None = None
        self.layer: Labels | None = None
        self.where, self.sure = Combo(WHERE, "Which slices are predicted."), Combo(SURE, SURE_TIP)
        self.make = button("Make labe&ls", MAKE_TIP)
        self.make.clicked.connect(self._on_make)
        self.learn = button("Learn from them", LEARN_TIP)
        self.learn.clicked.connect(self._on_learn)
        self.learn.setEnabled(False)
        self.line = Note()
        form = Form()
        form.add("Of", self.where)
        form.add("Label", self.sure)
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (form, Row(self.make, self.learn), self.line):
            column.addWidget(widget)
        dock.listen(self._session.stack_changed, self._look)
        self._look()

    def _look(self, _: object = None) -> None:
        """Be there where labels are sparse classes: only there 0 can mean "not sure"."""
        stack = self._session.stack
        scheme = None if stack is None or stack.labels is None else stack.scheme
        self.setVisible(
            scheme is not None and (scheme.kind, scheme.annotation) == ("classes", "sparse")
        )

    def _on_make(self) -> None:
        if self._worker is not None:
            self._worker.abandon()
            self.line.say("")
            return
        stack, image = self._session.stack, self._session.image_layer
        if stack is None or stack.labels is None or image is None:
            return
        self._stack, self._image = stack, image
        here = (shown_slice(self._dock.viewer, stack, image),)
        request = CorrectionRequest(
            self._model,
            stack,
            slices=here if self.where.value == "slice" else None,
            sure=self.sure.value,
            match_pixels=self._session.config.pixel_size is not None,
        )
        self._worker = worker = Worker(lambda: labels_to_correct(request))
        worker.yielded.connect(self._on_event)
        worker.errored.connect(self._on_error)
        worker.finished.connect(self._on_over)
        self.make.setText("Cance&l")
        self.line.say("Predicting …")
        self._dock.run(worker)

    def _model(self) -> TrainedModel | None:
        """The network as it is now; called in the background."""
        training = self._session.training
        now = None if training is None else training.job.current_model()
        return now or self._session.model

    def _on_event(self, event: Piece | LabelsMade) -> None:
        if isinstance(event, LabelsMade):
            self._add(event)
        else:
            left = event.seconds_left
            known = f", {duration(left)} left" if isfinite(left) else ""
            self.line.say(f"{event.done} of {event.total} tiles{known}")

    def _add(self, made: LabelsMade) -> None:
        viewer, stack, image = self._dock.viewer, self._stack, self._image
        if image is None or stack is None or image not in viewer.layers:
            return
        stack = replace(stack, annotated=None)
        name = f"{image.name} labels to correct"
        self.layer = labels_to_paint(stack, image, made.values, name)
        self.layer.opacity = OPACITY
        viewer.add_layer(self.layer)
        painted_in = self._session.labels_layer
        if painted_in in viewer.layers:  # strokes stay on top, and the brush in their layer
            viewer.layers.move(len(viewer.layers) - 1, viewer.layers.index(painted_in))
            viewer.layers.selection.active = painted_in
        self.learn.setEnabled(True)
        self.line.say(
            f"{self.layer.name}: {made.given:,} pixels from the prediction, the rest is yours. "
            "Choose it in the layer list to correct it, or learn from it as it is."
        )

    def _on_error(self, error: Exception) -> None:
        self.line.say(sentence(error))

    def _on_over(self) -> None:
        self._worker = None
        self.make.setText("Make labe&ls")

    def _on_learn(self) -> None:
        self.learn.setEnabled(False)
        after_stop(self._session.training, self._learn)

    def _learn(self) -> None:
        stack, image, layer = self._stack, self._image, self.layer
        viewer: Any = self._dock.viewer
        if stack is None or image not in viewer.layers or layer not in viewer.layers:
            self.line.say("That layer is gone: make another.")
            return
        assert image is not None
        assert layer is not None
        begin_to_paint(viewer, self._session, stack, image, layer)
        paint_mode_of(viewer, self._session).begin_from(self._dock, self._session.model)
