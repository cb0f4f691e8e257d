"""How strongly tiles are changed, as a form."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.widgets.common.bound import BoundControls
from napari_unet.widgets.common.buttons import check_box
from napari_unet.widgets.common.form import Advanced, Form, Row
from napari_unet.widgets.common.numbers import SliderField, decimal_box, spin_box

if TYPE_CHECKING:
    from napari_unet.config.training import TrainConfig
    from napari_unet.widgets.common.dock import Dock

__all__ = ["AugmentationForm"]

GREY = {"brightness": 0.1, "contrast": 0.2, "gamma": 0.2}
"""What 100 % of the grey control stand for."""


class AugmentationForm(QWidget):
    """Strengths of the augmentation; the rest under Advanced. All are the session's.

    Parameters
    ----------
    dock
        Its session has the settings.
    """

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        tip = "How far points of the image are moved, as a soft wobble; 10 px is the paper's."
        self.displacement = SliderField(0, 50, 10, tip, suffix=" px")
        tip = "How many points per side of the tile are moved; more make a finer wobble."
        self.grid = spin_box(2, 12, 3, tip)
        tip = "Tiles are turned by any angle up to this; 0 keeps them upright."
        self.rotation = SliderField(0, 180, 180, tip, step=5, suffix="°")
        tip = "Tiles are shrunk and enlarged up to these factors; 1 and 1 keep the size."
        self.zoom_out = decimal_box(0.2, 1, 0.8, tip, step=0.05)
        self.zoom_in = decimal_box(1, 5, 1.25, tip, step=0.05)
        tip = (
            "Tiles are mirrored at random. Leave it on unless left and right differ in your images."
        )
        self.flips = check_box("&mirror tiles at random", tip, True)
        tip = (
            "How much brightness, contrast and gamma are changed. 0 % is best where all images "
            "are alike; take up to 100 % where those to be predicted are brighter or darker."
        )
        self.grey = SliderField(0, 300, 0, tip, step=10, suffix=" %")
        self.advanced = Advanced("grid of the deformation, noise")
        tip = "Grain added to the image, in parts of its range of grey values."
        self.noise = decimal_box(0, 0.5, 0, tip, step=0.01)
        form = Form()
        form.add("&Displace", self.displacement)
        form.add("&Rotate ±", self.rotation)
        form.add("&Zoom", Row(self.zoom_out, self.zoom_in), tip="Smallest and largest factor.")
        form.add("&Grey", self.grey)
        form.add_wide(self.flips)
        self.advanced.form.add("Grid", self.grid)
        self.advanced.form.add("Noise", self.noise)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(form)
        layout.addWidget(self.advanced)
        self._bind(BoundControls(dock))

    def _bind(self, bound: BoundControls) -> None:
        for control, name in (
            (self.displacement, "displacement"),
            (self.grid, "grid"),
            (self.rotation, "rotation"),
            (self.flips, "flips"),
            (self.noise, "noise"),
        ):
            bound.add(control, f"augment.{name}")
        for control, k in ((self.zoom_out, 0), (self.zoom_in, 1)):
            bound.add(
                control,
                "augment.zoom",
                read=partial(_zoom, k),
                write=partial(_other_zoom, k),
            )
        bound.add(self.grey, "augment", read=_grey, write=_other_grey)


def _zoom(k: int, config: TrainConfig) -> float:
    """The smallest (k = 0) or the largest magnification."""
    return config.augment.zoom[k]


def _other_zoom(k: int, value: float, config: TrainConfig) -> dict[str, Any]:
    value, zoom = round(value, 3), config.augment.zoom
    return {"augment": {"zoom": (value, zoom[1]) if k == 0 else (zoom[0], value)}}


def _grey(config: TrainConfig) -> float:
    """How much grey values change, in % of `GREY`; where they differ, the most of them."""
    return max(100 * getattr(config.augment, name) / full for name, full in GREY.items())


def _other_grey(percent: float, _: TrainConfig) -> dict[str, Any]:
    return {"augment": {name: round(full * percent / 100, 6) for name, full in GREY.items()}}
