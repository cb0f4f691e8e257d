"""A picture of tiles, side by side, as the network will see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import ensure_colormap
from qtpy.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_unet.app.tiles_job import SIDE, ShownTile
from napari_unet.widgets.common.theme import WEIGHT_COLORMAP

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LABEL_COLOUR", "MESH_COLOUR", "TileGrid"]

GAP = 4  # px between two tiles
LABEL_COLOUR = "#4dd2ff"
MESH_COLOUR = "#ffd24d"
SURROUND = 90  # of 255: how much the part that is not answered is dimmed


class TileGrid(QWidget):
    """SIDE × SIDE tiles, as large as the dock is wide."""

    def __init__(self) -> None:
        super().__init__()
        self.show_labels = self.show_weights = self.show_mesh = True
        self._tiles: list[ShownTile] = []
        self._pictures: dict[int, QImage] = {}
        self._alone: int | None = None
        self._magma = ensure_colormap(WEIGHT_COLORMAP)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumSize(200, 200)
        self.setMouseTracking(True)

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

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Enlarge the tile that is clicked; show all at the next click."""
        self.show_alone(None if self._alone is not None else self._tile_at(event.pos()))

    def _tile_at(self, place: QPoint) -> int | None:
        boxes = ((k, self._box(k)) for k in self._shown)
        return next((k for k, box in boxes if box.contains(QPointF(place))), None)

    @property
    def _shown(self) -> list[int]:
        return list(range(len(self._tiles))) if self._alone is None else [self._alone]

    def redraw(self) -> None:
        """Compose the pictures anew: other tiles, another size, other switches."""
        self._pictures = {}
        self.update()

    def resizeEvent(self, event: object) -> None:  # noqa: N802, ARG002 (Qt's)
        """Compose for the new size."""
        self._pictures = {}

    @property
    def _tile_side(self) -> float:
        if self._alone is not None:
            return float(min(self.width(), self.height()))
        return (min(self.width(), self.height()) - (SIDE - 1) * GAP) / SIDE

    def _box(self, k: int) -> QRectF:
        if self._alone is not None:
            return QRectF(0, 0, self._tile_side, self._tile_side)
        step = self._tile_side + GAP
        return QRectF(k % SIDE * step, k // SIDE * step, self._tile_side, self._tile_side)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's)
        """Draw the tiles, and what lies over them."""
        pixels = max(8, round(self._tile_side * self.devicePixelRatioF()))
        if not self._pictures:
            self._pictures = {k: self._compose(self._tiles[k], pixels) for k in self._shown}
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for k, picture in self._pictures.items():
            box, tile = self._box(k), self._tiles[k]
            painter.drawImage(box, picture)
            self._draw_frame(painter, box, tile)
            if self.show_mesh:
                self._draw_mesh(painter, box, tile)
        painter.end()

    def _compose(self, tile: ShownTile, pixels: int) -> QImage:
        """One tile at the size of the screen: image, weights, outlines of labels."""
        rgb = _resized(tile.image, pixels).astype(np.float32)
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
            answered[edge] = QColor(LABEL_COLOUR).getRgb()[:3]
        rgb *= 1 - SURROUND / 255
        rgb[where] = answered
        data = np.ascontiguousarray(rgb.astype(np.uint8))
        format_ = QImage.Format.Format_RGB888
        return QImage(data.data, pixels, pixels, 3 * pixels, format_).copy()

    def _draw_frame(self, painter: QPainter, box: QRectF, tile: ShownTile) -> None:
        margin = tile.margin / tile.image.shape[0] * box.width()
        painter.setPen(QPen(QColor(255, 255, 255, 170), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box.adjusted(margin, margin, -margin, -margin))

    def _draw_mesh(self, painter: QPainter, box: QRectF, tile: ShownTile) -> None:
        scale = box.width() / tile.image.shape[0]
        colour = QColor(MESH_COLOUR)
        colour.setAlpha(150)
        painter.setPen(QPen(colour, 1))
        painter.save()
        painter.setClipRect(box)
        for line in tile.lines:
            points = [
                QPointF(box.left() + (x + 0.5) * scale, box.top() + (y + 0.5) * scale)
                for y, x in np.asarray(line).tolist()
            ]
            painter.drawPolyline(QPolygonF(points))
        painter.restore()

    def event(self, event: QEvent) -> bool:
        """Say which tile the mouse is over."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            k = self._tile_at(event.pos())
            if k is not None:
                QToolTip.showText(event.globalPos(), self._describe(self._tiles[k]), self)
            return True
        return bool(super().event(event))

    def _describe(self, tile: ShownTile) -> str:
        click = "enlarge it" if self._alone is None else "see all"
        return (
            f"Tile {tile.index} of step {tile.step}, from slice {tile.slice_index}.\n"
            f"Click to {click}."
        )


def _resized(image: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) to (pixels, pixels, 3), smoothly."""
    H, W = image.shape[:2]
    rgb = np.ascontiguousarray(np.broadcast_to(image.reshape(H, W, -1), (H, W, 3)))
    source = QImage(rgb.data, W, H, 3 * W, QImage.Format.Format_RGB888)
    small = source.scaled(
        pixels, pixels, Qt.AspectRatioMode.IgnoreAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    ).convertToFormat(QImage.Format.Format_RGB888)  # fmt: skip
    bits = small.constBits()
    if hasattr(bits, "setsize"):  # PyQt
        bits.setsize(small.sizeInBytes())
    rows = np.frombuffer(bits, np.uint8).reshape(pixels, small.bytesPerLine())
    return rows[:, : 3 * pixels].reshape(pixels, pixels, 3).copy()


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
