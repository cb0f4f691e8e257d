"""Which ranges of grey values are alike, by hand: what both share, of what they span together."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.images.grey_ranges import other_order, say_ranges
from napari_unet.images.intensity import Intensity

LIMITS = Intensity((0.0,), (100.0,))


@pytest.mark.parametrize(
    ("mine", "alike"),
    [
        ((0, 100), True),
        ((0, 50), True),  # 50 of 100
        ((0, 200), True),  # 100 of 200
        ((0, 49), False),
        ((30, 120), True),  # 70 of 120
        ((50, 150), False),  # 50 of 150
        ((-60, 90), True),  # 90 of 160
        ((-50, 50), False),
        ((100, 200), False),
        ((300, 400), False),  # nothing, and no less
        ((40, 60), False),
    ],
)
def test_ranges_are_alike_from_one_half_on(mine, alike) -> None:
    said = say_ranges(np.array([mine], float), LIMITS, "but the limits are")
    low, high = mine
    assert said == ("" if alike else f"run from {low} to {high}, but the limits are 0 to 100")


def test_each_channel_that_differs_is_named() -> None:
    limits = Intensity((0.0, 0.0, 0.0), (100.0, 10.0, 1.0))
    mine = np.array([[0, 1000], [0, 10], [0, 0.25]])
    assert say_ranges(mine, limits, "where the model learnt") == (
        "of channel 1 run from 0 to 1,000, where the model learnt 0 to 100 and "
        "of channel 3 run from 0 to 0.25, where the model learnt 0 to 1"
    )


def test_another_order_is_told_only_where_it_fits_and_this_one_does_not() -> None:
    limits = Intensity((0.0, 1000.0), (100.0, 3000.0))
    assert other_order(np.array([[1000, 2000], [0, 50]]), limits) == (1, 0)  # one half each
    assert other_order(np.array([[0, 50], [1000, 2000]]), limits) is None
    assert other_order(np.array([[1000, 1990], [0, 50]]), limits) is None
    assert other_order(np.array([[1000, 2000], [1000, 2000]]), limits) is None
