"""The settings of a training, as a form: preset first, the paper's terms under Advanced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.presets import PRESETS, choice_of, set_by_hand
from napari_unet.config.size_rule import next_valid_size
from napari_unet.config.weights import WeightConfig
from napari_unet.widgets.common.bound import BoundControls
from napari_unet.widgets.common.buttons import check_box
from napari_unet.widgets.common.choices import Choice, Combo
from napari_unet.widgets.common.devices import AUTOMATIC, device_options
from napari_unet.widgets.common.form import Advanced, Form
from napari_unet.widgets.common.notes import Note, set_tip
from napari_unet.widgets.common.numbers import decimal_box, spin_box
from napari_unet.widgets.train.rate_box import RateBox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.config.training import TrainConfig
    from napari_unet.widgets.common.dock import Dock

__all__ = ["TrainForm"]

ZOOMS = [("full size", 1.0), ("half size", 0.5), ("a quarter", 0.25), ("double size", 2.0)]
WEIGHTS = [("paper", "paper"), ("Fiji", "fiji"), ("class weights only", "none"), ("none", None)]
WORDS = {
    "network": "network",
    "batch": "batch",
    "learning_rate": "learning rate",
    "weights": "weight map",
    "augment": "augmentation",
    "zoom": "image size",
    "validate_every": "validation",
}
"""Of settings whose word is not their name."""

FAST = "Minutes on a laptop: a narrow network with batch normalisation. Start here."
BEST = (
    "More steps than Fast, and what helped in measurements; other settings for objects such as "
    "cells than for tissue. How long it takes is said below the button once a step was measured."
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
    "compile": "Takes a minute or two and a C++ compiler. Measured not to pay on a CPU; try "
    "it on a GPU, for long runs.",
    "dropout": "Share of the deepest features left out at random, against learning by heart; "
    "for few annotated slices.",
    "weights": "Weigh the thin gaps between touching objects more, so that they are learned. "
    "The Weights tab shows the map and has its numbers.",
    "augment": "Rotate, flip and bend the tiles at random, so that a few slices are enough. "
    "The Augment tab shows them and has its strengths.",
    "validate": "Steps from one measurement on the validation slices to the next; by itself ten "
    "times in a training. The best of these models is kept.",
}


class TrainForm(QWidget):
    """Preset, steps, seed and device; the rest under Advanced. All are the session's.

    Parameters
    ----------
    dock
        Its session has the settings, which the other docks show and edit as well.
    """

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._session = dock.session
        self._augment = self._session.config.augment  # what switching it on again brings back
        self._bound = BoundControls(dock)
        self.preset = Choice(
            [
                ("Fast: minutes on a laptop", "fast", FAST),
                ("Best: more steps", "best", BEST),
                ("Paper 2015: as published", "paper", PAPER),
            ],
            column=True,
        )
        self.by_hand = Note()
        self.steps = spin_box(1, 1_000_000, 1, TIPS["steps"], step=100)
        self.seed = spin_box(0, 2**31 - 1, 0, TIPS["seed"])
        self.device = Combo([AUTOMATIC], TIPS["device"])
        self.form = Form()
        self.form.add("Preset", self.preset, FAST)
        self.form.add_wide(self.by_hand)
        self.form.add("&Steps", self.steps)
        self.form.add("S&eed", self.seed)
        self.form.add("&Device", self.device)
        self.advanced = Advanced("optimiser, tile, network, weight map, augmentation")
        self._build_advanced()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)
        layout.addWidget(self.advanced)
        self._bind()
        dock.listen(self._session.config_changed, self._say_by_hand)
        self._say_by_hand(self._session.config)

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
        self.weights = Combo(WEIGHTS, TIPS["weights"])
        self.augment = check_box("as set under Augment", TIPS["augment"])
        self.compile = check_box("the network", TIPS["compile"])
        self.validate_every = spin_box(1, 1_000_000, 100, TIPS["validate"], suffix=" steps")
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
            ("Compile", self.compile),
        ):
            form.add(label, control)

    def _bind(self) -> None:
        add = self._bound.add
        self._bound.show_in(self.preset, lambda config: choice_of(config.preset))
        self.preset.chosen.connect(self._session.choose_preset)
        add(self.steps, "steps")
        add(self.seed, "seed")
        add(self.device, "device")
        add(self.optimiser, "optimiser")
        add(self.rate, "learning_rate")
        add(self.momentum, "momentum")
        self._bound.show_with(self._show_zoom)
        self.zoom.chosen.connect(self._on_zoom)
        add(self.tile, "tile", write=lambda tile, config: _fit(tile, config.network.depth))
        add(self.batch, "batch")
        add(self.width, "network.width")
        add(
            self.depth,
            "network.depth",
            write=lambda depth, config: {"network": {"depth": depth}} | _fit(config.tile, depth),
        )
        add(self.dropout, "network.dropout")
        add(self.weights, "weights", read=_weights, write=_weigh)
        add(self.augment, "augment", read=_is_augmented, write=self._switch_augmentation)
        add(self.validate_every, "validate_every", read=lambda config: config.validation_interval)
        add(self.compile, "compile")
        self._bound.show_with(self._show_optimiser)

    def offer_devices(self, devices: Sequence[str]) -> None:
        """Offer the devices that are there; a chosen one that is not stays, and is refused."""
        chosen = self._session.config.device
        self.device.set_options(device_options([*devices, *({chosen} - {"auto", *devices})]))
        self.device.value = chosen

    def allow_changes(self, allowed: bool) -> None:
        """Open or close all for input; what is under Advanced can always be looked at."""
        self.form.setEnabled(allowed)
        self.advanced.form.setEnabled(allowed)

    def _switch_augmentation(self, wanted: bool, config: TrainConfig) -> dict[str, Any]:
        """Switch off, or back on with the strengths it had."""
        if not wanted:
            self._augment = config.augment
            return {"augment": AugmentConfig.none()}
        was_on = self._augment != AugmentConfig.none()
        return {"augment": self._augment if was_on else PRESETS[config.preset].augment}

    def _show_optimiser(self, config: TrainConfig) -> None:
        is_sgd = config.optimiser == "sgd"
        self.momentum.setEnabled(is_sgd)
        set_tip(self.momentum, TIPS["momentum"] if is_sgd else "Adam has a momentum of its own.")
        self.tile.setSingleStep(2**config.network.depth)

    def _show_zoom(self, config: TrainConfig) -> None:
        zoom = config.zoom
        more = [] if zoom in dict(ZOOMS).values() else [(f"{zoom:.0%} of full size", zoom)]
        self.zoom.set_options([*ZOOMS, *more])
        self.zoom.value = zoom

    def _on_zoom(self, zoom: float) -> None:
        self._session.change(zoom=zoom)

    def _say_by_hand(self, config: TrainConfig) -> None:
        """Say what is not the preset's: most of it is under Advanced or in other docks."""
        words = ", ".join(WORDS.get(name, name) for name in set_by_hand(config))
        self.by_hand.say(f"By hand: {words}. Choose the preset again to undo." if words else "")


def _fit(tile: int, depth: int) -> dict[str, Any]:
    """The next tile that the network can take."""
    return {"tile": next_valid_size(tile, depth)}


def _weights(config: TrainConfig) -> str | None:
    return None if config.weights is None else config.weights.preset


def _weigh(preset: Any, _: TrainConfig) -> dict[str, Any]:
    return {"weights": None if preset is None else WeightConfig(preset)}


def _is_augmented(config: TrainConfig) -> bool:
    return config.augment != AugmentConfig.none()
