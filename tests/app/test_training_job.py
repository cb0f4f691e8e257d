"""What a training does in its worker, without a window: live pictures and a full disk."""

from __future__ import annotations

import time
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

import napari_unet.prediction.predict
from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.live_prediction import Look
from napari_unet.app.training_job import Ended, TrainingJob, TrainingRequest
from napari_unet.base.errors import CheckpointError, InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.stack import Stack
from napari_unet.prediction.pieces import Piece
from napari_unet.training.events import Adjusted, Finished, Step
from napari_unet.training.run_folder import RunFolder


def stack():
    """Four slices, the last without labels."""
    rng = np.random.default_rng(0)
    labels = (rng.random((4, 64, 64)) > 0.5).astype(np.uint8)
    image = labels + rng.normal(0, 0.1, labels.shape).astype(np.float32)
    scheme = LabelScheme("classes", values=(0, 1))
    return Stack("s", image, "zyx", labels=labels, scheme=scheme, annotated=(0, 1, 2))


@pytest.fixture
def bad_slice(monkeypatch):
    """Slice 3 has a pixel that is no number, in a part that no sample met."""
    predict = napari_unet.prediction.predict.predict

    def refuse(model, image, *args, slices, **options):
        if slices == (3,):
            raise InputError("slice 3 must hold finite grey values, got NaN")
        return predict(model, image, *args, slices=slices, **options)

    monkeypatch.setattr(napari_unet.prediction.predict, "predict", refuse)


def job(run=None, steps=6):
    config = TrainConfig(
        network=UNetConfig(depth=1, width=4), steps=steps, tile=36, batch=1, optimiser="adam",
        augment=AugmentConfig.none(), split=SplitConfig(mode="none"), device="cpu",
    )  # fmt: skip
    return TrainingJob(TrainingRequest((stack(),), config, run))


def test_a_slice_that_cannot_be_predicted_does_not_end_the_training(bad_slice):
    training = job()
    training.look = Look(3)
    events = []
    for event in training.events():
        events.append(event)
        if isinstance(event, Step):
            time.sleep(0.02)  # time for the live prediction
    said = [event.message for event in events if isinstance(event, Adjusted)]
    assert len(said) == 1
    assert said[0].startswith("there is no live prediction of slice 3: ")
    assert "finite grey values" in said[0]
    assert any(isinstance(event, Finished) for event in events)
    assert events[-1].step == 6


def test_another_slice_is_still_predicted(bad_slice):
    training = job()
    training.look = Look(3)
    tiles = []
    for event in training.events():
        if isinstance(event, Adjusted):
            training.look = Look(0)
        if isinstance(event, Piece):
            tiles.append(event)
    assert tiles
    assert {tile.index for tile in tiles} == {(0,)}


def test_closing_on_a_full_disk_says_so_and_computes_nothing_more(tmp_path, monkeypatch):
    def full(*_):
        raise CheckpointError("The disk is full.")

    monkeypatch.setattr(RunFolder, "write_state", full)
    training = job(tmp_path / "r", steps=10_000)
    training.look = Look(0)
    events = training.events()
    for event in events:
        if isinstance(event, Step) and event.step == 3:
            break
    with pytest.raises(CheckpointError, match="full"):
        events.close()


def test_the_model_comes_before_the_error_of_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise CheckpointError("The disk is full.")

    monkeypatch.setattr(RunFolder, "write_state", full)
    events = []
    with pytest.raises(CheckpointError, match="full"):
        deque(map(events.append, job(tmp_path / "r").events()))
    assert isinstance(events[-1], Ended)
    assert events[-1].model.run["step"] == 6


def test_places_to_paint_at_come_also_where_every_step_leaves_time_for_a_picture():
    step = Step(1, 0, 0.5, 1e-3, 3.0, float("nan"))
    trainer = SimpleNamespace(model=None, learner=SimpleNamespace(compute=None), painting=object())
    live = SimpleNamespace(next_piece=lambda *_: "piece")
    suggesting = SimpleNamespace(next=lambda *, at_rest: f"places {at_rest}")
    assert [*job()._after(step, trainer, live, suggesting)] == ["piece", "places False"]
