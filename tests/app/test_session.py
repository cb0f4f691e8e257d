"""The session: one per viewer, tells of changes once, keeps nothing alive."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils._proxies import PublicOnlyProxy

from napari_unet.app.session import Session, session_of
from napari_unet.config.split import SplitConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.images.stack import Stack


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
        ("weight_config", WeightConfig("fiji")),
        ("split", SplitConfig("none")),
        ("seed", 7),
        ("tiling", (3, 108, 4)),
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


def test_an_equal_configuration_is_no_change():
    session, heard = Session(), []
    session.weight_config_changed.connect(heard.append)
    session.weight_config = WeightConfig()
    assert not heard


def test_a_misspelt_name_is_refused():
    session = Session()
    with pytest.raises(AttributeError, match="stak"):
        session.stak = None


def test_augmentation_is_kept_plain_and_read_as_a_configuration():
    from napari_unet.config.augmentation import AugmentConfig

    session, heard = Session(), []
    session.augment_config_changed.connect(heard.append)
    assert session.augment_config == AugmentConfig()
    session.augment_settings = {"displacement": 3.0, "zoom": (1, 1)}
    assert session.augment_config == AugmentConfig(displacement=3.0, zoom=(1, 1))
    session.augment_config = AugmentConfig.none()
    assert session.augment_config == AugmentConfig.none()
    assert len(heard) == 2


def test_layers_are_remembered_but_not_kept_alive():
    session = Session()
    layer = Image(np.zeros((4, 4)), name="image")
    session.use_layers(Stack("s", layer.data, "yx"), layer)
    assert session.image_layer is layer
    assert session.labels_layer is None
    del layer
    gc.collect()
    assert session.image_layer is None
    assert session.stack is not None


def test_default_tiles_are_those_of_the_fast_preset():
    from napari_unet.config.training import PRESETS

    fast = PRESETS["fast"]
    assert Session().tiling == (fast.network.depth, fast.tile, fast.batch)


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
