"""Several stacks in one training: what must be alike, and what is made alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.splits import restrict, split_stacks
from napari_unet.app.tiles_job import TileSource
from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.intensity import Intensity
from napari_unet.images.stack import Stack
from napari_unet.preflight import find
from napari_unet.training.alike import check_alike
from napari_unet.training.common_pixels import pixel_sizes_differ
from napari_unet.training.copies import say_copies
from napari_unet.training.data import Placement, TrainingData
from napari_unet.training.events import Finished, Step
from napari_unet.training.trainer import Trainer


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


def test_given_pixels_lie_in_seen_ones_by_their_middles():
    placement = Placement((2.0, 0.5), (0.5, -0.25))  # half the rows, twice the columns
    rows, cols = placement.seen(np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3]))
    assert rows.tolist() == [0, 0, 1, 1]
    assert cols.tolist() == [1, 3, 5, 7]


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


def as_type(dtype, factor=1, name="b") -> Stack:
    stack = stack_of()
    return replace(stack, name=name, image=(stack.image.astype(float) * factor).astype(dtype))


def test_grey_values_of_several_dtypes_cannot_be_compared():
    with pytest.raises(InputError, match="'a' is uint8 and 'b' is uint16, so that their grey val"):
        TrainingData((stack_of(), as_type("uint16")), TrainConfig())
    check_alike([stack_of(), as_type("uint16")], "image")
    check_alike([as_type(">u2", name="a"), as_type("<u2")])  # the same values
    check_alike([as_type("float32", name="a"), as_type("float64")])
    TrainingData((stack_of(), as_type("uint16")), TrainConfig(intensity="image"))


def grey_notes(stacks, **changes) -> list[str]:
    data = TrainingData(stacks, TrainConfig(**changes))
    data.limits  # noqa: B018 (measured here)
    return [note for note in data.notes if "grey values" in note]


def test_other_grey_values_of_one_dtype_are_said():
    """0 to 98 beside 0 to 980: the widest limits make the first nearly black."""
    first, bright = as_type("uint16", name="dark"), as_type("uint16", 10)
    assert grey_notes((first, bright)) == [
        (
            "The grey values of dark run from 0 to 98, but the limits are 0 to 980: limits of "
            "every slice (--intensity image, or Limits under Data) make them alike."
        )
    ]
    assert grey_notes((first, bright), intensity="image") == []
    assert grey_notes((first, as_type("uint16", 1.2))) == []
    assert grey_notes((bright,)) == []


def test_other_grey_values_than_those_of_a_model_to_go_on_with_are_said():
    data = TrainingData(as_type("uint16", 10), TrainConfig())
    data.take_limits(Intensity((0,), (98,)))
    data.stacks  # noqa: B018 (read here)
    assert [n for n in data.notes if "grey values" in n] == [
        (
            "The grey values of b run from 0 to 980, but the limits are 0 to 98: scale it "
            "likewise, or begin with random weights."
        )
    ]


def test_a_slice_that_validates_and_trains_under_another_number_is_said():
    stack = stack_of()  # of 4 slices, the last validates
    assert say_copies((stack,), TrainingData(stack, TrainConfig()).given_splits) == ""
    stack.image[3] = stack.image[1]
    told = "What validates also trains, so that its score says nothing about new images: "
    data = TrainingData(stack, TrainConfig())
    assert f"{told}slice 3 of a is slice 1 of a; leave one of them out." in data.notes
    twice = (stack_of(), stack_of("b"))
    assert TrainingData(twice, TrainConfig()).notes == ()  # divided alike
    other = replace(stack_of("b"), image=stack_of().image[::-1].copy())
    notes = TrainingData((stack_of(), other), TrainConfig()).notes
    assert notes == (f"{told}slice 3 of a is slice 0 of b, and 1 more; leave one of them out.",)
    empty = replace(stack_of(), image=np.zeros((4, 24, 20), np.uint8))
    assert TrainingData(empty, TrainConfig()).notes == ()
    region = SplitConfig("region", region=(0, 4, 0, 4))
    splits = TrainingData(stack, TrainConfig(split=region, network=UNetConfig(depth=1)))
    assert say_copies((stack,), splits.given_splits) == ""


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


# -- the same everywhere ------------------------------------------------------------------------


def refusals(stack: Stack, config: TrainConfig) -> dict[str, bool]:
    """Whether each place that looks at the choice of validation refuses it."""

    def refused(make) -> bool:
        try:
            make()
        except InputError as error:
            return "leave no pixel for training" in str(error)
        return False

    def checked():
        for one in find(stack, config):
            if one.severity == "error":
                raise InputError(one.text)

    return {
        "data": refused(lambda: TrainingData(stack, config)),
        "trainer": refused(lambda: Trainer(stack, config)),
        "check": refused(checked),
        "tiles": refused(lambda: TileSource().draw((stack,), config)),
    }


@pytest.mark.parametrize(
    ("zoom", "last", "refused"), [(0.5, 160, True), (0.5, 120, False), (1.0, 160, False)]
)
def test_a_region_is_accepted_or_refused_alike_everywhere(zoom, last, refused):
    """184 px beyond the region train nothing, as the network sees them: 368 of the image at 0.5."""
    labels = np.zeros((512, 512), np.uint8)
    labels[::8, ::8] = 1
    image = np.random.default_rng(0).integers(0, 255, labels.shape, np.uint8)
    stack = Stack("s", image, "yx", labels=labels, scheme=LabelScheme("classes"))
    config = TrainConfig(
        network=UNetConfig(depth=4, width=1), zoom=zoom, steps=1, device="cpu",
        split=SplitConfig("region", region=(0, last, 0, 512)),
    )  # fmt: skip
    assert set(refusals(stack, config).values()) == {refused}


def test_the_guard_is_as_wide_as_the_network_sees_in_each_kind_of_pixel():
    labels = np.zeros((400, 400), np.uint8)
    labels[::5] = 1
    stack = Stack("s", labels, "yx", labels=labels, scheme=LabelScheme("classes"))
    split = SplitConfig("region", region=(0, 100, 0, 400))
    data = TrainingData(stack, TrainConfig(network=UNetConfig(depth=1), tile=44, split=split,
                                           zoom=0.5))  # fmt: skip
    assert (data.given_splits[0].region, data.given_splits[0].guard) == ((0, 100, 0, 400), 32)
    assert (data.splits[0].region, data.splits[0].guard) == ((0, 50, 0, 200), 16)
    # A pixel that is shrunk to half lies within one of its own, and is smoothed over two.
    assert data.splits[0].reach == 3


# -- edited labels ------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{}, {"zoom": 0.5}, {"pixel_size": "first"}])
def test_a_trainer_takes_edited_labels(config):
    """`Trainer.refresh`: batches and validation planes have them, the class weights stay."""
    stacks = [stack_of(shape=(4, 60, 60)), stack_of("b", (3, 80, 80), 0.5)]
    settings = TrainConfig(
        network=UNetConfig(depth=1, width=2, dropout=0.0), tile=28, batch=2, steps=6,
        augment=AugmentConfig.none(), device="cpu", **config,
    )  # fmt: skip
    trainer = Trainer(stacks, settings)
    events = trainer.run()
    while not isinstance(next(events), Step):
        pass
    before = trainer.data.class_weights
    painted = np.ones_like(stacks[1].labels)
    images = trainer.data.stacks[1].image
    trainer.refresh(1, stacks[1].with_labels(painted))
    assert trainer.data.given[1].labels is painted
    assert trainer.data.stacks[1].image is images, "only labels are resampled"
    tiles = [trainer.sampler.tile(step, 0) for step in range(30)]
    assert {one.stack_index for one in tiles} == {0, 1}
    assert all(bool((one.classes == 1).all()) for one in tiles if one.stack_index == 1)
    planes = list(trainer.validation)
    assert all((one.classes == 1).all() == (one.stack_index == 1) for one in planes)
    assert trainer.data.class_weights is before
    assert isinstance([*events][-1], Finished)
