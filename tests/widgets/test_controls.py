"""What every control owes: a name for screen readers, a visible focus, numbers with units."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QLineEdit, QSlider

from napari_unet.app.tiles_job import ShownTile
from napari_unet.evaluation.metrics import SegmentationError
from napari_unet.widgets.augment.tile_grid import LABEL_COLOUR, TileGrid
from napari_unet.widgets.data.data_dock import DataDock
from napari_unet.widgets.data.file_pixel_size import lost_pixel_size
from napari_unet.widgets.evaluate.error_list import ErrorList
from napari_unet.widgets.evaluate.reference_choice import pixel_area
from napari_unet.widgets.unet import TABS, UNetDock

from .conftest import until


@pytest.mark.parametrize("name", list(TABS))
def test_every_field_has_an_accessible_name(viewer, cells, name):
    viewer.add_image(cells[0], name="cells")
    viewer.add_labels(cells[1], name="truth")
    unet = UNetDock(viewer)
    viewer.window.add_dock_widget(unet)
    dock = unet.show_tab(name)
    for kind in (QComboBox, QSlider, QAbstractSpinBox, QLineEdit):
        for field in dock.findChildren(kind):
            own = unet.isAncestorOf(field)  # not in a menu of a plot
            part = isinstance(field.parent(), QComboBox | QAbstractSpinBox)
            if own and not part:
                assert field.accessibleName(), (name, field.parent(), field.toolTip())


def test_tabs_are_never_cut(viewer, qtbot):
    unet = UNetDock(viewer)
    qtbot.addWidget(unet)
    font = unet.font()
    font.setPointSize(27)  # 18 at 150 %
    unet.setFont(font)
    unet.tabs.tabBar().setFont(font)
    unet.resize(320, 600)
    unet.show()
    bar = unet.tabs.tabBar()
    for k in range(bar.count()):
        room = bar.tabRect(k).width()
        assert bar.fontMetrics().horizontalAdvance(bar.tabText(k)) <= room


def test_background_that_was_painted_is_outlined(qtbot):
    """Sparse annotation: a scribble of background among pixels that are not annotated."""
    weights = np.zeros((40, 40), np.float32)
    weights[10:20, 10:30] = 1
    tile = ShownTile(np.full((40, 40), 90, np.uint8), np.zeros((40, 40), np.uint8), weights, [],
                     0, 0, 0)  # fmt: skip
    grid = TileGrid()
    qtbot.addWidget(grid)
    grid.show_mesh = grid.show_weights = False
    picture = grid._compose(tile, 40)
    outline = [int(LABEL_COLOUR[k : k + 2], 16) for k in (1, 3, 5)]
    assert picture[10, 15].tolist() == outline
    assert picture[15, 15].tolist() != outline


def test_areas_of_errors_have_the_unit_of_the_layer(model, qtbot):
    layer = model.add_labels(
        np.zeros((3, 8, 8), np.uint8), scale=(1, 0.5, 0.5), units=("um", "um", "um")
    )
    assert pixel_area(layer) == (0.25, "µm²")
    assert pixel_area(model.add_labels(np.zeros((8, 8), np.uint8))) is None
    error = SegmentationError("missed", 0, (2.0, 3.0), 400, (1,), ())
    errors = ErrorList()
    qtbot.addWidget(errors)
    errors.show_errors([((0,), error)], pixel_area(layer))
    assert errors.table.item(0, 2).text() == "100 µm²"
    errors.show_errors([((0,), error)])
    assert errors.table.item(0, 2).text() == "400 px"


@pytest.fixture
def sized(tmp_path, cells):
    """A file that knows its pixels: 0.25 µm, slices of 2 µm."""
    path = tmp_path / "sized.tif"
    meta = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(path, cells[0], imagej=True, resolution=(4, 4), metadata=meta)
    return path


def test_a_file_that_knows_better_than_its_layer(sized, cells, tmp_path):
    found = lost_pixel_size(str(sized), (1, 1, 1))
    assert "0.25 µm" in found.text
    assert found.scale == (2, 0.25, 0.25)
    assert lost_pixel_size(str(sized), (2, 0.25, 0.25)) is None
    assert lost_pixel_size(None, (1, 1, 1)) is None
    tifffile.imwrite(tmp_path / "plain.tif", cells[0])
    assert lost_pixel_size(str(tmp_path / "plain.tif"), (1, 1, 1)) is None


def test_the_lost_pixel_size_is_taken_with_a_click(viewer, sized):
    (layer,) = viewer.open(str(sized), plugin="napari")
    labels = viewer.add_labels(np.zeros(layer.data.shape, np.uint8) + (layer.data > 110))
    dock = DataDock(viewer)
    viewer.window.add_dock_widget(dock)
    until(lambda: not dock.is_looking)
    viewer.dims.set_current_step(0, 4)
    (press,) = [one for one in dock.findings.buttons() if one.text() == "Take it"]
    press.click()
    until(lambda: not dock.is_looking)
    assert np.allclose(layer.scale, (2, 0.25, 0.25))
    assert dock.session.stack.scale == (2, 0.25, 0.25)
    assert set(dock.session.stack.units) == {"micrometer"}
    assert np.allclose(labels.scale, layer.scale)  # else they no longer lie on their image
    assert labels.units == layer.units
    assert viewer.dims.current_step[0] == 4
    assert np.allclose(viewer.scene.camera.center[1:], (12, 14), atol=0.5)  # the image is in sight
    assert "Take it" not in [one.text() for one in dock.findings.buttons()]
