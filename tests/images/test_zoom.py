"""Zoomed stacks: what the network sees, and the way back to the pixels of the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import resize

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.images import zoom as zoom_module
from napari_unet.images.resampling import relative_pixel_size, resample, resampled_shape
from napari_unet.images.stack import Intensity, Stack
from napari_unet.images.zoom import blocks, bring_back, zoom_for, zoom_stack
from napari_unet.network.model_file import save_model
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_labels, predict_probabilities
from napari_unet.prediction.predict import plan, predict
from napari_unet.training.data import TrainingData
from napari_unet.training.run_folder import load_model
from napari_unet.training.trainer import TrainConfig, Trainer


def make_stack(shape=(2, 61, 83), scale=(1, 1, 1), unit="pixel"):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, shape).astype(np.uint8)
    labels = np.zeros(shape, np.uint8)
    labels[:, 10:30, 20:50] = 1
    units = ("pixel", unit, unit)
    return Stack("cells", image, "zyx", labels=labels, scheme=MASK, scale=scale, units=units)


MASK = LabelScheme(kind="classes", values=(0, 1))


def make_model(zoom, pixel_size=None, unit="pixel"):
    config = UNetConfig(depth=1, width=3, dropout=0.0)
    network = UNet(config, torch.Generator().manual_seed(1)).eval()
    limits = Intensity((0.0,), (255.0,))
    return TrainedModel(network, limits, MASK, "model", pixel_size, {"unit": unit}, zoom)


# -- the way back, by hand ----------------------------------------------------------------------


def test_doubling_by_hand():
    (block,) = blocks((4, 4), (2, 2))
    back = bring_back(np.array([[[0.0, 4.0], [8.0, 12.0]]]), block, (4, 4), (2, 2))
    assert back[0, 0].tolist() == [0, 1, 3, 4]
    assert back[0, :, 0].tolist() == [0, 2, 6, 8]
    assert back[0, 3, 3] == 12


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    zoomed=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    block=st.integers(7, 50),
    seed=st.integers(0, 9),
)
def test_parts_come_back_as_the_whole_does(shape, zoomed, block, seed):
    values = np.random.default_rng(seed).random((2, *zoomed), np.float32)
    (whole,) = blocks(shape, zoomed)
    assert whole.region == (0, zoomed[0], 0, zoomed[1]) or min(shape) < max(zoomed)
    expected = np.full((2, *shape), np.nan, np.float32)
    y0, y1, x0, x1 = whole.region
    expected[:, whole.rows, whole.cols] = bring_back(values[:, y0:y1, x0:x1], whole, shape, zoomed)
    found = np.full_like(expected, np.nan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoom_module, "BLOCK", block)
        for part in blocks(shape, zoomed):
            y0, y1, x0, x1 = part.region
            assert 0 <= y0 < y1 <= zoomed[0]
            assert 0 <= x0 < x1 <= zoomed[1]
            found[:, part.rows, part.cols] = bring_back(
                values[:, y0:y1, x0:x1], part, shape, zoomed
            )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_enlarging_is_what_the_library_does():
    values = np.random.default_rng(1).random((3, 17, 23), np.float32)
    (block,) = blocks((40, 51), (17, 23))
    expected = [resize(one, (40, 51), order=1, mode="symmetric") for one in values]
    np.testing.assert_allclose(bring_back(values, block, (40, 51), (17, 23)), expected, atol=1e-6)


# -- which zoom ---------------------------------------------------------------------------------


def test_a_model_of_images_as_they_are_sees_them_so():
    assert zoom_for(make_model(1.0, (0.5, 0.5), "um"), make_stack(unit="um")) == (1, 1)


def test_pixels_are_matched_when_asked_for():
    model = make_model(1.0, (0.5, 0.25), "um")
    assert zoom_for(model, make_stack(unit="um"), match_pixels=True) == (2, 4)
    with pytest.raises(InputError, match="'cells' is in pixel and the model in um"):
        zoom_for(model, make_stack(), match_pixels=True)


def test_a_model_of_zoomed_images_zooms_to_the_pixels_it_knows():
    model = make_model(0.5, (1.0, 1.0), "um")
    assert zoom_for(model, make_stack(scale=(1, 0.5, 0.5), unit="um")) == (0.5, 0.5)
    assert zoom_for(model, make_stack(scale=(1, 1, 1), unit="um")) == (1, 1)
    assert zoom_for(model, make_stack()) == (0.5, 0.5), "no sizes to compare: as in training"


@pytest.mark.parametrize(
    ("axes", "scale", "units"),
    [
        ("yx", (0.5, 500), ("um", "nm")),
        ("yx", (500, 0.5), ("nm", "um")),
        ("yxz", (0.5, 0.5, 3000), ("um", "um", "nm")),
        ("xyz", (500, 0.5, 1), ("nm", "um", "pixel")),
    ],
)
def test_units_that_differ_and_axes_in_any_order(axes, scale, units):
    """Pixels of half a micrometer are those that the model knows, however a file says it."""
    shape = tuple({"y": 40, "x": 60, "z": 2}[a] for a in axes)
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    stack = Stack("s", image, axes, scale=scale, units=units)
    model = make_model(1.0, (0.25, 0.5), "micrometer")
    assert zoom_for(model, stack, match_pixels=True) == pytest.approx((2, 1))
    seen = zoom_stack(stack, (2, 1))
    assert seen.plane_shape == (80, 60)
    assert relative_pixel_size(seen, (0.25, 0.5), "um") == pytest.approx((1, 1))
    labelled = stack.with_labels(image > 100)
    fine = make_stack((2, 60, 84), scale=(1, 0.25, 0.25), unit="um")
    first, other = TrainingData((labelled, fine), TrainConfig(pixel_size="first")).stacks
    assert (first.plane_shape, other.plane_shape) == ((40, 60), (30, 42))
    config = TrainConfig(network=UNetConfig(depth=1, width=3), tile=28, device="cpu")
    training = Trainer(labelled, config)
    next(training.run())
    learnt = training.model
    half = make_stack(scale=(1, 0.5, 0.5), unit="um")
    relative = relative_pixel_size(half, learnt.pixel_size, learnt.run["unit"])
    assert relative == pytest.approx((1, 1))


def test_a_height_in_pixels_and_a_width_in_micrometers_are_no_size():
    stack = Stack("s", np.zeros((40, 60), np.uint8), "yx", scale=(1, 0.5), units=("pixel", "um"))
    assert (stack.unit, stack.pixel_size) == ("pixel", (1, 0.5))
    with pytest.raises(InputError, match="in pixel and the model in micrometer"):
        zoom_for(make_model(1.0, (0.5, 0.5), "micrometer"), stack, match_pixels=True)


def test_zoom_1_is_the_stack_itself():
    stack = make_stack()
    assert zoom_stack(stack, (1.0, 1.0)) is stack


@pytest.mark.parametrize("zoom", [0.0, -1.0, 0.01, 9.0, float("nan"), "half"])
def test_an_impossible_zoom_is_refused(zoom):
    with pytest.raises(InputError, match=r"zoom must be from 0\.05 to 8"):
        TrainConfig(zoom=zoom)


# -- prediction ---------------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [0.5, 0.37, 2.0])
@pytest.mark.parametrize("block", [2048, 20])
def test_a_zoomed_prediction_is_that_of_the_zoomed_stack_brought_back(zoom, block, monkeypatch):
    monkeypatch.setattr(zoom_module, "BLOCK", block)
    stack, model = make_stack(), make_model(zoom)
    small = resample(stack, (1 / zoom, 1 / zoom))
    plain = make_model(1.0)
    expected = [
        bring_back(plane, b, stack.plane_shape, small.plane_shape)
        for plane in predict_probabilities(plain, small, device="cpu")
        for b in _whole(stack, small)
    ]
    found = predict_probabilities(model, stack, device="cpu")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    region = (5, 33, 40, 83)
    part = predict_probabilities(model, stack, device="cpu", region=region)
    np.testing.assert_allclose(part, found[..., 5:33, 40:83], atol=1e-5)
    labels = predict_labels(model, stack, device="cpu", slices=[1])
    np.testing.assert_array_equal(labels[0], found[1].argmax(0))


def _whole(stack, small):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoom_module, "BLOCK", 2048)
        return list(blocks(stack.plane_shape, small.plane_shape))


def test_the_plan_counts_what_comes(monkeypatch):
    monkeypatch.setattr(zoom_module, "BLOCK", 30)
    stack, model = make_stack(), make_model(0.5)
    laid_out = plan(model, stack)
    tiles = list(predict(model, stack, device="cpu"))
    assert laid_out.total == len(tiles) == tiles[-1].total == tiles[-1].done
    assert {tile.zoom for tile in tiles} == {(0.5, 0.5)}
    assert laid_out.tiles.shape == (30, 42)


def test_the_zoom_survives_in_the_file(tmp_path):
    save_model(tmp_path / "m.safetensors", make_model(0.25, (4.0, 4.0)))
    read = load_model(tmp_path / "m.safetensors")
    assert (read.zoom, read.pixel_size) == (0.25, (4.0, 4.0))


# -- training -----------------------------------------------------------------------------------


def trainer(run=None, **changes):
    settings = {
        "network": UNetConfig(depth=1, width=3, dropout=0.0), "steps": 2, "tile": 28, "batch": 1,
        "learning_rate": 1e-3, "zoom": 0.5, "device": "cpu", "checkpoint_every": 1,
    }  # fmt: skip
    return Trainer(make_stack(), TrainConfig(**{**settings, **changes}), run)


def test_the_trainer_sees_the_zoomed_stack_and_says_so_in_the_model(tmp_path):
    one = trainer(tmp_path / "run")
    list(one.run())
    assert one.data.stacks[0].plane_shape == (30, 42)
    model = load_model(tmp_path / "run")
    assert model.zoom == 0.5
    assert model.pixel_size == pytest.approx((61 / 30, 83 / 42))
    assert predict_labels(model, make_stack(), device="cpu").shape == (2, 61, 83)
    resumed = Trainer(make_stack(), one.config, tmp_path / "run", resume=True)
    assert resumed.data.stacks[0].plane_shape == (30, 42)


def test_a_validation_region_is_zoomed_too():
    split = SplitConfig(mode="region", region=(0, 61, 60, 83))
    one = trainer(split=split)
    assert one.data.splits[0].region == (0, 30, 30, 42)


def test_training_on_keeps_the_zoom_of_the_model():
    model = make_model(0.25)
    config = TrainConfig(network=model.network.config, tile=28, steps=1)
    assert Trainer(make_stack(), config, start_from=model).config.zoom == 0.25


@pytest.mark.parametrize("size", [1e-9, 0.01, 1e4, 1e9])
def test_a_pixel_size_that_cannot_be_meant_is_told_before_memory_ends(size):
    stack = Stack("s", np.zeros((40, 40), np.uint8), "yx", units=("micrometer",) * 2)
    with pytest.raises(InputError, match=r"give a (larger|smaller) size"):
        resampled_shape(stack, (size, size))
    network = UNet(UNetConfig(depth=1, width=2)).eval()
    model = TrainedModel(
        network, Intensity((0,), (1,)), LabelScheme(), pixel_size=(size, size),
        run={"unit": "micrometer"},
    )  # fmt: skip
    with pytest.raises(InputError, match="times as large as those that the model learnt"):
        zoom_for(model, stack, match_pixels=True)
