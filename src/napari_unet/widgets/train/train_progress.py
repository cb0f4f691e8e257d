"""What a running training shows: how far it is, its curves, and its prediction as a layer."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QBoxLayout, QProgressBar, QVBoxLayout, QWidget

from napari_unet.base.quantities import duration, rate
from napari_unet.widgets.common.class_look import dress
from napari_unet.widgets.common.form import Note
from napari_unet.widgets.common.layers import find_result, refresh, result_name, show_labels
from napari_unet.widgets.common.plots import FEW_STEPS, VALIDATION, CurvePlot
from napari_unet.widgets.predict.prediction_layer import OUTPUT_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QResizeEvent

    from napari_unet.app.session import Session
    from napari_unet.images.stack import Stack
    from napari_unet.prediction.pieces import Piece
    from napari_unet.training.events import Step, Validated

__all__ = ["LiveLayer", "TrainProgress"]

SHARE = 0.02
"""Part of the window's time that showing a training may take. Whatever changes in a window with a
canvas makes Qt compose the whole window anew: 2 ms with a graphics card, 35 ms without."""

LOOKS = 0.4, 2.0
"""Least and longest time between two looks at a training, in seconds."""

SIDE_BY_SIDE = 400
"""Width in pixels from which both curves fit beside each other."""


class TrainProgress(QWidget):
    """A line of progress and two plots.

    Parameters
    ----------
    viewer
        Gives the theme.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(6)
        self.line = Note()
        self.loss = CurvePlot(viewer, "loss")
        self.iou = CurvePlot(viewer, "IoU", (VALIDATION,), unit_range=True)
        self._plots = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._plots.addWidget(self.loss)
        self._plots.addWidget(self.iou)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar)
        layout.addWidget(self.line)
        layout.addLayout(self._plots)
        self._shown = self._cost = 0.0
        self._taken = 0
        self._latest: Step | None = None
        self._is_validated = False
        self._pace: deque[tuple[float, int]] = deque(maxlen=25)

    def begin(self) -> None:
        """Empty everything for a new training."""
        self.loss.clear()
        self.iou.clear()
        self._taken = 0
        self.bar.setRange(0, 0)
        self.interrupt()

    def interrupt(self) -> None:
        """Forget the pace: it was paused."""
        self._pace.clear()
        self._latest = None

    def step(self, event: Step) -> None:
        """Take note of how far it is; `follow` shows it."""
        self._pace.append((monotonic(), event.step))
        self._latest = event

    def _say(self, event: Step) -> None:
        self.bar.setRange(0, event.steps)
        self.bar.setValue(event.step)
        parts = [f"step {event.step:,}/{event.steps:,}", rate(self._rate(event))]
        if event.step < event.steps:
            parts.append(f"{duration(event.seconds_left)} left")
        self.line.say(" · ".join(parts))

    def validated(self, event: Validated) -> None:
        """Add a point to the validation curves."""
        self.loss.append("validation", [event.step], [event.loss])
        self.iou.append("validation", [event.step], [event.iou])
        self._is_validated = True

    @property
    def is_due(self) -> bool:
        """Whether it is time for another look; the slower the window draws, the fewer."""
        shortest, longest = LOOKS
        pause = min(max(shortest, self._cost / SHARE), longest)
        return monotonic() - self._shown >= pause

    def follow(self, losses: Sequence[tuple[int, float]]) -> None:
        """Show how far it is, and draw the losses that came since the last time.

        Parameters
        ----------
        losses : sequence of (int, float)
            All steps and losses so far.
        """
        self._shown = monotonic()
        new = losses[self._taken : len(losses)]
        self._taken += len(new)
        last = max(FEW_STEPS, losses[-1][0]) if losses else FEW_STEPS
        if new:
            self.loss.append("training", *zip(*new))
        self.setUpdatesEnabled(False)  # everything is painted once, not one after the other
        if self._latest is not None:
            self._say(self._latest)
            self._latest = None
        if new or self._is_validated:  # both, so that the same step is below the same step
            self.loss.redraw(last)
            self.iou.redraw(last)
        self._is_validated = False
        self.setUpdatesEnabled(True)
        QTimer.singleShot(0, self._on_painted)

    def _on_painted(self) -> None:
        # Painting comes before timers, so this is what the look cost, other delays included.
        self._cost = 0.5 * (self._cost + monotonic() - self._shown)

    def end(self) -> None:
        """Show that nothing is running."""
        if self.bar.maximum() == 0:
            self.bar.setRange(0, 1)
            self.bar.reset()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Put the plots beside each other where there is room."""
        wide = event.size().width() >= SIDE_BY_SIDE
        directions = QBoxLayout.Direction
        self._plots.setDirection(directions.LeftToRight if wide else directions.TopToBottom)
        super().resizeEvent(event)

    def _rate(self, event: Step) -> float:
        if not self._pace:
            return 1 / max(event.seconds, 1e-9)
        (t0, s0), (t1, s1) = self._pace[0], self._pace[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 + 0.2 else 1 / max(event.seconds, 1e-9)


class LiveLayer:
    """The layer "NAME · prediction" into which live tiles are written.

    Parameters
    ----------
    viewer, session
        Where to show it.
    stack : Stack
        The stack being trained on.
    """

    def __init__(self, viewer: Any, session: Session, stack: Stack) -> None:
        self._viewer, self._session, self._stack = viewer, session, stack
        self._layer: Labels | None = None
        self._written = False

    @property
    def taken_away(self) -> bool:
        """Whether the user deleted the layer, and so wants no live prediction."""
        return self._layer is not None and self._layer not in self._viewer.layers

    def write(self, tile: Piece) -> None:
        """Write a tile into the layer's array; `draw` shows it."""
        if self._layer is None:
            self._layer = self._show(tile.values.dtype)
        if self.taken_away:
            return
        data = self._layer.data
        if tuple(data.shape) != self._shape():
            return  # the user put other data into it
        data[(*tile.index, tile.rows, tile.cols)] = tile.values
        self._written = True

    def draw(self) -> None:
        """Show what was written."""
        if self._written and self._layer is not None and not self.taken_away:
            refresh(self._layer)
        self._written = False

    def _shape(self) -> tuple[int, ...]:
        return (*self._stack.leading_shape, *self._stack.plane_shape)

    def _show(self, dtype: np.dtype[Any]) -> Labels:
        name = result_name(self._stack, "prediction")
        old = find_result(self._viewer, name, Labels, self._shape())
        layer = old
        if old is None or old.data.dtype != dtype or not isinstance(old.data, np.ndarray):
            layer = show_labels(
                self._viewer,
                self._session,
                self._stack,
                "prediction",
                np.zeros(self._shape(), dtype),
                opacity=0.5,
                metadata={OUTPUT_KEY: "labels"},
            )
        if self._stack.scheme is not None:
            dress(layer, self._stack.scheme)
        return layer
