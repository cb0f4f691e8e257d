"""The settings of a training, as a form: preset first, the paper's terms under Advanced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.config.size_rule import next_valid_size, smallest_input
from napari_unet.widgets.common.devices import AUTOMATIC, device_options
from napari_unet.widgets.common.form import (
    Advanced,
    Choice,
    Combo,
    Form,
    check_box,
    decimal_box,
    spin_box,
)
from napari_unet.widgets.train.rate_box import RateBox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_unet.app.session import Session
    from napari_unet.config.training import TrainConfig

__all__ = ["TrainSettings"]

ZOOMS = [("full size", 1.0), ("half size", 0.5), ("a quarter", 0.25), ("double size", 2.0)]

FAST = "Minutes on a laptop: a narrow network with batch normalisation. Start here."
BEST = (
    "Slower and better: more steps, and what helped in measurements; other "
    "settings for objects such as cells than for tissue."
)
PAPER = (
    "The network and the settings of the 2015 paper. Needs a graphics card, or a night on a "
    "processor."
)
TIPS = {
    "steps": "How often the network is corrected. More steps: better, and slower. "
    "Watch the validation curve: when it is flat, more steps no longer help.",
    "seed": "The same number gives the same training again; another one another chance. "
    "The Augment tab shows the tiles of this number.",
    "device": "What computes. Automatic takes the graphics card if there is one.",
    "optimiser": "How the network is corrected: SGD as in the paper, or Adam, which forgives more.",
    "rate": "How large each correction is. Divide it by 10 when the loss jumps up or the training "
    "stops by itself.",
    "momentum": "How much of the former corrections is kept, for SGD. The paper uses 0.99.",
    "tile": "Side of the piece of image that the network sees at once, in pixels. Its outer "
    "border is only context: of 572, the inner 388 are learned from. Rounded to what "
    "the network can take.",
    "batch": "Tiles in each step. More need more memory and make the loss calmer.",
    "width": "Channels of the first level; 64 in the paper. Half as many: about four times "
    "faster, a little worse.",
    "zoom": "The size at which the network sees the images. Half for objects that are larger than "
    "it sees, double for very thin ones. Predictions come back at full size.",
    "depth": "How often the image is halved; 4 in the paper. More sees further around each pixel.",
    "dropout": "Share of the deepest features left out at random, against learning by heart; "
    "for few annotated slices.",
    "weights": "Weigh the thin gaps between touching objects more, so that they are learned. "
    "The Weights tab sets and shows the map.",
    "augment": "Rotate, flip and bend the tiles at random, so that a few slices are enough. "
    "The Augment tab sets and shows it.",
    "validate": "How often the validation slices are predicted, in steps. The best of these "
    "models is kept.",
}


class TrainSettings(QWidget):
    """Preset, steps, seed and device; the rest under Advanced, filled from the preset.

    Parameters
    ----------
    session : Session
        Shares seed, weight map, augmentation and split with the other docks.
    """

    changed = Signal()
    """Any setting has another value."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._presets: Mapping[str, TrainConfig] = {}
        self._filled: TrainConfig | None = None
        self.preset = Choice(
            [
                ("Fast: minutes on a laptop", "fast", FAST),
                ("Best: slower, better", "best", BEST),
                ("Paper 2015: as published", "paper", PAPER),
            ],
            column=True,
        )
        self.steps = spin_box(0, 1_000_000, 0, TIPS["steps"], step=100)
        self.steps.setSpecialValueText("–")  # until the presets are known
        self.seed = spin_box(0, 2**31 - 1, session.seed, TIPS["seed"])
        self.device = Combo([AUTOMATIC], TIPS["device"])
        self.form = Form()
        self.form.add("Preset", self.preset, FAST)
        self.form.add("&Steps", self.steps)
        self.form.add("S&eed", self.seed)
        self.form.add("&Device", self.device)
        self.advanced = Advanced("optimiser, tile, network, weight map, augmentation")
        self._build_advanced()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)
        layout.addWidget(self.advanced)
        self._connect()
        self.allow_changes(False)

    def _build_advanced(self) -> None:
        form = self.advanced.form
        self.optimiser = Combo([("SGD", "sgd"), ("Adam", "adam")], TIPS["optimiser"])
        self.rate = RateBox(TIPS["rate"])
        self.momentum = decimal_box(0.0, 0.999, 0.99, TIPS["momentum"], decimals=3, step=0.01)
        self.tile = spin_box(12, 4096, 572, TIPS["tile"], suffix=" px", step=16)
        self.batch = spin_box(1, 256, 1, TIPS["batch"])
        self.width = spin_box(1, 256, 64, TIPS["width"], step=8)
        self.depth = spin_box(1, 6, 4, TIPS["depth"])
        self.zoom = Combo(ZOOMS, TIPS["zoom"])
        self.dropout = decimal_box(0.0, 0.9, 0.5, TIPS["dropout"], step=0.1)
        self.weights = check_box("as set under Weights", TIPS["weights"], True)
        self.augment = check_box("as set under Augment", TIPS["augment"], True)
        self.validate_every = spin_box(1, 100_000, 100, TIPS["validate"], suffix=" steps", step=50)
        for label, control in (
            ("Optimiser", self.optimiser),
            ("Learning rate", self.rate),
            ("Momentum", self.momentum),
            ("Image size", self.zoom),
            ("Tile", self.tile),
            ("Batch", self.batch),
            ("Channels", self.width),
            ("Depth", self.depth),
            ("Dropout", self.dropout),
            ("Weight map", self.weights),
            ("Augmentation", self.augment),
            ("Validate every", self.validate_every),
        ):
            form.add(label, control)

    def _connect(self) -> None:
        self.preset.chosen.connect(self._fill)
        self.device.chosen.connect(self._tell)
        self.zoom.chosen.connect(self._on_zoom)
        self.optimiser.chosen.connect(self._on_optimiser)
        self.seed.valueChanged.connect(self._on_seed)
        for box in self._numbers():
            box.valueChanged.connect(self._tell)
        self.tile.valueChanged.connect(self._fit_tile)
        self.depth.valueChanged.connect(self._fit_tile)
        self.weights.toggled.connect(self._tell)
        self.augment.toggled.connect(self._tell)

    def offer(self, presets: Mapping[str, TrainConfig], devices: Sequence[str]) -> None:
        """Take the presets and devices, known once torch is loaded, and open for input."""
        self._presets = presets
        self.device.set_options(device_options(devices))
        self.allow_changes(True)
        self._fill()
        self.steps.setMinimum(1)

    def allow_changes(self, allowed: bool) -> None:
        """Open or close all for input; what is under Advanced can always be looked at."""
        self.form.setEnabled(allowed)
        self.advanced.form.setEnabled(allowed)

    @property
    def ready(self) -> bool:
        """Whether the presets are known."""
        return bool(self._presets)

    def config(self) -> TrainConfig:
        """Return the settings as they are.

        Raises
        ------
        InputError
            When they contradict one another.
        """
        from dataclasses import replace

        from napari_unet.config.augmentation import AugmentConfig

        preset = self._chosen()
        augment = self._session.augment_config or preset.augment
        network = replace(
            preset.network,
            width=self.width.value(),
            depth=self.depth.value(),
            dropout=self.dropout.value(),
        )
        return replace(
            preset,
            network=network,
            steps=self.steps.value(),
            tile=self.tile.value(),
            batch=self.batch.value(),
            optimiser=self.optimiser.value,
            learning_rate=self.rate.value(),
            momentum=self.momentum.value(),
            weights=self._session.weight_config if self.weights.isChecked() else None,
            augment=augment if self.augment.isChecked() else AugmentConfig.none(),
            split=self._session.split,
            intensity=self._session.intensity,
            zoom=self.zoom.value,
            validate_every=self.validate_every.value(),
            seed=self.seed.value(),
            device=self.device.value,
        )

    def _chosen(self) -> TrainConfig:
        """The preset, of those named "best" the one for the labels of the stack."""
        from napari_unet.config.training import preset_for  # imports torch

        stacks = self._session.stacks
        scheme = stacks[0].scheme if stacks else None
        return self._presets[preset_for(self.preset.value, scheme)]

    def follow_stack(self) -> None:
        """Take the other settings of a preset that has some for each kind of labels."""
        if self.ready and self._chosen() is not self._filled:
            self._fill()

    def _numbers(self) -> tuple[Any, ...]:
        return (
            self.steps,
            self.rate,
            self.momentum,
            self.tile,
            self.batch,
            self.width,
            self.depth,
            self.dropout,
            self.validate_every,
        )

    def _fill(self) -> None:
        """Show the chosen preset's values; a weight map that was set by hand stays."""
        preset = self._chosen()
        former, self._filled = self._filled or self._presets["fast"], preset
        if preset.weights is not None and self._session.weight_config == former.weights:
            self._session.weight_config = preset.weights
        values = (
            preset.steps,
            preset.learning_rate,
            preset.momentum,
            preset.tile,
            preset.batch,
            preset.network.width,
            preset.network.depth,
            preset.network.dropout,
            preset.validate_every,
        )
        for box, value in zip(self._numbers(), values, strict=True):
            with QSignalBlocker(box):
                box.setValue(value)
        self._session.zoom = preset.zoom
        self.optimiser.value = preset.optimiser
        self.weights.setChecked(preset.weights is not None)
        self.augment.setChecked(True)
        self._on_optimiser()

    def _fit_tile(self) -> None:
        depth = self.depth.value()
        size = next_valid_size(max(self.tile.value(), smallest_input(depth)), depth)
        with QSignalBlocker(self.tile):
            self.tile.setSingleStep(2**depth)
            self.tile.setValue(size)
        self._tell()

    def _on_optimiser(self) -> None:
        is_sgd = self.optimiser.value == "sgd"
        self.momentum.setEnabled(is_sgd)
        self.momentum.setToolTip(TIPS["momentum"] if is_sgd else "Adam has a momentum of its own.")
        self._tell()

    def _on_zoom(self, zoom: float) -> None:
        self._session.zoom = zoom
        self._tell()

    def show_zoom(self, zoom: float) -> None:
        """Show a zoom that was chosen elsewhere."""
        known = [value for _, value in ZOOMS]
        more = [] if zoom in known else [(f"{zoom:.0%} of full size", zoom)]
        self.zoom.set_options([*ZOOMS, *more])
        self.zoom.value = zoom
        self._tell()

    def _on_seed(self, seed: int) -> None:
        self._session.seed = seed
        self._tell()

    def _tell(self) -> None:
        if self.ready:  # the Augmentation dock shows the tiles that will be drawn
            self._session.tiling = (self.depth.value(), self.tile.value(), self.batch.value())
        self.changed.emit()
