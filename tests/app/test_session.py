"""The session: one per viewer, tells of changes once, keeps nothing alive."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils._proxies import PublicOnlyProxy

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.session import Session, session_of
from napari_unet.base.errors import InputError
from napari_unet.config.presets import PRESETS
from napari_unet.config.weights import WeightConfig
from napari_unet.images.stack import Stack
from napari_unet.widgets.common.layer_stack import LayerStack


def test_a_viewer_has_one_session_and_another_viewer_another():
    one, other = ViewerModel(), ViewerModel()
    assert session_of(one) is session_of(one)
    assert session_of(one) is not session_of(other)
    assert session_of(PublicOnlyProxy(one)) is session_of(one)


def test_a_session_goes_with_its_viewer():
    import weakref

    viewer = ViewerModel()
    session = weakref.ref(session_of(viewer))
    del viewer
    gc.collect()
    assert session() is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stack", Stack("s", np.zeros((4, 4), np.uint8), "yx")),
        ("config", PRESETS["paper"]),
        ("run", Path("runs/a")),
    ],
)
def test_assigning_tells_once_and_the_same_value_again_tells_nothing(name, value):
    session, heard = Session(), []
    getattr(session, f"{name}_changed").connect(heard.append)
    setattr(session, name, value)
    setattr(session, name, value)
    assert len(heard) == 1
    assert heard[0] is value
    assert getattr(session, name) is value


def test_settings_are_changed_in_one_place_and_told_once():
    session, heard = Session(), []
    session.config_changed.connect(heard.append)
    session.change(steps=7, augment={"noise": 0.1}, weights=WeightConfig("fiji"))
    session.change(steps=7)  # no change
    assert heard == [
        PRESETS["fast"].changed(steps=7, augment={"noise": 0.1}, weights={"preset": "fiji"})
    ]
    assert session.config == heard[0]


def test_a_refused_change_changes_nothing():
    session, heard = Session(), []
    session.config_changed.connect(heard.append)
    with pytest.raises(InputError):
        session.change(steps=5, tile=101)
    assert session.config == PRESETS["fast"]
    assert not heard


def test_best_is_that_of_the_labels_also_when_they_change():
    session, heard = Session(), []
    plane = np.zeros((2, 8, 8), np.uint8)
    objects = Stack("s", plane, "zyx", labels=plane, scheme=LabelScheme("objects"))
    classes = replace(objects, scheme=LabelScheme("classes", values=(0, 1)))
    session.choose_preset("best")
    assert session.config == PRESETS["best"]
    session.config_changed.connect(heard.append)
    session.stack = objects
    assert session.config == PRESETS["best-cells"]
    session.change(steps=123)
    session.stack = classes
    assert session.config == PRESETS["best"].changed(steps=123)
    session.stack = objects.with_labels(None)
    assert session.config == PRESETS["best"].changed(steps=123)
    assert len(heard) == 3
    session.stack = objects
    session.choose_preset("best")  # once more: all is the preset's own
    assert session.config == PRESETS["best-cells"]


def test_a_misspelt_name_is_refused():
    session = Session()
    with pytest.raises(AttributeError, match="stak"):
        session.stak = None


def test_layers_are_remembered_but_not_kept_alive():
    session = Session()
    layer = Image(np.zeros((4, 4)), name="image")
    session.use(LayerStack(layer))
    assert session.image_layer is layer
    assert session.labels_layer is None
    assert session.stack.name == "image"
    del layer
    gc.collect()
    assert session.image_layer is None
    assert session.stack is not None


def test_a_run_learns_from_the_current_stack_first_then_from_the_added():
    session = Session()
    plane = np.zeros((2, 8, 8), np.uint8)
    a, b = (Stack(name, plane.copy(), "zyx", labels=plane) for name in "ab")
    assert session.stacks == ()
    session.stack = a
    assert session.stacks == (a,)
    session.added = (a, b)
    assert session.stacks == (a, b)
    session.stack = b
    assert session.stacks == (b, a)
    session.stack = b.with_labels(None)
    assert session.stacks == (a, b)  # only to be predicted
    read_otherwise = replace(a, annotated=(1,))
    session.stack = read_otherwise
    assert session.stacks == (read_otherwise, b)
