"""Several stacks in one training: what must be alike, and what is made alike."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.splits import restrict, split_stacks
from napari_unet.base.errors import InputError
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.stack import Stack
from napari_unet.training.data import TrainingData, check_alike, pixel_sizes_differ


def stack_of(name="a", shape=(4, 24, 20), pixel=1.0, axes="zyx", classes=2, unit="um") -> Stack:
    rng = np.random.default_rng(0)
    plane = tuple(n for n, a in zip(shape, axes) if a != "c")
    scheme = LabelScheme("classes", values=tuple(range(classes)))
    n = len(plane)
    return Stack(
        name, rng.integers(0, 99, shape, np.uint8), axes,
        labels=rng.integers(0, classes, plane, np.uint8), scheme=scheme,
        scale=(1.0,) * (n - 2) + (pixel, pixel), units=(unit,) * n,
    )  # fmt: skip


def seen(*stacks: Stack, pixel_size="first", **changes) -> tuple[Stack, ...]:
    config = TrainConfig(pixel_size=pixel_size, **changes)
    return TrainingData(stacks, config).stacks


def test_stacks_that_differ_in_size_are_alike():
    check_alike([stack_of(), stack_of("b", (2, 30, 31), 0.5)])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ([stack_of("b", (24, 20, 3), axes="yxc")], "channels, but 'a' has 1 and 'b' 3"),
        ([stack_of("b", classes=3)], "classes, but 'a' has 2 and 'b' 3"),
        ([stack_of("b").with_labels(None)], "'b' has no labels"),
    ],
)
def test_what_one_network_cannot_learn_is_said(other, words):
    with pytest.raises(InputError, match=words):
        check_alike([stack_of(), *other])
    with pytest.raises(InputError, match="at least one stack"):
        check_alike([])


def test_all_get_the_pixel_size_of_the_first():
    first, fine, same = stack_of(), stack_of("b", (2, 40, 60), 0.5), stack_of("c")
    assert pixel_sizes_differ([first, fine])
    assert not pixel_sizes_differ([first, same])
    assert not pixel_sizes_differ([])
    a, b, c = seen(first, fine, same)
    assert a is first
    assert c is same
    assert b.plane_shape == (20, 30)
    assert b.pixel_size == (1.0, 1.0)


def test_units_of_length_are_compared():
    first = stack_of(pixel=0.5, unit="micrometer")
    same, coarse = (stack_of("b", pixel=p, unit="nanometer") for p in (500.0, 1000.0))
    assert not pixel_sizes_differ([first, same])
    assert pixel_sizes_differ([first, coarse])
    finer = seen(first, coarse)[1]
    assert finer.plane_shape == (48, 40)
    assert finer.pixel_size == (500.0, 500.0)


def test_pixels_of_another_unit_are_not_compared():
    first, other = stack_of(), stack_of("b", pixel=0.5, unit="pixel")
    assert not pixel_sizes_differ([first, other])
    assert seen(first, other, pixel_size=None)[1] is other
    with pytest.raises(InputError, match="'b' are in pixel and not in micrometer"):
        seen(first, other)


def test_each_stack_is_divided_by_itself():
    splits = split_stacks([stack_of(), stack_of("b", (10, 24, 20))], SplitConfig(), (8, 8))
    assert [s.validation for s in splits] == [(3,), (8, 9)]


def test_chosen_slices_validate_where_they_are():
    stacks = [stack_of(), stack_of("b", (10, 24, 20))]
    config = SplitConfig("slices", slices=(3, 8))
    splits = split_stacks(stacks, config, (8, 8))
    assert [s.validation for s in splits] == [(3,), (3, 8)]
    config = SplitConfig("slices", slices=(8,))
    first, second = split_stacks(stacks, config, (8, 8))
    assert first.train == (0, 1, 2, 3)
    assert first.validation == ()
    assert second.validation == (8,)
    assert restrict(config, stacks[0]) == SplitConfig("none")
    with pytest.raises(InputError, match="slice 20 has none"):
        split_stacks(stacks, SplitConfig("slices", slices=(20,)), (8, 8))


def test_a_region_validates_where_the_plane_has_it():
    stacks = [stack_of(shape=(2, 60, 60)), stack_of("b")]
    first, second = split_stacks(stacks, SplitConfig("region", region=(50, 60, 0, 60)), (8, 8))
    assert first.region == (50, 60, 0, 60)
    assert second.region is None
    assert second.validation == ()
    with pytest.raises(InputError, match="inside the plane"):
        split_stacks(stacks, SplitConfig("region", region=(0, 90, 0, 9)), (8, 8))


def test_one_stack_is_divided_as_ever():
    with pytest.raises(InputError, match="slice 8 has none"):
        split_stacks([stack_of()], SplitConfig("slices", slices=(8,)), (8,))
