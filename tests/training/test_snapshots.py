"""Snapshots: few, small, of known steps, and read as the models they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import CheckpointError
from napari_unet.config.network import UNetConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.intensity import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.training.events import Adjusted, Step
from napari_unet.training.run_folder import RunFolder, load_model
from napari_unet.training.snapshots import EVERY, LARGEST, MOST, Snapshots, spacing
from napari_unet.training.trainer import Trainer
from tests.stacks import bright_squares

SMALL = 10_000  # parameters


def model(seed=0, **network):
    config = UNetConfig(**{"depth": 1, "width": 4, "norm": "batch"} | network)
    return TrainedModel(
        UNet(config, torch.Generator().manual_seed(seed)).eval(),
        Intensity((0.0,), (255.0,)),
        LabelScheme("classes", values=(0, 1)),
    )


def test_which_steps_are_kept_by_hand():
    assert [spacing(n, SMALL) for n in (10, 200, 210, 400, 420, 800, 1000)] == [
        10, 10, 20, 20, 40, 40, 80,
    ]  # fmt: skip
    assert spacing(1000, LARGEST // 2 // 5) == 320  # five at most: 320, 640, 960
    assert spacing(1000, 10**9) == 320  # three at least


@given(step=st.integers(1, 10**6), parameters=st.integers(1, 10**9))
def test_never_more_than_fit_and_half_of_them_at_least(step, parameters):
    every = spacing(step, parameters)
    kept = step // every
    most = MOST if parameters < LARGEST // 2 // MOST else 3
    assert kept <= MOST
    if most == MOST:
        assert kept >= min(step // EVERY, MOST // 2)
        assert kept * 2 * parameters <= LARGEST
    former = spacing(max(1, step - 1), parameters)
    assert every % former == 0  # what is kept now was kept before


def train(folder, steps, stop=None, **options):
    config = TrainConfig(
        network=UNetConfig(depth=1, width=2), steps=steps, tile=28, batch=1, optimiser="adam",
        device="cpu", validate_every=25, checkpoint_every=7, average=0.9,
    )  # fmt: skip
    run, events = Trainer(bright_squares(3, 40), config, folder, **options).run(), []
    for event in run:
        events.append(event)
        if isinstance(event, Step) and event.step == stop:
            run.close()
    return events


def test_a_training_keeps_few_and_their_scores(tmp_path):
    events = train(tmp_path / "run", 230)
    files = RunFolder(tmp_path / "run").snapshots.files()
    assert list(files) == list(range(20, 221, 20))
    assert sum(file.stat().st_size for file in files.values()) < 400_000
    losses = [event.loss for event in events if isinstance(event, Step)]
    kept = load_model(tmp_path / "run", 100)
    assert kept.run["step"] == 100
    assert kept.run["scores"]["loss"] == pytest.approx(np.mean(losses[80:100]))
    measured = {e.step: e for e in events if type(e).__name__ == "Validated"}
    assert kept.run["scores"]["iou"] == pytest.approx(measured[100].iou)
    assert kept.run["scores"]["validation_loss"] == pytest.approx(measured[100].loss)


def test_it_is_the_network_that_is_shown_rounded_to_16_bits(tmp_path):
    config = TrainConfig(
        network=UNetConfig(depth=1, width=2), steps=10, tile=28, batch=1, optimiser="adam",
        device="cpu", average=0.9, checkpoint_every=1000,
    )  # fmt: skip
    trainer = Trainer(bright_squares(3, 40), config, tmp_path / "run")
    list(trainer.run())
    kept = load_model(tmp_path / "run", 10).network.state_dict()
    for name, values in trainer.learner.shown.state_dict().items():
        assert kept[name].dtype == values.dtype
        assert torch.equal(kept[name], values.half().float() if values.ndim > 1 else values)
        assert torch.allclose(kept[name], values, rtol=1e-3, atol=1e-6)


def test_a_killed_and_resumed_run_has_the_same(tmp_path):
    train(tmp_path / "through", 60)
    train(tmp_path / "run", 60, stop=33)
    train(tmp_path / "run", 60, resume=True)
    ours, theirs = (RunFolder(tmp_path / name).snapshots for name in ("run", "through"))
    assert list(ours.files()) == list(theirs.files()) == [10, 20, 30, 40, 50, 60]
    for step in ours.files():
        a, b = (one.read(step).network.state_dict() for one in (ours, theirs))
        assert all(torch.equal(a[name], b[name]) for name in a)
        assert ours.read(step).run["scores"] == theirs.read(step).run["scores"]


def test_later_ones_are_forgotten_where_a_run_goes_on_from_earlier(tmp_path):
    snapshots = Snapshots(tmp_path)
    for step in (10, 20, 30):
        snapshots.keep(step, model())
    snapshots.forget(20)
    assert list(snapshots.files()) == [10, 20]
    snapshots.forget()
    assert not snapshots.folder.exists()


def test_what_a_run_begins_with_is_kept_bit_by_bit(tmp_path):
    first = model(seed=5, width=2)
    weights = {name: values.clone() for name, values in first.network.state_dict().items()}
    train(tmp_path / "run", 30, start_from=first)
    kept = load_model(tmp_path / "run" / "snapshots" / "step-000000.safetensors")
    for name, values in weights.items():
        assert torch.equal(kept.network.state_dict()[name], values)
    assert list(RunFolder(tmp_path / "run").snapshots.files()) == [0, 10, 20, 30]


def test_values_beyond_16_bits_keep_32(tmp_path):
    one = model()
    with torch.no_grad():
        one.network.classify.weight.fill_(1e6)
    Snapshots(tmp_path).keep(10, one)
    assert bool((Snapshots(tmp_path).read(10).network.classify.weight == 1e6).all())


def test_a_step_that_was_not_kept_is_said_with_those_that_were(tmp_path):
    snapshots = Snapshots(tmp_path)
    with pytest.raises(CheckpointError, match="none was kept"):
        snapshots.read(10)
    snapshots.keep(10, model())
    with pytest.raises(CheckpointError, match="choose one of 10"):
        snapshots.read(15)


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
def test_a_damaged_one_is_one_sentence(tmp_path, cut):
    snapshots = Snapshots(tmp_path)
    snapshots.keep(10, model())
    (file,) = snapshots.files().values()
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(CheckpointError) as caught:
        snapshots.read(10)
    assert file.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_room_training_goes_on_and_says_it_once(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "snapshots").write_text("in the way")
    events = train(folder, 30)
    said = [e.message for e in events if isinstance(e, Adjusted) and "snapshot" in e.message]
    assert len(said) == 3
    assert "left out" in said[0]


def test_files_without_a_run_are_not_replaced_and_go_with_a_run(tmp_path):
    Snapshots(tmp_path).keep(10, model())
    with pytest.raises(CheckpointError, match="snapshots/step-000010"):
        RunFolder(tmp_path).check_free()
    RunFolder(tmp_path).clear()
    RunFolder(tmp_path).check_free()
