"""From the maps of hand-made scenes back to their objects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.annotation.object_distance import object_maps
from napari_unet.base.errors import InputError
from napari_unet.config.decoding import USUAL, Decoding
from napari_unet.network.decoder import decode, decode_blocks, heights
from tests.stacks import touching_discs

Y, X = np.ogrid[:64, :64]


def disc(y: float, x: float, radius: float) -> np.ndarray:
    return np.hypot(Y - y, X - x) < radius


def scene(*objects: np.ndarray) -> np.ndarray:
    """Later objects cover earlier ones."""
    labels = np.zeros((64, 64), np.int32)
    for number, inside in enumerate(objects, start=1):
        labels[inside] = number
    return labels


BRIDGE = (Y == 32) & (X > 15) & (X < 48)

SCENES = {
    "touching discs": touching_discs(),
    "a ring around a disc that touches it": scene(disc(32, 32, 24), disc(32, 32, 14)),
    "a ring alone": scene(disc(32, 32, 24) & ~disc(32, 32, 14)),
    "a crescent around a disc": scene(disc(32, 30, 24), disc(32, 40, 17)),
    "three in a corner": scene(disc(20, 20, 14), disc(20, 44, 14), disc(40, 32, 14)),
    "two that touch along a long side": scene(
        (Y > 8) & (Y < 24) & (X > 4), (Y >= 24) & (Y < 36) & (X < 60)
    ),
    "small beside large": scene(disc(30, 26, 22), disc(30, 52, 5)),
    "two, the bridge between them of the left one": scene(
        disc(32, 48, 12), disc(32, 16, 12) | (BRIDGE & ~disc(32, 48, 12))
    ),
}


@pytest.mark.parametrize("decoding", [Decoding(0.5, 0.5), USUAL])
@pytest.mark.parametrize("kinds", [("distance",), ("distance", "neighbour")])
@pytest.mark.parametrize("name", SCENES)
def test_objects_come_back(name: str, kinds, decoding: Decoding) -> None:
    labels = SCENES[name]
    height = heights(object_maps(labels, kinds), kinds)
    found = decode((labels > 0) * 1.0, height, decoding)
    assert found.max() == len(np.unique(labels)) - 1
    np.testing.assert_array_equal(found > 0, labels > 0)
    inside = object_maps(labels, ("interior",))[0] == 1  # rims that touch may change sides
    pairs = np.unique(np.stack([labels[inside], found[inside]]), axis=1)
    for numbers in pairs:
        assert len(numbers) == len(np.unique(numbers)) == found.max()


def test_a_bridge_of_one_pixel_parts_what_the_seed_height_says() -> None:
    """One object of two discs: its bridge has a twelfth of the greatest distance."""
    labels = scene(disc(32, 48, 12) | disc(32, 16, 12) | BRIDGE)
    height = heights(object_maps(labels, ("distance",)), ("distance",))
    inside = (labels > 0) * 1.0
    assert decode(inside, height, Decoding(0.5, 0.5)).max() == 2
    assert decode(inside, height, Decoding(0.5, 0.05)).max() == 1
    assert decode(inside, height, Decoding(0.5, 0.2, valley=0.9)).max() == 2
    assert decode(inside, height, Decoding(0.5, 0.2, valley=0.95)).max() == 1


def test_two_that_hang_together_high_up_are_parted_by_their_valley() -> None:
    """Where a network is sure between two middles as well, only the valley tells them apart."""
    labels = scene(disc(32, 44, 14), disc(32, 20, 14))
    height = 0.6 + 0.4 * heights(object_maps(labels, ("distance",)), ("distance",))
    inside = (labels > 0) * 1.0
    assert decode(inside, height, Decoding(0.5, 0.5)).max() == 1
    found = decode(inside, height, USUAL)
    assert found.max() == 2
    blocks = decode_blocks(lambda *at: (inside[at], height[at]), (64, 64), USUAL, block=20)
    for window, ids in blocks:
        np.testing.assert_array_equal(ids, found[window])


def test_what_was_written_before_there_were_valleys_is_read_by_the_seed_height():
    decoding = Decoding.from_dict({"threshold": 0.6, "seed": 0.5, "min_size": 3})
    assert decoding == Decoding(0.6, 0.5, 3, valley=0.0)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(InputError, match="same shape"):
        decode(np.zeros((3, 4)), np.zeros((4, 3)), Decoding())
    with pytest.raises(InputError, match="'distance' or 'interior'"):
        heights(np.zeros((1, 3, 4)), ("neighbour",))
