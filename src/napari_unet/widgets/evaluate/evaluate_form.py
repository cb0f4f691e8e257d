"""What is asked for in a comparison: two layers, which slices, which metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import Signal

from napari_unet.evaluation.comparison import METRICS, EvaluationRequest, offered_metrics
from napari_unet.widgets.common.buttons import check_box
from napari_unet.widgets.common.choices import Choice, Combo
from napari_unet.widgets.common.form import Form
from napari_unet.widgets.common.layer_combo import LayerCombo
from napari_unet.widgets.common.layer_facts import told
from napari_unet.widgets.evaluate.reference_choice import (
    SHOWN,
    annotated_in,
    scheme_of,
    shown_plane,
    slice_options,
)

if TYPE_CHECKING:
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.common.layer_facts import Kind

__all__ = ["EvaluateForm"]

PREDICTED: tuple[Kind, ...] = ("prediction", "objects", "probabilities", "live prediction")

NO_PREDICTION = "Choose a prediction: a layer that Predict made, or any labels layer."
NO_REFERENCE = "Choose the reference: a labels layer that was drawn or checked by a person."
SAME = "Prediction and reference are the same layer: choose another one."
ZERO_MEANS = (
    ("background", "dense", "Every pixel of the reference counts."),
    ("not annotated", "sparse", "Pixels of 0 do not count; 1 is background, the rest cells."),
)


class EvaluateForm(Form):
    """Two layers of the viewer, and what is to be compared of them.

    Parameters
    ----------
    dock
        The dock it belongs to; gives viewer and session.
    """

    changed = Signal()

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._viewer, self._session = dock.viewer, dock.session
        self._offered_for: Any = None
        self.prediction = LayerCombo(
            dock, (Labels, Image), "What the network said: labels, objects or probabilities.",
            results=PREDICTED,
        )  # fmt: skip
        self.reference = LayerCombo(dock, Labels, "What is right: labels drawn by a person.")
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
            control.chosen.connect(self.offer_slices)
        for other in (self.slices, self.metrics):
            other.chosen.connect(self._on_choice)
        self.show_errors.toggled.connect(self._on_choice)
        self.problem = self.add("Pre&diction", self.prediction)
        self.add("&Reference", self.reference)
        self.add("0 means", self.zero)
        self.add("&Slices", self.slices)
        self.add("&Metrics", self.metrics)
        self.add("Show", self.show_errors)

    def _on_choice(self, _: object = None) -> None:
        self.changed.emit()

    def offer_results(self) -> None:
        """Offer what Predict has just made, unless the user chose something."""
        for layer in reversed(self._viewer.layers):
            if told(layer, "output") and self._output() is None:
                self.prediction.value = layer
                break
        self.offer_slices()

    def offer_slices(self, _changed: object = None) -> None:
        """Offer the slices of the reference, as its labels are now."""
        reference = self.reference.value
        unknown = reference is not None and scheme_of(self._session, reference) is None
        self.show_row(self.zero, unknown)
        self.slices.set_options(slice_options(self._session, reference))
        if reference is not self._offered_for:  # the first option is the most sensible one
            self._offered_for = reference
            self.slices.setCurrentIndex(0)
        self.changed.emit()

    def _output(self) -> Any:
        layer = self.prediction.value
        return None if layer is None else told(layer, "output")

    def why_not(self) -> str | None:
        """Say why these layers cannot be compared; None where they can."""
        prediction, reference = self.prediction.value, self.reference.value
        self.problem.say("")
        if prediction is None:
            return NO_PREDICTION
        if reference is None:
            return NO_REFERENCE
        if prediction is reference:
            return SAME
        one, other = (tuple(layer.data.shape) for layer in (prediction, reference))
        if one == other:
            return None
        self.problem.say(
            f"The prediction has shape {one}, the reference {other}: choose two layers of the "
            "same image."
        )
        return self.problem.text()

    def not_annotated(self) -> str:
        """Say so if the slice shown is to be compared and nobody knows what is right there."""
        reference = self.reference.value
        annotated = annotated_in(self._session, reference)
        shown = shown_plane(self._viewer, reference)
        if self.slices.value != SHOWN or annotated is None or shown in annotated:
            return ""
        nearest = min(annotated, key=lambda i: abs(i - shown))
        return f"Slice {shown} is not annotated: turn to one that is, such as {nearest}."

    @property
    def n_slices(self) -> int:
        """How many slices are to be compared."""
        chosen = self.slices.value
        if chosen is None:
            return int(np.prod(self.reference.value.data.shape[:-2]))
        return 1 if chosen == SHOWN else len(chosen)

    @property
    def chosen_metrics(self) -> tuple[str, ...]:
        """The metrics to be computed; overlap always."""
        return tuple(dict.fromkeys(("overlap", self.metrics.value)))

    def about(self) -> dict[str, str]:
        """Return what is compared, for whoever reads the scores later."""
        prediction, reference = self.prediction.value, self.reference.value
        by = told(prediction, "predicted", {"model": "", "settings": {}})
        scheme, chosen = scheme_of(self._session, reference), self.slices.value
        if chosen == SHOWN:
            chosen = (shown_plane(self._viewer, reference),)
        means = self.zero.value if scheme is None else scheme.annotation
        zero = next(text for text, annotation, _ in ZERO_MEANS if annotation == means)
        how = {**by["settings"], "0 means": zero}
        return {
            "model": by["model"],
            "prediction": prediction.name,
            "reference": reference.name,
            "slices": "all" if chosen is None else " ".join(map(str, chosen)),
            "settings": "; ".join(f"{name} {value}" for name, value in how.items() if value),
        }

    def request(self) -> EvaluationRequest:
        """What is to be compared with what."""
        prediction, reference = self.prediction.value, self.reference.value
        chosen, kind = self.slices.value, self._output()
        if kind is None and isinstance(prediction, Image):
            kind = "probabilities"
        return EvaluationRequest(
            prediction=prediction.data,
            reference=reference.data,
            kind=kind,
            scheme=scheme_of(self._session, reference),
            slices=(shown_plane(self._viewer, reference),) if chosen == SHOWN else chosen,
            metrics=self.chosen_metrics,
            regions=self.show_errors.isChecked(),
        )
