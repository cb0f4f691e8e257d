"""The Evaluate dock: a prediction against a reference, as numbers and as a picture."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari_unet.annotation.labels import propose_scheme
from napari_unet.base.quantities import about, count, duration
from napari_unet.evaluation.comparison import (
    Curves,
    Doing,
    ErrorPlane,
    EvaluationRequest,
    ReadAs,
    Score,
    compare,
    seconds_needed,
)
from napari_unet.widgets.common.buttons import PrimaryButton
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.notes import Note, Problem
from napari_unet.widgets.common.notices import sentence, show_error
from napari_unet.widgets.common.progress import ProgressRow
from napari_unet.widgets.common.spotlight import spotlight_off
from napari_unet.widgets.common.worker import Worker
from napari_unet.widgets.evaluate.error_panel import ErrorPanel
from napari_unet.widgets.evaluate.evaluate_form import EvaluateForm
from napari_unet.widgets.evaluate.score_curves import ScoreCurves
from napari_unet.widgets.evaluate.score_table import ScoreTable

if TYPE_CHECKING:
    from napari_unet.annotation.labels import LabelScheme

__all__ = ["EvaluateDock"]

BUSY = "A comparison is running."
TIP = "Compare in the background: scores in the table, errors as a layer."
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
        self._begun = self._doing_since = 0.0
        self._doing = self._read_as = ""
        self.form = EvaluateForm(self)
        self.form.changed.connect(self._check)
        self.start = PrimaryButton("Compare", TIP)
        self.start.clicked.connect(self._on_start)
        self.problem = Problem(self.start)
        self.reason = Note()
        self.running = ProgressRow("Stop comparing at once; the scores so far stay.")
        self.running.cancel.clicked.connect(self._on_cancel)
        self.line = Note()
        self.scores = ScoreTable()
        self.scores.said.connect(self.line.say)
        self.curves = ScoreCurves(self.viewer)
        self.errors = ErrorPanel(self.viewer)
        for widget in (
            self.form, self.start, self.problem, self.reason, self.running, self.line,
            self.scores, self.curves, self.errors,
        ):  # fmt: skip
            self.column.addWidget(widget)
        self.listen(self.session.stack_changed, self._on_stack)
        self.follow(self.form.offer_slices, "split")
        self.listen(self.viewer.layers.events.inserted, self._on_inserted)
        self.listen(self.viewer.layers.events.removed, self._check)
        self._on_stack()

    @property
    def is_busy(self) -> bool:
        """Whether a comparison is running."""
        return self._worker is not None

    def on_shut(self) -> None:
        """Take away what only clicks in here move."""
        spotlight_off(self.viewer)

    # -- before the start -------------------------------------------------------------------

    def _on_stack(self, _stack: object = None) -> None:
        labels = self.session.labels_layer
        if labels is not None:
            self.form.reference.value = labels
        self.form.offer_results()

    def _on_inserted(self, _event: object = None) -> None:
        self.form.offer_results()

    def _check(self, _: object = None) -> None:
        """Say what the button will do and cost, or why it cannot."""
        if self._worker is not None:
            return
        reason = self.form.why_not()
        if reason is not None:
            self.start.allow(reason, "Compare")
            self.reason.say("" if self.form.problem.text() else reason)
            return
        Y, X = self.form.reference.value.data.shape[-2:]
        n = self.form.n_slices
        self.start.allow(None, f"Compare {count(n, 'slice')}")
        regions = self.form.show_errors.isChecked()
        self.reason.say(about(seconds_needed(n * Y * X, self.form.chosen_metrics, regions=regions)))

    # -- while it runs ----------------------------------------------------------------------

    def _on_start(self) -> None:
        if self._worker is not None:
            return
        self.form.offer_slices()  # labels may have been drawn since
        missing = self.form.not_annotated()
        self.problem.say(missing)
        if missing:
            return
        request, annotation = self.form.request(), self.form.zero.value
        self._clear()
        self.start.allow(BUSY)
        self.running.begin()
        self._begun = monotonic()
        self._doing = self._read_as = ""
        self._worker = Worker(lambda: compare(_with_scheme(request, annotation)))
        self._worker.yielded.connect(self._on_event)
        self._worker.drained.connect(self.errors.draw)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._on_finished)
        self.run(self._worker)

    def _clear(self) -> None:
        """Take away what a former comparison found."""
        compared = (self.form.prediction.value, self.form.reference.value)
        self.errors.begin(compared[1], self.session)
        self.scores.clear()
        self.scores.about = self.form.about()
        self.scores.read_from = [layer.source.path for layer in compared if layer.source.path]
        self.curves.clear()
        for note in (self.reason, self.line):
            note.say("")

    def _on_event(self, event: object) -> None:
        if isinstance(event, Doing):
            self._say_how_far(event)
        elif isinstance(event, ReadAs):
            self._read_as = event.text
        elif isinstance(event, Score):
            self.scores.add(event)
        elif isinstance(event, Curves):
            self.scores.curves.append(event)
            self.curves.show_curves(event)
        elif isinstance(event, ErrorPlane):
            self.errors.take(event)

    def _say_how_far(self, event: Doing) -> None:
        what = event.text.split()[0]  # comparing the slices is one piece of work
        if what != self._doing:
            self._doing, self._doing_since = what, monotonic()
        self.running.show_share(event.share)
        left = ""
        if event.share >= LEFT_FROM:  # not where it is NaN
            spent = monotonic() - self._doing_since
            left = f" · {duration(spent / event.share * (1 - event.share))} left"
        self.line.say(f"{event.text} …{left}")

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
        n, spent = self.form.n_slices, monotonic() - self._begun
        failed = self.problem.text()
        took = f"{count(n, 'slice')} in {duration(spent)}"
        self._end("" if failed else f"{took}\nPrediction: {self._read_as}.")
        self.problem.say(failed)

    def _end(self, said: str) -> None:
        """Say what happened, show what was found, and make everything usable again."""
        self._worker = None
        self.running.hide()
        self.errors.finish()
        self._check()
        if self.start.isEnabled():
            self.reason.say("")  # what it took, in place of what it would
        self.line.say(said)


def _with_scheme(request: EvaluationRequest, annotation: Any) -> EvaluationRequest:
    """Propose what the reference's values mean, where nobody said so; in the worker's thread."""
    if request.scheme is not None:
        return request
    scheme: LabelScheme = propose_scheme(request.reference, annotation)[0]
    return replace(request, scheme=scheme)
