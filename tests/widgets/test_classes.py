"""Names and colours of classes, from the labels layer to the prediction."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.annotation.labels import LabelScheme
from napari_unet.config.network import UNetConfig
from napari_unet.images.stack import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.outputs import Output
from napari_unet.widgets.common.class_look import class_colours, class_names, dress, rename_class
from napari_unet.widgets.data.data_dock import DataDock
from napari_unet.widgets.predict.prediction_layer import prediction_layer

from .conftest import until

RED, BLUE = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0)


def settled(dock):
    until(lambda: not dock.is_looking)


def three_classes() -> np.ndarray:
    """(4, 64, 64): scattered pieces of 1 and 3, a corner of 255."""
    labels = np.zeros((4, 64, 64), np.uint8)
    for k in range(5):
        labels[:, 3 + 10 * k : 8 + 10 * k, 10:20] = 1
        labels[:, 3 + 10 * k : 8 + 10 * k, 40:50] = 3
    labels[:, 60:, 60:] = 255
    return labels


@pytest.fixture
def dock(model, qtbot):
    """A Data dock with labels of classes 0, 1, 3, and 255."""
    labels = three_classes()
    image = np.random.default_rng(0).integers(0, 255, labels.shape, np.uint8)
    model.add_image(image, name="tissue")
    colours = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0), 1: RED, 3: BLUE, 255: (1, 1, 1, 1)}
    model.add_labels(
        labels, name="truth", colormap=DirectLabelColormap(color_dict=colours),
        features={"index": [1, 3], "name": ["nucleus", "vessel"]},
    )  # fmt: skip
    dock = DataDock(model)
    qtbot.addWidget(dock)
    dock.show()
    settled(dock)
    dock.layers.kind.value = "classes"
    dock.layers.kind.chosen.emit("classes")
    settled(dock)
    return dock


def rows(dock):
    table = dock.classes.table
    return [(table.item(r, 0).text(), table.item(r, 1).text()) for r in range(table.rowCount())]


def test_classes_have_the_names_and_colours_of_their_layer(dock):
    scheme = dock.session.stack.scheme
    assert scheme.values == (0, 1, 3, 255)
    assert scheme.names[:3] == ("background", "nucleus", "vessel")
    assert scheme.colours == (None, "#ff0000", "#0000ff", "#ffffff")
    assert not dock.classes.isHidden()
    assert dock.classes.table.isHidden() or not dock.classes.toggle.isChecked()
    assert rows(dock)[1:3] == [("1", "nucleus"), ("3", "vessel")]


def test_an_ignored_value_is_no_class(dock):
    dock.layers.ignore.setValue(255)
    settled(dock)
    scheme = dock.session.stack.scheme
    assert scheme.values == (0, 1, 3)
    assert scheme.ignore == 255
    assert scheme.names == ("background", "nucleus", "vessel")


def test_a_name_is_changed_in_the_table_and_kept_with_the_layer(dock):
    dock.classes.table.item(2, 1).setText("lumen")
    assert dock.session.stack.scheme.names[2] == "lumen"
    dock._look()
    settled(dock)
    assert dock.session.stack.scheme.names[2] == "lumen"
    assert class_names(dock.labels.value)[3] == "lumen"


def test_other_colours_of_the_layer_are_taken_over_at_once(dock):
    green = {None: (0, 0, 0, 0), 1: (0, 1, 0, 1), 3: BLUE, 255: (1, 1, 1, 1)}
    dock.labels.value.colormap = DirectLabelColormap(color_dict=green)
    assert dock.session.stack.scheme.colours[1] == "#00ff00"


def test_objects_have_no_table(dock):
    dock.layers.kind.value = "objects"
    dock.layers.kind.chosen.emit("objects")
    settled(dock)
    assert dock.classes.isHidden()
    assert dock.session.stack.scheme.colours == (None, None)


def test_the_prediction_shows_the_same_colours_and_names(dock, model):
    dock.layers.ignore.setValue(255)
    settled(dock)
    stack = dock.session.stack
    network = UNet(UNetConfig(classes=3, depth=1, width=2))
    plain = json.loads(json.dumps(stack.scheme.to_dict()))  # as a model file keeps it
    trained = TrainedModel(
        network, Intensity((0,), (1,)), LabelScheme.from_dict(plain), "m", None, {}
    )
    image = dock.image.value
    result = prediction_layer(model, stack, image, Output(), trained.scheme, trained.identity())
    layer = result.layer
    corner = np.array([[[1, 3], [0, 1]]] * 4, np.uint8)
    result.write((slice(None), slice(0, 2), slice(0, 2)), corner)
    result.draw()
    assert np.allclose(layer.get_color(1), RED)
    assert np.allclose(layer.get_color(3), BLUE)
    assert class_colours(layer, (0, 1, 3)) == (None, "#ff0000", "#0000ff")
    assert layer.get_status((0, 0, 0))["value"] == "1; name: nucleus"
    assert layer.get_status((0, 0, 1))["value"] == "3; name: vessel"


def test_255_classes_keep_their_names_and_colours():
    labels = Labels(np.arange(256, dtype=np.uint8).reshape(16, 16))
    values = tuple(range(255))
    names = ("background", *(f"c{k}" for k in values[1:]))
    scheme = LabelScheme("classes", values=values, names=names,
                         colours=class_colours(labels, values))  # fmt: skip
    result = Labels(np.arange(256, dtype=np.uint8).reshape(16, 16))
    dress(result, scheme)
    assert class_colours(result, values) == scheme.colours
    assert class_names(result)[254] == "c254"
    assert result.get_status((15, 14))["value"] == "254; name: c254"


def test_classes_without_colours_keep_the_viewers():
    layer = Labels(np.zeros((4, 4), np.uint8))
    before = layer.get_color(1)
    dress(layer, LabelScheme())
    assert np.array_equal(layer.get_color(1), before)
    assert class_names(layer) == {0: "background", 1: "foreground"}


def test_given_names_come_before_features():
    layer = Labels(np.zeros((4, 4), np.uint8), features={"index": [1, 2], "Class": ["a", "b"]})
    assert class_names(layer) == {1: "a", 2: "b"}
    rename_class(layer, 2, "other")
    assert class_names(layer) == {1: "a", 2: "other"}
