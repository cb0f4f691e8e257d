"""The block that validates lies along the axis that keeps it apart best."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.last_block import last_block
from napari_unet.annotation.splits import split_stack
from napari_unet.base.errors import InputError
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.stack import Stack
from napari_unet.training.trainer import Trainer


def film(still: str, n=(4, 5), axes="tzyx", annotated=None) -> Stack:
    """Planes that are the same along one axis, but for noise, and differ along the other."""
    rng = np.random.default_rng(0)
    along = [1 if a == still else size for a, size in zip(axes, n)]
    image = rng.integers(0, 200, (*along, 32, 32)) + rng.integers(0, 20, (*n, 32, 32))
    labels = rng.integers(0, 2, image.shape).astype(np.uint8)
    scheme = LabelScheme("classes")
    if annotated is not None:
        labels = labels.reshape(-1, 32, 32)[list(annotated)]
    return Stack("film", image.astype(np.uint16), axes, labels, scheme, annotated)


@pytest.mark.parametrize(("still", "block"), [("t", "z"), ("z", "t")])
def test_the_block_lies_along_the_axis_that_decorrelates_most(still, block):
    split = split_stack(film(still), SplitConfig(), 0)
    t, z = np.unravel_index(split.validation, (4, 5))
    if block == "z":
        assert set(z.tolist()) == {4}
        assert set(t.tolist()) == {0, 1, 2, 3}
    else:
        assert set(t.tolist()) == {3}
        assert set(z.tolist()) == {0, 1, 2, 3, 4}
    assert sorted(split.train + split.validation) == list(range(20))
    assert split.note == (
        f"Slices validate in a block along {block}: its last 1 of {5 if block == 'z' else 4}, "
        f"whatever {still}; along it they look least alike."
    )


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 5)), st.sampled_from("tz"),
    st.floats(0.05, 0.9), st.data(),
)  # fmt: skip
def test_no_position_of_the_block_trains(n, still, fraction, data):
    count = n[0] * n[1]
    some = data.draw(st.sets(st.integers(0, count - 1), min_size=min(2, count), max_size=count))
    if len(some) < 2:
        return
    stack = film(still, n, annotated=tuple(sorted(some)))
    split = split_stack(stack, SplitConfig(fraction=fraction), 0)
    assert split.train
    assert split.validation
    assert sorted(split.train + split.validation) == sorted(some)
    train = np.array([stack.index(i) for i in split.train])
    held = np.array([stack.index(i) for i in split.validation])
    assert any(set(train[:, k]).isdisjoint(held[:, k]) for k in (0, 1))


def test_a_plain_stack_is_divided_as_ever_and_not_read():
    class Unread:
        shape, dtype, ndim = (10, 8, 8), np.dtype(np.uint8), 3

        def __getitem__(self, key):
            raise AssertionError("read")

    stack = Stack("s", Unread(), "zyx", np.ones((10, 8, 8), np.uint8), LabelScheme("classes"))
    block = last_block(stack, tuple(range(10)), 0.2)
    assert (block.slices, block.note) == ((8, 9), "")
    # One time point of a film is a plain stack.
    block = last_block(film("t", (4, 5)), (5, 6, 7, 8, 9), 0.2)
    assert (block.slices, block.note) == ((9,), "")


def test_the_axis_can_be_said():
    stack = film("t")
    assert split_stack(stack, SplitConfig(axis="t"), 0).validation == (15, 16, 17, 18, 19)
    assert split_stack(stack, SplitConfig(axis=""), 0).validation == (16, 17, 18, 19)
    assert SplitConfig.from_dict(SplitConfig(axis="z").to_dict()).axis == "z"
    for unknown in ("T", "q", "c"):  # once the slices as they follow one another
        with pytest.raises(InputError, match=f"along axis '{unknown}', but .* along t and z"):
            split_stack(stack, SplitConfig(axis=unknown), 0)


def test_what_validates_has_no_part_in_the_choice():
    stack = film("t")
    before = split_stack(stack, SplitConfig(), 0)
    image = stack.image.copy()
    image[:, 4] = np.random.default_rng(1).integers(0, 60_000, image[:, 4].shape)
    other = Stack("film", image, "tzyx", stack.labels, stack.scheme)
    assert split_stack(other, SplitConfig(), 0) == before


def test_a_run_of_an_older_version_is_resumed_with_its_own_slices(tmp_path):
    settings_ = TrainConfig(
        network=UNetConfig(depth=1, width=2, dropout=0.0), tile=28, batch=1, steps=2, device="cpu",
        split=SplitConfig(axis=""), checkpoint_every=1,
    )  # fmt: skip
    stack = film("t")
    list(Trainer(stack, settings_, tmp_path / "run").run())
    file = tmp_path / "run" / "run.json"
    description = json.loads(file.read_text())
    del description["config"]["split"]["axis"]  # which older versions did not know
    file.write_text(json.dumps(description))
    resumed = Trainer(stack, settings_.changed(steps=3, split={"axis": None}), tmp_path / "run",
                      resume=True)  # fmt: skip
    assert resumed.data.splits[0].validation == (16, 17, 18, 19)
