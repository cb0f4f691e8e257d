"""The Evaluate dock: a prediction against a reference, as numbers and as a picture."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtWidgets import QProgressBar

from napari_unet.annotation.labels import propose_scheme
from napari_unet.base.quantities import about, count, duration
from napari_unet.evaluation.comparison import (
    METRICS,
    Curves,
    Doing,
    ErrorPlane,
    EvaluationRequest,
    Score,
    compare,
    offered_metrics,
    seconds_needed,
)
from napari_unet.widgets.common.buttons import PrimaryButton, button, check_box
from napari_unet.widgets.common.choices import Choice, Combo
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.form import Form, Row
from napari_unet.widgets.common.layer_combo import LayerCombo
from napari_unet.widgets.common.layer_facts import told
from napari_unet.widgets.common.notes import Note, Problem
from napari_unet.widgets.common.notices import sentence, show_error
from napari_unet.widgets.common.spotlight import spotlight, spotlight_off
from napari_unet.widgets.common.worker import Worker
from napari_unet.widgets.evaluate.error_layer import ErrorLayer
from napari_unet.widgets.evaluate.error_list import ErrorList
from napari_unet.widgets.evaluate.reference_choice import (
    SHOWN,
    annotated_in,
    pixel_area,
    scheme_of,
    slice_options,
)
from napari_unet.widgets.evaluate.score_curves import ScoreCurves
from napari_unet.widgets.evaluate.score_table import ScoreTable

if TYPE_CHECKING:
    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.evaluation.metrics import SegmentationError
    from napari_unet.widgets.common.layer_facts import Kind

__all__ = ["EvaluateDock"]

PREDICTED: tuple[Kind, ...] = ("prediction", "objects", "probabilities", "live prediction")

NO_PREDICTION = "Choose a prediction: a layer that Predict made, or any labels layer."
NO_REFERENCE = "Choose the reference: a labels layer that was drawn or checked by a person."
SAME = "Prediction and reference are the same layer: choose another one."
BUSY = "A comparison is running."
TIP = "Compare in the background: scores in the table, errors as a layer."
ZERO_MEANS = (
    ("background", "dense", "Every pixel of the reference counts."),
    ("not annotated", "sparse", "Pixels of 0 do not count; 1 is background, the rest cells."),
)
LEFT_FROM = 0.04  # share of the work from which on the time left can be told


class EvaluateDock(Dock):
    """Compare a prediction layer with a reference layer.

    Parameters
    ----------
    viewer
        The viewer whose layers are compared.
    """

    def build(self) -> None:
        """Make the controls."""
        self._worker: Worker | None = None
        self._errors: ErrorLayer | None = None
        self._source: Any = None
        self._offered_for: Any = None
        self._compared: list[tuple[int, ...]] = []
        self._found: list[tuple[tuple[int, ...], SegmentationError]] = []
        self._begun = self._doing_since = 0.0
        self._doing = ""
        self._build_choices()
        self._build_actions()
        self._build_results()
        self.listen(self.session.stack_changed, self._on_stack)
        self.follow(self._offer_slices, "split")
        self.listen(self.viewer.layers.events.inserted, self._on_inserted)
        self.listen(self.viewer.layers.events.removed, self._check)
        self._on_stack()

    def on_shut(self) -> None:
        """Take away what only clicks in here move."""
        spotlight_off(self.viewer)

    # -- controls ---------------------------------------------------------------------------

    def _build_choices(self) -> None:
        self.prediction = LayerCombo(
            self, (Labels, Image), "What the network said: labels, objects or probabilities.",
            results=PREDICTED,
        )  # fmt: skip
        self.reference = LayerCombo(self, Labels, "What is right: labels drawn by a person.")
        self.zero = Choice(ZERO_MEANS)
        self.slices = Combo(
            (),
            "Which slices count. Scores on slices that the network was trained on say nothing "
            "about new images.",
        )
        names = offered_metrics()
        self.metrics = Combo(
            [(METRICS[name][0], name) for name in names],
            "\n".join(f"{METRICS[name][0]}: {METRICS[name][1]}" for name in names),
        )
        self.show_errors = check_box(
            "layer of &errors",
            "Colour the objects that are merged, split, missed or invented.",
            checked=True,
        )
        for control in (self.prediction, self.reference):
            control.chosen.connect(self._offer_slices)
        for other in (self.slices, self.metrics):
            other.chosen.connect(self._check)
        self.show_errors.toggled.connect(self._check)
        self.form = Form()
        self.prediction_problem = self.form.add("Pre&diction", self.prediction)
        self.reference_problem = self.form.add("&Reference", self.reference)
        self.form.add("0 means", self.zero)
        self.form.add("&Slices", self.slices)
        self.form.add("&Metrics", self.metrics)
        self.form.add("Show", self.show_errors)
        self.column.addWidget(self.form)

    def _build_actions(self) -> None:
        self.start = PrimaryButton("Compare", TIP)
        self.start.clicked.connect(self._on_start)
        self.problem = Problem(self.start)
        self.reason = Note()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(6)
        self.cancel = button("&Cancel", "Stop comparing at once; the scores so far stay.")
        self.cancel.clicked.connect(self._on_cancel)
        self.running = Row(self.bar, self.cancel, stretch=0)
        self.running.hide()
        self.line = Note()
        for widget in (self.start, self.problem, self.reason, self.running, self.line):
            self.column.addWidget(widget)

    def _build_results(self) -> None:
        self.scores = ScoreTable()
        self.scores.said.connect(self.line.say)
        self.curves = ScoreCurves(self.viewer)
        self.errors = ErrorList()
        self.errors.chosen.connect(self._go_to)
        self.errors.kinds.changed.connect(self._on_kinds)
        for widget in (self.scores, self.curves, self.errors):
            self.column.addWidget(widget)

    # -- before the start -------------------------------------------------------------------

    def _on_stack(self, _stack: object = None) -> None:
        labels = self.session.labels_layer
        if labels is not None:
            self.reference.value = labels
        self._on_inserted()

    def _on_inserted(self, _event: object = None) -> None:
        """Offer what Predict has just made, unless the user chose something."""
        for layer in reversed(self.viewer.layers):
            if told(layer, "output") and self._output_of(self.prediction.value) is None:
                self.prediction.value = layer
                break
        self._offer_slices()

    @staticmethod
    def _output_of(layer: Any) -> Any:
        return None if layer is None else told(layer, "output")

    def _offer_slices(self, _changed: object = None) -> None:
        reference = self.reference.value
        unknown = reference is not None and scheme_of(self.session, reference) is None
        self.form.show_row(self.zero, unknown)
        self.slices.set_options(slice_options(self.session, reference))
        if reference is not self._offered_for:  # the first option is the most sensible one
            self._offered_for = reference
            self.slices.setCurrentIndex(0)
        self._check()

    def _check(self, _: object = None) -> None:
        """Say what the button will do and cost, or why it cannot."""
        if self._worker is not None:
            return
        prediction, reference = self.prediction.value, self.reference.value
        self.prediction_problem.say("")
        reason = None
        if prediction is None:
            reason = NO_PREDICTION
        elif reference is None:
            reason = NO_REFERENCE
        elif prediction is reference:
            reason = SAME
        elif tuple(prediction.data.shape) != tuple(reference.data.shape):
            reason = (
                f"The prediction has shape {tuple(prediction.data.shape)}, the reference "
                f"{tuple(reference.data.shape)}: choose two layers of the same image."
            )
            self.prediction_problem.say(reason)
        if reason is not None:
            self.start.allow(reason, "Compare")
            self.reason.say("" if self.prediction_problem.text() else reason)
            return
        shape = tuple(reference.data.shape)
        n = self._n_slices()
        self.start.allow(None, f"Compare {count(n, 'slice')}")
        seconds = seconds_needed(
            n * shape[-2] * shape[-1], self._metrics(), regions=self.show_errors.isChecked()
        )
        self.reason.say(about(seconds))

    def _n_slices(self) -> int:
        chosen = self.slices.value
        if chosen is None:
            return int(np.prod(self.reference.value.data.shape[:-2]))
        return 1 if chosen == SHOWN else len(chosen)

    def _metrics(self) -> tuple[str, ...]:
        name = self.metrics.value
        return ("overlap",) if name == "overlap" else ("overlap", name)

    # -- while it runs ----------------------------------------------------------------------

    def _on_start(self) -> None:
        if self._worker is not None:
            return
        self._offer_slices()  # labels may have been drawn since
        missing = self._not_annotated()
        self.problem.say(missing)
        if missing:
            return
        request, annotation = self._request(), self.zero.value
        self._source = self.reference.value
        self._errors = None
        self._compared.clear()
        self._found.clear()
        self.errors.show_errors([])
        self.scores.clear()
        compared = (self.prediction.value, self.reference.value)
        self.scores.read_from = [layer.source.path for layer in compared if layer.source.path]
        self.curves.clear()
        spotlight_off(self.viewer)
        for note in (self.reason, self.line):
            note.say("")
        self.start.allow(BUSY)
        self.running.show()
        self.bar.setRange(0, 0)
        self._begun = monotonic()
        self._doing = ""
        self._worker = Worker(lambda: compare(_with_scheme(request, annotation)))
        self._worker.yielded.connect(self._on_event)
        self._worker.drained.connect(self._on_drained)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._on_finished)
        self.run(self._worker)

    def _not_annotated(self) -> str:
        """Say so if the slice shown is to be compared and nobody knows what is right there."""
        reference = self.reference.value
        annotated = annotated_in(self.session, reference)
        shown = self._shown(reference)
        if self.slices.value != SHOWN or annotated is None or shown in annotated:
            return ""
        nearest = min(annotated, key=lambda i: abs(i - shown))
        return f"Slice {shown} is not annotated: turn to one that is, such as {nearest}."

    def _request(self) -> EvaluationRequest:
        prediction, reference = self.prediction.value, self.reference.value
        chosen = self.slices.value
        kind = self._output_of(prediction)
        if kind is None and isinstance(prediction, Image):
            kind = "probabilities"
        return EvaluationRequest(
            prediction=prediction.data,
            reference=reference.data,
            kind=kind,
            scheme=scheme_of(self.session, reference),
            slices=(self._shown(reference),) if chosen == SHOWN else chosen,
            metrics=self._metrics(),
            regions=self.show_errors.isChecked(),
        )

    def _shown(self, reference: Any) -> int:
        """Return the flat index of the slice of the reference that is shown."""
        leading = tuple(reference.data.shape[:-2])
        point = np.asarray(self.viewer.dims.point, float)[-reference.ndim :]
        where = np.round(np.asarray(reference.world_to_data(point), float))[: len(leading)]
        index = [int(np.clip(v, 0, n - 1)) for v, n in zip(where, leading)]
        return int(np.ravel_multi_index(index, leading)) if leading else 0

    def _on_event(self, event: object) -> None:
        if isinstance(event, Doing):
            self._say_how_far(event)
        elif isinstance(event, Score):
            self.scores.add(event)
        elif isinstance(event, Curves):
            self.scores.curves.append(event)
            self.curves.show_curves(event)
        elif isinstance(event, ErrorPlane):
            self._write_errors(event)

    def _say_how_far(self, event: Doing) -> None:
        what = event.text.split()[0]  # comparing the slices is one piece of work
        if what != self._doing:
            self._doing, self._doing_since = what, monotonic()
        known = bool(np.isfinite(event.share))
        self.bar.setRange(0, 100 if known else 0)
        self.bar.setValue(round(100 * event.share) if known else 0)
        left = ""
        if known and event.share >= LEFT_FROM:
            spent = monotonic() - self._doing_since
            left = f" · {duration(spent / event.share * (1 - event.share))} left"
        self.line.say(f"{event.text} …{left}")

    def _write_errors(self, plane: ErrorPlane) -> None:
        if self._errors is None:
            stack = self.session.stack
            known = stack is not None and self.session.labels_layer is self._source
            name = stack.name if known and stack is not None else self._source.name
            self._errors = ErrorLayer(self.viewer, self._source, name)
            self._on_kinds()
        self._errors.write(plane)
        self._compared.append(plane.index)
        self._found += [(plane.index, error) for error in plane.errors]

    def _on_drained(self) -> None:
        if self._errors is not None:
            self._errors.draw()

    def _on_kinds(self) -> None:
        if self._errors is not None:
            self._errors.show_kinds(self.errors.kinds.shown)

    def _on_cancel(self) -> None:
        """Be usable at once; the thread ends by itself as soon as it can."""
        worker = self._worker
        if worker is not None:
            worker.abandon()
            self._end("Cancelled; what was found until then stays.")

    # -- after it ---------------------------------------------------------------------------

    def _on_error(self, error: Exception) -> None:
        show_error(error)
        self.problem.say(sentence(error))

    def _on_finished(self) -> None:
        worker = self._worker
        if worker is None or worker.is_running:
            return  # one that was cancelled before
        n, spent = self._n_slices(), monotonic() - self._begun
        failed = self.problem.text()
        self._end("" if failed else f"{count(n, 'slice')} in {duration(spent)}")
        self.problem.say(failed)

    def _end(self, said: str) -> None:
        """Say what happened, show what was found, and make everything usable again."""
        self._worker = None
        self._on_drained()
        self.running.hide()
        if self._errors is not None:
            self._show_compared(self._errors)
            self._found.sort(key=lambda found: -found[1].severity)
            self.errors.show_errors(self._found, pixel_area(self._source))
        self._check()
        if self.start.isEnabled():
            self.reason.say("")  # what it took, in place of what it would
        self.line.say(said)

    def _show_compared(self, errors: ErrorLayer) -> None:
        """Turn to a slice that was compared, where another one is shown."""
        layer = errors.layer
        leading = tuple(layer.data.shape[:-2])
        if not self._compared or not errors.is_there or not leading:
            return
        if np.unravel_index(self._shown(layer), leading) not in self._compared:
            first = layer.data_to_world((*self._compared[0], 0, 0))
            for axis in range(len(leading)):
                self.viewer.dims.set_point(self.viewer.dims.ndim - len(first) + axis, first[axis])

    def _go_to(self, index: tuple[int, ...], error: SegmentationError) -> None:
        """Zoom in on an error."""
        if self._source is not None and self._source in self.viewer.layers:
            spotlight(self.viewer, self._source, index, error.surround)


def _with_scheme(request: EvaluationRequest, annotation: Any) -> EvaluationRequest:
    """Propose what the reference's values mean, where nobody said so; in the worker's thread."""
    if request.scheme is not None:
        return request
    scheme: LabelScheme = propose_scheme(request.reference, annotation)[0]
    return replace(request, scheme=scheme)
