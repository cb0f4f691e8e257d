"""What to predict, by which model, and how: a form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_unet.app.prediction_job import PredictionRequest
from napari_unet.app.run_places import recent_runs
from napari_unet.prediction.linking import Linking
from napari_unet.prediction.outputs import OUTPUTS, Output
from napari_unet.widgets.common.buttons import button, check_box
from napari_unet.widgets.common.choices import Choice, Combo
from napari_unet.widgets.common.devices import AUTOMATIC, device_options, present_devices
from napari_unet.widgets.common.form import Advanced, Form, Row
from napari_unet.widgets.common.layer_combo import LayerCombo
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.layers import shown_slice, stack_from_layers
from napari_unet.widgets.common.notes import Note, set_tip
from napari_unet.widgets.common.numbers import spin_box
from napari_unet.widgets.common.worker import Worker, once

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.dock import Dock

__all__ = ["PredictForm"]

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
SMALLEST = "Objects of fewer pixels are left out."
FILL = "Make holes in an object a part of it."
THROUGH = (
    "An object has one number in all slices or frames where it overlaps enough, and one row in the "
    "table (through time one in every frame)."
)
IDS = (
    ("per slice", False, "Numbers begin anew in every slice."),
    (
        "through stack",
        True,
        THROUGH,
    ),
)


class PredictForm(QWidget):
    """Model, image, extent and output, and what experts need.

    Parameters
    ----------
    dock
        Gives viewer and session, and runs what looks for devices.
    """

    changed = Signal()
    """Something else is asked for, or the image is another one."""

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock, self._session = dock, dock.session
        self._finder: Worker | None = None
        self._chosen: LayerStack | None = None  # where it is not the session's
        self._by_hand = False  # whether the user chose the output
        self._build(dock)
        self._build_advanced()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self._form)
        column.addWidget(self.advanced)
        self.offer_models()
        self._on_output()

    def _build(self, dock: Dock) -> None:
        self.model = Combo((), "What predicts: the model of the last training, or a saved one.")
        self.model.chosen.connect(self._on_control)
        self.browse = button("File …", "Choose a saved model: a .safetensors file of a run folder.")
        self.browse.clicked.connect(self._choose_file)
        self.image = LayerCombo(dock, Image, "The image layer to predict.")
        self.image.chosen.connect(self._on_control)
        self.image.altered.connect(self._on_control)
        self.extent = Choice(
            [
                ("slice shown", "slice", "Only the slice you are looking at: quick to judge."),
                ("whole stack", "stack", "Every slice."),
            ]
        )
        self.extent.value = "stack"
        self.extent.chosen.connect(self._on_control)
        self.output = Combo([(kind, kind) for kind in OUTPUTS])
        self.output.setToolTip("\n".join(f"{kind}: {tip}" for kind, tip in OUTPUTS.items()))
        self.output.chosen.connect(self._on_chosen)
        self.gives = Note()
        self.ids = Choice(IDS)
        self.ids.chosen.connect(self._on_control)
        form = Form()
        form.add("&Model", Row(self.model, self.browse, stretch=0))
        self.image_problem = form.add("&Image", self.image)
        form.add("Predict", self.extent, "How much of the image to predict.")
        form.add("&Result", self.output)
        form.add_wide(self.gives)
        form.add("Numbers", self.ids)
        self._form = form

    def _build_advanced(self) -> None:
        self.advanced = Advanced("mirrored views, pixel size, small objects, tiles, device")
        self.mirrored = check_box("average all eight", MIRRORED)
        self.mirrored.toggled.connect(self._on_control)
        self.match = check_box("match the model's", MATCH)
        self.match.toggled.connect(self._on_control)
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
        self.tile.valueChanged.connect(self._on_control)

    # -- what is chosen ---------------------------------------------------------------------

    def read_stack(self) -> Stack:
        """Return the stack that the chosen layer shows now, read as the session reads it."""
        layer = self.image.value
        source = self._session.source
        if source is None or source.image_layer is not layer:
            if self._chosen is None or self._chosen.image_layer is not layer:
                self._chosen = LayerStack(layer)
            source = self._chosen
        return source.stack() or stack_from_layers(layer)

    def request(self, stack: Stack) -> PredictionRequest:
        """Return what is asked for."""
        one = self.extent.value == "slice"
        settings = self.settings()
        if not self.offers_ids(stack):
            settings["output"] = replace(settings["output"], link=None)
        shown = (shown_slice(self._dock.viewer, stack, self.image.value),) if one else None
        return PredictionRequest(stack=stack, slices=shown, **settings)

    def settings(self) -> dict[str, Any]:
        """Return by which model and how, whatever is predicted."""
        chosen: Any = self._session.model if self.model.value == "current" else self.model.value
        return {
            "model": chosen,
            "output": Output(
                self.output.value,
                background=False,
                min_size=self.smallest.value() or None,
                fill_holes=self.fill.isChecked(),
                link=Linking() if self.ids.value and self.output.value == "objects" else None,
            ),
            "tile": self.tile.value() or None,
            "device": self.device.value,
            "mirror_average": self.mirrored.isChecked(),
            "match_pixels": self.match.isChecked(),
            "grey_values": "image" if self.grey.isChecked() else "model",
            "outside": self._session.config.outside,
        }

    def take(self, offer: str) -> None:
        """Ask for what `napari_unet.prediction.image_remarks` offers."""
        {"match pixels": self.match, "measure grey values": self.grey}[offer].setChecked(True)

    # -- choosing ---------------------------------------------------------------------------

    def offer_models(self) -> None:
        """Offer the current model and those of former trainings."""
        options: list[tuple[str, Any]] = []
        if self._session.model is not None:
            name, step = self._session.model.name, self._session.model.run.get("step")
            learnt = f"step {step:,}, " if step else ""
            options.append((f"current: {learnt}{name}", "current"))
        options += [(run.name, run) for run in recent_runs()]
        chosen = self.model.value
        if isinstance(chosen, Path) and all(chosen != value for _, value in options):
            options.append((chosen.name, chosen))
        self.model.set_options(options or [("no model yet", None)])

    def _choose_file(self) -> None:
        dialog = QFileDialog(self, "Saved model", "", "Models (*.safetensors)")
        dialog.fileSelected.connect(self.use_file)
        dialog.open()

    def use_file(self, file: str | Path) -> None:
        """Choose a saved model: a model file or a run folder."""
        path = Path(file)
        name = path.parent.name if path.suffix else path.name
        known = [one for one in self.model.options if one[1] is not None and one[1] != path]
        self.model.set_options([(name, path), *known])
        self.model.value = path
        self.model.setToolTip(str(path))
        self.changed.emit()

    def propose_output(self, kind: str) -> None:
        """Ask for another output, unless the user has chosen one."""
        if not self._by_hand:
            self.output.value = kind
            self._on_output()

    def offers_ids(self, stack: Stack) -> bool:
        """Whether objects of several slices are asked for; shows or hides the choice."""
        several = self.extent.value != "slice" and stack.n_slices > 1
        offered = several and self.output.value == "objects"
        self._form.show_row(self.ids, offered)
        return offered

    def _on_chosen(self, _output: object = None) -> None:
        self._by_hand = True
        self._on_output()

    def _on_output(self, _output: object = None) -> None:
        """Say what it gives; offer what belongs to objects only while these are asked for."""
        self.gives.say(OUTPUTS[self.output.value])
        wanted = self.output.value == "objects"
        for control, tip in ((self.smallest, SMALLEST), (self.fill, FILL)):
            control.setEnabled(wanted)
            set_tip(control, tip if wanted else "Only for objects: choose these as the result.")
        self.changed.emit()

    def _look_for_devices(self, _: object = None) -> None:
        """Find out what else can compute, once somebody looks; torch may have to load for it."""
        if self.device.count() == 1 and self._finder is None:
            self._finder = Worker(once(present_devices))
            self._finder.yielded.connect(self._offer_devices)
            self._dock.run(self._finder)

    def _offer_devices(self, devices: tuple[str, ...]) -> None:
        self.device.set_options(device_options(devices))

    def _on_control(self, _: object = None) -> None:
        self.changed.emit()
