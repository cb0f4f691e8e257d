"""Looking for places between steps: when, and what is left out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_unet.app.suggesting import Suggesting
from napari_unet.base.errors import InputError
from napari_unet.config.network import UNetConfig
from napari_unet.config.presets import PRESETS
from napari_unet.images.stack import Stack
from napari_unet.network.compute import Compute
from napari_unet.network.unet import UNet
from napari_unet.training.data import TrainingData
from napari_unet.training.painting import Painting, to_paint
from napari_unet.training.stack_scan import StackScan


@pytest.fixture
def trainer():
    values = np.random.default_rng(0).integers(0, 255, (4, 96, 96), np.uint8)
    network = UNetConfig(depth=1, width=4, norm="batch")
    painting = Painting([to_paint(Stack("noise", values, "zyx"))], live=True)
    config = PRESETS["paint"].changed(network=network, tile=60)
    data = TrainingData(painting.stacks, config, painted=True)
    unet = UNet(data.config.network).eval()
    learner = SimpleNamespace(step=7, shown=unet, network=unet, compute=Compute())
    return SimpleNamespace(
        data=data, config=data.config, tile=60, learner=learner, painting=painting
    )


def test_it_takes_its_share_of_the_time(trainer, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    looks = []

    def look(scan, views, step):
        clock.now += 1.0  # s
        looks.append(clock.now)

    monkeypatch.setattr(StackScan, "look", look)
    suggesting = Suggesting(trainer, [], share=0.1, clock=lambda: clock.now)
    while clock.now < 100:
        clock.now += 0.5  # a step
        suggesting.next()
    assert 8 <= len(looks) <= 12


def test_at_rest_it_looks_through_everything_once(trainer):
    suggesting = Suggesting(trainer, [], share=0.0)
    found = [suggesting.next(at_rest=True) for _ in range(40)]
    windows = sum(one is not None for one in found)
    assert windows == suggesting._scan.windows < 40
    assert found[-1] is None
    trainer.learner.step += 1  # learnt something: what was found may be another now
    assert suggesting.next(at_rest=True) is not None


def test_what_was_looked_at_or_painted_is_left_out(trainer):
    looked_at = []
    suggesting = Suggesting(trainer, looked_at)
    first = None
    for _ in range(30):
        first = suggesting.next(at_rest=True) or first
    first, second, *_ = first.places
    looked_at.append(first)
    labels = np.zeros((96, 96), np.uint8)
    labels[second.box[0], second.box[2]] = 1
    trainer.painting.add(trainer.painting.difference(0, second.slice_index, labels))
    trainer.learner.step += 1
    left = suggesting.next(at_rest=True).places
    assert not any(place.overlaps(first) for place in left)
    assert second not in left


def test_a_window_that_cannot_be_read_is_passed_over(trainer, monkeypatch):
    read = type(trainer.data.images(0)).window

    def torn(images, i, rows, cols):
        if i == 2:
            raise InputError("slice 2 is torn")
        return read(images, i, rows, cols)

    monkeypatch.setattr(type(trainer.data.images(0)), "window", torn)
    suggesting = Suggesting(trainer, [])
    found = [suggesting.next(at_rest=True) for _ in range(40)]
    told = [one for one in found if one is not None]
    assert told
    assert all(place.slice_index != 2 for one in told for place in one.places)
    assert found[-1] is None  # every window was tried
