from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_unet.evaluation.metrics import warping_error
from napari_unet.evaluation.metrics.simple_points import SIMPLE, neighbourhood_codes, warp
from napari_unet.evaluation.metrics.warping import (
    fall_apart,
    split_and_merger_pixels,
    warp_reference,
    warping_curve,
)

EVERYWHERE = np.ones((1, 1), bool)


def euler_numbers(binary):
    """Number of 4-connected cells and of 8-connected background regions, the outside included."""
    framed = np.pad(binary, 1)
    return ndimage.label(framed)[1], ndimage.label(~framed, np.ones((3, 3)))[1]


def warp_pass_by_pass(source, target, urgency, known):
    """All mismatches sorted and visited anew in each pass, nothing remembered."""
    image = np.pad(source, 1)
    before = -1
    while True:
        wrong = (image[1:-1, 1:-1] != target) & known
        if wrong.sum() == before:
            return image[1:-1, 1:-1]
        before = wrong.sum()
        places = [(x, y) for x in range(wrong.shape[1]) for y in range(wrong.shape[0])]
        places = [(x, y) for x, y in places if wrong[y, x]]
        for x, y in sorted(places, key=lambda place: -urgency[place[1], place[0]]):
            if is_simple(image[y : y + 3, x : x + 3]):
                image[y + 1, x + 1] = not image[y + 1, x + 1]


def is_simple(patch):
    """Walk around the centre: a simple point has one arc of neighbours that touch by an edge."""
    arc = [patch[0, 1], patch[0, 2], patch[1, 2], patch[2, 2]]
    arc += [patch[2, 1], patch[2, 0], patch[1, 0], patch[0, 0]]
    # Yokoi's connectivity number for 4-connected objects.
    number = sum(
        int(arc[k]) - int(arc[k] and arc[k + 1] and arc[(k + 2) % 8]) for k in (0, 2, 4, 6)
    )
    return number == 1


def test_simple_points_by_hand():
    def simple(*rows):
        return bool(SIMPLE[neighbourhood_codes(np.array(rows) > 0)[1, 1]])

    assert simple([0, 1, 0], [0, 0, 0], [0, 0, 0])  # the end of a cell
    assert not simple([0, 0, 0], [0, 0, 0], [0, 0, 0])  # a cell of one pixel
    assert not simple([1, 1, 1], [1, 0, 1], [1, 1, 1])  # a hole of one pixel
    assert not simple([0, 1, 0], [0, 0, 0], [0, 1, 0])  # a bridge
    assert not simple([1, 0, 0], [0, 0, 0], [0, 0, 0])  # a corner is no neighbour
    assert simple([0, 1, 1], [0, 0, 1], [0, 0, 0])
    assert not simple([0, 1, 0], [0, 0, 1], [0, 0, 0])


def test_all_256_neighbourhoods():
    for code in range(256):
        ring = [code >> bit & 1 for bit in range(8)]
        patch = np.array([*ring[:4], 0, *ring[4:]], bool).reshape(3, 3)
        assert neighbourhood_codes(patch)[1, 1] == code
        assert SIMPLE[code] == is_simple(patch)


def test_an_outline_that_moved_is_no_error():
    labels = np.zeros((8, 8), bool)
    labels[1:4, 1:4] = True
    prediction = np.zeros((8, 8))
    prediction[2:7, 2:7] = 1
    assert warping_error(prediction, labels) == 0


def test_a_merger_and_a_split_are_counted_in_pixels():
    two = np.ones((3, 5))
    two[:, 2] = 0
    one = np.ones((3, 5))
    # Flipping any pixel of the membrane would join the cells.
    assert warping_error(one, two) == 3 / 15
    # Reversed, two pixels of the cell can turn to membrane, the third would split it.
    assert warping_error(two, one) == 1 / 15


def test_cells_and_holes_that_appear_or_vanish_are_not_counted():
    plane = np.zeros((7, 7))
    spot = plane.copy()
    spot[3, 3] = 1
    assert warping_error(spot, plane) == warping_error(plane, spot) == 0
    assert warping_error(1 - spot, 1 - plane) == warping_error(1 - plane, 1 - spot) == 0


