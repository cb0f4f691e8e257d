"""Tiles of a slice that is deformed as a whole, and the cubic B-spline without its filter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.weights import class_weights
from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.images.stack import Intensity, Stack
from napari_unet.training.augmentation import Lookup, draw, resample
from napari_unet.training.data import TrainingData
from napari_unet.training.places import SlicePlace, TilePlace
from napari_unet.training.plane_tensors import PlaneTensors

SHAPE = (50, 70)
WHOLE = AugmentConfig(flips=False, rotation=0, turn=30, zoom=(1.5, 1.5), about="slice")
SPLINE = replace(WHOLE, interpolation="spline", labels="spline")


def sampler_of(augment, image, labels, tile=52):
    stack = Stack("test", image, "zyx", labels, LabelScheme("classes", values=(0, 1)))
    config = TrainConfig(
        network=UNetConfig(depth=2), tile=tile, augment=augment, split=SplitConfig("none")
    )
    return TrainingData(stack, config, limits=Intensity((0.0,), (1.0,))).sampler()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), far=st.booleans())
def test_a_spline_is_that_of_scipy_without_prefilter(seed, far):
    rng = np.random.default_rng(seed)
    plane = rng.random((1, *SHAPE)).astype(np.float32)
    low, high = (-20, 90) if far else (2, 40)
    coords = torch.from_numpy(rng.uniform(low, high, (2, 9, 11)).astype(np.float32))
    expected = ndimage.map_coordinates(
        plane[0].astype(float), coords.double().numpy(), order=3, mode="mirror", prefilter=False
    )
    found = resample(torch.from_numpy(plane), coords, "spline")[0].numpy()
    assert np.abs(found - expected).max() < 1e-4


def test_a_spline_on_whole_pixels_by_hand():
    plane = torch.zeros(1, 7, 7)
    plane[0, 3, 3] = 36.0
    rows, cols = torch.meshgrid(torch.arange(2.0, 5), torch.arange(2.0, 5), indexing="ij")
    found = resample(plane, torch.stack([rows, cols]), "spline")[0]
    expected = torch.tensor([[1.0, 4.0, 1.0], [4.0, 16.0, 4.0], [1.0, 4.0, 1.0]])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_classes_of_a_spline_are_the_rounded_mask(seed):
    rng = np.random.default_rng(seed)
    mask = torch.from_numpy((rng.random(SHAPE) > 0.5).astype(np.float32))
    at = torch.from_numpy(rng.uniform(0, 48, (2, 12, 12)).astype(np.float32))
    blurred = resample(mask[None], at, "spline")[0]
    found = Lookup(at.clone(), SHAPE).classes(mask, "spline")
    sure = (blurred - 0.5).abs() > 1e-4
    assert torch.equal(found[sure], torch.round(blurred)[sure])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), y=st.integers(0, 30), x=st.integers(0, 50))
def test_a_tile_of_a_deformed_slice_is_cut_of_it_and_mirrored(seed, y, x):
    """Oracle: deform the whole slice, pad it by reflection, cut."""
    side, margin = 44, 12
    drawn = draw(WHOLE, np.random.default_rng(seed))
    everything = SlicePlace(drawn, max(SHAPE), (0, 0), 0, SHAPE)
    whole = everything.coordinates((0, 0)).numpy()[:, : SHAPE[0], : SHAPE[1]]
    padded = np.pad(whole, ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
    place = SlicePlace(drawn, side, (y, x), margin, SHAPE)
    np.testing.assert_allclose(
        place.coordinates((0, 0)), padded[:, y : y + side, x : x + side], atol=1e-4
    )
    far = place.coordinates((3, -7)).numpy()
    np.testing.assert_allclose(far[0] + 3, place.coordinates((0, 0))[0], atol=1e-4)
    np.testing.assert_allclose(far[1] - 7, place.coordinates((0, 0))[1], atol=1e-4)


def test_the_field_of_a_slice_is_that_of_a_tile_of_its_size():
    drawn = draw(WHOLE, np.random.default_rng(0))
    side = 64
    tile = TilePlace.of_output(drawn, side, (0, 0), 0).coordinates((0, 0))
    whole = SlicePlace(drawn, side, (0, 0), 0, (side, side)).coordinates((0, 0))
    torch.testing.assert_close(tile, whole, atol=1e-4, rtol=0)


def test_without_deformation_both_are_the_same_tile():
    still = draw(AugmentConfig.none(), np.random.default_rng(0))
    tile = TilePlace.of_output(still, 20, (9, 11), 4)
    place = SlicePlace(still, 20, (9, 11), 4, SHAPE)
    assert tile.centre == place.centre
    torch.testing.assert_close(tile.coordinates((0, 0)), place.coordinates((0, 0)))


@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("augment", [WHOLE, SPLINE])
def test_training_sees_four_ninths_of_a_slice_magnified_by_half(monkeypatch, augment, windowed):
    if windowed:
        monkeypatch.setattr(PlaneTensors, "_prepares_whole", lambda self, tile: False)
    side = 90
    rows = np.indices((side, side))[0].astype(np.float32)
    still = replace(augment, displacement=0.0)
    labels = (rows > side / 2).astype(np.uint8)
    sampler = sampler_of(still, rows[None], labels[None])
    seen = [sampler.tile(step, 0) for step in range(200)]
    # A square of two thirds of the side, turned by 30 degrees.
    half = (side - 1) / 3 * (np.cos(np.pi / 6) + np.sin(np.pi / 6))
    values = torch.stack([t.image for t in seen])
    assert float(values.min()) == pytest.approx((side - 1) / 2 - half, abs=1.0)
    assert float(values.max()) == pytest.approx((side - 1) / 2 + half, abs=1.0)
    for tile in seen[:20]:  # labels go with the image
        inner = tile.image[0, 20:-20, 20:-20]
        sure = (inner - side / 2).abs() > 1
        assert torch.equal(tile.classes[sure], (inner > side / 2)[sure].to(torch.uint8))
        assert torch.isfinite(tile.weights).all()


def test_windows_of_a_deformed_slice_equal_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    image = rng.random((1, 90, 90)).astype(np.float32)
    labels = (rng.random((1, 90, 90)) > 0.5).astype(np.uint8)
    whole = sampler_of(SPLINE, image, labels).tile(3, 0)
    monkeypatch.setattr(PlaneTensors, "_prepares_whole", lambda self, tile: False)
    window = sampler_of(SPLINE, image, labels).tile(3, 0)
    torch.testing.assert_close(whole.image, window.image, atol=1e-3, rtol=0)
    assert float((whole.classes == window.classes).float().mean()) > 0.999


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"about": "stack"}, "tile or slice"), ({"labels": "linear"}, "nearest or spline"),
     ({"interpolation": "sinc"}, "linear or cubic or spline"), ({"turn": 400}, "360")],
)  # fmt: skip
def test_wrong_settings_are_said(wrong, said):
    with pytest.raises(InputError, match=said):
        AugmentConfig(**wrong)


def test_class_weights_by_hand():
    shares = [0.25, 0.75]
    assert class_weights(shares, False, 400) is None
    np.testing.assert_allclose(class_weights(shares, True, 400), [2.0, 2 / 3])
    np.testing.assert_allclose(class_weights(shares, "pixels", 400), [1 / 100, 1 / 300])
    np.testing.assert_allclose(class_weights([0.0, 1.0], "pixels", 400), [1.0, 1 / 400])
    with pytest.raises(InputError, match="'pixels'"):
        WeightConfig(balance="slices")
