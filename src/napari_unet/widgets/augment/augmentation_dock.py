"""The Augmentation dock: the very tiles that training draws, and how strongly they are changed."""

from __future__ import annotations

from functools import partial
from random import randrange
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Shapes

from napari_unet.app.tiles_job import SIDE, ShownTile, TileSource, mosaic
from napari_unet.base.quantities import count
from napari_unet.config.size_rule import output_size
from napari_unet.widgets.augment.augmentation_form import AugmentationForm
from napari_unet.widgets.augment.tile_grid import MESH_COLOUR, TileGrid
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.bound import BoundControls
from napari_unet.widgets.common.buttons import button, check_box
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.form import Row
from napari_unet.widgets.common.latest import Latest
from napari_unet.widgets.common.notes import Note
from napari_unet.widgets.common.numbers import spin_box
from napari_unet.widgets.common.result_layers import placement, remove_made, show_result
from napari_unet.widgets.common.theme import WEIGHT_COLORMAP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Layer
    from qtpy.QtGui import QShowEvent

    from napari_unet.images.stack import Stack

__all__ = ["AugmentationDock"]

SHOWN = ("network", "tile", "batch", "weights", "augment", "split", "intensity", "pixel_size",
         "outside", "zoom", "seed")  # fmt: skip
"""Settings that the tiles depend on."""


class AugmentationDock(Dock):
    """What the network is shown: tiles, deformed so that few slices teach like many."""

    def build(self) -> None:
        """Put the controls into the column."""
        self._source = TileSource()
        self._job = Latest(self)
        self._job.done.connect(self._on_tiles)
        self._job.failed.connect(self._on_error)
        self.form = AugmentationForm(self)
        self.column.addWidget(self.form)
        self._build_grid()
        BoundControls(self).add(self.seed, "seed")
        self.listen(self.session.stack_changed, self.refresh)
        self.listen(self.session.added_changed, self.refresh)
        self.follow(self.refresh, *SHOWN)

    def _build_grid(self) -> None:
        tip = "Draw other tiles: another seed, which training will then use too."
        self.shuffle = button("&Shuffle", tip)
        tip = "The number all randomness starts from; the same seed gives the same tiles and run."
        self.seed = spin_box(0, 2**31 - 1, 0, tip)
        self.seed.setAccessibleName("seed")
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
        self.as_layers.clicked.connect(self._on_as_layers)
        for box in (self.labels, self.weights, self.mesh):
            box.toggled.connect(self._on_switch)
        self._on_switch()

    # -- controls and the session -----------------------------------------------------------

    def _on_shuffle(self) -> None:
        self.session.change(seed=randrange(10_000))  # noqa: S311 (no secret)

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
        self._job.request(partial(self._source.draw, session.stacks, session.config))

    def _on_tiles(self, tiles: list[ShownTile]) -> None:
        self.picture.show_tiles(tiles)
        config = self.session.config
        tile, answer = config.tile, output_size(config.tile, config.network.depth)
        steps = -(-SIDE * SIDE // config.batch)
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
        placed = placement(stack, self.session.image_layer, 2)
        beside = stack.plane_shape[1] * 1.05 * placed["scale"][1]
        placed["translate"] = (placed["translate"][0], placed["translate"][1] + beside)
        source = self.session.image_layer
        remove_made(self.viewer, "tiles", source)
        for layer in self._tile_layers(stack.name, mosaic(tiles), placed):
            show_result(self.viewer, "tiles", layer, source)
        self.viewer.reset_view()

    def _tile_layers(self, name: str, parts: Any, placed: dict[str, Any]) -> Iterator[Layer]:
        image, labels, weights, lines = parts
        yield Image(image, name=f"{name} · tiles", rgb=image.ndim == 3, **placed)
        yield Image(
            weights, name=f"{name} · tiles weights", colormap=WEIGHT_COLORMAP, opacity=0.5,
            visible=self.weights.isChecked(), **placed,
        )  # fmt: skip
        drawn = Labels(labels, name=f"{name} · tiles labels", opacity=0.9,
                       visible=self.labels.isChecked(), **placed)  # fmt: skip
        drawn.contour = 1
        yield drawn
        paths = [np.asarray(line) for line in lines if len(line) > 1]
        if paths:
            yield Shapes(
                paths, shape_type="path", name=f"{name} · tiles grid", edge_color=MESH_COLOUR,
                edge_width=1, opacity=0.6, visible=self.mesh.isChecked(), **placed,
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