def test_how_pixels_left_are_told_apart():
    warped = np.array(
        [
            [1, 1, 0, 1, 1],
            [1, 1, 0, 1, 1],
            [0, 0, 0, 0, 0],
            [0, 1, 1, 1, 0],
            [0, 0, 0, 0, 0],
        ],
        bool,
    )
    wrong = np.zeros_like(warped)
    wrong[0, 2] = wrong[4, 0] = wrong[3, 2] = True
    splits, mergers = split_and_merger_pixels(warped, wrong)
    assert np.argwhere(mergers).tolist() == [[0, 2]]
    assert np.argwhere(splits).tolist() == [[3, 2]]


def test_a_detour_of_more_than_20_pixels_is_none():
    def loop(length):
        ring = np.zeros((5, length), bool)
        ring[1:4, 1:-1] = True
        ring[2, 2:-2] = False
        wrong = np.zeros_like(ring)
        wrong[1, length // 2] = True
        return split_and_merger_pixels(ring, wrong)[0].any()

    assert not loop(41)  # 20 px to each side still see the ring closed
    assert loop(61)


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_pieces_equal_those_of_every_pixel_for_itself(share):
    binary = np.random.default_rng(0).random((50, 45)) < share
    rows, columns = np.nonzero(binary)

    def apart(row, column):
        top, left = max(row - 20, 0), max(column - 20, 0)
        window = binary[top : row + 21, left : column + 21].copy()
        window[row - top, column - left] = False
        pieces = ndimage.label(window)[0]
        near = pieces[
            max(row - top - 1, 0) : row - top + 2, max(column - left - 1, 0) : column - left + 2
        ]
        return len(set(near[near > 0].tolist())) > 1

    expected = [apart(*place) for place in zip(rows, columns)]
    assert fall_apart(binary, rows, columns).tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_an_image_smaller_than_the_radius():
    assert warping_error(np.ones((1, 1)), np.zeros((1, 1))) == 0


def test_only_known_pixels_are_warped_and_counted():
    two = np.ones((3, 5))
    two[:, 2] = 0
    known = np.ones((3, 5), bool)
    known[:, 2] = False
    assert warping_curve(np.ones((3, 5)), two, known) == (0,) * 10


planes = arrays(bool, (9, 8))
grey = arrays(np.float32, (9, 8), elements=st.integers(0, 8).map(lambda k: np.float32(k / 8)))


@settings(max_examples=80, deadline=None)
@given(planes, planes, grey, planes)
def test_equals_warping_pass_by_pass(source, target, urgency, known):
    mine = warp(source, target, urgency, known)
    np.testing.assert_array_equal(mine, warp_pass_by_pass(source, target, urgency, known))


@pytest.mark.parametrize("seed", range(3))
def test_equals_warping_pass_by_pass_on_cells(seed):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(2, 50, 40)), (0, 2, 2))
    source = noise[0] > -0.05
    prob = np.clip(0.5 + 3 * noise.sum(0), 0, 1).astype(np.float32)
    known = np.ones(source.shape, bool)
    for threshold in (0.2, 0.5, 0.9):
        warped, wrong = warp_reference(prob, source, threshold, known)
        urgency = np.abs(prob.astype(float) - threshold).astype(np.float32)
        expected = warp_pass_by_pass(source, prob > threshold, urgency, known)
        np.testing.assert_array_equal(warped, expected)
        np.testing.assert_array_equal(wrong, expected != (prob > threshold))


@settings(max_examples=60, deadline=None)
@given(planes, planes, grey)
def test_warping_keeps_the_topology_and_changes_only_what_is_wrong(source, target, urgency):
    warped = warp(source, target, urgency, np.broadcast_to(EVERYWHERE, source.shape))
    assert euler_numbers(warped) == euler_numbers(source)
    assert not ((warped != source) & (source == target)).any()
    # Nothing simple is left.
    codes = neighbourhood_codes(warped)
    assert not any(SIMPLE[code] for code in codes[warped != target])


@settings(max_examples=40, deadline=None)
@given(planes)
def test_a_perfect_prediction_has_no_warping_error(labels):
    assert warping_curve(labels.astype(float), labels) == (0,) * 10
