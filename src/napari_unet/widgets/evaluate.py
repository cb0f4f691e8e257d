"""The Evaluate dock: a prediction against a reference, as numbers and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QProgressBar,
    QTableWidget,
    QTableWidgetItem,
)

from napari_unet.errors import UNetError
from napari_unet.evaluation import (
    ERROR_KINDS,
    METRICS,
    Doing,
    ErrorPlane,
    EvaluationRequest,
    evaluate,
    offered_metrics,
)
from napari_unet.evaluation import (
    Row as Score,
)
from napari_unet.splits import split_stack
from napari_unet.widgets import theme
from napari_unet.widgets.dock import Dock
from napari_unet.widgets.error_list import ErrorList
from napari_unet.widgets.form import (
    Combo,
    Form,
    Note,
    PrimaryButton,
    Problem,
    Row,
    button,
    check_box,
)
from napari_unet.widgets.layers import LayerCombo, refresh
from napari_unet.widgets.notices import sentence, show_error
from napari_unet.widgets.prediction_layer import OUTPUT_KEY
from napari_unet.widgets.quantities import count, score
from napari_unet.widgets.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_unet.metrics import SegmentationError

__all__ = ["EvaluateDock"]

NO_PREDICTION = "Choose a prediction: a layer that Predict made, or any labels layer."
NO_REFERENCE = "Choose the reference: a labels layer that was drawn or checked by a person."
SAME = "Prediction and reference are the same layer: choose another one."
BUSY = "A comparison is running."
TIP = "Compare in the background: scores in the table, errors as a layer."
KIND_COLOURS = dict(
    zip(ERROR_KINDS, (theme.MERGE, theme.SPLIT, theme.MISSED, theme.INVENTED), strict=True)
)


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
        self._errors: Any = None
        self._source: Any = None
        self._compared: list[tuple[int, ...]] = []
        self._found: list[tuple[tuple[int, ...], SegmentationError]] = []
        self._build_choices()
        self._build_actions()
        self._build_results()
        self.listen(self.session.stack_changed, self._on_stack)
        self.listen(self.session.split_changed, self._offer_slices)
        self.listen(self.viewer.layers.events.inserted, self._on_inserted)
        self.listen(self.viewer.layers.events.removed, self._check)
        self._on_stack()

    # -- controls ---------------------------------------------------------------------------

    def _build_choices(self) -> None:
        self.prediction = LayerCombo(
            self, (Labels, Image), "What the network said: labels, instances or probabilities.",
            results=True,
        )  # fmt: skip
        self.reference = LayerCombo(self, Labels, "What is right: labels drawn by a person.")
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
            control.chosen.connect(self._on_layers)
        for other in (self.slices, self.metrics):
            other.chosen.connect(self._check)
        form = Form()
        self.prediction_problem = form.add("&Prediction", self.prediction)
        self.reference_problem = form.add("&Reference", self.reference)
        form.add("S&lices", self.slices)
        form.add("&Metrics", self.metrics)
        form.add("Show", self.show_errors)
        self.column.addWidget(form)

    def _build_actions(self) -> None:
        self.start = PrimaryButton("Compare", TIP)
        self.start.clicked.connect(self._on_start)
        self.problem = Problem(self.start)
        self.reason = Note()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(6)
        self.cancel = button("&Cancel", "Stop comparing; the scores so far stay.")
        self.cancel.clicked.connect(self._on_cancel)
        self.running = Row(self.bar, self.cancel, stretch=0)
        self.running.hide()
        self.line = Note()
        for widget in (self.start, self.problem, self.reason, self.running, self.line):
            self.column.addWidget(widget)

    def _build_results(self) -> None:
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["score", "value"])
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setToolTip("Point at a score to read what it means.")
        self.copy = button("Cop&y table", "Copy the scores, to paste them into a spreadsheet.")
        self.copy.clicked.connect(self.copy_table)
        self.legend = Note()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.table.hide()
        self.copy.hide()
        self.errors = ErrorList()
        self.errors.chosen.connect(self._go_to)
        for widget in (self.table, Row(self.copy), self.legend, self.errors):
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
            if layer.metadata.get(OUTPUT_KEY) and self._output_of(self.prediction.value) is None:
                self.prediction.value = layer
                break
        self._on_layers()

    @staticmethod
    def _output_of(layer: Any) -> str | None:
        return None if layer is None else layer.metadata.get(OUTPUT_KEY)

    def _on_layers(self, _layer: object = None) -> None:
        self._offer_slices()

    def _offer_slices(self, _split: object = None) -> None:
        reference = self.reference.value
        options: list[tuple[str, Any]] = []
        if reference is not None:
            for name, slices in self._named_slices(reference):
                options.append((name, slices))
            options.append(("slice shown", "shown"))
        self.slices.set_options(options or [("all", None)])
        self._check()

    def _named_slices(self, reference: Any) -> Iterator[tuple[str, tuple[int, ...] | None]]:
        stack = self.session.stack
        if stack is not None and self.session.labels_layer is reference:
            try:
                split = split_stack(stack, self.session.split, guard=0)
            except UNetError:
                split = None
            if split is not None and split.validation and split.region is None:
                yield f"validation slices ({_ranges(split.validation)})", split.validation
            labelled = tuple(stack.labelled_slices)
            yield f"all {count(len(labelled), 'labelled slice')}", labelled
        else:
            yield "all", None

    def _check(self, _: object = None) -> None:
        """Say what the button will do, or why it cannot."""
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
        chosen = self.slices.value
        text = (
            f"Compare {count(len(chosen), 'slice')}"
            if isinstance(chosen, tuple)
            else ("Compare this slice" if chosen == "shown" else "Compare")
        )
        self.start.allow(reason, text)
        self.reason.say("" if self.prediction_problem.text() else reason or "")

    # -- while it runs ----------------------------------------------------------------------

    def _on_start(self) -> None:
        if self._worker is not None:
            return
        request = self._request()
        self._source = self.reference.value
        self._errors = None
        self._compared.clear()
        self._found.clear()
        self.errors.show_errors([])
        self.table.setRowCount(0)
        self.problem.say("")
        self.legend.say("")
        self.start.allow(BUSY)
        self.running.show()
        self.cancel.setEnabled(True)
        self.bar.setRange(0, 0)
        self._worker = Worker(lambda: evaluate(request))
        self._worker.yielded.connect(self._on_event)
        self._worker.drained.connect(self._on_drained)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._on_over)
        self.run(self._worker)

    def _request(self) -> EvaluationRequest:
        prediction, reference = self.prediction.value, self.reference.value
        stack, chosen = self.session.stack, self.slices.value
        is_trained_on = stack is not None and self.session.labels_layer is reference
        name = self.metrics.value
        kind: Any = self._output_of(prediction)
        if kind is None:
            kind = "probabilities" if isinstance(prediction, Image) else "labels"
        return EvaluationRequest(
            prediction=prediction.data,
            reference=reference.data,
            kind=kind,
            scheme=stack.scheme if is_trained_on and stack is not None else None,
            slices=(self._shown(reference),) if chosen == "shown" else chosen,
            metrics=("overlap",) if name == "overlap" else ("overlap", name),
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
            self.line.say(f"{event.text} …")
            known = np.isfinite(event.share)
            self.bar.setRange(0, 100 if known else 0)
            self.bar.setValue(round(100 * event.share) if known else 0)
        elif isinstance(event, Score):
            self._add_row(event)
        elif isinstance(event, ErrorPlane):
            self._write_errors(event)

    def _add_row(self, row: Score) -> None:
        k = self.table.rowCount()
        self.table.insertRow(k)
        value = f"{row.value:.6f}" if "warping" in row.name else score(row.value)
        for column, text in enumerate((row.name, value)):
            item = QTableWidgetItem(text)
            item.setToolTip(row.meaning)
            self.table.setItem(k, column, item)
        self.table.show()
        self.copy.show()
        height = self.table.horizontalHeader().height() + 4
        height += sum(self.table.rowHeight(i) for i in range(self.table.rowCount()))
        self.table.setFixedHeight(height)

    def _write_errors(self, plane: ErrorPlane) -> None:
        if self._errors is None:
            self._errors = self._make_layer()
        if tuple(self._errors.data.shape[-2:]) == plane.values.shape:
            self._errors.data[plane.index] = plane.values
            self._compared.append(plane.index)
            self._found += [(plane.index, error) for error in plane.errors]

    def _make_layer(self) -> Labels:
        """Show an empty layer "NAME · errors" where the reference lies."""
        source = self._source
        stack = self.session.stack
        known = stack is not None and self.session.labels_layer is source
        name = f"{stack.name if known and stack is not None else source.name} · errors"
        for layer in [one for one in self.viewer.layers if one.name == name]:
            self.viewer.layers.remove(layer)
        layer = Labels(
            np.zeros(source.data.shape, np.uint8),
            name=name,
            scale=source.scale,
            translate=source.translate,
            units=source.units,
            axis_labels=source.axis_labels,
            colormap=_error_colours(),
            opacity=0.8,
        )
        active = self.viewer.layers.selection.active
        self.viewer.add_layer(layer)
        if active is not None and active in self.viewer.layers:
            self.viewer.layers.selection.active = active
        return layer

    def _on_drained(self) -> None:
        if self._errors is not None and self._errors in self.viewer.layers:
            refresh(self._errors)

    def _on_cancel(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self.cancel.setEnabled(False)

    # -- after it ---------------------------------------------------------------------------

    def _on_error(self, error: Exception) -> None:
        show_error(error)
        self.problem.say(sentence(error))

    def _on_over(self) -> None:
        """Say what is seen, and make everything usable again."""
        failed = self.problem.text()
        self._on_drained()
        self._worker = None
        self.running.hide()
        self.line.say("")
        if self._errors is not None:
            self.legend.say(_legend())
            self._show_compared()
            self._found.sort(key=lambda found: -found[1].severity)
            self.errors.show_errors(self._found)
        self._check()
        self.problem.say(failed)

    def _show_compared(self) -> None:
        """Turn to a slice that was compared, where another one is shown."""
        if not self._compared or self._errors not in self.viewer.layers:
            return
        leading = tuple(self._errors.data.shape[:-2])
        if leading and np.unravel_index(self._shown(self._errors), leading) not in self._compared:
            first = self._errors.data_to_world((*self._compared[0], 0, 0))
            for axis in range(len(leading)):
                self.viewer.dims.set_point(self.viewer.dims.ndim - len(first) + axis, first[axis])

    def _go_to(self, index: tuple[int, ...], error: SegmentationError) -> None:
        """Show the slice of an error, with the error in the middle."""
        if self._source is None:
            return
        point = self._source.data_to_world((*index, *error.position))
        shown = self.viewer.dims.ndim
        for axis, value in enumerate(point[:-2]):
            self.viewer.dims.set_point(shown - len(point) + axis, value)
        scene = getattr(self.viewer, "scene", self.viewer)  # napari before 0.9 has no scene
        scene.camera.center = (0.0, *point[-2:])

    def copy_table(self) -> str:
        """Put the table on the clipboard, one line per score, and return it."""
        lines = [
            "\t".join(self.table.item(k, column).text() for column in (0, 1))
            for k in range(self.table.rowCount())
        ]
        text = "\n".join(lines)
        QApplication.clipboard().setText(text)
        self.line.say(f"{count(len(lines), 'score')} copied.")
        return text


def _ranges(slices: tuple[int, ...]) -> str:
    """Return ascending numbers as a text: 24–29."""
    first, last = slices[0], slices[-1]
    if len(slices) > 1 and slices == tuple(range(first, last + 1)):
        return f"{first}–{last}"
    return ", ".join(map(str, slices[:6])) + (" …" if len(slices) > 6 else "")


def _error_colours() -> DirectLabelColormap:
    colours: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    for k, kind in enumerate(ERROR_KINDS):
        colours[k + 1] = KIND_COLOURS[kind]
    return DirectLabelColormap(color_dict=colours)


def _legend() -> str:
    words = [
        f'<span style="color:{colour}">■</span>&nbsp;{kind.replace(" ", "&nbsp;")}'
        for kind, colour in KIND_COLOURS.items()
    ]
    return " &nbsp;".join(words)
