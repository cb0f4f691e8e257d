"""Networks measured on whole slices and on tiles."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.size_rule import border
from napari_unet.network.compute import Compute
from napari_unet.network.unet import UNet
from napari_unet.reproduction.scores import (
    TILES_PER_SLICE,
    Tally,
    cut_tiles,
    read_everything,
    read_tiles,
    read_whole,
)
from napari_unet.training.validation_planes import ValidationPlane

CPU = Compute()
SIDE, DEPTH = 20, 1


@pytest.fixture
def plane() -> ValidationPlane:
    rng = np.random.default_rng(0)
    classes = np.zeros((40, 60), np.uint8)
    classes[:, :30] = 1  # half of it
    return ValidationPlane(
        0, 7, slice(0, 40), slice(0, 60), rng.random((1, 40, 60), np.float32), classes,
        np.full((40, 60), 2.0, np.float32), np.zeros((0, 40, 60), np.float32),
        np.zeros((0, 0), np.int32),
    )  # fmt: skip


@pytest.fixture
def says_cell() -> UNet:
    """A network that gives every pixel the probability 3/4 of lying inside a cell."""
    network = UNet(UNetConfig(depth=DEPTH, width=2, dropout=0.0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        last = [p for p in network.parameters() if p.shape == (2,)][-1]
        last[1] = math.log(3)
    return network


def test_tally_of_four_pixels():
    tally = Tally()
    logits = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[5.0, 5.0], [-5.0, -5.0]]])
    classes = torch.tensor([[1, 0], [1, 0]])
    tally.add(logits, classes, torch.tensor([[1.0, 1.0], [0.0, 3.0]]))
    found = tally.reading()
    right, wrong = math.log(1 + math.exp(-5)), math.log(1 + math.exp(5))
    # (1, 0) is not known: one hit, one false cell, one right background
    assert found.iou == 1 / 2
    assert found.thresholded_iou == pytest.approx(0.1)  # the 1e-6 lift 0.5 above the step
    assert found.cross_entropy == pytest.approx((2 * right + wrong) / 3)
    assert found.loss == pytest.approx((right + wrong + 3 * right) / 3)


def test_no_image_is_nan():
    assert math.isnan(Tally().reading().iou)


def test_whole_planes(plane, says_cell):
    found, foreground = read_whole(says_cell, [plane], CPU)
    assert found.iou == pytest.approx(0.5)
    assert found.cross_entropy == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2, rel=1e-5)
    assert found.loss == pytest.approx(2 * found.cross_entropy)
    np.testing.assert_allclose(foreground[7], np.full((40, 60), 0.75), rtol=1e-5)


def test_calling_every_pixel_a_cell_is_measured_without_a_network(plane, says_cell):
    everything, network = read_everything([plane]), read_whole(says_cell, [plane], CPU)[0]
    assert everything.iou == network.iou
    assert everything.thresholded_iou == network.thresholded_iou
    assert everything.images == 1
    assert read_everything([]).images == 0


def test_tiles_are_measured_like_planes(plane, says_cell):
    tiles = list(cut_tiles([plane], SIDE, DEPTH, AugmentConfig.none(), 0))
    found = read_tiles(says_cell, tiles, CPU)
    cells = np.mean([tile.classes.numpy().mean() for tile in tiles])
    expected = -cells * math.log(0.75) - (1 - cells) * math.log(0.25)
    assert found.images == TILES_PER_SLICE
    assert found.cross_entropy == pytest.approx(expected, rel=1e-5)


def test_the_output_tile_lies_anywhere_inside_the_image_and_its_context_is_mirrored(
    plane, monkeypatch
):
    monkeypatch.setattr("napari_unet.reproduction.scores.TILES_PER_SLICE", 400)
    margin = border(DEPTH) // 2
    out = SIDE - 2 * margin
    mirrored = np.pad(plane.image[0], margin, mode="reflect")
    known = {w.tobytes(): k for k, w in enumerate(windows_of(plane.image[0], out))}
    seen = set()
    for tile in cut_tiles([plane], SIDE, DEPTH, AugmentConfig.none(), 0):
        image = tile.image[0].numpy()
        inner = np.ascontiguousarray(image[margin:-margin, margin:-margin])
        y, x = divmod(known[inner.tobytes()], 60 - out + 1)
        np.testing.assert_array_equal(image, mirrored[y : y + SIDE, x : x + SIDE])
        np.testing.assert_array_equal(tile.classes, plane.classes[y : y + out, x : x + out])
        seen.add((y, x))
    rows, cols = zip(*seen)
    assert {0, 40 - out} <= set(rows)  # up to the very edges
    assert {0, 60 - out} <= set(cols)


def test_a_slice_deformed_as_a_whole_shows_its_middle_alone(plane, monkeypatch):
    monkeypatch.setattr("napari_unet.reproduction.scores.TILES_PER_SLICE", 50)
    rows, cols = np.indices((40, 60)).astype(np.float32)
    twice = AugmentConfig(
        displacement=0, rotation=0, zoom=(2, 2), flips=False, interpolation="linear", about="slice"
    )
    for position, size in ((rows, 40), (cols, 60)):
        shown = replace(plane, image=position[None])
        seen = [t.image.numpy() for t in cut_tiles([shown], SIDE, DEPTH, twice, 0)]
        middle, reach = (size - 1) / 2, (size - 1) / 4
        assert np.min(seen) == pytest.approx(middle - reach, abs=0.01)
        assert np.max(seen) == pytest.approx(middle + reach, abs=0.01)


def windows_of(image, side):
    found = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    return np.ascontiguousarray(found.reshape(-1, side, side))


def test_augmented_tiles_come_from_the_same_places(plane):
    plain = list(cut_tiles([plane], SIDE, DEPTH, AugmentConfig.none(), 0))
    weak = AugmentConfig(displacement=1e-3, rotation=0, zoom=(1, 1), flips=False,
                         brightness=0, contrast=0, gamma=0)  # fmt: skip
    for one, other in zip(plain, cut_tiles([plane], SIDE, DEPTH, weak, 0)):
        np.testing.assert_allclose(one.image[0, 2:-2, 2:-2], other.image[0, 2:-2, 2:-2], atol=0.02)
    strong = list(cut_tiles([plane], SIDE, DEPTH, AugmentConfig(), 0))
    assert not np.allclose(plain[0].image, strong[0].image, atol=0.1)


def test_the_same_seed_cuts_the_same_tiles(plane):
    first, again, other = (
        next(iter(cut_tiles([plane], SIDE, DEPTH, AugmentConfig(), seed))) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)


def test_an_image_smaller_than_the_output_is_mirrored(plane):
    side = 68 + border(DEPTH)
    tile = next(iter(cut_tiles([plane], side, DEPTH, AugmentConfig.none(), 0)))
    top, left = 14 + border(DEPTH) // 2, 4 + border(DEPTH) // 2
    np.testing.assert_array_equal(tile.image[0, top : top + 40, left : left + 60], plane.image[0])
