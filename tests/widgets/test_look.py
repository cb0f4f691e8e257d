"""What every dock owes its user: nothing cut at 320 px, keys of its own, an order, a tooltip."""

from __future__ import annotations

import re
from importlib import import_module
from itertools import pairwise

import pytest
from napari.settings import get_settings
from qtpy import API_NAME
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QSlider,
    QWidget,
)

from napari_unet.app.session import session_of
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.numbers import SliderField
from napari_unet.widgets.unet import TABS, UNetDock

from .conftest import pump, until

DOCKS = ("Weights", "Augment", "Train", "Predict")
CONTROLS = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QSlider)


@pytest.fixture(params=DOCKS)
def dock(request, shown_viewer, cells, tmp_path, monkeypatch):
    """A dock 320 px wide with all that it can show, also under Advanced."""
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path))
    viewer = shown_viewer
    image = viewer.add_image(cells[0], name="cells of a rather long name")
    labels = viewer.add_labels(cells[1], name="marks")
    session_of(viewer).use(LayerStack(image, labels))
    module, cls, _ = TABS[request.param]
    dock = getattr(import_module(f"napari_unet.widgets.{module}"), cls)(viewer)
    viewer.window.add_dock_widget(dock, name=request.param)
    if request.param == "Train":
        for row in (dock.control.switches, dock.progress, dock.progress.saved_row):
            row.show()
    viewer.window._qt_window.resize(1300, 700)
    dock.setFixedWidth(320)
    advanced = dock.form.advanced
    advanced.toggle.click()
    pump(0.2)
    return dock


@pytest.fixture
def large_letters():
    """A function that gives napari letters of 14 points, as its preferences do."""
    appearance = get_settings().appearance
    before = appearance.font_size

    def enlarge():
        appearance.font_size = 14

    yield enlarge
    appearance.font_size = before


def visible(dock, kinds):
    """The user's controls, without the inner parts of Qt's own and the menus of plots."""
    return [
        one
        for one in dock.findChildren(QWidget)
        if isinstance(one, kinds)
        and one.isVisibleTo(dock)
        and not one.objectName().startswith("qt_")
        and not isinstance(one.window(), QMenu)
        and not isinstance(one.parent(), (QAbstractSpinBox, QComboBox))
    ]


def cut(dock):
    """What is not shown as a whole."""
    viewport = dock.findChild(QScrollArea).viewport()
    for one in visible(dock, (QCheckBox, QRadioButton, QPushButton, QLabel)):
        if isinstance(one, QLabel) and one.wordWrap():
            whole = one.height() >= one.heightForWidth(one.width())
        else:
            whole = one.width() >= one.sizeHint().width()
        right = one.mapTo(viewport, QPoint(one.width(), 0)).x()
        if not whole or right > viewport.width():
            yield getattr(one, "text", str)()


def test_nothing_is_cut(dock):
    until(lambda: not list(cut(dock)))  # a layout follows its texts a little later


def test_large_letters_make_room_for_themselves(dock, large_letters):
    dock.setMinimumWidth(0)
    dock.setMaximumWidth(2**24 - 1)
    large_letters()
    until(lambda: not list(cut(dock)))
    for field in dock.findChildren(SliderField):
        room = field.box.width() - 62  # both buttons
        assert room >= field.box.fontMetrics().horizontalAdvance("25.0 px")


@pytest.mark.parametrize("name", DOCKS)
def test_what_appears_later_is_not_cut_either(shown_viewer, cells, name):
    """As wide as napari makes it, in a window of a small screen, with a bar to scroll."""
    image = shown_viewer.add_image(cells[0], name="cells")
    session_of(shown_viewer).use(LayerStack(image))
    window = shown_viewer.window._qt_window
    window.resize(1100, 400)
    unet = UNetDock(shown_viewer)
    shown_viewer.window.add_dock_widget(unet)
    dock = unet.show_tab(name)
    dock.form.advanced.toggle.click()
    dock.column.insertWidget(0, QPushButton("as wide as a line of the table of objects"))
    until(lambda: not list(cut(dock)))


def test_a_scroll_bar_appears_only_where_it_is_needed(dock):
    dock.viewer.window._qt_window.resize(1300, 1600)
    content = dock.column.parentWidget()
    needed = content.heightForWidth(content.width())
    assert content.minimumSizeHint().height() <= needed


def test_every_key_does_one_thing(dock):
    keys = [action.text() for action in dock.viewer.window._qt_window.menuBar().actions()]
    assert keys
    keys += [one.text() for one in visible(dock, (QAbstractButton, QLabel))]
    letters = [found[1].lower() for text in keys if (found := re.search(r"&(\w)(?!\w*;)", text))]
    assert len(letters) > len(keys[0]) > 0
    assert len(set(letters)) == len(letters), sorted(letters)


@pytest.mark.skipif(API_NAME == "PySide6", reason="it keeps alive what nextInFocusChain returns")
def test_tab_goes_from_top_to_bottom(dock):
    places, widget = [], dock.nextInFocusChain()
    while widget is not dock:
        takes_tab = widget.focusPolicy() & Qt.FocusPolicy.TabFocus and not widget.focusProxy()
        if dock.isAncestorOf(widget) and widget.isVisibleTo(dock) and takes_tab:
            corner = widget.mapTo(dock, QPoint(0, widget.height() // 2))
            places.append((corner.y(), corner.x()))
        widget = widget.nextInFocusChain()
    assert len(places) > 5
    for (y, x), (next_y, next_x) in pairwise(places):
        in_one_row = abs(next_y - y) <= 6  # px between the middles of two controls
        assert next_x > x if in_one_row else next_y > y


def test_every_control_says_what_it_is_for(dock):
    for one in visible(dock, CONTROLS):
        assert one.toolTip(), f"{one} {getattr(one, 'text', str)()}"
