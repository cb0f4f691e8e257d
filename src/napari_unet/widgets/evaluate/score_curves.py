"""Scores at every threshold, as curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.widgets.common.notes import Note
from napari_unet.widgets.common.plots import CurvePlot, Series

if TYPE_CHECKING:
    from napari_unet.evaluation.comparison import Curves

__all__ = ["ScoreCurves"]

# Okabe–Ito, on dark and on light themes.
COLOURS = (
    ("#56b4e9", "#0072b2"),
    ("#e69f00", "#b34700"),
    ("#009e73", "#00724f"),
    ("#cc79a7", "#a0457a"),
)
ERROR = "error"  # in the name of a curve of which less is better, far below the scores


class ScoreCurves(QWidget):
    """A plot of scores and one of errors; hidden while there is nothing to show.

    Parameters
    ----------
    viewer
        Gives the theme.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self.plots: list[CurvePlot] = []
        self.note = Note()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addWidget(self.note)
        self.hide()

    def clear(self) -> None:
        """Take the plots away."""
        for plot in self.plots:
            self._layout.removeWidget(plot)
            plot.close()
            plot.deleteLater()
        self.plots.clear()
        self.note.say("")
        self.hide()

    def show_curves(self, curves: Curves) -> None:
        """Draw curves, in place of those that were there."""
        self.clear()
        scores = {name: v for name, v in curves.values.items() if ERROR not in name}
        errors = {name: v for name, v in curves.values.items() if ERROR in name}
        for values, unit_range in ((scores, True), (errors, False)):
            if values:
                self._add(curves.thresholds, values, unit_range)
        self.note.say(f"At each threshold of {curves.over} (best: {_best(curves)})")
        self.show()

    def _add(
        self, thresholds: tuple[float, ...], values: dict[str, tuple[float, ...]], unit_range: bool
    ) -> None:
        series = [
            Series(name, *COLOURS[k % len(COLOURS)], dots=True) for k, name in enumerate(values)
        ]
        plot = CurvePlot(self._viewer, "", series, unit_range=unit_range)
        for name, some in values.items():
            plot.append(name, thresholds[: len(some)], some)
        plot.redraw()
        self.plots.append(plot)
        self._layout.insertWidget(self._layout.count() - 1, plot)


def _best(curves: Curves) -> str:
    """Say where each curve is best."""
    parts = []
    for name, values in curves.values.items():
        best = min(values) if ERROR in name else max(values)
        parts.append(f"{name} at {curves.thresholds[values.index(best)]:.2g}")
    return ", ".join(parts)
