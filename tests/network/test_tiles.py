"""The size rule by hand, and tiled prediction equal to one pass."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.base.errors import InputError
from napari_unet.config.size_rule import (
    border,
    next_valid_size,
    output_size,
    previous_valid_size,
    smallest_input,
)
from napari_unet.network.tiles import mirrored_indices, plan_tiles, read_mirrored


@pytest.mark.parametrize(("depth", "loss"), [(0, 4), (1, 16), (2, 40), (3, 88), (4, 184)])
def test_border_of_each_depth(depth, loss):
    assert border(depth) == loss


def test_the_papers_tile():
    assert output_size(572, 4) == 388
    assert smallest_input(4) == 188
    assert next_valid_size(189, 4) == 204
    assert next_valid_size(572, 4) == 572
    assert previous_valid_size(587, 4) == 572
    assert previous_valid_size(10, 4) == 188


def test_a_size_the_network_cannot_take_is_named_with_the_next_one():
    with pytest.raises(InputError, match=r"188 \+ 16·n pixels, got 512: use 524"):
        output_size(512, 4)


def test_mirror_does_not_repeat_the_edge():
    assert mirrored_indices(-3, 7, 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert mirrored_indices(-2, 3, 1).tolist() == [0] * 5
    assert mirrored_indices(-2, 4, 2).tolist() == [0, 1, 0, 1, 0, 1]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 25), st.integers(0, 25))
@settings(deadline=None, max_examples=60)
def test_mirrored_window_equals_numpy_reflect(y, x, before, after):
    plane = np.arange(y * x).reshape(1, y, x)
    window = read_mirrored(
        lambda r, c: plane[:, r, c], (y, x), (-before, y + after), (-before, x + after)
    )
    expected = np.pad(plane, ((0, 0), (before, after), (before, after)), mode="reflect")
    np.testing.assert_array_equal(window, expected)


def test_only_what_the_window_needs_is_read():
    asked = []

    def read(rows, cols):
        asked.append((rows, cols))
        return np.zeros((1, rows.stop - rows.start, cols.stop - cols.start))

    read_mirrored(read, (1000, 1000), (-5, 20), (400, 420))
    assert asked == [(slice(0, 20), slice(400, 420))]


sizes = st.integers(1, 700)


@given(sizes, sizes, st.integers(0, 4), st.none() | st.integers(1, 400))
@settings(deadline=None, max_examples=150)
def test_slots_cover_the_plane_once_and_keep_the_pooling_phase(y, x, depth, tile):
    plan = plan_tiles((y, x), depth, tile)
    count = np.zeros((y, x), int)
    for slot in plan.slots:
        count[slot.rows, slot.cols] += 1
        for span, window, side in zip(
            (slot.rows, slot.cols), (slot.input_rows, slot.input_cols), plan.input
        ):
            assert window[1] - window[0] == side
            assert span.start % 2**depth == 0
            assert window[0] == span.start - border(depth) // 2
            assert span.stop - span.start <= output_size(side, depth)
    assert (count == 1).all()


@given(sizes, sizes, st.integers(0, 4), st.integers(60_000, 400_000))
@settings(deadline=None, max_examples=60)
def test_the_memory_budget_is_kept(y, x, depth, pixels):
    plan = plan_tiles((y, x), depth, max_pixels=pixels)
    assert plan.input[0] * plan.input[1] <= pixels


def test_a_tile_limit_is_kept_when_an_aligned_tile_fits():
    plan = plan_tiles((2000, 300), 4, tile=300)
    assert max(plan.input) <= 300


def test_tiles_that_leave_the_caches_are_avoided_where_it_pays():
    def slow_when_large(pixels):
        return 1.0 if pixels <= 700**2 else 2.0

    assert len(plan_tiles((1024, 1024), 4).slots) == 1
    plan = plan_tiles((1024, 1024), 4, seconds_per_pixel=slow_when_large)
    assert plan.input == (700, 700)  # 4 × 700² = 1.34 × 1208²
    slower = plan_tiles((1024, 1024), 4, seconds_per_pixel=lambda n: 1.0 + 0.1 * (n > 700**2))
    assert len(slower.slots) == 1  # a tenth does not pay for a third more pixels


def test_a_plan_of_the_fewest_pixels_wins_what_is_nearly_a_tie():
    tie = 4 * 700**2 / 1208**2
    for times, tiles in ((1.03, 1), (1.07, 4)):
        plan = plan_tiles(
            (1024, 1024), 4, seconds_per_pixel=lambda n, t=times: tie * t if n > 700**2 else 1.0
        )
        assert len(plan.slots) == tiles


def test_without_limits_the_image_goes_through_in_one_pass():
    plan = plan_tiles((512, 512), 4)
    assert len(plan.slots) == 1
    assert plan.input == (700, 700)


def test_plan_is_the_cheapest_of_all_square_limits():
    by_budget = plan_tiles((2048, 2048), 4, max_pixels=572 * 572)
    for tile in range(204, 573, 16):
        assert by_budget.waste <= plan_tiles((2048, 2048), 4, tile=tile).waste


def test_a_budget_below_the_smallest_tile_is_refused():
    with pytest.raises(InputError, match="allow more memory"):
        plan_tiles((512, 512), 4, max_pixels=100)
    with pytest.raises(InputError, match="at least one pixel"):
        plan_tiles((0, 5), 4)
