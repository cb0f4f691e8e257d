from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.widgets.common.plots import TRAINING, CurvePlot, thin


def test_thin_keeps_a_short_curve_as_it_is():
    x, y = np.arange(5.0), np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    thinned = thin(x, y, 5)
    np.testing.assert_array_equal(thinned[0], x)
    np.testing.assert_array_equal(thinned[1], y)


def test_thin_averages_neighbours():
    x, y = thin(np.array([1.0, 2, 3, 4, 5]), np.array([10.0, 20, 30, 40, 7]), 3)
    np.testing.assert_array_equal(x, [1.5, 3.5, 5])
    np.testing.assert_array_equal(y, [15, 35, 7])


@given(st.integers(1, 5000), st.integers(1, 700))
def test_thin_returns_at_most_n_ordered_points_within_range(length, n):
    x = np.arange(length, dtype=float)
    y = np.sin(x)
    a, b = thin(x, y, n)
    assert len(a) == len(b) <= n
    assert np.all(np.diff(a) > 0)
    assert a[0] >= 0
    assert a[-1] <= length - 1
    assert b.min() >= y.min() - 1e-12
    assert b.max() <= y.max() + 1e-12


def test_points_are_kept_and_what_is_not_finite_is_left_out(viewer, qtbot):
    plot = CurvePlot(viewer, "loss")
    qtbot.addWidget(plot)
    plot.append("training", [1, 2, 3], [0.5, float("nan"), 0.25])
    plot.redraw()
    x, y = plot.points("training")
    np.testing.assert_array_equal(x, [1, 3])
    np.testing.assert_array_equal(y, [0.5, 0.25])
    assert plot.points("validation")[0].size == 0
    plot.clear()
    assert plot.points("training")[0].size == 0


def test_a_long_run_draws_few_points_but_keeps_all(viewer, qtbot):
    plot = CurvePlot(viewer, "loss")
    qtbot.addWidget(plot)
    plot.append("training", range(20_000), np.linspace(1, 0, 20_000))
    plot.redraw()
    assert plot.points("training")[0].size == 20_000
    assert len(plot._lines["training"].getData()[0]) <= 600


def test_lengths_that_differ_are_an_error(viewer, qtbot):
    plot = CurvePlot(viewer, "loss")
    qtbot.addWidget(plot)
    with pytest.raises(ValueError, match="shorter"):
        plot.append("training", [1, 2], [0.5])


def test_colours_follow_the_theme(viewer, qtbot):
    plot = CurvePlot(viewer, "loss")
    qtbot.addWidget(plot)
    viewer.theme = "dark"
    assert TRAINING.on_dark in plot._legend.text()
    dark = plot._plot.backgroundBrush().color().name()
    viewer.theme = "light"
    assert TRAINING.on_light in plot._legend.text()
    assert TRAINING.on_dark not in plot._legend.text()
    light = plot._plot.backgroundBrush().color()
    assert light.name() != dark
    assert light.lightness() > 150


def test_the_legend_names_what_is_drawn(viewer, qtbot):
    plot = CurvePlot(viewer, "loss")
    qtbot.addWidget(plot)
    plot.append("training", [1], [0.5])
    plot.redraw()
    assert "training" in plot._legend.text()
    assert "validation" not in plot._legend.text()
    plot.append("validation", [1], [0.5])
    plot.redraw()
    assert "validation" in plot._legend.text()
    plot.say("loss of what is painted")
    assert plot._legend.text().startswith("<b>loss of what is painted</b>")
    plot.clear()
    assert "validation" not in plot._legend.text()
