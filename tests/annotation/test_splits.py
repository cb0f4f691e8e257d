"""Which pixels train and which validate."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.splits import Split, split_stack
from napari_unet.base.errors import InputError
from napari_unet.config.split import SplitConfig
from napari_unet.images.stack import Stack


def stack_of(n: int, shape: tuple[int, int] = (16, 20), annotated=None) -> Stack:
    labels = np.zeros((n, *shape), np.uint8)
    labels[:, ::2] = 1
    image = np.zeros((n, *shape), np.uint8)
    scheme = LabelScheme("classes", values=(0, 1))
    return Stack("cells", image, "zyx", labels=labels, scheme=scheme, annotated=annotated)


def test_em_stack() -> None:
    split = split_stack(stack_of(30), SplitConfig(), 92)
    assert split.train == tuple(range(24))
    assert split.validation == tuple(range(24, 30))
    assert split.region is None
    assert split.note == ""


@pytest.mark.parametrize(("n", "held"), [(2, 1), (3, 1), (7, 1), (8, 2), (10, 2)])
def test_at_least_one_slice_validates(n: int, held: int) -> None:
    split = split_stack(stack_of(n), SplitConfig(), 0)
    assert split.validation == tuple(range(n - held, n))


def test_at_least_one_slice_trains() -> None:
    assert split_stack(stack_of(3), SplitConfig(fraction=0.99), 0).train == (0,)


def test_only_labelled_slices_count() -> None:
    split = split_stack(stack_of(20, annotated=(2, 5, 9, 11, 19)), SplitConfig(), 0)
    assert (split.train, split.validation) == ((2, 5, 9, 11), (19,))


def test_chosen_slices() -> None:
    split = split_stack(stack_of(5), SplitConfig("slices", slices=(3, 0)), 0)
    assert (split.train, split.validation) == ((1, 2, 4), (0, 3))


def test_random_slices_depend_on_the_seed_only() -> None:
    stack = stack_of(30)
    first, again, other = (split_stack(stack, SplitConfig("random", seed=s), 0) for s in (4, 4, 5))
    assert first == again
    assert first.validation != other.validation
    assert len(first.validation) == 6
    assert first.validation == tuple(sorted(first.validation))


def test_no_validation() -> None:
    split = split_stack(stack_of(3), SplitConfig("none"), 0)
    assert (split.train, split.validation) == ((0, 1, 2), ())


def test_region() -> None:
    split = split_stack(stack_of(2), SplitConfig("region", region=(0, 4, 5, 9)), 2)
    assert split.train == split.validation == (0, 1)
    assert split.region == (0, 4, 5, 9)
    trains, validates = (f(0, (16, 20)) for f in (split.training_mask, split.validation_mask))
    assert np.argwhere(validates).min(0).tolist() == [0, 5]
    assert np.argwhere(validates).max(0).tolist() == [3, 8]
    assert (~trains).sum() == 6 * 8  # rows 0-5, columns 3-10
    assert not trains[5, 3]
    assert trains[6, 3]
    assert trains[5, 2]


def test_hidden_part_of_a_window() -> None:
    split = Split((0,), (0,), (10, 20, 30, 40), guard=5)
    assert split.hidden(slice(0, 100), slice(0, 100)) == (slice(10, 20), slice(30, 40))
    assert split.hidden(slice(15, 100), slice(35, 37)) == (slice(0, 5), slice(0, 2))
    assert split.hidden(slice(20, 100), slice(0, 100)) is None
    assert split.untrained(slice(20, 100), slice(0, 100)) == (slice(0, 5), slice(25, 45))
    assert Split((0,), ()).hidden(slice(0, 9), slice(0, 9)) is None


def test_a_single_slice_gives_a_strip() -> None:
    split = split_stack(stack_of(1, (100, 100)), SplitConfig(), 10)
    assert split.train == split.validation == (0,)
    assert split.region == (80, 100, 0, 100)
    assert "rows 80-99" in split.note
    assert "10 px" in split.note


def test_a_long_slice_is_cut_across() -> None:
    assert split_stack(stack_of(1, (20, 200)), SplitConfig(), 30).region == (0, 20, 160, 200)


def test_a_strip_must_show_both_classes_and_leave_both() -> None:
    stack = stack_of(1, (100, 100))
    stack.labels[:, 70:] = 0  # nothing at the bottom
    assert split_stack(stack, SplitConfig(), 10).region == (0, 100, 80, 100)
    stack.labels[:] = 0
    stack.labels[0, :2, :60] = 1  # only at the top left: any strip leaves or shows too little
    split = split_stack(stack, SplitConfig(), 45)
    assert split.region in (None, (0, 100, 0, 20))


def test_a_small_single_slice_validates_nothing_and_says_so() -> None:
    split = split_stack(stack_of(1, (100, 100)), SplitConfig(), 184)
    assert (split.train, split.validation, split.region) == ((0,), (), None)
    assert "label a second slice" in split.note


def test_single_labelled_slice_of_many() -> None:
    split = split_stack(stack_of(9, (100, 100), annotated=(4,)), SplitConfig("random"), 5)
    assert split.train == (4,)
    assert split.region is not None


@st.composite
def cases(draw: st.DrawFn) -> tuple[Stack, SplitConfig, int]:
    n, shape = draw(st.integers(1, 8)), (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    annotated = draw(st.sets(st.integers(0, n - 1), min_size=1))
    mode = draw(st.sampled_from(["last", "slices", "region", "random", "none"]))
    y = sorted(draw(st.sets(st.integers(0, shape[0]), min_size=2, max_size=2)))
    x = sorted(draw(st.sets(st.integers(0, shape[1]), min_size=2, max_size=2)))
    config = SplitConfig(
        mode,
        fraction=draw(st.floats(0.01, 0.99)),
        slices=tuple(draw(st.permutations(sorted(annotated))))[: max(1, len(annotated) // 2)],
        region=(*y, *x),
        seed=draw(st.integers(0, 99)),
    )
    return stack_of(n, shape, tuple(sorted(annotated))), config, draw(st.integers(0, 12))


@settings(max_examples=120, deadline=None)
@given(cases())
def test_no_pixel_validates_that_training_sees(case: tuple[Stack, SplitConfig, int]) -> None:
    stack, config, guard = case
    try:
        split = split_stack(stack, config, guard)
    except InputError as error:
        reason = {"slices": "left for training", "region": "leave no pixel"}[config.mode]
        if reason not in str(error):
            raise
        return
    assert set(split.train) | set(split.validation) == set(stack.labelled_slices)
    shape = stack.plane_shape
    assert any(split.training_mask(i, shape).any() for i in split.train)
    for i in range(stack.n_slices):
        trains, validates = split.training_mask(i, shape), split.validation_mask(i, shape)
        assert trains.any() <= (i in split.train)
        assert validates.any() == (i in split.validation)
        if split.region is None:
            # Training sees the whole of its slices.
            assert not (trains.any() and validates.any())
        else:
            # A weighted pixel sees `guard` pixels around it, by rows and columns.
            sees = ndimage.maximum_filter(trains, 2 * guard + 1, mode="constant")
            assert not (sees & validates).any()
            hidden = split.hidden(slice(0, shape[0]), slice(0, shape[1]))
            inside = np.zeros(shape, bool)
            inside[hidden] = i in split.validation
            np.testing.assert_array_equal(validates, inside)


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_windows_agree_with_masks(case: tuple[Stack, SplitConfig, int], data) -> None:
    _, config, guard = case
    split = Split((0,), (0,), config.region, guard)
    y, x = (sorted(data.draw(st.tuples(st.integers(0, 39), st.integers(0, 39)))) for _ in "yx")
    window = slice(y[0], y[1] + 1), slice(x[0], x[1] + 1)
    mask = np.ones((y[1] - y[0] + 1, x[1] - x[0] + 1), bool)
    part = split.untrained(*window)
    if part is not None:
        mask[part] = False
    np.testing.assert_array_equal(mask, split.training_mask(0, (40, 40))[window])


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "first"},
        {"fraction": 0},
        {"fraction": 1},
        {"fraction": float("nan")},
        {"mode": "slices"},
        {"mode": "slices", "slices": (1, 1)},
        {"mode": "slices", "slices": (-1,)},
        {"mode": "region"},
        {"region": (0, 0, 0, 5)},
        {"region": (-1, 2, 0, 5)},
        {"region": (0, 2, 5)},
        {"seed": -1},
    ],
)
def test_unusable_settings(wrong: dict) -> None:
    with pytest.raises(InputError):
        SplitConfig(**wrong)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (SplitConfig("slices", slices=(7,)), "slice 7 has none; choose among 0, 1, 2"),
        (SplitConfig("slices", slices=(0, 1, 2)), "left for training"),
        (SplitConfig("region", region=(0, 5, 0, 21)), "inside the plane"),
        (SplitConfig("region", region=(0, 16, 0, 17)), "leave no pixel"),
    ],
)
def test_impossible_splits(config: SplitConfig, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_stack(stack_of(3), config, 3)


def test_nothing_labelled() -> None:
    stack = Stack("raw", np.zeros((4, 8, 8), np.uint8), "zyx")
    with pytest.raises(InputError, match="'raw' has none"):
        split_stack(stack, SplitConfig(), 0)


def test_settings_survive_json() -> None:
    config = SplitConfig("region", 0.3, (1, 2), (0, 4, 5, 9), 7)
    assert SplitConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(InputError, match="no field 'part'"):
        SplitConfig.from_dict({"part": 1})
