"""What must not become slow again, as ratios of times on the same machine.

Limits are far below what is measured (docs/performance.md), so that a busy machine keeps them.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, map_coordinates

from napari_unet.annotation.labels import LabelScheme, read_target
from napari_unet.annotation.weights import target_weights
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.network.unet import _centre_crop
from napari_unet.training.augmentation import Lookup, draw, elastic_field, source_coordinates

SIDE = 384


def seconds(function, repeats=5):
    """Shortest processor time of this thread's process, once warm."""
    function()
    found = []
    for _ in range(repeats):
        begun = time.process_time()
        function()
        found.append(time.process_time() - begun)
    return min(found)


def squares(across):
    """Target of across² square cells."""
    pitch = SIDE // across
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = (y % pitch < 0.7 * pitch) & (x % pitch < 0.7 * pitch)
    return read_target((y // pitch * across + x // pitch + 1) * inside, LabelScheme(gap=False))


def test_the_weight_map_is_ten_times_as_fast_as_one_transform_per_object():
    target = squares(12)  # 144 objects: some sixty times

    def naive():
        distances = [distance_transform_edt(target.objects != k) for k in range(1, 145)]
        return np.partition(np.stack(distances), 1, axis=0)[:2]

    assert seconds(naive, 1) > 10 * seconds(lambda: target_weights(target, WeightConfig()))


def test_the_weight_map_takes_as_long_for_many_objects_as_for_few():
    few, many = (
        seconds(lambda target=target: target_weights(target, WeightConfig()))
        for target in (squares(4), squares(48))
    )
    assert many < 3 * few


def test_deforming_a_tile_takes_less_than_scipy_takes_for_the_field():
    drawn = draw(AugmentConfig(), np.random.default_rng(0))
    shape, middle = (572, 572), (285.5, 285.5)
    planes = torch.rand(1, *shape)
    at = np.meshgrid(*(np.linspace(0, 2, n) for n in shape), indexing="ij")

    def scipy_field():
        return [map_coordinates(d, at, order=3, mode="mirror") for d in drawn.displacements]

    def ours():
        lookup = Lookup(source_coordinates(drawn, shape, middle), shape)
        return [lookup(planes, order) for order in ("linear", "nearest", "linear")]

    theirs = seconds(scipy_field, 3)
    assert theirs > 2 * seconds(ours)  # some ten times
    assert theirs > 10 * seconds(lambda: elastic_field(drawn.displacements, shape))


def test_the_gradient_of_a_skip_keeps_the_memory_format():
    """Otherwise all that comes before it pays for a mixture of formats."""
    skip = torch.rand(2, 4, 9, 8).to(memory_format=torch.channels_last).requires_grad_()
    middle = _centre_crop(skip, torch.empty(2, 4, 5, 4))
    torch.testing.assert_close(middle, skip[:, :, 2:7, 2:6])
    middle.backward(torch.rand(2, 4, 5, 4).to(memory_format=torch.channels_last))
    assert skip.grad is not None
    assert skip.grad.is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(_centre_crop(skip, middle), middle)
