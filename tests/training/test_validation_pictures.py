"""A picture of every validation, and its numbers for programs that follow runs."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from PIL import Image

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import CheckpointError, InputError
from napari_unet.config.network import UNetConfig
from napari_unet.config.training import TrainConfig
from napari_unet.evaluation.pictures import FALSE_NEGATIVE, FALSE_POSITIVE
from napari_unet.images.stack import Stack
from napari_unet.training import validation_pictures as module
from napari_unet.training.events import Adjusted, Finished, Prepared, Step, Validated
from napari_unet.training.run_folder import RunFolder
from napari_unet.training.tracking import TensorBoard, scalars
from napari_unet.training.trainer import Trainer
from napari_unet.training.validation_pictures import ValidationPictures, validation_picture
from napari_unet.training.validation_planes import ValidationPlane

GAP = 6


def plane(classes, weights=None) -> ValidationPlane:
    shape = classes.shape
    everything = slice(0, shape[0]), slice(0, shape[1])
    weights = np.ones(shape, np.float32) if weights is None else weights
    return ValidationPlane(
        0, 3, *everything, np.full((1, *shape), 0.5, np.float32), classes.astype(np.uint8),
        weights.astype(np.float32), np.zeros((0, *shape), np.float32), np.zeros((0, 0), np.int32),
    )  # fmt: skip


def is_like(pixels, colour) -> np.ndarray:
    return np.abs(pixels.astype(int) - colour).max(-1) < 25


def test_image_truth_prediction_and_errors_by_hand():
    truth = np.array([[1, 1, 0, 0]] * 4)
    found = np.array([[1, 0, 1, 0]] * 4)
    weights = np.ones((4, 4))
    weights[0] = 0  # not annotated: no error
    image, labels, predicted, errors = np.split(
        np.pad(validation_picture(plane(truth, weights), found), ((0, 0), (0, GAP), (0, 0))), 4, 1
    )
    assert (image[:, :4] == 128).all()
    assert (labels[1:, :2] != 128).any(-1).all()
    assert (labels[1:, 2:4] == 128).all()
    assert (labels[0, :4] == 128).all()
    assert (predicted[:, [0, 2]] != 128).any(-1).all()
    assert (predicted[:, [1, 3]] == 128).all()
    assert is_like(errors[1:, 1], FALSE_NEGATIVE).all()
    assert is_like(errors[1:, 2], FALSE_POSITIVE).all()
    assert (errors[1:, [0, 3]] == 128).all()
    assert (errors[0, :4] == 128).all()


def test_a_large_slice_is_shown_small():
    truth = np.zeros((700, 300), int)
    assert validation_picture(plane(truth), truth).shape == (234, 4 * 100 + 3 * GAP, 3)


def stack() -> Stack:
    labels = np.zeros((4, 48, 48), np.uint8)
    labels[:, 10:30, 12:40] = 1
    image = labels * 100 + np.arange(4, dtype=np.uint8)[:, None, None]  # no slice twice
    return Stack("square", image, "zyx", labels, LabelScheme("classes", values=(0, 1)))


def tiny(**changes) -> TrainConfig:
    settings = {
        "network": UNetConfig(depth=1, width=2, dropout=0.0), "steps": 6, "tile": 36,
        "validate_every": 2, "checkpoint_every": 2, "device": "cpu",
    }  # fmt: skip
    return TrainConfig(**(settings | changes))


def test_every_validation_has_its_picture(tmp_path):
    list(Trainer(stack(), tiny(), tmp_path / "run").run())
    files = RunFolder(tmp_path / "run").pictures.files()
    assert list(files) == [2, 4, 6]
    picture = Image.open(files[6]).convert("RGB")
    assert picture.size == (4 * 48 + 3 * GAP, 48)
    assert files[6].stat().st_size < 20_000


def test_pictures_of_steps_that_a_resumed_run_does_again_are_forgotten(tmp_path):
    list(Trainer(stack(), tiny(), tmp_path / "run").run())
    pictures = RunFolder(tmp_path / "run").pictures
    late = pictures.folder / "step-000009.png"
    late.write_bytes(pictures.files()[6].read_bytes())
    events = Trainer(stack(), tiny(steps=8), tmp_path / "run", resume=True).run()
    assert isinstance(next(events), Prepared)
    assert list(pictures.files()) == [2, 4, 6]
    events.close()
    RunFolder(tmp_path / "run").clear()
    assert not pictures.folder.exists()


def test_pictures_without_a_run_are_not_replaced(tmp_path):
    pictures = ValidationPictures(tmp_path / "run")
    pictures.folder.mkdir(parents=True)
    (pictures.folder / "step-000002.png").write_bytes(b"mine")
    with pytest.raises(CheckpointError, match=r"step-000002\.png without a run"):
        list(Trainer(stack(), tiny(), tmp_path / "run").run())
    assert (pictures.folder / "step-000002.png").read_bytes() == b"mine"


def test_a_picture_that_cannot_be_written_ends_no_training(tmp_path, monkeypatch):
    def full(*_):
        raise CheckpointError("The disk is full.")

    monkeypatch.setattr(module, "write_atomically", full)
    events = list(Trainer(stack(), tiny(), tmp_path / "run").run())
    said = [e.message for e in events if isinstance(e, Adjusted)]
    assert said == ["The disk is full. The picture of this validation is left out."] * 3
    assert isinstance(events[-1], Finished)


def test_numbers_of_events_by_hand():
    step = Step(step=3, steps=9, loss=0.5, learning_rate=0.1, seconds=2.0, seconds_left=1.0)
    assert scalars(step) == {
        "training/loss": 0.5, "training/learning rate": 0.1, "training/seconds a step": 2.0,
    }  # fmt: skip
    nothing = Validated(3, 0.25, float("nan"), 0.75, float("nan"), True)
    assert scalars(nothing) == {"validation/loss": 0.25, "validation/pixel accuracy": 0.75}
    assert scalars(Adjusted("smaller")) == {}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = Trainer(stack(), tiny(), tmp_path / "run")
    with TensorBoard(tmp_path / "board", tmp_path / "run") as board:
        events = list(trainer.run())
        for event in events:
            board.add(event)
    read = EventAccumulator(str(tmp_path / "board"))
    read.Reload()
    losses = [one.value for one in read.Scalars("training/loss")]
    assert losses == pytest.approx([e.loss for e in events if isinstance(e, Step)], rel=1e-6)
    assert [one.step for one in read.Scalars("validation/IoU")] == [2, 4, 6]
    assert [one.step for one in read.Images("validation")] == [2, 4, 6]


def test_a_missing_tensorboard_is_one_sentence(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if "tensorboard" in name:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"napari-unet-trainer\[tensorboard\]"):
        TensorBoard(tmp_path)


def test_files_of_others_are_no_pictures(tmp_path):
    pictures = ValidationPictures(tmp_path)
    pictures.folder.mkdir()
    for name in ("step-3.png", "step-x.png", "note.txt"):
        (pictures.folder / name).write_bytes(b"")
    assert list(pictures.files()) == [3]
