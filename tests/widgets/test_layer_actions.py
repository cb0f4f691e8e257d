"""The Layers menu, through the manifest, in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from scipy import ndimage

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.session import session_of
from napari_unet.config.weights import WeightConfig
from napari_unet.widgets.common.layer_facts import made_of, tell, told

from .conftest import until
from .test_predict import make_model

PLUGIN = "napari-unet-trainer"
PLACE = {"scale": (4, 0.5, 0.25), "translate": (0, 10, 20), "units": ("um", "um", "um"),
         "axis_labels": ("z", "y", "x")}  # fmt: skip


@pytest.fixture
def plugin_viewer(make_napari_viewer):
    from npe2 import PluginManager, PluginManifest

    manager = PluginManager.instance()
    if PLUGIN not in manager:
        manager.register(PluginManifest.from_distribution(PLUGIN))
    return make_napari_viewer()


def use(viewer, name, layer):
    """Open an action of the menu for the active layer and press its button; the new layer."""
    viewer.layers.selection.active = layer
    _, form = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    before = list(viewer.layers)
    form.call_button.native.click()
    until(lambda: len(viewer.layers) > len(before), 60)
    (new,) = [one for one in viewer.layers if one not in before]
    return new


def lies_where(layer, other):
    n = min(layer.ndim, other.ndim)
    assert np.allclose(layer.scale[-n:], other.scale[-n:])
    assert np.allclose(layer.translate[-n:], other.translate[-n:])
    assert layer.units[-n:] == other.units[-n:]
    assert layer.axis_labels[-n:] == other.axis_labels[-n:]


def test_predict_this_layer(plugin_viewer, cells):
    from napari_unet.prediction.arrays import predict_labels
    from napari_unet.widgets.layer_actions import _Task

    viewer = plugin_viewer
    image = viewer.add_image(cells[0], name="cells", **PLACE)
    viewer.add_image(cells[0][::-1].copy(), name="another")
    session_of(viewer).model = make_model()
    layer = use(viewer, "U-Net: predict this layer", image)
    until(lambda: not _Task.running, 60)
    expected = predict_labels(session_of(viewer).model, cells[0], axes="zyx", device="cpu")
    np.testing.assert_array_equal(layer.data, expected)
    lies_where(layer, image)
    assert made_of(layer).kind == "prediction"
    assert told(layer, "predicted")["model"].startswith(session_of(viewer).model.name)


def test_predict_the_objects_of_this_layer(plugin_viewer, cells):
    from napari_unet.prediction.arrays import predict_labels
    from napari_unet.widgets.layer_actions import _Task

    viewer = plugin_viewer
    image = viewer.add_image(cells[0], name="cells")
    session_of(viewer).model = model = make_model(classes=3)
    viewer.layers.selection.active = image
    _, form = viewer.window.add_plugin_dock_widget(PLUGIN, "U-Net: predict this layer")
    form.output.value = "objects"
    form.call_button.native.click()
    until(lambda: not _Task.running, 60)
    layer = viewer.layers[-1]
    assert made_of(layer).kind == "objects"
    expected = predict_labels(model, cells[0], axes="zyx", device="cpu")
    assert expected.any()
    assert (layer.data[expected > 0] > 0).all()  # surer than any background


def test_a_model_that_is_refused_leaves_no_empty_layer(plugin_viewer, cells):
    from napari_unet.widgets.layer_actions import _Task

    viewer = plugin_viewer
    viewer.add_image(cells[0], name="cells")
    session_of(viewer).model = make_model(channels=2)
    _, form = viewer.window.add_plugin_dock_widget(PLUGIN, "U-Net: predict this layer")
    form.call_button.native.click()
    until(lambda: not _Task.running, 60)
    assert [layer.name for layer in viewer.layers] == ["cells"]


def test_labels_to_correct_are_the_users_and_know_what_they_mean(plugin_viewer, cells):
    viewer = plugin_viewer
    values = (cells[1] > 0).astype(np.uint8) * 7
    values[4:] = 0
    prediction = Labels(values, name="p", **PLACE)
    scheme = LabelScheme("classes", values=(0, 7))
    tell(prediction, output="labels", scheme=scheme.to_dict())
    viewer.add_layer(prediction)
    layer = use(viewer, "U-Net: labels to correct from this prediction", prediction)
    np.testing.assert_array_equal(layer.data, values)
    assert not np.shares_memory(layer.data, values)
    assert made_of(layer) is None
    assert LabelScheme.from_dict(told(layer, "scheme")) == scheme
    assert told(layer, "annotated") == [0, 1, 2, 3], "what was not predicted is not annotated"
    lies_where(layer, prediction)


def test_labels_to_correct_from_probabilities(plugin_viewer, cells):
    viewer = plugin_viewer
    inside = cells[1] > 0
    both = np.stack([0.9 * inside, 0.05 + 0 * inside]).astype(np.float32)
    prediction = Image(both, name="p", scale=(1, 4, 0.5, 0.25))
    scheme = LabelScheme("classes", values=(0, 3, 9))
    tell(prediction, output="probabilities", scheme=scheme.to_dict())
    viewer.add_layer(prediction)
    layer = use(viewer, "U-Net: labels to correct from this prediction", prediction)
    np.testing.assert_array_equal(layer.data, np.where(inside, 3, 0))
    assert np.allclose(layer.scale, (4, 0.5, 0.25))


def test_separate_objects(plugin_viewer, cells):
    viewer = plugin_viewer
    mask = viewer.add_labels((cells[1] > 0).astype(np.uint8), name="mask", **PLACE)
    layer = use(viewer, "U-Net: separate objects", mask)
    for z in range(6):
        expected, count = ndimage.label(cells[1][z] > 0)
        assert layer.data[z].max() == count
        assert len(np.unique(expected * 1000 + layer.data[z])) == count + 1, "the same pieces"
    lies_where(layer, mask)
    assert told(layer, "output") == "objects"


def test_weight_map_of_these_labels(plugin_viewer, cells):
    from napari_unet.annotation.labels import read_target
    from napari_unet.annotation.weights import target_weights

    viewer = plugin_viewer
    labels = viewer.add_labels(cells[1], name="truth", **PLACE)
    config = WeightConfig("fiji")
    session_of(viewer).change(weights=config)
    layer = use(viewer, "U-Net: weight map of these labels", labels)
    expected = [target_weights(read_target(plane.astype(np.int32), LabelScheme("objects")), config)
                for plane in cells[1]]  # fmt: skip
    np.testing.assert_allclose(layer.data, expected, rtol=1e-5)
    lies_where(layer, labels)


def test_without_a_layer_it_says_so(plugin_viewer, monkeypatch):
    from napari_unet.widgets import layer_actions

    said = []
    monkeypatch.setattr(layer_actions, "show_warning", said.append)
    _, form = plugin_viewer.window.add_plugin_dock_widget(PLUGIN, "U-Net: separate objects")
    form.call_button.native.click()
    assert said == [layer_actions.NO_LAYER]


def test_the_actions_stand_in_the_layers_menu():
    from npe2 import PluginManifest

    menus = PluginManifest.from_distribution(PLUGIN).contributions.menus
    listed = {
        menu: [item.command.split(".")[-1] for item in items] for menu, items in menus.items()
    }
    assert listed == {
        "napari/layers/segment": ["predict_layer", "separate_objects"],
        "napari/layers/annotate": ["labels_to_correct"],
        "napari/layers/visualize": ["weight_map"],
    }
