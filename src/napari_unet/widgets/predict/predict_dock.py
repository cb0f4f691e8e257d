"""The Predict dock: a model over a slice or a stack, into a layer, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_unet.app.found_objects import FoundObjects
from napari_unet.app.prediction_job import ModelRead, PredictionRequest, Remarked, prediction_job
from napari_unet.prediction.pieces import Piece
from napari_unet.widgets.common.buttons import PrimaryButton
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.notes import Note, Problem
from napari_unet.widgets.common.notices import sentence, show_error
from napari_unet.widgets.common.progress import ProgressRow
from napari_unet.widgets.common.worker import Worker
from napari_unet.widgets.predict.course import Course
from napari_unet.widgets.predict.folder_panel import FolderPanel
from napari_unet.widgets.predict.object_panel import ObjectPanel
from napari_unet.widgets.predict.predict_form import PredictForm
from napari_unet.widgets.predict.prediction_layer import hide_others, prediction_layer
from napari_unet.widgets.predict.readiness import cost_line, ready
from napari_unet.widgets.predict.remarks import Remarks
from napari_unet.widgets.predict.save_result import SaveResult

if TYPE_CHECKING:
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.widgets.common.result_layers import GrowingLayer

__all__ = ["PredictDock"]

BUSY = "A prediction is running: cancel it below."
TIP = "Predict in the background; finished tiles appear in the result layer."


class PredictDock(Dock):
    """Predict an image layer with the current or a saved model.

    Parameters
    ----------
    viewer
        The viewer whose image layers can be predicted.
    """

    def build(self) -> None:
        """Make the controls."""
        self._worker: Worker | None = None
        self._result: GrowingLayer | None = None
        self._request: PredictionRequest | None = None
        self._found: FoundObjects | None = None
        self._source: Any = None  # the image layer that is being predicted
        self._model: TrainedModel | None = None  # by which
        self._course = Course(0)
        self._again = False  # as soon as this one is over
        self.form = PredictForm(self)
        self.form.changed.connect(self._check)
        self.column.addWidget(self.form)
        self._build_actions()
        self.listen(self.session.model_changed, self._on_model)
        self.listen(self.session.stack_changed, self._on_stack)
        self.listen(self.viewer.layers.events.removed, self._check)
        self.listen(self.viewer.dims.events.current_step, self._on_slice)
        self._on_stack()

    # -- controls ---------------------------------------------------------------------------

    def _build_actions(self) -> None:
        self.start = PrimaryButton("Predict", TIP)
        self.start.clicked.connect(self._on_start)
        self.problem = Problem(self.start)
        self.cost = Note()
        self.running = ProgressRow("Stop at once; the tiles that are finished stay.")
        self.running.cancel.clicked.connect(self._on_cancel)
        self.line = Note()
        self.notes = Remarks()
        self.notes.wanted.connect(self._on_offer)
        self.saving = SaveResult(self)
        self.saving.said.connect(self.line.say)
        self.objects = ObjectPanel(self)
        self.form.ids.chosen.connect(self.objects.link)
        self.folder = FolderPanel(self, self.form)
        for widget in (
            self.start, self.problem, self.cost, self.running, self.line, self.notes, self.saving,
            self.objects, self.folder,
        ):  # fmt: skip
            self.column.addWidget(widget)

    @property
    def is_busy(self) -> bool:
        """Whether a prediction is running."""
        return self._worker is not None

    # -- before the start -------------------------------------------------------------------

    def _on_model(self, model: object) -> None:
        self.form.offer_models()
        if model is not None:
            self.form.model.value = "current"
        self._propose()

    def _on_stack(self, _stack: object = None) -> None:
        source = self.session.image_layer
        if source is not None:
            self.form.image.value = source
        self._propose()

    def _propose(self) -> None:
        """Offer objects first where labels are objects."""
        known: Any = self.session.model or self.session.stack
        if known is not None and known.scheme is not None:
            self.form.propose_output("objects" if known.scheme.kind == "objects" else "labels")
        self._check()

    def _on_slice(self, _event: object = None) -> None:
        if self.form.extent.value == "slice":
            self._check()

    def _check(self, _: object = None) -> None:
        """Say what the button will do and cost, or why it cannot."""
        if self._worker is not None:
            return
        self.problem.say("")
        stack, reason = ready(self.form, self.session)
        if stack is None:
            self.start.allow(reason, "Predict")
            self.cost.say("" if self.form.image_problem.text() else reason or "")
            return
        one = self.form.extent.value == "slice" or stack.n_slices == 1
        slices = 1 if one else stack.n_slices
        self.start.allow(None, "Predict this slice" if one else f"Predict {slices} slices")
        self.form.offers_ids(stack)
        self.cost.say(cost_line(self.form, self.session, stack, slices))

    # -- while it runs ----------------------------------------------------------------------

    def _on_start(self) -> None:
        if self._worker is not None:
            return
        self._check()  # the layer as it is now
        stack, _ = ready(self.form, self.session)
        if stack is None:
            return
        request = self._request = self.form.request(stack)
        self.objects.begin()
        self.saving.hide()
        self._found = None
        self._source = self.form.image.value
        slices = stack.n_slices if request.slices is None else len(request.slices)
        self._course = Course(slices)
        self._worker = Worker(lambda: prediction_job(request))
        self._worker.yielded.connect(self._on_event)
        self._worker.drained.connect(self._on_drained)
        self._worker.warned.connect(self.notes.say)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._on_over)
        self._show_running()
        self.run(self._worker)

    def _show_running(self) -> None:
        self.start.allow(BUSY, self.start.text().replace("Predict", "Predicting", 1))
        self.running.begin()
        self.notes.clear()
        self.line.say("Preparing the network …")

    def _on_event(self, event: object) -> None:
        if isinstance(event, ModelRead):
            self._model = event.model
            if self.session.model is not event.model:
                self.session.model = event.model
        elif isinstance(event, Remarked):
            self.notes.say_all(event.remarks)
        elif isinstance(event, Piece):
            self._on_piece(event)
        elif isinstance(event, FoundObjects):
            self._found = event

    def _make_layer(self) -> None:
        """Show the result; not before there is some, as what is refused leaves no empty one."""
        request, model = self._request, self._model
        assert request is not None
        assert model is not None
        self._result = prediction_layer(
            self.viewer, request.stack, self._source, request.output, model.scheme,
            request.identity(model), predicted=request.by(model),
        )  # fmt: skip
        hidden = hide_others(self.viewer, self._result.layer)
        if hidden:
            said = f"Hidden, so that the result is seen: {', '.join(hidden)}."
            self.notes.say(said, role="note")

    def _on_piece(self, piece: Piece) -> None:
        if self._result is None:
            self._make_layer()
        assert self._result is not None
        self._result.write((..., *piece.index, piece.rows, piece.cols), piece.values)
        self.line.say(self._course.take(piece))
        if piece.note:
            self.notes.say(piece.note)
        self.running.show_share(piece.done / piece.total)
        if self._result.taken_away:  # nobody wants it any more
            self._on_cancel()

    def _on_offer(self, offer: str) -> None:
        """Take what a remark offers, and predict again."""
        self.form.take(offer)
        self._again = self._worker is not None
        if self._again:
            self._on_cancel()
        else:
            self._on_start()

    def _on_drained(self) -> None:
        if self._result is not None:
            self._result.draw()

    def _on_cancel(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self.running.cancel.setEnabled(False)

    # -- after it ---------------------------------------------------------------------------

    def _on_error(self, error: Exception) -> None:
        show_error(error)
        self.problem.say(sentence(error))

    def _on_over(self) -> None:
        """Say what happened, and make everything usable again."""
        if self._result is not None:
            self._result.finish()
        failed = self.problem.text()
        if self._course.done:
            self._offer_result()
        self.line.say(self._course.at_the_end(failed=bool(failed)))
        self._worker = self._result = self._request = self._source = self._model = None
        self.running.hide()
        self.form.offer_models()
        self._check()
        self.problem.say(failed)
        if self._again:
            self._again = False
            self._on_start()

    def _offer_result(self) -> None:
        """Let it be saved; and objects measured, told apart anew and found."""
        result, request = self._result, self._request
        if result is None or request is None or result.taken_away:
            return
        self.saving.offer(result, request.stack, request.output.kind)
        if self._found is not None:
            self.objects.show_objects(self._found, result)
