"""Where to paint next: by hand, and spread over the stacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.training.suggestions import Place, rank, unsure_places

NAMES = ("background", "foreground")


def sure(h=128, w=128):
    """Foreground everywhere, without a doubt."""
    return np.stack([np.zeros((h, w), np.float32), np.ones((h, w), np.float32)])


def put(view, rows, cols, *chances):
    view[:, rows, cols] = np.reshape(chances, (-1, 1, 1))
    return view


def test_an_unsure_spot_is_found_in_its_middle():
    one = put(sure(), slice(30, 46), slice(80, 96), 0.5, 0.5)
    ((place, score, reason),) = unsure_places(one, one, NAMES, side=16)
    assert place == (38, 88)
    assert score == pytest.approx(1)
    assert reason == "unsure"


def test_two_views_that_disagree_are_unsure_together():
    one = sure()
    other = put(sure(), slice(30, 46), slice(80, 96), 1, 0)
    ((place, score, reason),) = unsure_places(one, other, NAMES, side=16)
    assert place == (38, 88)
    assert score == pytest.approx(1)  # the mean of both is one half each
    assert reason == "views disagree"


def test_the_score_is_one_minus_the_lead_of_the_likeliest_class():
    one = put(sure(), slice(0, 128), slice(0, 128), 0.3, 0.7)
    (_, score, _), _ = unsure_places(one, one, NAMES, side=16)
    assert score == pytest.approx(1 - 0.4)


def test_of_several_classes_the_reason_names_the_two():
    one = np.zeros((3, 64, 64), np.float32)
    one[0] = 1
    put(one, slice(20, 40), slice(20, 40), 0.1, 0.45, 0.45)
    ((_, _, reason),) = unsure_places(one, one, ("background", "cell", "rim"), side=16)
    assert reason in ("cell or rim?", "rim or cell?")


def test_nothing_counts_twice_at_the_edge():
    one = put(sure(), slice(0, 8), slice(0, 8), 0.5, 0.5)
    put(one, slice(60, 76), slice(60, 76), 0.5, 0.5)
    (first, *_), (_, score, _) = unsure_places(one, one, NAMES, side=16)
    assert first == (68, 68)
    assert score == pytest.approx(64 / 256)


def test_outlines_do_not_count():
    one = put(sure(), slice(0, 128), slice(60, 63), 0.5, 0.5)
    assert unsure_places(one, one, NAMES) == []


def test_where_the_network_is_sure_there_is_nothing():
    assert unsure_places(sure(), sure(), NAMES) == []


def test_two_places_of_a_window_lie_apart():
    one = put(sure(), slice(10, 30), slice(10, 30), 0.5, 0.5)
    put(one, slice(90, 110), slice(90, 110), 0.45, 0.55)
    (first, *_), (second, *_) = unsure_places(one, one, NAMES, side=16)
    assert max(abs(a - b) for a, b in zip(first, second)) > 50
    assert first[0] < 40 < second[0]


def place(i=0, y=0, x=0, score=0.5, k=0, step=0, side=64):
    return Place(k, i, (y, y + side, x, x + side), score, "unsure", step)


def test_the_best_comes_first_and_neighbours_are_left_out():
    best, beside = place(3, 0, 0, 0.9), place(3, 100, 0, 0.8)
    next_slice, far = place(4, 0, 0, 0.7), place(3, 200, 0, 0.3)
    elsewhere = place(9, 0, 0, 0.2)
    assert rank([elsewhere, far, next_slice, beside, best], 9, step=0) == [best, elsewhere, far]
    # far: 0.3 in a slice that is listed already counts 0.15, less than 0.2
    assert rank([far, best], 1, step=0) == [best]


def test_a_painted_place_is_not_suggested():
    first, second = place(0, score=0.9), place(5, score=0.2)
    assert rank([first, second], 2, step=0, is_done=lambda p: p.slice_index == 0) == [second]


def test_what_was_found_long_ago_counts_less():
    old, new = place(0, score=0.9, step=0), place(5, score=0.5, step=100)
    assert rank([old, new], 2, step=100) == [new, old]  # 0.45 and 0.5


def test_stacks_are_apart():
    one, other = place(0, score=0.9, k=0), place(0, score=0.8, k=1)
    assert rank([one, other], 2, step=0) == [one, other]


def test_places_overlap_by_their_pixels():
    assert place(0).overlaps(place(0, 63, 63))
    assert not place(0).overlaps(place(0, 64, 0))
    assert not place(0).overlaps(place(1))
    assert not place(0).overlaps(place(0, k=1))


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 7), st.integers(0, 7), st.integers(0, 7),
                  st.integers(1, 100)),
        max_size=60,
    )
)  # fmt: skip
def test_no_two_are_side_by_side_and_order_does_not_matter(numbers):
    places = [place(i, 64 * y, 64 * x, s / 100, k) for k, i, y, x, s in numbers]
    found = rank(places, 10, step=0)
    assert len(found) <= 10
    assert not any(a.is_near(b) for a in found for b in found if a is not b)
    if places:
        assert found[0].score == max(p.score for p in places)
    assert rank(places[::-1], 10, step=0) == found


def test_equal_places_are_spread_over_the_slices():
    places = [place(i, y, x) for i in range(0, 20, 2) for y in range(0, 512, 128)
              for x in range(0, 512, 128)]  # fmt: skip
    found = rank(places, 10, step=0)
    assert len({p.slice_index for p in found}) == 10


@pytest.mark.parametrize(
    ("box", "overlaps", "near"),
    [
        ((10, 20, 30, 50), True, True),
        ((19, 29, 49, 69), True, True),  # one pixel in common
        ((1, 11, 11, 31), True, True),
        ((20, 30, 30, 50), False, True),  # side by side
        ((0, 10, 30, 50), False, True),
        ((10, 20, 50, 70), False, True),
        ((10, 20, 10, 30), False, True),
        ((49, 59, 30, 50), False, True),  # 39 px, of the 40 that the longer side makes
        ((50, 60, 30, 50), False, False),
        ((10, 20, 69, 89), False, True),
        ((10, 20, 70, 90), False, False),
    ],
)
def test_what_overlaps_and_what_is_near(box, overlaps, near):
    one, other = Place(0, 3, (10, 20, 30, 50), 1.0, "unsure"), Place(0, 3, box, 1.0, "unsure")
    assert one.middle == (15, 40)
    assert (one.overlaps(other), other.overlaps(one)) == (overlaps, overlaps)
    assert (one.is_near(other), other.is_near(one)) == (near, near)
    small = replace(other, box=(box[0], box[0] + 2, box[2], box[2] + 2))
    assert one.is_near(small) == small.is_near(one)
    for elsewhere in (replace(other, slice_index=4), replace(other, stack_index=1)):
        assert not one.overlaps(elsewhere)
    assert one.is_near(replace(other, slice_index=4)) == near
    assert not one.is_near(replace(other, slice_index=5))
    assert not one.is_near(replace(other, stack_index=1))


def test_after_a_hundred_steps_a_place_counts_half():
    old, new = place(0, score=1.0, step=0), place(5, score=0.5, step=200)
    assert rank([old, new], 1, step=99) == [old]
    assert rank([old, new], 1, step=101) == [new]
