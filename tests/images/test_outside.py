"""NaN beside the image: filled by its mirror image, marked, and never learnt from."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.splits import Split
from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.intensity import Intensity
from napari_unet.images.outside import fill_plane, mark_outside, say_outside
from napari_unet.images.resampling import resample
from napari_unet.images.stack import Stack
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_labels, predict_probabilities
from napari_unet.prediction.predict import predict
from napari_unet.preflight import find
from napari_unet.training.data import TrainingData
from napari_unet.training.events import Adjusted, Finished
from napari_unet.training.planes import SeenImages
from napari_unet.training.trainer import Trainer

N = np.nan


def test_by_hand():
    plane = np.array([[N, N, 1, 2, 3], [N, N, 4, 5, 6], [N, N, 7, N, 9], [N, N, 1, 1, 1]])
    filled, outside = fill_plane(plane[None])
    assert outside.tolist() == [[1, 1, 0, 0, 0]] * 4
    # Mirrored in the outermost pixels, which are not repeated; what has a hole for a mirror image
    # takes the nearest pixel.
    assert filled[0, :, 0].tolist() == [3, 6, 9, 1]
    assert filled[0, :, 1].tolist() == [2, 5, 7, 1]
    assert np.isnan(filled[0, 2, 3]), "a hole is none of the outside"
    filled, outside = fill_plane(plane[None], "all")
    assert outside[2, 3]
    assert np.isfinite(filled).all()


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(0, 3)] * 4), st.integers(2, 9), st.integers(2, 9))
def test_a_rectangle_is_mirrored_as_a_border_is(margins, height, width):
    top, bottom, left, right = margins
    inside = np.random.default_rng(0).random((2, height + 3, width + 3))
    around = ((0, 0), (top, bottom), (left, right))
    expected = np.pad(inside, around, mode="reflect")
    filled, outside = fill_plane(np.pad(inside, around, constant_values=N))
    np.testing.assert_array_equal(filled, expected)
    assert outside.sum() == expected[0].size - inside[0].size


def test_an_empty_plane_is_outside_as_a_whole():
    filled, outside = fill_plane(np.full((1, 3, 4), N))
    assert outside.all()
    assert not filled.any()


@pytest.mark.parametrize("axes", ["zyx", "zcyx", "yxc", "czyx", "tzyx", "xzy"])
@pytest.mark.parametrize("lazy", [False, True])
def test_any_axes_in_memory_and_not(axes, lazy):
    sizes = {"t": 2, "z": 3, "c": 2, "y": 12, "x": 10}
    image = np.random.default_rng(0).random([sizes[a] for a in axes]).astype(np.float32)
    at = tuple(slice(0, 3) if a == "y" else slice(None) for a in axes)
    holed = image.copy()
    holed[at] = N
    stack = Stack("s", da.from_array(holed) if lazy else holed, axes)
    marked = mark_outside(stack)
    assert (marked.axes, marked.image.shape) == (axes, image.shape)
    assert isinstance(marked.image, da.Array) == lazy
    before, after = Stack("s", image, axes), marked
    for i in range(stack.n_slices):
        np.testing.assert_array_equal(after.image_plane(i)[:, 3:], before.image_plane(i)[:, 3:])
        np.testing.assert_array_equal(after.image_plane(i)[:, 2], before.image_plane(i)[:, 4])
        crop = after.outside_crop(i, slice(1, 5), slice(0, 2))
        assert crop.tolist() == [[True] * 2] * 2 + [[False] * 2] * 2
    assert "25 % of its pixels are NaN" in say_outside(marked)
    half = resample(marked, tuple(2 * s for s in stack.pixel_size))
    assert half.outside_crop(0, slice(0, 6), slice(0, 1))[:, 0].tolist() == [1, 0, 0, 0, 0, 0]


def test_without_nan_nothing_is_done():
    for image in (np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.float32)):
        stack = Stack("s", image, "yx")
        assert mark_outside(stack) is stack


# -- in training --------------------------------------------------------------------------------


def registered(n=4, side=64, fill=N) -> Stack:
    """Squares on a ground, each slice shifted another way, and nothing where it came from."""
    rng = np.random.default_rng(1)
    labels = np.zeros((n, side, side), np.uint8)
    for plane in labels:
        for y, x in rng.integers(8, side - 24, (4, 2)):
            plane[y : y + 12, x : x + 12] = 1
    image = (50 + 100 * labels + rng.normal(0, 9, labels.shape)).astype(np.float32)
    for i in range(n):
        image[i, : 3 + i] = fill
        image[i, :, -2 * i - 1 :] = fill
    return Stack("r", image, "zyx", labels=labels, scheme=LabelScheme("classes"))


def small(**changes) -> TrainConfig:
    base = {
        "network": UNetConfig(depth=1, width=2, dropout=0.0), "tile": 36, "batch": 2, "steps": 3,
        "device": "cpu", "augment": AugmentConfig.none(),
    }  # fmt: skip
    return TrainConfig(**{**base, **changes})


@pytest.mark.parametrize("zoom", [1.0, 0.5])
def test_a_border_of_nan_trains_and_weighs_nothing(zoom):
    trainer = Trainer(registered(), small(zoom=zoom))
    events = list(trainer.run())
    assert isinstance(events[-1], Finished)
    notes = [one.message for one in events if isinstance(one, Adjusted)]
    assert any("are NaN and taken as outside" in one for one in notes)
    weights = trainer.data.weight_map(0, 0)
    rows = int(3 * zoom)
    assert not weights[:rows].any()
    assert weights[rows + 1 : -2, :-2].all()
    for plane in trainer.validation:
        assert not plane.weights[: int((3 + plane.slice_index) * zoom)].any()


def test_limits_are_those_of_the_image_alone():
    marked = mark_outside(registered())
    part = registered().image[0, 3:, :-1]
    found = Intensity.measure(marked, (0, 100))
    assert found.low[0] <= part.min()
    assert found.low[0] == np.nanmin(registered().image)


def test_a_hole_is_said_before_anything_is_computed_and_can_be_left_out():
    stack = registered()
    stack.image[2, 30, 30] = N
    with pytest.raises(InputError, match=r"slice 2 of 'r' contains NaN.*--outside all"):
        list(Trainer(stack, small()).run())
    trainer = Trainer(stack, small(outside="all", split=SplitConfig("none")))
    assert isinstance(list(trainer.run())[-1], Finished)
    assert trainer.data.weight_map(0, 2)[30, 30] == 0


def test_the_pre_flight_says_it():
    found = {one.check: one for one in find(registered(), small())}
    assert found["outside"].severity == "info"
    assert "finite" not in found
    infinite = registered(fill=np.inf)
    assert {one.check: one.severity for one in find(infinite, small())}["finite"] == "error"


def test_values_beyond_float32_are_named_before_the_rate_is_blamed():
    """Grey values that are numbers, but not as the network gets them."""
    stack = registered(fill=40.0)
    image = stack.image.astype(np.float64)
    image[0, 40:44, 40:44] = 1e300
    broken = Stack("r", image, "zyx", labels=stack.labels, scheme=stack.scheme)
    data = TrainingData(broken, small(split=SplitConfig("none")), limits=Intensity((0,), (1e-30,)))
    with pytest.raises(InputError, match=r"slice 0 of 'r' contains far too large \(1e\+300\)"):
        data.images(0).window(0, slice(0, 64), slice(0, 64))


# -- in prediction ------------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [1.0, 0.5])
def test_a_prediction_is_nothing_outside(zoom):
    network = UNet(UNetConfig(depth=1, width=2))
    model = TrainedModel(network, Intensity((0.0,), (200.0,)), LabelScheme("classes"), zoom=zoom)
    stack = registered()
    outside = np.isnan(stack.image)
    probabilities = predict_probabilities(model, stack, device="cpu")
    assert np.isfinite(probabilities).all()
    assert not np.moveaxis(probabilities, 1, -1)[outside].any()
    assert (probabilities.sum(1)[~outside] > 0.99).all()
    assert not predict_labels(model, stack, device="cpu")[outside].any()
    stack.image[1, 20, 20] = N
    with pytest.raises(InputError, match="NaN"):
        predict_labels(model, stack, slices=[1], device="cpu")
    assert predict_labels(model, stack, slices=[1], device="cpu", outside="all").shape


@pytest.mark.parametrize("way", ["train", "predict", "check"])
def test_finite_values_beyond_32_bits_are_not_called_infinite(way):
    image = np.random.default_rng(0).random((2, 48, 48))
    image[1, 3, 3] = -1e300
    stack = Stack("r", image, "zyx", labels=np.zeros(image.shape, np.uint8), scheme=LabelScheme())
    said = r"slice 1 of 'r' contains far too large \(-1e\+300\) pixels"
    if way == "check":
        (error,) = [one for one in find(stack) if one.check == "finite"]
        assert error.severity == "error"
        assert "far too large (-1e+300) pixels" in error.text
    elif way == "train":
        whole = slice(0, 48)
        seen = SeenImages(stack, Split((), ()), Intensity.measure(stack))
        with pytest.raises(InputError, match=said):
            seen.window(1, whole, whole)
    else:
        model = UNet(UNetConfig(depth=1, width=2, dropout=0.0))
        model = TrainedModel(model, Intensity.measure(stack), LabelScheme())
        with pytest.raises(InputError, match=said):
            list(predict(model, stack))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint64, np.int32])
def test_values_up_to_the_end_of_their_type_are_normalised(dtype):
    """Also where the distance between the limits is beyond the type itself."""
    greatest = float(np.finfo(dtype).max if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max)
    greatest *= 0.4 if dtype == np.float64 else 0.98
    low = 0.0 if dtype == np.uint64 else -greatest
    share = np.random.default_rng(0).random((1, 40, 40))
    image = (low * (1 - share) + greatest * share).astype(dtype)
    with np.errstate(all="raise"):
        found = Intensity((low,), (greatest,)).normalise(image)
    assert np.abs(found - share).max() < 1e-6
