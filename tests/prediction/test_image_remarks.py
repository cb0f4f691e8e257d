"""What is said when an image differs from those that a model learnt from."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError
from napari_unet.config.network import UNetConfig
from napari_unet.images.intensity import Intensity
from napari_unet.images.stack import Stack
from napari_unet.network.compute import Compute
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_labels, predict_probabilities
from napari_unet.prediction.image_remarks import image_remarks

CPU = Compute("cpu", threads=1)
IMAGE = np.random.default_rng(0).integers(20, 225, (3, 40, 44)).astype(np.uint8)


def model_of(stack, **changes):
    network = UNet(UNetConfig(in_channels=stack.channels, depth=1, width=2, dropout=0.0)).eval()
    settings = {"pixel_size": stack.pixel_size, "run": {"unit": stack.units[-1]}, **changes}
    return TrainedModel(network, Intensity.measure(stack), LabelScheme(), **settings)


STACK = Stack("raw", IMAGE, "zyx")
MODEL = model_of(STACK)


def about(image, model=MODEL, axes="zyx", **options):
    return image_remarks(model, Stack("raw", image, axes), **options)


def test_the_image_of_the_training_is_not_worth_a_word():
    assert about(IMAGE) == ()
    assert about(IMAGE[:1]) == ()


@pytest.mark.parametrize(
    ("changed", "span"),
    [
        (IMAGE.astype(np.uint16) * 257, "5,397 to 57,568"),
        (IMAGE.astype(np.uint16) * 16, "336 to 3,584"),
        (IMAGE.astype(np.uint16) + 1000, "1,021 to 1,224"),
        (IMAGE / np.float32(255), "0.0824 to 0.878"),
        (IMAGE // 8, "2 to 28"),
    ],
)
def test_other_grey_values_are_said_once_with_numbers(changed, span):
    (remark,) = about(changed)
    assert (remark.about, remark.offer) == ("grey values", "measure grey values")
    low, high = (int(v.replace(",", "")) if "." not in v else float(v) for v in span.split(" to "))
    found = remark.text.split("run from ")[1].split(",  ")[0]
    assert f"where the model learnt {MODEL.intensity.low[0]:g} to {MODEL.intensity.high[0]:g}" in (
        remark.text
    )
    numbers = found.split(", where")[0].split(" to ")
    mine = [float(n.replace(",", "")) for n in numbers]
    assert mine == pytest.approx([low, high], rel=0.03)


@pytest.mark.parametrize("blank", range(1, 4))
def test_blank_slices_hide_nothing(blank):
    """Sections are missing; an empty slice says nothing about the others."""
    other = np.concatenate([IMAGE, IMAGE[:1]]) / np.float32(255)
    other[:blank] = 0
    (remark,) = about(other)
    assert "run from 0.08" in remark.text
    assert about(other * 255) == ()
    assert about(np.full_like(IMAGE, 100)) == ()  # nothing to compare


@pytest.mark.parametrize("factor", [1e300, -1e300])
def test_grey_values_beyond_words_stay_short(factor):
    (remark,) = about(IMAGE * factor)
    assert re.search(r"e\+30[12] to ", remark.text)
    assert len(remark.text) < 120


@given(factor=st.floats(0.7, 1.4), offset=st.integers(-20, 20))
@settings(deadline=None, max_examples=30)
def test_a_little_darker_or_brighter_is_nothing(factor, offset):
    assert about((IMAGE * factor + offset).astype(np.float32)) == ()


@given(gain=st.floats(1e-3, 1e4), offset=st.floats(-1e4, 1e5))
@settings(deadline=None, max_examples=30)
def test_measuring_anew_undoes_gain_and_offset(gain, offset):
    """What the offer promises: the same image in other units is predicted alike."""
    changed = IMAGE[:1].astype(np.float64) * gain + offset
    plain = predict_probabilities(MODEL, IMAGE[:1], "zyx", compute=CPU, grey_values="image")
    anew = predict_probabilities(MODEL, changed, "zyx", compute=CPU, grey_values="image")
    np.testing.assert_allclose(anew, plain, atol=2e-3)


def test_the_labels_of_a_16_bit_copy_are_those_of_the_image():
    copy = IMAGE.astype(np.uint16) * 257
    expected = predict_labels(MODEL, IMAGE, "zyx", compute=CPU)
    found = predict_labels(MODEL, copy, "zyx", compute=CPU, grey_values="image")
    np.testing.assert_array_equal(found, expected)
    assert about(copy, grey_values="image") == ()


def test_a_model_that_measures_every_slice_compares_nothing():
    from dataclasses import replace

    each = replace(MODEL, intensity=replace(MODEL.intensity, mode="image"))
    assert about(IMAGE.astype(np.uint16) * 257, each) == ()


COLOURS = np.stack([IMAGE // 4, IMAGE // 2 + 100, IMAGE.astype(int) + 500], 1).astype(np.uint16)


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_channels_in_another_order_are_told_where_they_differ(order):
    model = model_of(Stack("raw", COLOURS, "zcyx"))
    assert about(COLOURS, model, "zcyx") == ()
    (remark,) = about(COLOURS[:, list(order)], model, "zcyx")
    assert remark.about == "channels"
    assert f"channels 1, 2, 3 are the model's {', '.join(str(k + 1) for k in order)}" in remark.text


def test_one_channel_of_two_is_named():
    both = COLOURS[:, :2]
    model = model_of(Stack("raw", both, "zcyx"))
    changed = both.copy()
    changed[:, 1] += 5000
    (remark,) = about(changed, model, "zcyx")
    assert "of channel 2 run from" in remark.text
    assert "channel 1" not in remark.text


def test_pixels_of_another_size_are_offered_to_be_matched():
    model = model_of(Stack("em", IMAGE, "zyx", scale=(50, 4, 4), units=("nanometer",) * 3))
    stack = Stack("raw", IMAGE, "zyx", scale=(1, 0.19, 0.19), units=("micrometer",) * 3)
    (remark,) = image_remarks(model, stack)
    assert (remark.about, remark.offer) == ("pixel size", "match pixels")
    assert "47.5 times as large" in remark.text
    with pytest.raises(InputError, match="cannot be made alike"):
        image_remarks(model, stack, match_pixels=True)
    near = replace(stack, scale=(1, 0.019, 0.019))
    (zoomed,) = image_remarks(model, near, match_pixels=True)
    assert zoomed.about == "zoom"
    assert "40 × 44 to 190 × 209 pixels" in zoomed.text


def test_only_a_few_slices_of_a_large_stack_are_read():
    read: set[int] = set()

    class Array:
        shape, dtype, ndim = (500, 40, 44), np.dtype(np.uint8), 3

        def __getitem__(self, at):
            read.add(at[0])
            return IMAGE[0][at[1:]]

    assert image_remarks(MODEL, Stack("raw", Array(), "zyx")) == ()
    assert read == {0, 166, 333, 499}
    read.clear()
    image_remarks(MODEL, Stack("raw", Array(), "zyx"), slices=(7,))
    assert read == {7}
