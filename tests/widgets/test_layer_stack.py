"""What is used is what the layers show at the moment of use."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_unet.app.session import session_of
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.layers import annotated_slices, put_on_slice


@pytest.fixture
def layers(model, cells):
    image, labels = cells
    return model.add_image(image, name="cells"), model.add_labels(labels, name="truth")


@pytest.fixture
def source(layers):
    return LayerStack(*layers)


def test_the_same_stack_while_nothing_changes(source):
    assert source.stack() is source.stack()


def test_other_data_are_used_at_once(source, layers):
    image, labels = layers
    before = source.stack()
    image.data = 255 - image.data
    assert source.stack() is not before
    assert source.stack().image is image.data
    replaced = (labels.data > 0).astype(np.uint8) * 255
    labels.data = replaced
    stack = source.stack()
    assert stack.labels is labels.data
    assert (stack.scheme.kind, stack.scheme.values) == ("classes", (0, 255)), "read anew as well"


@pytest.mark.parametrize(
    ("attribute", "value", "field"),
    [
        ("scale", (4, 0.5, 0.25), "scale"),
        ("translate", (1, 2, 3), "translate"),
        ("units", ("um", "nm", "nm"), None),
        ("name", "renamed", "name"),
    ],
)
def test_place_and_name_are_followed(source, layers, attribute, value, field):
    heard = []
    source.changed.connect(lambda: heard.append(1))
    setattr(layers[0], attribute, value)
    assert heard
    if field:
        assert getattr(source.stack(), field) == value
    else:
        assert [str(unit) for unit in source.stack().units] == ["micrometer"] + ["nanometer"] * 2


def test_axes_are_followed(model):
    image = model.add_image(np.random.default_rng(0).random((3, 20, 30)))
    source = LayerStack(image)
    assert source.stack().axes == "zyx"
    image.axis_labels = ("c", "y", "x")
    assert source.stack().axes == "cyx"
    image.data = np.zeros((2, 3, 20, 30))
    assert source.stack().plane_shape == (20, 30)


def test_layers_that_do_not_fit_any_more_make_no_stack_until_they_do(source, layers):
    _image, labels = layers
    before = labels.data
    labels.data = np.zeros((6, 10, 10), np.uint8)
    assert source.stack() is None
    labels.data = before
    assert source.stack().labels is before


def test_the_session_tells_of_changes_and_uses_what_is_there(model, layers):
    session, heard = session_of(model), []
    session.use(LayerStack(*layers))
    session.stack_changed.connect(heard.append)
    layers[0].data = layers[0].data + 1
    assert heard[-1] is session.stack
    assert session.stacks[0].image is layers[0].data
    session.added = (session.source,)
    other = model.add_image(np.zeros((6, 96, 112), np.uint8), name="other")
    session.use(LayerStack(other))
    layers[1].data = layers[1].data * 2
    assert [one.labels for one in session.stacks] == [layers[1].data], "the added one, as it is"
    session.added = ()
    heard.clear()
    layers[0].data = layers[0].data + 1
    assert not heard, "layers that are not used are not followed"


def test_layers_that_are_gone_leave_the_stack(cells):
    image, labels = Image(cells[0], name="i"), Labels(cells[1])
    source = LayerStack(image, labels)
    made = source.stack()
    del image, labels
    gc.collect()
    assert source.image_layer is None
    assert source.stack() is made


def test_labels_of_one_plane_stay_on_the_slice_they_were_put_on(model, cells):
    image = model.add_image(cells[0])
    labels = model.add_labels(cells[1][3], name="plane")
    model.dims.set_current_step(0, 3)
    put_on_slice(labels, image, model)
    model.dims.set_current_step(0, 0)
    assert annotated_slices(image, labels) == (3,)
    source = LayerStack(image, labels)
    assert source.stack().labelled_slices == (3,)
    assert np.array_equal(source.stack().label_plane(3), cells[1][3])
