"""Layer adapters: results lie where their source lies; live layers are written in place."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_unet.base.errors import InputError
from napari_unet.images.stack import Stack
from napari_unet.widgets.common.layers import (
    annotated_slices,
    fits,
    go_to_slice,
    proposed_axes,
    shown_region,
    shown_slice,
    stack_from_layers,
)
from napari_unet.widgets.common.result_layers import live_dtype, placement
from napari_unet.widgets.data.samples import stack_layers


def an_image(shape=(3, 20, 30), **options) -> Image:
    return Image(np.random.default_rng(0).integers(0, 255, shape, np.uint8), name="im", **options)


def test_axis_labels_of_the_layer_name_the_axes():
    assert proposed_axes(an_image())[0] == "zyx"
    assert proposed_axes(an_image(axis_labels=("t", "y", "x")))[0] == "tyx"
    assert proposed_axes(an_image(axis_labels=("Channel", "Y", "X")))[0] == "cyx"
    assert proposed_axes(an_image(axis_labels=("a", "b", "c")))[0] == "zyx"
    assert proposed_axes(an_image((20, 30, 3), rgb=True))[0] == "yxc"


def test_channels_take_their_scale_away():
    layer = an_image((2, 3, 20, 30), scale=(1, 5, 0.5, 0.4), translate=(0, 10, 20, 30))
    stack = stack_from_layers(layer, axes="czyx")
    assert stack.scale == (5, 0.5, 0.4)
    assert stack.translate == (10, 20, 30)
    assert stack.channels == 2


@pytest.mark.parametrize("ndim", [3, 2])
def test_a_result_has_scale_position_units_and_axis_labels_of_its_source(model, ndim):
    source = an_image(
        scale=(4, 0.5, 0.25), translate=(10, 20, 30), units=("um", "um", "um"),
        axis_labels=("z", "y", "x"),
    )  # fmt: skip
    model.add_layer(source)
    stack = stack_from_layers(source)
    data = np.zeros(stack.image.shape[-ndim:], np.uint8)
    layer = Labels(data, **placement(stack, source, ndim))
    assert np.allclose(layer.scale, source.scale[-ndim:])
    assert np.allclose(layer.translate, source.translate[-ndim:])
    assert layer.units == source.units[-ndim:]
    assert layer.axis_labels == source.axis_labels[-ndim:]


def test_a_result_is_turned_and_sheared_as_its_source(model):
    affine = np.eye(5)
    affine[2, 3], affine[3, 4] = 0.3, 7.0  # sheared along y, moved along x
    source = model.add_image(
        np.zeros((3, 2, 10, 12)), name="cells", scale=(4, 1, 0.5, 0.25), translate=(8, 0, 3, -2),
        rotate=np.kron(np.diag([1, 0]), np.eye(2)) + np.kron(np.diag([0, 1]), TURN),
        affine=affine,
        axis_labels=("z", "c", "y", "x"),
    )  # fmt: skip
    stack = stack_from_layers(source, axes="zcyx")
    result = Image(np.zeros((3, 10, 12)), **placement(stack, source))
    for point in ((0, 0, 0), (2, 9, 0), (1, 4, 11)):
        z, _, y, x = source.data_to_world((point[0], 0, *point[1:]))
        np.testing.assert_allclose(result.data_to_world(point), (z, y, x), atol=1e-9)


TURN = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])


def test_default_axis_labels_stay_default(model):
    source = model.add_layer(an_image())
    assert "axis_labels" not in placement(stack_from_layers(source), source)


def test_small_dtypes_for_live_labels():
    assert live_dtype(255) is np.uint8
    assert live_dtype(256) is np.uint16
    assert live_dtype(65536) is np.uint32
    with pytest.raises(InputError, match="32 bits"):
        live_dtype(2**32)


@pytest.mark.parametrize("with_layer", [True, False])
def test_the_slice_shown_follows_scale_and_translate(model, with_layer):
    layer = model.add_layer(an_image((5, 20, 30), scale=(4, 1, 1), translate=(100, 0, 0)))
    stack = stack_from_layers(layer)
    for i in range(5):
        model.dims.set_point(0, 100 + 4 * i)
        assert shown_slice(model, stack, layer if with_layer else None) == i
        go_to_slice(model, stack, 4 - i, layer if with_layer else None)
        assert shown_slice(model, stack, layer) == 4 - i


def test_slices_of_a_layer_that_was_moved_by_an_affine_are_found_again(model):
    moved = np.eye(4)
    moved[0, 3], moved[1, 2] = 12, 0.1  # along the slices, and a shear within them
    layer = model.add_layer(
        an_image((5, 20, 30), scale=(4, 1, 1), translate=(100, 0, 0), affine=moved)
    )
    stack = stack_from_layers(layer)
    for i in (3, 0, 4, 1):
        go_to_slice(model, stack, i, layer)
        assert (shown_slice(model, stack, layer), model.dims.current_step[0]) == (i, i)


def test_the_region_shown_is_rounded_and_within_the_slice(model):
    layer = model.add_layer(an_image((5, 200, 300)))
    stack = stack_from_layers(layer)
    assert shown_region(model, stack, layer) == (0, 200, 0, 300)
    layer.corner_pixels = np.array([(0, 70, 130), (0, 126, 299)])
    assert shown_region(model, stack, layer) == (64, 128, 128, 300)
    layer.corner_pixels = np.array([(0, 70, 130), (0, 128, 299)])
    assert shown_region(model, stack, layer) == (64, 192, 128, 300)
    layer.corner_pixels = np.array([(0, 199, 130), (0, 199, 299)])
    assert shown_region(model, stack, layer) is None  # it was moved out of the canvas
    layer.corner_pixels = np.array([(0, 70, 130), (0, 126, 299)])
    model.dims.order = (1, 0, 2)
    assert shown_region(model, stack, layer) is None  # no slice of the stack is shown


def test_the_region_shown_of_several_levels_is_that_of_the_finest(model):
    levels = [np.zeros((400, 600), np.uint8), np.zeros((200, 300), np.uint8)]
    layer = model.add_layer(Image(levels, multiscale=True))
    layer.data_level = 1
    layer.corner_pixels = np.array([(50, 100), (99, 149)])
    stack = stack_from_layers(layer)
    assert stack.plane_shape == (400, 600)
    assert shown_region(model, stack, layer) == (64, 256, 192, 320)


def test_the_slice_shown_counts_all_leading_axes_but_channels(model):
    layer = model.add_layer(an_image((2, 3, 4, 20, 30)))
    stack = stack_from_layers(layer, axes="tczyx")
    model.dims.set_point([0, 1, 2], [1, 2, 3])
    assert shown_slice(model, stack, layer) == 1 * 4 + 3
    go_to_slice(model, stack, 2, layer)
    assert model.dims.current_step[:3] == (0, 2, 2)  # the channel shown stays
    assert shown_slice(model, stack, layer) == 2
    colour = model.add_layer(an_image((2, 20, 30, 3), rgb=True))
    model.dims.set_point(2, 1)
    assert shown_slice(model, stack_from_layers(colour), colour) == 1


def test_the_slice_shown_is_the_nearest_where_the_viewer_is_outside(model):
    layer = model.add_layer(an_image((5, 20, 30)))
    model.add_layer(an_image((50, 20, 30)))
    model.dims.set_point(0, 40)
    assert shown_slice(model, stack_from_layers(layer), layer) == 4


def test_labels_of_a_few_slices_belong_where_they_lie(model):
    image = model.add_layer(an_image((6, 20, 30), scale=(2, 1, 1), translate=(10, 0, 0)))
    few = Labels(np.ones((2, 20, 30), np.uint8), scale=(2, 1, 1), translate=(16, 0, 0))
    assert annotated_slices(image, few) == (3, 4)
    whole = Labels(np.ones((6, 20, 30), np.uint8))
    assert annotated_slices(image, whole) is None
    assert fits(few, image)
    assert not fits(Labels(np.ones((6, 20, 31), np.uint8)), image)


def test_a_stack_as_layers_and_back_is_the_same_stack():
    labels = np.zeros((2, 16, 20), np.uint16)
    labels[:, 3:9, 4:9] = 2
    stack = Stack(
        "s", np.random.default_rng(0).integers(0, 9, (5, 16, 20), np.uint8), "tyx",
        labels=labels, annotated=(1, 4), scale=(3, 0.5, 0.5), units=("s", "um", "um"),
    )  # fmt: skip
    (image, meta, _), (values, labels_meta, _) = stack_layers(stack)
    layer, drawn = Image(image, **meta), Labels(values, **labels_meta)
    back = stack_from_layers(layer, drawn, annotated=annotated_slices(layer, drawn))
    assert back.axes == "tyx"
    assert back.scale == stack.scale
    assert back.labelled_slices == (1, 4)
    for i in range(5):
        assert np.array_equal(back.label_plane(i), stack.label_plane(i))
