"""The settings of the weight map, as a form."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.config.weights import DEFAULTS, Preset, WeightConfig
from napari_unet.widgets.common.bound import BoundControls
from napari_unet.widgets.common.buttons import check_box
from napari_unet.widgets.common.choices import Choice
from napari_unet.widgets.common.form import Advanced, Form
from napari_unet.widgets.common.notes import set_tip
from napari_unet.widgets.common.numbers import SliderField, decimal_box

if TYPE_CHECKING:
    from napari_unet.config.training import TrainConfig
    from napari_unet.widgets.common.dock import Dock

__all__ = ["WeightForm"]

PAPER = (
    "The formula of the U-Net paper (2015): balanced classes, and a border term between objects."
)
FIJI = (
    "The formula of the U-Net plugin for Fiji (2019): makes a gap between touching objects, and "
    "weighs a rim around each."
)
NONE = "No border term: every pixel of a class weighs the same."
BALANCE_TIP = (
    "Rare classes weigh more, so that each counts the same in the whole training set: a thin "
    "membrane as much as the large cells."
)


class WeightForm(QWidget):
    """Formula, w0 and sigma; the rest under Advanced. All are the session's.

    Parameters
    ----------
    dock
        Its session has the settings, which the Train dock shows and edits as well.
    """

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self.preset = Choice(
            [("Pape&r", "paper", PAPER), ("Fi&ji", "fiji", FIJI), ("n&one", "none", NONE)]
        )
        tip = "How much more the gaps between two objects weigh than other pixels."
        self.w0 = SliderField(0, 100, 10, tip, step=1)
        tip = "How wide a gap may be to still count as one: about the width to be kept free."
        self.sigma = SliderField(0.5, 25, 5, tip, step=0.5, suffix=" px", decimals=1)
        self.balance = check_box("&balance classes", BALANCE_TIP, True)
        form = Form()
        form.add("Preset", self.preset, "Which formula makes the weights.")
        form.add("w&0", self.w0)
        form.add("si&gma", self.sigma)
        form.add_wide(self.balance)
        self.advanced = Advanced("background and rim of the Fiji preset")
        tip = "Fiji preset: what background far from every object weighs (v)."
        self.background = decimal_box(0, 1, 0.1, tip, step=0.05)
        tip = "Fiji preset: width of the rim around objects where background weighs more (σ1)."
        self.sigma1 = decimal_box(0.5, 100, 10, tip, suffix=" px", decimals=1, step=0.5)
        self.advanced.form.add("Background", self.background)
        self.advanced.form.add("Rim", self.sigma1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(form)
        layout.addWidget(self.advanced)
        self._bind(BoundControls(dock))

    def _bind(self, bound: BoundControls) -> None:
        bound.add(self.preset, "weights", read=partial(_part, "preset"), write=_other_preset)
        for control, name, write in (
            (self.w0, "resolved_w0", _other_w0),
            (self.sigma, "resolved_sigma", _other_sigma),
            (self.background, "background", partial(_other_part, "background")),
            (self.sigma1, "sigma1", partial(_other_part, "sigma1")),
        ):
            bound.add(control, "weights", read=partial(_part, name), write=write)
        bound.add(
            self.balance,
            "weights",
            read=lambda config: bool(_shown(config).balance),  # also of what no control chooses
            write=partial(_other_part, "balance"),
        )
        bound.show_with(self._show_what_counts)

    def _show_what_counts(self, config: TrainConfig) -> None:
        """Close what the formula does not use."""
        preset = _shown(config).preset
        is_fiji, has_border = preset == "fiji", preset != "none"
        self.w0.setEnabled(has_border)
        self.sigma.setEnabled(has_border)
        self.balance.setEnabled(not is_fiji)
        own = "The Fiji preset has class weights of its own."
        set_tip(self.balance, own if is_fiji else BALANCE_TIP)
        self.background.setEnabled(is_fiji)
        self.sigma1.setEnabled(is_fiji)


def _shown(config: TrainConfig) -> WeightConfig:
    """The weight map of a run; without one all annotated pixels weigh the same."""
    return WeightConfig("none", balance=False) if config.weights is None else config.weights


def _with(config: TrainConfig, **fields: Any) -> dict[str, Any]:
    return {"weights": _shown(config).changed(**fields)}


def _part(name: str, config: TrainConfig) -> Any:
    return getattr(_shown(config), name)


def _other_part(name: str, value: Any, config: TrainConfig) -> dict[str, Any]:
    return _with(config, **{name: value})


def _other_preset(preset: Preset, config: TrainConfig) -> dict[str, Any]:
    """Another formula starts with its own numbers."""
    return {"weights": WeightConfig(preset, balance=_shown(config).balance)}


def _other_w0(w0: float, config: TrainConfig) -> dict[str, Any]:
    return _with(config, w0=None if w0 == DEFAULTS[_shown(config).preset][0] else w0)


def _other_sigma(sigma: float, config: TrainConfig) -> dict[str, Any]:
    return _with(config, sigma=None if sigma == DEFAULTS[_shown(config).preset][1] else sigma)
