"""The whole path in one dock, in a real viewer on a screen."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from napari_unet.widgets.common.worker import Worker
from napari_unet.widgets.unet import TABS, UNetDock

from .conftest import pump, until


@pytest.fixture
def dock(shown_viewer, cells):
    image, labels = cells
    shown_viewer.add_image(image, name="cells", scale=(3, 1, 1))
    shown_viewer.add_labels(labels, name="truth", scale=(3, 1, 1))
    dock = UNetDock(shown_viewer)
    shown_viewer.window.add_dock_widget(dock, name="U-Net", add_vertical_stretch=False)
    until(lambda: not Worker.running)
    return dock


def test_the_tabs_are_there_fit_and_follow_the_theme(dock, shown_viewer):
    texts = [dock.tabs.tabText(k) for k in range(dock.tabs.count())]
    assert texts == ["Data", "Weights", "Augment", "Train", "Predict", "Evaluate"] == list(TABS)
    assert list(dock._docks) == ["Data"]  # the others are made when looked at
    assert all(dock.tabs.tabToolTip(k) for k in range(6))
    data = dock.dock("Data")
    shown_viewer.theme = "light"
    light = data.styleSheet()
    shown_viewer.theme = "dark"
    assert data.styleSheet() != light
    for name in TABS:
        dock.show_tab(name)
        pump(0.02)
        assert dock.minimumSizeHint().width() <= 320, name
    assert dock.tabs.tabBar().sizeHint().width() <= 320
    until(lambda: not Worker.running, 60)


def test_the_path_from_data_over_weights_to_tiles(dock, shown_viewer):
    session = dock.dock("Data").session
    assert session.stack.name == "cells"
    session.change(network={"depth": 2}, tile=84, batch=2)
    weights = dock.show_tab("Weights")
    until(lambda: "cells · weights" in shown_viewer.layers)
    until(lambda: not weights._job.is_busy)
    augment = dock.show_tab("Augment")
    assert not shown_viewer.layers["cells · weights"].visible
    until(lambda: len(augment.picture.tiles) == 9, 60)
    assert augment.session is session
    assert dock.tabs.currentIndex() == 2


def test_closing_the_dock_shuts_its_docks(dock, shown_viewer):
    data = dock.dock("Data")
    heard = data._heard
    assert heard
    shown_viewer.window.remove_dock_widget(dock)
    assert not data._heard
    shown_viewer.add_image(np.zeros((5, 5)), name="later")
    assert data.image.findText("later") == -1
    dock.deleteLater()
    pump(0.05)


def test_closing_the_viewer_while_something_runs_stops_it(dock, shown_viewer):
    closed = []

    def endless():
        try:
            while True:
                time.sleep(0.01)
                yield None
        finally:
            closed.append(True)

    worker = dock.dock("Data").run(Worker(endless))
    until(lambda: worker.is_running)
    pump(0.1)
    shown_viewer.close()
    assert closed == [True]
    assert not worker.is_running


def test_opening_from_the_menu_takes_little_time_and_no_torch(make_napari_viewer):
    had_torch = "torch" in sys.modules
    viewer = make_napari_viewer()
    start = time.monotonic()
    _, widget = viewer.window.add_plugin_dock_widget("napari-unet-trainer", "U-Net")
    seconds = time.monotonic() - start
    assert isinstance(widget, UNetDock)
    assert seconds < 4  # 2 s where nothing else runs
    assert had_torch or "torch" not in sys.modules
