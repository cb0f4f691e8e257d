"""Layers know what they are: by facts kept with them, never by their names."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer

from napari_unet.images.stack import Stack
from napari_unet.widgets.common import result_layers
from napari_unet.widgets.common.layer_facts import (
    find_made,
    is_result,
    made_of,
    mark_made,
    tell,
    told,
    writing,
)
from napari_unet.widgets.common.layers import stack_from_layers
from napari_unet.widgets.common.result_layers import GrowingLayer, show_result

PLANE = (12, 14)


@pytest.fixture
def image(model):
    rng = np.random.default_rng(0)
    return model.add_image(rng.integers(0, 255, (3, *PLANE), np.uint8), name="cells")


def growing(viewer, image, model="a", kind="prediction", dtype=np.uint8):
    """The result layer of a model over an image layer."""
    stack = stack_from_layers(image)

    def make(values):
        return (Image if values.dtype.kind == "f" else Labels)(values, name="result")

    return GrowingLayer(viewer, stack, image, kind, model, make, (3, *PLANE), dtype)


def fill(result, z, value):
    result.write((z, slice(0, 12), slice(0, 14)), np.full(PLANE, value, np.uint8))


def paint(layer):
    layer.data_setitem((np.array([1]), np.array([5]), np.array([6])), 9)


def fill_bucket(layer):
    layer.fill((1, 2, 2), 7)


def other_data(layer):
    layer.data = np.ones_like(layer.data)


def by_script(layer):
    layer.data[1, 0, 0] = 4  # no event tells of it


def paint_and_undo(layer):
    paint(layer)
    layer.undo()


TOUCHES = [paint, fill_bucket, other_data, paint_and_undo]


def test_facts_are_kept_with_a_layer_and_not_shared_with_its_copy(model):
    layer = model.add_labels(np.zeros(PLANE, np.uint8), name="a · b", metadata={"mine": 1})
    tell(layer, annotated=[1], scheme={"kind": "objects"})
    data, state, kind = layer.as_layer_data_tuple()
    copy = Layer.create(deepcopy(data), {**state, "name": "copy"}, kind)
    tell(copy, annotated=[1, 2], scheme=None)
    assert (told(layer, "annotated"), told(copy, "annotated")) == ([1], [1, 2])
    assert told(layer, "scheme") == {"kind": "objects"}
    assert told(copy, "scheme", "nothing") == "nothing"
    assert layer.metadata["mine"] == 1


def test_a_layer_of_ours_is_known_whatever_it_is_called(model, image):
    layer = show_result(model, "weights", Image(np.zeros(PLANE), name="x"), image)
    layer.name = "my own"
    assert is_result(layer)
    assert find_made(model, "weights", image) == [layer]
    assert find_made(model, "weights", None) == []
    assert find_made(model, "errors", image) == []
    mine = model.add_image(np.zeros(PLANE), name="cells · weights")
    assert not is_result(mine)
    assert find_made(model, "weights", image) == [layer]


def test_a_copy_of_a_result_is_the_users(model, image):
    layer = show_result(model, "prediction", Labels(np.zeros(PLANE, np.uint8)), image)
    data, state, kind = layer.as_layer_data_tuple()
    copy = model.add_layer(Layer.create(deepcopy(data), {**state, "name": "copy"}, kind))
    assert made_of(copy) is None
    paint_2d = (np.array([5]), np.array([6]))
    copy.data_setitem(paint_2d, 3)
    assert is_result(layer), "touching the copy is not touching the original"


@pytest.mark.parametrize("touch", TOUCHES)
def test_what_the_user_touched_is_the_users(model, image, touch):
    layer = Labels(np.zeros((3, *PLANE), np.uint8))
    show_result(model, "prediction", layer, image)
    touch(layer)
    assert not is_result(layer)
    assert find_made(model, "prediction", image) == []


def test_looking_at_a_result_is_not_touching_it(model, image):
    layer = Labels(np.zeros((3, *PLANE), np.uint8))
    show_result(model, "prediction", layer, image)
    layer.opacity, layer.visible, layer.contour, layer.name = 0.2, False, 1, "other"
    layer.refresh()
    with writing(layer):
        layer.data = np.ones((3, *PLANE), np.uint8)
    assert is_result(layer)


@pytest.mark.parametrize("touch", [*TOUCHES, by_script])
def test_a_touched_layer_is_left_alone_and_a_new_one_goes_on(model, image, touch):
    result = growing(model, image)
    fill(result, 0, 1)
    fill(result, 1, 2)
    first = result.layer
    touch(first)
    kept = first.data.copy()
    fill(result, 1, 3)
    fill(result, 2, 4)
    assert np.array_equal(first.data, kept), "the user's strokes stay"
    assert result.layer is not first
    assert result.layer in model.layers
    wanted = np.stack([np.full(PLANE, v) for v in (1, 3, 4)])
    assert np.array_equal(result.layer.data, wanted), "the new one is complete, without strokes"


def test_a_touch_between_two_predictions(model, image):
    for touch in (None, by_script, paint):
        first = growing(model, image)
        fill(first, 0, 1)
        first.finish()
        if touch:
            touch(first.layer)
        kept = first.layer.data.copy()
        second = growing(model, image)
        fill(second, 2, 2)
        second.finish()
        assert (second.layer is first.layer) == (touch is None)
        if touch:
            assert np.array_equal(first.layer.data, kept)
            assert not second.layer.data[0].any()


def test_nothing_of_ours_enters_the_undo_history(model, image):
    result = growing(model, image)
    fill(result, 0, 1)
    result.finish()
    before = result.layer.data.copy()
    result.layer.undo()
    assert np.array_equal(result.layer.data, before)
    paint(result.layer)
    fill(result, 1, 2)  # into another layer
    painted = next(layer for layer in model.layers if made_of(layer) and made_of(layer).touched)
    painted.undo()
    assert np.array_equal(painted.data, before), "undo takes the stroke back, and only it"


def test_another_model_image_or_place_is_another_layer(model, image):
    first = growing(model, image)
    fill(first, 0, 1)
    first.finish()
    assert growing(model, image).layer is first.layer
    assert growing(model, image, model="b").layer is not first.layer
    assert growing(model, image, kind="objects").layer is not first.layer
    twin = model.add_image(image.data.copy(), name="cells")
    assert growing(model, twin).layer is not first.layer
    image.data = 255 - image.data
    changed = growing(model, image)
    assert changed.layer is not first.layer
    changed.finish()
    image.data[:] = 3  # in place
    other = growing(model, image)
    assert other.layer is not changed.layer
    other.finish()
    image.translate = (0, 5, 0)
    assert growing(model, image).layer is not other.layer


def test_a_result_that_is_an_image_starts_anew_when_its_data_were_replaced(model, image):
    result = growing(model, image, kind="probabilities", dtype=np.float32)
    result.write((0, slice(0, 12), slice(0, 14)), np.full(PLANE, 0.5, np.float32))
    first = result.layer
    first.data = np.zeros_like(first.data)
    result.write((1, slice(0, 12), slice(0, 14)), np.full(PLANE, 0.25, np.float32))
    assert result.layer is not first
    assert not first.data.any()
    assert result.layer.data[:2, 0, 0].tolist() == [0.5, 0.25]


def test_more_objects_than_16_bits_count(model, image):
    result = growing(model, image, kind="objects", dtype=np.uint16)
    fill(result, 0, 1)
    layer = result.layer
    result.write((1, slice(0, 12), slice(0, 14)), np.full(PLANE, 70_000, np.int32))
    assert result.layer is layer
    assert is_result(layer)
    assert layer.data[:2, 0, 0].tolist() == [1, 70_000]


def test_a_stack_without_a_layer_has_results_too(model):
    stack = Stack("s", np.zeros((3, *PLANE), np.uint8), "zyx")
    layer = Labels(np.zeros(PLANE, np.uint8))
    mark_made(layer, "prediction", None)
    assert is_result(layer)
    result = GrowingLayer(model, stack, None, "prediction", "a", Labels, (3, *PLANE), np.uint8)
    fill(result, 1, 2)
    result.finish()
    assert result.layer.data[1].min() == 2


def test_what_is_written_again_is_not_drawn_again(model, monkeypatch):
    stack = Stack("s", np.zeros((3, *PLANE), np.uint8), "zyx")
    result = GrowingLayer(model, stack, None, "prediction", "a", Labels, (3, *PLANE), np.uint8)
    drawn = []
    monkeypatch.setattr(result_layers, "refresh", drawn.append)
    ones = np.ones(PLANE, np.uint8)
    for values in (ones, ones, 2 * ones, 2 * ones):
        result.write((0,), values)
        result.draw(now=True)
    assert drawn == [result.layer] * 2
    assert (result.layer.data[0] == 2).all()
