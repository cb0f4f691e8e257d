"""Live curves that follow the viewer's theme and stay cheap however long a run is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyqtgraph as pg
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_unet.widgets.common.theme import Colours, colours

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CurvePlot", "Series", "colour_plot", "quiet_plot", "thin"]

MAX_POINTS = 600
"""Points drawn per series; a dock is never wider than this many pixels that matter."""


HEIGHT = 132
"""Height of a plot in pixels: two fit below the settings on a laptop."""


FEW_STEPS = 10
"""Shown of an empty plot, whose axis would count tenths of a step otherwise."""


class Series(NamedTuple):
    """How one curve looks: its name, and its colour on dark and on light themes."""

    name: str
    on_dark: str
    on_light: str
    dots: bool = False


# Okabe–Ito colours, told apart by colour-blind people; the light variants have enough contrast.
TRAINING = Series("training", "#56b4e9", "#0072b2")
VALIDATION = Series("validation", "#e69f00", "#b34700", dots=True)


def thin(x: np.ndarray, y: np.ndarray, n: int = MAX_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Average neighbouring points so that at most `n` remain.

    Parameters
    ----------
    x, y : ndarray, shape (M,)
        The curve, in order.
    n : int
        Most points to return.

    Returns
    -------
    x, y : ndarray, shape (min(M, n) at most,)
        Means of consecutive groups; the curve itself when it is short enough.
    """
    if len(x) <= n:
        return x, y
    group = -(-len(x) // n)
    starts = np.arange(0, len(x), group)
    sizes = np.diff(np.append(starts, len(x)))
    return np.add.reduceat(x, starts) / sizes, np.add.reduceat(y, starts) / sizes


class CurvePlot(QWidget):
    """Curves over training steps, with a coloured legend above them of those that have points.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose theme the colours follow.
    title : str
        What is drawn, in one word.
    series : iterable of Series
        The curves.
    unit_range : bool
        Show 0 to 1 as the full range (scores); otherwise the range follows the curves.
    """

    def __init__(
        self,
        viewer: Any,
        title: str,
        series: Iterable[Series] = (TRAINING, VALIDATION),
        *,
        unit_range: bool = False,
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._title = title
        self._series = {s.name: s for s in series}
        self._x: dict[str, list[float]] = {name: [] for name in self._series}
        self._y: dict[str, list[float]] = {name: [] for name in self._series}
        self._unit_range = unit_range
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._plot = quiet_plot(HEIGHT, left=34)
        self._lines = {name: self._plot.plot([], []) for name in self._series}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._legend)
        layout.addWidget(self._plot)
        viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()

    def clear(self) -> None:
        """Forget every point."""
        for name in self._series:
            self._x[name].clear()
            self._y[name].clear()
        self.redraw()

    def append(self, name: str, x: Iterable[float], y: Iterable[float]) -> None:
        """Add points to one curve without drawing; call `redraw` after the last.

        Parameters
        ----------
        name : str
            The series.
        x, y : iterable of float
            Steps and values; values that are not finite are left out.
        """
        for step, value in zip(x, y, strict=True):
            if np.isfinite(value):
                self._x[name].append(float(step))
                self._y[name].append(float(value))

    def say(self, title: str) -> None:
        """Say what is drawn."""
        self._title = title
        self._say()

    def points(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return every point of one curve, thinned or not."""
        return np.asarray(self._x[name]), np.asarray(self._y[name])

    def redraw(self, until: float = FEW_STEPS) -> None:
        """Draw what was appended and fit the range, which reaches at least `until` steps."""
        tops, last = [], float(until)
        for name, line in self._lines.items():
            x, y = thin(*self.points(name))
            line.setData(x, y)
            if len(x):
                # The first steps of a run are far above the rest and would flatten it.
                tops.append(float(np.percentile(y, 97)) if len(y) > 20 else float(y.max()))
                last = max(last, float(x[-1]))
        top = 1.0 if self._unit_range else 1.15 * max(tops, default=1.0) or 1.0
        self._plot.setRange(xRange=(0, last), yRange=(0, top), padding=0.02)
        self._say()

    def _say(self) -> None:
        is_light = get_theme(self._viewer.theme).type == "light"
        first, *others = self._series.values()
        words = [
            f'<span style="color:{one.on_light if is_light else one.on_dark}">{one.name}</span>'
            for one in (first, *(one for one in others if self._x[one.name]))
        ]
        text = f"<b>{self._title}</b>&nbsp; " + " · ".join(words)
        if text != self._legend.text():
            self._legend.setText(text)

    def _follow_theme(self, _event: object = None) -> None:
        theme = get_theme(self._viewer.theme)
        colour_plot(self._plot, colours(self._viewer))
        for name, series in self._series.items():
            colour = series.on_light if theme.type == "light" else series.on_dark
            self._lines[name].setPen(pg.mkPen(colour, width=1.5))
            if series.dots:
                self._lines[name].setSymbol("o")
                self._lines[name].setSymbolSize(4)
                self._lines[name].setSymbolBrush(colour)
                self._lines[name].setSymbolPen(None)
        self._say()

    def closeEvent(self, event: Any) -> None:  # noqa: N802
        """Let go of the viewer."""
        self._viewer.events.theme.disconnect(self._follow_theme)
        super().closeEvent(event)


def colour_plot(plot: Any, colours: Colours) -> None:
    """Give a plot the colours of a theme."""
    plot.setBackground(colours.background)
    for axis in ("left", "bottom"):
        plot.getAxis(axis).setPen(colours.secondary)
        plot.getAxis(axis).setTextPen(colours.text)


def quiet_plot(height: int, *, left: int = 0) -> Any:
    """Return a small plot that neither zooms under the mouse nor opens a menu.

    Parameters
    ----------
    height
        px.
    left
        Width of the left axis in px; 0: there is none.
    """
    plot = pg.PlotWidget(enableMenu=False)
    # pyqtgraph makes this menu all the same, without a parent: it would outlive the dock.
    menu = plot.plotItem.ctrlMenu
    menu.setParent(plot, menu.windowFlags())
    plot.setMinimumWidth(130)
    plot.setFixedHeight(height)
    plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.plotItem.layout.setContentsMargins(0, 8, 6, 0)  # room for half of the topmost number
    if left:
        plot.getAxis("left").setWidth(left)
    else:
        plot.hideAxis("left")
    plot.getAxis("bottom").setHeight(20)
    return plot
