"""Whatever stands in a pixel that validates, training ends with the same weights, bit by bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.splits import Split, split_stack
from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.size_rule import border
from napari_unet.config.split import SplitConfig
from napari_unet.images.intensity import Intensity, training_limits
from napari_unet.images.stack import Stack
from napari_unet.training.data import TrainingData
from napari_unet.training.plane_tensors import PlaneTensors
from napari_unet.training.trainer import TrainConfig, Trainer

SIDE = 72
SPLITS = {
    "last": SplitConfig(fraction=0.4),
    "slices": SplitConfig(mode="slices", slices=(0, 3)),
    "random": SplitConfig(mode="random", fraction=0.4, seed=5),
    "region": SplitConfig(mode="region", region=(10, 30, 40, 72)),
    "none": SplitConfig(mode="none"),
    "strip of a single slice": SplitConfig(fraction=0.3),
}
SCHEMES = {
    "objects": LabelScheme(),
    "classes": LabelScheme(kind="classes", values=(0, 1, 2)),
    "sparse": LabelScheme(annotation="sparse"),
}


def stack_of(n: int, scheme: LabelScheme, *, annotated=None, seed: int = 0, side=SIDE) -> Stack:
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, side, side), np.uint8)
    for plane in labels:
        for k, (y, x) in enumerate(rng.integers(0, side - 14, (12, 2))):
            plane[y : y + 12, x : x + 12] = 1 + k % 2
    if scheme.annotation == "sparse":
        labels[labels == 0] = 1
        labels[:, ::7] = 0
    image = rng.integers(0, 200, labels.shape, np.uint16)
    if annotated is not None:
        labels = labels[list(annotated)]
    return Stack("s", image, "zyx", labels=labels, scheme=scheme, annotated=annotated)


def config(split: SplitConfig, **changes) -> TrainConfig:
    return TrainConfig(
        network=UNetConfig(depth=1, width=4, dropout=0.2, norm="batch"),
        steps=2, tile=36, batch=2, optimiser="adam", validate_every=1, device="cpu",
        split=split, **changes,
    )  # fmt: skip


def weights_after(stacks, settings) -> dict[str, torch.Tensor]:
    trainer = Trainer(stacks, settings)
    for _ in trainer.run():
        pass
    return {k: v.clone() for k, v in trainer.learner.network.state_dict().items()}


def same(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def where(stack: Stack, split: Split, what: str) -> np.ndarray:
    """(N, Y, X): the pixels of a kind."""
    masks = [getattr(split, f"{what}_mask")(i, stack.plane_shape) for i in range(stack.n_slices)]
    return np.stack(masks)


def changed(stack: Stack, at: np.ndarray) -> Stack:
    """Other grey values, far outside of the former range, and other labels in some pixels."""
    image, labels = stack.image.copy(), stack.labels.copy()
    image[at] = 60_000 - 40 * image[at]
    of_labels = at if stack.annotated is None else at[list(stack.annotated)]
    swap = np.array([0, 2, 1] if stack.scheme.annotation == "sparse" else [2, 0, 1], np.uint8)
    labels[of_labels] = swap[labels[of_labels]]
    return replace(stack, image=image, labels=labels)


@pytest.mark.parametrize(
    ("scheme", "intensity"), [*((name, "stack") for name in SCHEMES), ("classes", "image")]
)
@pytest.mark.parametrize("name", [name for name in SPLITS if name != "none"])
def test_what_validates_changes_no_weight(name, scheme, intensity):
    settings = config(SPLITS[name], intensity=intensity)
    single = "single" in name
    stack = stack_of(5, SCHEMES[scheme], annotated=(2,) if single else None)
    split = split_stack(stack, settings.split, border(1))
    assert (split.region is not None) == (name == "region" or single)
    at = where(stack, split, "validation")
    assert at.any()
    other = changed(stack, at)
    assert same(weights_after(stack, settings), weights_after(other, settings))


@pytest.mark.parametrize("name", list(SPLITS))
def test_what_trains_changes_the_weights(name):
    """The test above can fail: a single training pixel does change the weights."""
    settings = config(SPLITS[name])
    stack = stack_of(5, SCHEMES["objects"], annotated=(2,) if "single" in name else None)
    split = split_stack(stack, settings.split, border(1))
    other = changed(stack, where(stack, split, "training"))
    assert not same(weights_after(stack, settings), weights_after(other, settings))


def test_in_a_training_of_two_stacks():
    settings = config(SPLITS["last"])
    stacks = [stack_of(5, SCHEMES["objects"], seed=k) for k in range(2)]
    splits = [split_stack(stack, settings.split, border(1)) for stack in stacks]
    others = [changed(a, where(a, b, "validation")) for a, b in zip(stacks, splits)]
    assert same(weights_after(stacks, settings), weights_after(others, settings))


# -- resampled ------------------------------------------------------------------------------

PARTS = {"a region": SPLITS["region"], "a strip": SPLITS["strip of a single slice"]}


def batches(data: TrainingData) -> list[torch.Tensor]:
    """Everything that training takes from the data."""
    sampler = data.sampler()
    drawn = [sampler.batch(step) for step in range(12)]
    limits = torch.tensor([data.limits.low, data.limits.high])
    parts = [(one.image, one.classes, one.weights) for one in drawn]
    return [limits, torch.tensor(data.class_weights), *(part for one in parts for part in one)]


def of_float(stack: Stack) -> Stack:
    return replace(stack, image=stack.image.astype(np.float32))


@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("zoom", "pixel_size"),
    [
        (0.3, None), (0.5, None), (0.77, None), (1.3, None), (2.0, None), (1.0, 1.6),
        (0.5, (0.6, 0.9)), (1.0, "first"),
    ],
)  # fmt: skip
def test_resampling_carries_nothing_of_it_into_training(
    monkeypatch, zoom, pixel_size, part, windowed
):
    """One stack as it is and one of finer pixels; grey values as small and as large as they get."""
    if windowed:
        monkeypatch.setattr(PlaneTensors, "_prepares_whole", lambda self, tile: False)
    annotated = (2,) if part == "a strip" else None
    first, second = (
        of_float(stack_of(3, SCHEMES["objects"], annotated=annotated, seed=k, side=160))
        for k in range(2)
    )
    second = replace(second, scale=(1, 0.7, 0.6))
    settings = config(
        PARTS[part], zoom=zoom, pixel_size=pixel_size, augment=AugmentConfig(displacement=0)
    )
    settings = replace(settings, tile=28)
    data = TrainingData((first, second), settings)
    ats = [where(*pair, "validation") for pair in zip(data.given, data.given_splits)]
    assert all(at.any() for at in ats)
    others = [changed(stack, at) for stack, at in zip((first, second), ats)]
    before, after = batches(data), batches(TrainingData(others, settings))
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)


def test_weights_after_a_training_on_resampled_images_are_the_same():
    settings = config(SPLITS["region"], zoom=0.5)
    settings = replace(settings, tile=28)
    stack = stack_of(4, SCHEMES["objects"], side=160)
    (split,) = TrainingData(stack, settings).given_splits
    other = changed(stack, where(stack, split, "validation"))
    assert same(weights_after(stack, settings), weights_after(other, settings))
    trains = changed(stack, where(stack, split, "training"))
    assert not same(weights_after(stack, settings), weights_after(trains, settings))


# -- the limits by hand ---------------------------------------------------------------------


def test_limits_leave_out_what_validates():
    image = np.zeros((3, 4, 5))
    image[0], image[1], image[2] = 1.0, 2.0, 99.0
    image[:2, 0] = 3.0
    stack = Stack("s", image, "zyx", labels=np.zeros((2, 4, 5), np.uint8), annotated=(0, 2))
    by_slices = Intensity.measure(stack, (0, 100), split=Split((0,), (2,)))
    assert (by_slices.low, by_slices.high) == ((1.0,), (3.0,))  # slice 1 has no labels, but counts
    by_region = Intensity.measure(stack, (0, 100), split=Split((0,), (0,), (0, 1, 0, 5)))
    assert (by_region.low, by_region.high) == ((1.0,), (99.0,))
    stacks = (stack, Stack("t", image * 2, "zyx"))
    both = training_limits(stacks, (Split((0,), (1, 2)), Split((0, 1), (2,))))
    assert (both.low, both.high) == ((1.0,), (6.0,))


def test_a_region_that_leaves_nothing_to_measure_is_refused():
    stack = Stack("s", np.random.default_rng(0).random((4, 4)), "yx")
    with pytest.raises(InputError, match="draw a smaller region"):
        Intensity.measure(stack, split=Split((0,), (0,), (0, 4, 0, 4)))


def test_nan_is_found_where_it_validates_too():
    image = np.random.default_rng(0).random((3, 8, 8))
    image[2, 3, 3] = np.nan
    stack = Stack("s", image, "zyx")
    for split in (Split((0, 1), (2,)), Split((0, 1, 2), (0, 1, 2), (2, 5, 2, 5))):
        with pytest.raises(InputError, match="NaN"):
            training_limits((stack,), (split,))
