"""The Augmentation dock: the very tiles that training draws, and how strongly they are changed."""

from __future__ import annotations

from functools import partial
from random import randrange
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.app.tiles_job import SIDE, ShownTile, TileRequest, TileSource, mosaic
from napari_unet.base.quantities import count
from napari_unet.config.size_rule import output_size
from napari_unet.widgets.augment.tile_grid import MESH_COLOUR, TileGrid
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.form import (
    Advanced,
    Form,
    Note,
    Row,
    SliderField,
    button,
    check_box,
    decimal_box,
    spin_box,
)
from napari_unet.widgets.common.latest import Latest
from napari_unet.widgets.common.layers import placement, result_name
from napari_unet.widgets.common.theme import WEIGHT_COLORMAP

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

    from napari_unet.images.stack import Stack

__all__ = ["DEFAULTS", "AugmentationDock"]

DEFAULTS: dict[str, Any] = {
    "displacement": 10.0,
    "grid": 3,
    "rotation": 180.0,
    "zoom": (0.8, 1.25),
    "flips": True,
    "brightness": 0.0,
    "contrast": 0.0,
    "gamma": 0.0,
    "noise": 0.0,
    "interpolation": "cubic",
}
"""Those of AugmentConfig, known here without importing torch; a test holds them together."""

GREY = {"brightness": 0.1, "contrast": 0.2, "gamma": 0.2}
"""What 100 % of the grey control stand for."""


