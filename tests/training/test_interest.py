"""Where a painted training looks, counted over all that can be drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from napari_unet.training.interest import Aim, Interest, Spot

BOX = (10, 20, 40, 44)


class Dealt:
    """Hands out the numbers that a generator would draw."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = numbers

    def random(self, count: int) -> np.ndarray:
        assert count == len(self.numbers)
        return np.array(self.numbers)


def aim(interest: Interest, pick: float, *, at_spot=0.0, index=0, place=(0.5,) * 4) -> Aim:
    return interest.draw(index, 8, Dealt(at_spot, pick, *place))  # type: ignore[arg-type]


def shares(interest: Interest, **dealt: object) -> dict[int, float]:
    """Share of all picks that leads to each slice."""
    picks = (np.arange(4000) + 0.5) / 4000
    found = Counter(aim(interest, pick, **dealt).slice_index for pick in picks)  # type: ignore[arg-type]
    return {i: n / len(picks) for i, n in found.items()}


def painted(n: int, right: float = 0.0) -> tuple[dict, list[Spot]]:
    """A stroke in each of n slices, the latest in the last."""
    counts = {(0, i): np.array([5, 5]) for i in range(n)}
    return counts, [Spot(0, i, BOX, right) for i in range(n)]


def test_after_ten_strokes_a_stroke_is_looked_at_half_as_often() -> None:
    found = shares(Interest(*painted(11), 0.5, balance=False))
    assert sorted(found.values()) == [found[i] for i in range(11)]
    assert found[0] / found[10] == pytest.approx(0.5, abs=0.02)


def test_thirty_strokes_are_looked_at_more_often() -> None:
    assert sorted(shares(Interest(*painted(31), 1, balance=False))) == list(range(1, 31))


def test_what_was_right_already_is_looked_at_less() -> None:
    counts, _ = painted(2)
    # A tenth, of eleven tenths; the younger one by 0.5 ** 0.1 more often.
    spots = [Spot(0, 0, BOX, 0.0), Spot(0, 1, BOX, 1.0)]
    found = shares(Interest(counts, spots, 1, balance=False))
    assert found[1] / found[0] == pytest.approx(0.1 / 1.1 / 0.5**0.1, abs=0.01)


def test_strokes_that_do_not_train_or_were_not_judged_are_not_looked_at() -> None:
    counts = {(0, 0): np.array([5, 5]), (0, 1): np.array([0, 0])}
    asked = [Spot(0, 1, BOX, 0.0), Spot(0, 2, BOX, 0.0), Spot(0, 0, BOX, 0.5)]
    not_asked = Spot(0, 0, (0, 1, 0, 1), float("nan"))
    interest = Interest(counts, [not_asked, *asked, not_asked], 1, balance=False)
    found = {aim(interest, pick) for pick in (0.0, 0.3, 0.6, 0.999)}
    assert found == {Aim(0, 0, middle=(15, 42))}
    nothing = Interest(counts, [not_asked], 1, balance=False)
    assert aim(nothing, 0.5, index=1) == Aim(0, 0, of_class=1)


@pytest.mark.parametrize(
    ("place", "middle"),
    [
        ((0, 0.5, 0, 0.5), (10, 40)),
        ((0.999, 0.5, 0.999, 0.5), (19, 43)),
        ((0, 0, 0.5, 0.5), (8, 42)),  # a quarter of the tile before it
        ((0.5, 0.5, 0, 0), (15, 38)),
        ((0.999, 0.999, 0.5, 0.75), (21, 43)),
        ((0.5, 1, 0.5, 1), (17, 44)),
    ],
)
def test_a_painted_pixel_lies_in_the_middle_half_of_the_tile(place, middle) -> None:
    interest = Interest(*painted(1), 1, balance=False)
    assert aim(interest, 0.5, place=place) == Aim(0, 0, middle=middle)


def test_the_other_tiles_show_the_classes_in_turn_each_where_it_was_painted() -> None:
    counts = {(0, 1): np.array([10, 0, 0]), (1, 4): np.array([30, 0, 5])}
    interest = Interest(counts, [Spot(1, 4, BOX, 0.0)], 0.25, balance=True)
    assert shares(interest, at_spot=0.25, index=0) == {1: 0.25, 4: 0.75}
    assert shares(interest, at_spot=0.25, index=3) == {4: 1}
    assert [aim(interest, 0.9, at_spot=0.3, index=k).of_class for k in range(4)] == [0, 2, 0, 2]
    assert aim(interest, 0.9, at_spot=0.3).stack_index == 1
    assert aim(interest, 0.9, at_spot=0.24).middle == (15, 42)
    # 40 and 5 of 45 pixels; of the class in between there are none.
    assert interest.class_weights == pytest.approx([45 / 80, 1, 45 / 10])


def test_classes_weigh_alike_where_nothing_is_balanced_or_one_is_there() -> None:
    counts = {(0, 0): np.array([10, 30])}
    assert Interest(counts, [], 0.5, balance=False).class_weights is None
    alone = Interest({(0, 0): np.array([10, 0])}, [], 0.5, balance=True)
    assert (alone.ready, alone.class_weights) == (False, None)
