"""Looking through stacks for places that a network is unsure of."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from napari_unet.config.network import UNetConfig
from napari_unet.config.presets import PRESETS
from napari_unet.images.stack import Stack
from napari_unet.network.compute import Compute
from napari_unet.training.data import TrainingData
from napari_unet.training.painting import Painting, to_paint
from napari_unet.training.stack_scan import StackScan, Views
from napari_unet.training.suggestions import SIDE, rank

DOUBTFUL = 100  # grey value at which the made-up network cannot tell


class Doubting(torch.nn.Module):
    """Dark is background, bright is foreground, and in between it is not sure."""

    config = UNetConfig(depth=1, width=4, classes=2)

    def forward(self, x):
        crop = x[:, :, 8:-8, 8:-8]  # what valid convolutions take away at depth 1
        return torch.cat([-20 * (crop - 0.5), 20 * (crop - 0.5)], 1)


def image(spots, n=6, size=192):
    """Stripes of dark and bright with grey spots: (slice, y, x) of their middles."""
    values = np.zeros((n, size, size), np.uint8)
    values[:, :, size // 2 :] = 200
    for i, y, x in spots:
        values[i, y - 20 : y + 20, x - 20 : x + 20] = DOUBTFUL
    return to_paint(Stack("cells", values, "zyx", scale=(1.0, 0.5, 0.5)))


def scan_of(*stacks, seed=0, **changes):
    config = PRESETS["paint"].changed(network=UNetConfig(depth=1, width=4, norm="batch"), **changes)
    painting = Painting(stacks, live=True)
    data = TrainingData(painting.stacks, config, painted=True)
    return StackScan(data, seed, 92), painting


def look_through(scan, windows=None):
    views = Views(Doubting(), Doubting(), Compute())
    for _ in range(scan.windows if windows is None else windows):
        scan.look(views, 0)
    return rank(scan.places, 10, step=0)


def test_the_doubtful_spot_is_found_and_the_rest_is_not():
    scan, _ = scan_of(image([(4, 96, 32)]))
    (place,) = look_through(scan)
    assert (place.stack_index, place.slice_index) == (0, 4)
    y, x = place.middle
    assert abs(y - 96) <= 4
    assert abs(x - 32) <= 4
    assert place.box[1] - place.box[0] == SIDE


def test_several_slices_and_several_stacks():
    one, other = image([(1, 96, 32), (5, 160, 32)]), image([(2, 60, 150)], size=224)
    scan, _ = scan_of(one, other)
    found = {(p.stack_index, p.slice_index) for p in look_through(scan)}
    assert found == {(0, 1), (0, 5), (1, 2)}


def test_a_painted_spot_is_not_suggested_again():
    scan, painting = scan_of(image([(1, 96, 32), (4, 96, 32)]))
    (first, second) = look_through(scan)
    labels = np.zeros((192, 192), np.uint8)
    y, x = (int(n) for n in first.middle)
    labels[y, x] = 2
    painting.add(painting.difference(0, first.slice_index, labels))

    def is_painted(p):
        return painting.is_painted(p.stack_index, p.slice_index, p.box)

    assert rank(scan.places, 10, step=0, is_done=is_painted) == [second]


def test_it_depends_on_the_seed_alone():
    spots = [(1, 96, 32), (4, 96, 32)]
    runs = [scan_of(image(spots), seed=seed)[0] for seed in (3, 3, 4)]
    for scan in runs:
        look_through(scan, 5)
    seen = [list(scan._found) for scan in runs]
    assert seen[0] == seen[1] != seen[2]
    assert look_through(runs[0], 20) == look_through(runs[1], 20)


def test_a_few_windows_say_something_about_every_slice():
    scan, _ = scan_of(image([], n=16, size=256))
    per_slice = scan.windows // 16
    look_through(scan, 16)
    seen = Counter(number // per_slice for number in scan._found)
    assert len(seen) >= 11  # of 16
    assert max(seen.values()) <= 2
    look_through(scan, scan.windows - 16)
    assert len(scan._found) == scan.windows  # every window once
    assert scan.is_fresh(0)
    assert not scan.is_fresh(1)


def test_places_are_given_in_the_pixels_of_the_stack():
    scan, _ = scan_of(image([(4, 100, 60)], size=384), zoom=0.5)
    (place,) = look_through(scan)
    y, x = place.middle
    assert abs(y - 100) <= 24
    assert abs(x - 60) <= 24
    assert place.box[1] - place.box[0] == 2 * SIDE


@pytest.mark.parametrize("size", [20, 60])
def test_a_small_plane_is_one_place(size):
    values = np.full((2, size, size), 200, np.uint8)
    values[1] = DOUBTFUL
    values[0, :, : size // 2] = 0
    scan, _ = scan_of(to_paint(Stack("small", values, "zyx")))
    places = look_through(scan)
    assert places
    assert all(p.slice_index == 1 for p in places)
    assert all(0 <= p.box[0] < p.box[1] <= size for p in places)


def test_what_validates_is_never_suggested():
    values = image([(5, 96, 32)]).image
    labels = np.zeros(values.shape, np.uint8)
    labels[:, :10] = 1
    stack = Stack("dense", values, "zyx", labels=labels)
    stack = stack.with_labels(labels, stack.propose_scheme("dense")[0])
    scan, _ = scan_of(stack)  # the last slice validates
    assert look_through(scan) == []
