"""A picture of tiles, side by side, as the network will see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from napari.utils.colormaps import ensure_colormap
from PIL import Image
from qtpy.QtCore import QEvent, QPoint, QPointF, QRectF, QSize
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip

from napari_unet.app.tiles_job import SIDE, ShownTile
from napari_unet.widgets.common.theme import WEIGHT_COLORMAP

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LABEL_COLOUR", "MESH_COLOUR", "TileGrid"]

GAP = 4  # px between two tiles
LABEL_COLOUR = "#4dd2ff"
MESH_COLOUR = "#ffd24d"
FRAME_COLOUR = "#ffffffaa"
SURROUND = 90  # of 255: how much the part that is not answered is dimmed


class TileGrid(pg.GraphicsView):
    """SIDE × SIDE tiles, as large as the dock is wide."""

    def __init__(self) -> None:
        super().__init__(background=None)
        self.show_labels = self.show_weights = self.show_mesh = True
        self._tiles: list[ShownTile] = []
        self._alone: int | None = None
        self._magma = ensure_colormap(WEIGHT_COLORMAP)
        self._box = pg.ViewBox(enableMouse=False, enableMenu=False, invertY=True)
        self._pictures = [pg.ImageItem(axisOrder="row-major") for _ in range(SIDE * SIDE)]
        self._frames = pg.PlotCurveItem(pen=FRAME_COLOUR, connect="finite")
        self._mesh = pg.PlotCurveItem(
            pen=pg.mkPen(MESH_COLOUR + "96"), connect="finite", antialias=True
        )
        for item in (*self._pictures, self._mesh, self._frames):
            self._box.addItem(item)
        self.setCentralItem(self._box)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumSize(200, 200)

    def hasHeightForWidth(self) -> bool:  # noqa: N802 (Qt's name)
        """A square."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 (Qt's name)
        """A square."""
        return width

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """As wide as a narrow dock."""
        return QSize(300, 300)

    @property
    def tiles(self) -> list[ShownTile]:
        """What is shown."""
        return self._tiles

    def show_tiles(self, tiles: list[ShownTile]) -> None:
        """Draw these."""
        self._tiles = tiles
        if self._alone is not None and self._alone >= len(tiles):
            self._alone = None
        self.redraw()

    @property
    def alone(self) -> int | None:
        """The tile that is shown alone and large, None: all are shown."""
        return self._alone

    def show_alone(self, k: int | None) -> None:
        """Show one tile alone and large, or all again."""
        self._alone = k
        self.redraw()

    # -- where tiles lie ----------------------------------------------------------------------

    @property
    def _shown(self) -> list[int]:
        return list(range(len(self._tiles))) if self._alone is None else [self._alone]

    @property
    def _tile_side(self) -> float:
        if self._alone is not None:
            return float(min(self.width(), self.height()))
        return (min(self.width(), self.height()) - (SIDE - 1) * GAP) / SIDE

    def _place(self, k: int) -> QRectF:
        if self._alone is not None:
            return QRectF(0, 0, self._tile_side, self._tile_side)
        step = self._tile_side + GAP
        return QRectF(k % SIDE * step, k // SIDE * step, self._tile_side, self._tile_side)

    def _tile_at(self, place: QPoint) -> int | None:
        places = ((k, self._place(k)) for k in self._shown)
        return next((k for k, one in places if one.contains(QPointF(place))), None)

    # -- drawing ------------------------------------------------------------------------------

    def redraw(self) -> None:
        """Compose the pictures anew: other tiles, another size, other switches."""
        pixels = max(8, round(self._tile_side * self.devicePixelRatioF()))
        for k, item in enumerate(self._pictures):
            item.setVisible(k in self._shown)
            if k in self._shown:
                item.setImage(self._compose(self._tiles[k], pixels), levels=None)
                item.setRect(self._place(k))
        self._frames.setData(*_joined([self._frame(k) for k in self._shown]))
        lines = [line for k in self._shown for line in self._lines(k)] if self.show_mesh else []
        self._mesh.setData(*_joined(lines))
        self._box.setRange(xRange=(0, self.width()), yRange=(0, self.height()), padding=0)

    def resizeEvent(self, event: object) -> None:  # noqa: N802 (Qt's name)
        """Compose for the new size."""
        super().resizeEvent(event)
        if hasattr(self, "_mesh"):  # pyqtgraph resizes while it is made
            self.redraw()

    def _compose(self, tile: ShownTile, pixels: int) -> NDArray[np.uint8]:
        """One tile at the size of the screen: image, weights, outlines of labels; RGB."""
        H, W = tile.image.shape[:2]
        whole = np.broadcast_to(tile.image.reshape(H, W, -1), (H, W, 3))
        picture = Image.fromarray(np.ascontiguousarray(whole))
        rgb = np.asarray(picture.resize((pixels, pixels), Image.Resampling.BILINEAR), np.float32)
        inner, where = _inner_pixels(tile, pixels)
        answered = rgb[where].copy()
        if self.show_weights:
            weights = tile.weights[inner]
            share = weights / max(float(tile.weights.max()), 1e-6)
            colour = self._magma.map(share.ravel())[:, :3].reshape(*share.shape, 3) * 255
            alpha = np.clip(0.25 + share, 0, 0.75)[..., None]
            answered = (1 - alpha) * answered + alpha * colour
        if self.show_labels:
            classes = tile.classes[inner]
            edge = np.zeros(classes.shape, bool)
            edge[:, 1:] |= classes[:, 1:] != classes[:, :-1]
            edge[1:] |= classes[1:] != classes[:-1]
            known = tile.weights[inner] > 0  # of sparse annotation: background that was painted
            edge[:, 1:] |= known[:, 1:] != known[:, :-1]
            edge[1:] |= known[1:] != known[:-1]
            answered[edge] = QColor(LABEL_COLOUR).getRgb()[:3]
        rgb = rgb * (1 - SURROUND / 255)
        rgb[where] = answered
        return rgb.astype(np.uint8)

    def _frame(self, k: int) -> NDArray[np.float64]:
        """Corners of the part that is answered, as x and y."""
        tile, place = self._tiles[k], self._place(k)
        low = tile.margin / tile.image.shape[0] * place.width()
        high = place.width() - low
        corners = [(low, low), (high, low), (high, high), (low, high), (low, low)]
        return np.array(corners) + np.array((place.left(), place.top()))

    def _lines(self, k: int) -> list[NDArray[np.float64]]:
        """The deformed mesh inside the tile, as x and y."""
        tile, place = self._tiles[k], self._place(k)
        side = tile.image.shape[0]
        lines = []
        for line in tile.lines:
            points = np.array(line, np.float64)[:, ::-1] + 0.5  # x, y
            points[((points < 0) | (points > side)).any(1)] = np.nan
            lines.append(points * place.width() / side + (place.left(), place.top()))
        return lines

    # -- the mouse ----------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Enlarge the tile that is clicked; show all at the next click."""
        self.show_alone(None if self._alone is not None else self._tile_at(event.pos()))

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Say which tile the mouse is over."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            k = self._tile_at(event.pos())
            if k is not None:
                QToolTip.showText(event.globalPos(), self._describe(self._tiles[k]), self)
            return True
        return bool(super().viewportEvent(event))

    def _describe(self, tile: ShownTile) -> str:
        click = "enlarge it" if self._alone is None else "see all"
        return (
            f"Tile {tile.index} of step {tile.step}, from slice {tile.slice_index}.\n"
            f"Click to {click}."
        )


def _joined(
    lines: list[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The x and y of all lines, with a gap after each."""
    gap = np.full((1, 2), np.nan)
    points = np.concatenate([part for line in lines for part in (line, gap)] or [gap[:0]])
    return points[:, 0], points[:, 1]


def _inner_pixels(
    tile: ShownTile, pixels: int
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], tuple[slice, slice]]:
    """Which pixels of the answered part are shown, and where they lie on the screen."""
    side = tile.image.shape[0]
    row = ((np.arange(pixels) + 0.5) * side / pixels - tile.margin).astype(int)
    inside = (row >= 0) & (row < tile.classes.shape[0])
    first, count = int(np.argmax(inside)), int(inside.sum())
    where = slice(first, first + count)
    return np.ix_(row[inside], row[inside]), (where, where)
