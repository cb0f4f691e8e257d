"""The Predict dock: a model over a slice or a stack, into a layer, tile by tile."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtWidgets import QFileDialog, QProgressBar

from napari_unet.app.prediction_cost import prediction_cost
from napari_unet.app.prediction_job import (
    ModelRead,
    PredictionRequest,
    Remarked,
    prediction_job,
)
from napari_unet.app.run_places import recent_runs
from napari_unet.base.errors import InputError, UNetError
from napari_unet.base.quantities import about, count, duration, size
from napari_unet.images.zoom import zoom_for
from napari_unet.prediction.outputs import OUTPUTS, ObjectPlane, Output
from napari_unet.prediction.pieces import Piece
from napari_unet.widgets.common.devices import AUTOMATIC, device_options, present_devices
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.form import (
    Advanced,
    Choice,
    Combo,
    Form,
    Note,
    PrimaryButton,
    Problem,
    Row,
    button,
    check_box,
    set_tip,
    spin_box,
)
from napari_unet.widgets.common.layer_combo import LayerCombo
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.layers import shown_slice, stack_from_layers
from napari_unet.widgets.common.notices import sentence, show_error
from napari_unet.widgets.common.worker import Worker, once
from napari_unet.widgets.predict.object_panel import ObjectPanel
from napari_unet.widgets.predict.prediction_layer import prediction_layer

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.result_layers import GrowingLayer

__all__ = ["PredictDock"]

NO_IMAGE = "Open an image first, for example under Data."
NO_MODEL = "Train a model first, or choose a saved one."
BUSY = "A prediction is running: cancel it below."
TIP = "Predict in the background; finished tiles appear in the result layer."
MIRRORED = (
    "Predict every tile in its eight mirrored and rotated versions and take the mean: a little "
    "better at doubtful borders, in eight times the time."
)
MATCH = (
    "Zoom the image until its pixels have the size of those that the model learnt from, and the "
    "result back. For images of another magnification."
)
GREY = (
    "Measure on this image which grey values are dark and bright, instead of taking those that "
    "the model learnt. For images of another bit depth, gain or offset."
)
OFFERS = {
    "": "",
    "match pixels": ": Pixel size under Advanced matches them",
    "measure grey values": ": Grey values under Advanced measures them anew",
}
"""What the dock says to an offer of `napari_unet.prediction.image_remarks`."""
SMALLEST = "Objects of fewer pixels are left out."
FILL = "Make holes in an object a part of it."


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
        self._finder: Worker | None = None
        self._result: GrowingLayer | None = None
        self._request: PredictionRequest | None = None
        self._source: Any = None  # the image layer that is being predicted
        self._chosen: LayerStack | None = None  # where it is not the session's
        self._begun = 0.0
        self._slices = self._done = self._total = 0
        self._build_choices()
        self._build_actions()
        self.listen(self.session.model_changed, self._on_model)
        self.listen(self.session.stack_changed, self._on_stack)
        self.listen(self.viewer.layers.events.removed, self._check)
        self.listen(self.viewer.dims.events.current_step, self._on_slice)
        self._offer_models()
        self._on_stack()
        self._on_output()

    # -- controls ---------------------------------------------------------------------------

    def _build_choices(self) -> None:
        self.model = Combo((), "What predicts: the model of the last training, or a saved one.")
        self.model.chosen.connect(self._check)
        self.browse = button("File …", "Choose a saved model: a .safetensors file of a run folder.")
        self.browse.clicked.connect(self._choose_file)
        self.image = LayerCombo(self, Image, "The image layer to predict.")
        self.image.chosen.connect(self._on_image)
        self.image.altered.connect(self._check)
        self.extent = Choice(
            [
                ("slice shown", "slice", "Only the slice you are looking at: quick to judge."),
                ("whole stack", "stack", "Every slice."),
            ]
        )
        self.extent.value = "stack"
        self.extent.chosen.connect(self._check)
        self.output = Combo([(kind, kind) for kind in OUTPUTS])
        self.output.setToolTip("\n".join(f"{kind}: {tip}" for kind, tip in OUTPUTS.items()))
        self.output.chosen.connect(self._on_output)
        form = Form()
        form.add("&Model", Row(self.model, self.browse, stretch=0))
        self.image_problem = form.add("&Image", self.image)
        form.add("Predict", self.extent, "How much of the image to predict.")
        form.add("&Result", self.output)
        self.advanced = Advanced("mirrored views, pixel size, small objects, tiles, device")
        self.mirrored = check_box("average all eight", MIRRORED)
        self.mirrored.toggled.connect(self._check)
        self.match = check_box("match the model's", MATCH)
        self.match.toggled.connect(self._check)
        self.grey = check_box("measure anew", GREY)
        self.smallest = spin_box(0, 10**7, 0, SMALLEST, suffix=" px", step=10)
        self.smallest.setSpecialValueText("any size")
        self.fill = check_box("fill", FILL)
        self.tile = spin_box(
            0,
            8192,
            0,
            "Largest side of an input tile, in pixels. The result is the same for every size; "
            "larger ones are faster and need more memory. Automatic takes what fits.",
            suffix=" px",
            step=16,
        )
        self.tile.setSpecialValueText("automatic")
        self.device = Combo(
            [AUTOMATIC], "What computes. Automatic takes the graphics card if there is one."
        )
        self.advanced.toggle.toggled.connect(self._look_for_devices)
        self.advanced.form.add("Mirrored views", self.mirrored)
        self.match_problem = self.advanced.form.add("Pixel size", self.match)
        self.advanced.form.add("Grey values", self.grey)
        self.advanced.form.add("Smallest object", self.smallest)
        self.advanced.form.add("Holes in objects", self.fill)
        self.advanced.form.add("Tile", self.tile)
        self.advanced.form.add("Device", self.device)
        self.tile.valueChanged.connect(self._check)
        self.column.addWidget(form)
        self.column.addWidget(self.advanced)

    def _build_actions(self) -> None:
        self.start = PrimaryButton("Predict", TIP)
        self.start.clicked.connect(self._on_start)
        self.problem = Problem(self.start)
        self.cost = Note()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(6)
        self.line = Note()
        self.cancel = button("&Cancel", "Stop at once; the tiles that are finished stay.")
        self.cancel.clicked.connect(self._on_cancel)
        self.running = Row(self.bar, self.cancel, stretch=0)
        self.running.hide()
        self.notes = Note(role="warning")
        self.objects = ObjectPanel(self)
        for widget in (
            self.start, self.problem, self.cost, self.running, self.line, self.notes, self.objects
        ):  # fmt: skip
            self.column.addWidget(widget)

    # -- before the start -------------------------------------------------------------------

    def _offer_models(self) -> None:
        options: list[tuple[str, Any]] = []
        if self.session.model is not None:
            name, step = self.session.model.name, self.session.model.run.get("step")
            learnt = f"step {step:,}, " if step else ""
            options.append((f"current: {learnt}{name}", "current"))
        options += [(run.name, run) for run in recent_runs()]
        chosen = self.model.value
        if isinstance(chosen, Path) and all(chosen != value for _, value in options):
            options.append((chosen.name, chosen))
        self.model.set_options(options or [("no model yet", None)])

    def _on_model(self, model: object) -> None:
        self._offer_models()
        if model is not None:
            self.model.value = "current"
            if model.network.config.object_maps:  # type: ignore[attr-defined]
                self.output.value = "objects"
                self._on_output()
        self._check()

    def _on_stack(self, _stack: object = None) -> None:
        source = self.session.image_layer
        if source is not None:
            self.image.value = source
        self._check()

    def _on_image(self, _layer: object = None) -> None:
        self._check()

    def _on_output(self, _output: object = None) -> None:
        """Offer what belongs to objects only while these are asked for."""
        wanted = self.output.value == "objects"
        for control, tip in ((self.smallest, SMALLEST), (self.fill, FILL)):
            control.setEnabled(wanted)
            set_tip(control, tip if wanted else "Only for objects: choose these as the result.")
        self._check()

    def _look_for_devices(self, _: object = None) -> None:
        """Find out what else can compute, once somebody looks; torch may have to load for it."""
        if self.device.count() == 1 and self._finder is None:
            self._finder = Worker(once(present_devices))
            self._finder.yielded.connect(self._offer_devices)
            self.run(self._finder)

    def _offer_devices(self, devices: tuple[str, ...]) -> None:
        self.device.set_options(device_options(devices))

    def _on_slice(self, _event: object = None) -> None:
        if self.extent.value == "slice":
            self._check()

    def _choose_file(self) -> None:
        dialog = QFileDialog(self, "Saved model", "", "Models (*.safetensors)")
        dialog.fileSelected.connect(self.use_file)
        dialog.open()

    def use_file(self, file: str | Path) -> None:
        """Choose a saved model: a model file or a run folder."""
        path = Path(file)
        name = path.parent.name if path.suffix else path.name
        options = [
            (self.model.itemText(k), self.model.itemData(k)[0]) for k in range(self.model.count())
        ]
        known = [option for option in options if option[1] is not None and option[1] != path]
        self.model.set_options([(name, path), *known])
        self.model.value = path
        self.model.setToolTip(str(path))
        self._check()

    def _check(self, _: object = None) -> None:
        """Say what the button will do and cost, or why it cannot."""
        if self._worker is not None:
            return
        self.problem.say("")
        self.image_problem.say("")
        self.match_problem.say("")
        stack, reason = self._ready()
        if stack is None:
            self.start.allow(reason, "Predict")
            self.cost.say("" if self.image_problem.text() else reason or "")
            return
        one = self.extent.value == "slice" or stack.n_slices == 1
        slices = 1 if one else stack.n_slices
        self.start.allow(None, "Predict this slice" if one else f"Predict {slices} slices")
        self.cost.say(self._cost(stack, slices))

    def _ready(self) -> tuple[Stack | None, str | None]:
        """Return the stack to predict, or why nothing can be predicted."""
        layer = self.image.value
        if layer is None:
            return None, NO_IMAGE
        try:
            stack = self._read_stack(layer)
            if self.model.value == "current":
                _check_channels(stack, self.session.model)
        except UNetError as error:
            self.image_problem.say(sentence(error))
            return None, sentence(error)
        if self.model.value is None:
            return None, NO_MODEL
        if self.match.isChecked() and self.model.value == "current":
            try:
                model: Any = self.session.model
                zoom_for(model, stack, match_pixels=True)
            except UNetError as error:
                self.match_problem.say(sentence(error))
                return None, sentence(error)
        return stack, None

    def _read_stack(self, layer: Any) -> Stack:
        """Return the stack that a layer shows now, read as in the session where it is its."""
        source = self.session.source
        if source is None or source.image_layer is not layer:
            if self._chosen is None or self._chosen.image_layer is not layer:
                self._chosen = LayerStack(layer)
            source = self._chosen
        return source.stack() or stack_from_layers(layer)

    def _cost(self, stack: Stack, slices: int) -> str:
        height, width = stack.plane_shape
        text = f"{count(slices, 'slice')} of {width} × {height} px"
        if self.model.value != "current":
            return text
        model: Any = self.session.model
        cost = prediction_cost(self._make_request(stack), model)
        time = "" if cost.seconds is None else f"{about(cost.seconds)}, "
        return f"{time}{size(cost.bytes)}, {text}, {count(cost.tiles, 'tile')}"

    # -- while it runs ----------------------------------------------------------------------

    def _on_start(self) -> None:
        if self._worker is not None:
            return
        self._check()  # the layer as it is now
        stack, _ = self._ready()
        if stack is None:
            return
        request = self._request = self._make_request(stack)
        self.objects.begin()
        self._source = self.image.value
        self._slices = stack.n_slices if request.slices is None else len(request.slices)
        self._begun, self._done, self._total = monotonic(), 0, 0
        self._worker = Worker(lambda: prediction_job(request))
        self._worker.yielded.connect(self._on_event)
        self._worker.drained.connect(self._on_drained)
        self._worker.warned.connect(self.notes.say)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._on_over)
        self._show_running()
        self.run(self._worker)

    def _make_request(self, stack: Stack) -> PredictionRequest:
        chosen: Any = self.session.model if self.model.value == "current" else self.model.value
        one = self.extent.value == "slice"
        return PredictionRequest(
            model=chosen,
            stack=stack,
            slices=(shown_slice(self.viewer, stack, self.image.value),) if one else None,
            output=Output(
                self.output.value,
                background=False,
                min_size=self.smallest.value() or None,
                fill_holes=self.fill.isChecked(),
            ),
            tile=self.tile.value() or None,
            device=self.device.value,
            mirror_average=self.mirrored.isChecked(),
            match_pixels=self.match.isChecked(),
            grey_values="image" if self.grey.isChecked() else "model",
        )

    def _show_running(self) -> None:
        self.start.allow(BUSY, self.start.text().replace("Predict", "Predicting", 1))
        self.bar.setRange(0, 0)
        self.running.show()
        self.cancel.setEnabled(True)
        self.notes.say("")
        self.line.say("Preparing the network …")

    def _on_event(self, event: object) -> None:
        if isinstance(event, ModelRead):
            self._make_layer(event.model)
            if self.session.model is not event.model:
                self.session.model = event.model
        elif isinstance(event, Remarked):
            offers = (f"{remark.text}{OFFERS[remark.offer]}." for remark in event.remarks)
            self.notes.say(" ".join(text[0].upper() + text[1:] for text in offers))
        elif isinstance(event, Piece):
            self._on_piece(event)
        elif isinstance(event, ObjectPlane):
            self.objects.take(event)

    def _make_layer(self, model: Any) -> None:
        request = self._request
        assert request is not None
        settings = (request.mirror_average, request.match_pixels, request.grey_values)
        made_by = f"{model.identity()} {settings}"
        if request.output.kind == "objects":
            made_by += f" {request.output}"
        self._result = prediction_layer(
            self.viewer, request.stack, self._source, request.output, model.scheme, made_by
        )

    def _on_piece(self, piece: Piece) -> None:
        assert self._result is not None
        self._result.write((..., *piece.index, piece.rows, piece.cols), piece.values)
        self._done, self._total = piece.done, piece.total
        if piece.note:
            self.notes.say(f"{self.notes.text()} {piece.note}".strip())
        self.bar.setRange(0, piece.total)
        self.bar.setValue(piece.done)
        known = piece.done < piece.total and isfinite(piece.seconds_left)
        left = f" · {duration(piece.seconds_left)} left" if known else ""
        self.line.say(f"tile {piece.done:,}/{piece.total:,}{left}")
        if self._result.taken_away:
            # Nobody wants it any more.
            self._on_cancel()

    def _on_drained(self) -> None:
        if self._result is not None:
            self._result.draw()

    def _on_cancel(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self.cancel.setEnabled(False)

    # -- after it ---------------------------------------------------------------------------

    def _on_error(self, error: Exception) -> None:
        show_error(error)
        self.problem.say(sentence(error))

    def _on_over(self) -> None:
        """Say what happened, and make everything usable again."""
        if self._result is not None:
            self._result.finish()
        failed = self.problem.text()
        seconds = monotonic() - self._begun
        complete = self._total > 0 and self._done == self._total
        if complete:
            self._offer_objects()
            slices, tiles = count(self._slices, "slice"), count(self._total, "tile")
            self.line.say(f"{slices} in {duration(seconds)}, {tiles}")
        elif self._done:
            self.line.say(
                f"Stopped after {self._done:,} of {count(self._total, 'tile')}; "
                "these stay in the result."
            )
        else:
            self.line.say("" if failed else "Stopped before the first tile.")
        self._worker = self._result = self._request = self._source = None
        self.running.hide()
        self._offer_models()
        self._check()
        self.problem.say(failed)

    def _offer_objects(self) -> None:
        model, request, result = self.session.model, self._request, self._result
        if model is not None and request is not None and result is not None:
            self.objects.finish(model, request.stack, request.output.decoding(model), result)


def _check_channels(stack: Stack, model: Any) -> None:
    wanted = model.network.config.in_channels
    if stack.channels != wanted:
        raise InputError(
            f"the model was trained on {count(wanted, 'channel')}, but {stack.name!r} has "
            f"{stack.channels}: choose an image like the training stack."
        )