class AugmentationDock(Dock):
    """What the network is shown: tiles, deformed so that few slices teach like many."""

    def build(self) -> None:
        """Put the controls into the column."""
        self._source = TileSource()
        self._job = Latest(self)
        self._job.done.connect(self._on_tiles)
        self._job.failed.connect(self._on_error)
        self._build_strengths()
        self._build_grid()
        self._take(self.session.augment_settings)
        for signal in (
            self.session.stack_changed,
            self.session.added_changed,
            self.session.common_pixel_changed,
            self.session.intensity_changed,
            self.session.split_changed,
            self.session.weight_config_changed,
            self.session.tiling_changed,
            self.session.zoom_changed,
        ):
            self.listen(signal, self.refresh)
        self.listen(self.session.augment_config_changed, self._on_session)
        self.listen(self.session.seed_changed, self._on_seed)

    def _build_strengths(self) -> None:
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
        self.column.addWidget(form)
        self.column.addWidget(self.advanced)
        for field in (self.displacement, self.rotation, self.grey):
            field.changed.connect(self._on_control)
        for box in (self.grid, self.zoom_out, self.zoom_in, self.noise):
            box.valueChanged.connect(self._on_control)
        self.flips.toggled.connect(self._on_control)

    def _build_grid(self) -> None:
        tip = "Draw other tiles: another seed, which training will then use too."
        self.shuffle = button("&Shuffle", tip)
        tip = "The number all randomness starts from; the same seed gives the same tiles and run."
        self.seed = spin_box(0, 999_999, self.session.seed, tip)
        self.picture = TileGrid()
        self.labels = check_box("l&abels", "Outline what the network shall find.", True)
        self.weights = check_box("w&eights", "Show what counts most, bright.", False)
        self.mesh = check_box("gr&id", "Show how a square mesh is deformed.", True)
        self.shown = Row(self.labels, self.weights, self.mesh)
        self.problem = Note(role="problem")
        self.note = Note()
        tip = "Put these nine tiles beside the image as layers, to look at every pixel."
        self.as_layers = button("Show as la&yers", tip)
        self.column.addWidget(Row(self.shuffle, _label("seed"), self.seed, stretch=2))
        self.column.addWidget(self.problem)
        self.column.addWidget(self.picture)
        self.column.addWidget(self.shown)
        self.column.addWidget(self.note)
        self.column.addWidget(Row(self.as_layers))
        self.shuffle.clicked.connect(self._on_shuffle)
        self.seed.valueChanged.connect(self._on_seed_box)
        self.as_layers.clicked.connect(self._on_as_layers)
        for box in (self.labels, self.weights, self.mesh):
            box.toggled.connect(self._on_switch)
        self._on_switch()

    # -- controls and the session -----------------------------------------------------------

    def _settings(self) -> dict[str, Any]:
        """What differs from the defaults."""
        grey = self.grey.value / 100
        now = {
            "displacement": self.displacement.value,
            "grid": self.grid.value(),
            "rotation": self.rotation.value,
            "zoom": (round(self.zoom_out.value(), 3), round(self.zoom_in.value(), 3)),
            "flips": self.flips.isChecked(),
            "noise": round(self.noise.value(), 4),
        }
        now |= {k: round(full * grey, 6) for k, full in GREY.items()}
        return {name: value for name, value in now.items() if value != DEFAULTS[name]}

    def _take(self, settings: dict[str, Any]) -> None:
        """Show settings in the controls."""
        now = DEFAULTS | settings
        boxes = (self.grid, self.zoom_out, self.zoom_in, self.flips, self.noise)
        for box in boxes:
            box.blockSignals(True)
        self.displacement.value = now["displacement"]
        self.grid.setValue(now["grid"])
        self.rotation.value = now["rotation"]
        self.zoom_out.setValue(now["zoom"][0])
        self.zoom_in.setValue(now["zoom"][1])
        self.flips.setChecked(now["flips"])
        self.grey.value = 100 * now["contrast"] / GREY["contrast"]
        self.noise.setValue(now["noise"])
        for box in boxes:
            box.blockSignals(False)

    def _on_control(self, _: object = None) -> None:
        self.session.augment_settings = self._settings()

    def _on_session(self, settings: dict[str, Any]) -> None:
        if settings != self._settings():
            self._take(settings)
        self.refresh()

    def _on_shuffle(self) -> None:
        self.session.seed = randrange(10_000)  # noqa: S311 (no secret)

    def _on_seed_box(self, seed: int) -> None:
        self.session.seed = seed

    def _on_seed(self, seed: int) -> None:
        self.seed.blockSignals(True)
        self.seed.setValue(seed)
        self.seed.blockSignals(False)
        self.refresh()

    # -- tiles ------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw tiles when there is somebody to see them."""
        super().showEvent(event)
        if not event.spontaneous():
            self.refresh()

    def refresh(self, _: object = None) -> None:
        """Draw the tiles of the session's stack and settings."""
        session, stack = self.session, self.session.stack
        reason = _reason(stack)
        self.problem.say(reason, "note" if stack is None else "problem")
        for widget in (self.picture, self.shown, self.note, self.as_layers):
            widget.setVisible(not reason)
        self.shuffle.setEnabled(not reason)
        if reason or stack is None or not self.isVisible():
            return
        if not self.picture.tiles:
            self.note.say("Drawing tiles …")
        request = TileRequest(
            session.stacks, session.split, session.weight_config, dict(session.augment_settings),
            session.tiling, session.seed, session.intensity, session.common_pixel,
            session.zoom,
        )  # fmt: skip
        self._job.request(partial(self._source.draw, request))

    def _on_tiles(self, tiles: list[ShownTile]) -> None:
        self.picture.show_tiles(tiles)
        depth, tile, batch = self.session.tiling
        answer = output_size(tile, depth)
        steps = -(-SIDE * SIDE // batch)
        self.note.say(
            f"What the first {count(steps, 'step')} of training will see: tiles of {tile} px, of "
            f"which the framed {answer} px must be answered."
        )

    def _on_error(self, error: Exception) -> None:
        self.picture.show_tiles([])
        self.picture.setVisible(False)
        self.note.say("")
        self.problem.say(notices.sentence(error), "problem")

    def _on_switch(self, _: object = None) -> None:
        self.picture.show_labels = self.labels.isChecked()
        self.picture.show_weights = self.weights.isChecked()
        self.picture.show_mesh = self.mesh.isChecked()
        self.picture.redraw()

    # -- layers -----------------------------------------------------------------------------

    def _on_as_layers(self) -> None:
        stack, tiles = self.session.stack, self.picture.tiles
        if stack is None or not tiles:
            return
        image, labels, weights, lines = mosaic(tiles)
        placed = placement(self.session, stack, 2)
        beside = stack.plane_shape[1] * 1.05 * placed["scale"][1]
        placed["translate"] = (placed["translate"][0], placed["translate"][1] + beside)
        names = [
            result_name(stack, f"tiles{more}") for more in ("", " weights", " labels", " grid")
        ]
        for layer in [one for one in self.viewer.layers if one.name in names]:
            self.viewer.layers.remove(layer)
        self.viewer.add_image(image, name=names[0], rgb=image.ndim == 3, **placed)
        self.viewer.add_image(
            weights, name=names[1], colormap=WEIGHT_COLORMAP, opacity=0.5,
            visible=self.weights.isChecked(), **placed,
        )  # fmt: skip
        layer = self.viewer.add_labels(labels, name=names[2], opacity=0.9,
                                       visible=self.labels.isChecked(), **placed)  # fmt: skip
        layer.contour = 1
        self._add_mesh(names[3], lines, placed)
        self.viewer.reset_view()

    def _add_mesh(self, name: str, lines: list[Any], placed: dict[str, Any]) -> None:
        paths = [np.asarray(line) for line in lines if len(line) > 1]
        if not paths:
            return
        self.viewer.add_shapes(
            paths, shape_type="path", name=name, edge_color=MESH_COLOUR, edge_width=1,
            opacity=0.6, visible=self.mesh.isChecked(), **placed,
        )  # fmt: skip


def _reason(stack: Stack | None) -> str:
    if stack is None:
        return "Choose an image and its labels under Data first."
    if stack.labels is None:
        return "Choose labels under Data first: tiles are drawn where there are labels."
    return ""


def _label(text: str) -> Any:
    from qtpy.QtWidgets import QLabel

    return QLabel(text)
