"""The trainer: learns, stops, resumes to the same bit, and survives what goes wrong."""

import json
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import CheckpointError, DeviceError, InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.datasets.synthetic import synthetic_stack
from napari_unet.images.stack import Stack
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_labels
from napari_unet.training.learner import Learner
from napari_unet.training.measuring import Measurement
from napari_unet.training.run_folder import RunFolder, load_model
from napari_unet.training.schedule import Schedule
from napari_unet.training.trainer import (
    Adjusted,
    Checkpointed,
    Diverged,
    Finished,
    Prepared,
    Step,
    TrainConfig,
    Trainer,
    Validated,
    train,
)
from tests.stacks import MASK, bright_squares


def tiny(**changes):
    settings = {
        "network": UNetConfig(depth=1, width=4, dropout=0.2, norm="batch"),
        "steps": 8,
        "tile": 36,
        "batch": 2,
        "optimiser": "adam",
        "learning_rate": 1e-2,
        "validate_every": 4,
        "checkpoint_every": 4,
        "device": "cpu",
    }
    return TrainConfig(**{**settings, **changes})


def weights_of(model):
    return {k: v.clone() for k, v in model.network.state_dict().items()}


def assert_same_weights(first, second):
    for name, value in weights_of(first).items():
        assert torch.equal(value, weights_of(second)[name]), name


# -- the run -------------------------------------------------------------------


def test_where_no_object_validates_the_loss_chooses_the_best_model(monkeypatch, tmp_path):
    """Its IoU cannot be measured: neither the 0 nor the 1 of an empty slice may choose."""
    losses = iter([0.5, 0.3, 0.4, 0.6])
    nothing = np.array([[100, 0], [0, 0]])
    monkeypatch.setattr(
        "napari_unet.training.trainer.measure",
        lambda *args: Measurement(next(losses), nothing),
    )
    events = list(Trainer(bright_squares(), tiny(validate_every=2), tmp_path / "run").run())
    validated = [event for event in events if isinstance(event, Validated)]
    assert [event.best for event in validated] == [True, True, False, False]
    assert all(np.isnan(event.iou) for event in validated)
    assert isinstance(events[-1], Finished)
    assert events[-1].best_step == 4
    assert np.isnan(events[-1].best_iou)
    assert load_model(tmp_path / "run").run["step"] == 4


def test_the_best_is_the_last_of_those_that_are_as_good_as_the_greatest(monkeypatch, tmp_path):
    from types import SimpleNamespace

    ious = iter([0.5, 0.9, 0.899, 0.892, 0.889, 0.8])
    monkeypatch.setattr(
        "napari_unet.training.trainer.measure",
        lambda *_: SimpleNamespace(
            loss=1.0, iou=next(ious), pixel_accuracy=0.5, f_score=0.5, fitted=None, first=None
        ),
    )
    events = list(train(bright_squares(), tiny(steps=6, validate_every=1), tmp_path / "run"))
    flags = [e.best for e in events if isinstance(e, Validated)]
    # within 0.01 of the greatest so far: steps 3 and 4, but they do not move the mark
    assert flags == [True, True, True, True, False, False]
    assert (events[-1].best_step, events[-1].best_iou) == (4, 0.892)
    assert load_model(tmp_path / "run").run["step"] == 4


def test_events_come_in_order():
    events = list(train(bright_squares(), tiny()))
    kinds = [type(event) for event in events]
    assert kinds[0] is Prepared
    assert kinds[-1] is Finished
    assert [e.step for e in events if isinstance(e, Step)] == list(range(1, 9))
    assert [e.step for e in events if isinstance(e, Validated)] == [4, 8]
    assert events[0].train_slices == 4
    assert events[0].validation_slices == 1
    assert all(np.isfinite(e.loss) and e.seconds > 0 for e in events if isinstance(e, Step))
    assert all(e.seconds_left >= 0 for e in events if isinstance(e, Step))


def test_the_time_left_is_not_that_of_the_slow_first_step(monkeypatch):
    learn = Learner.learn

    def slow_at_first(self, *args, **kwargs):
        time.sleep(0.8 if self.step == 0 else 0)
        return learn(self, *args, **kwargs)

    monkeypatch.setattr(Learner, "learn", slow_at_first)
    events = list(train(bright_squares(), tiny()))
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[0].seconds > 0.8
    assert all(one.seconds_left < 0.8 * (8 - one.step) / 2 for one in steps[1:7])


def test_it_learns_squares():
    config = tiny(steps=60, validate_every=60, augment=AugmentConfig.none())
    *_, validated, finished = train(bright_squares(), config)
    assert validated.iou > 0.85
    assert finished.best_iou == validated.iou


def test_it_learns_the_synthetic_stack():
    stack = synthetic_stack((6, 160, 160), seed=0)
    config = TrainConfig.preset_named(
        "fast",
        network=UNetConfig(depth=2, width=8, dropout=0.0, norm="batch"),
        steps=120,
        tile=136,
        batch=4,
        validate_every=120,
        device="cpu",
    )
    *_, validated, _ = train(stack, config)
    assert validated.iou > 0.80


def test_sgd_with_momentum_lowers_the_loss():
    config = tiny(optimiser="sgd", learning_rate=2e-2, momentum=0.9, steps=40, batch=4)
    losses = [e.loss for e in train(bright_squares(), config) if isinstance(e, Step)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    trainers = [Trainer(bright_squares(), tiny(seed=seed)) for seed in (3, 3, 4)]
    for trainer in trainers:
        torch.rand(7)  # whatever else draws random numbers in between
        list(trainer.run())
    assert_same_weights(trainers[0].model, trainers[1].model)
    assert not torch.equal(
        trainers[0].model.network.classify.weight, trainers[2].model.network.classify.weight
    )


def test_one_cycle_rises_and_falls():
    config = tiny(schedule="one-cycle", steps=100, learning_rate=1.0)
    rates = [Schedule(config).rate(s) for s in range(1, 101)]
    assert max(rates) == rates[9] == 1.0
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a > b for a, b in pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_gradients_of_parts_add_up_to_those_of_the_batch():
    config = tiny(
        network=UNetConfig(depth=1, width=4, dropout=0.0),
        batch=4,
        loss="weighted mean",
        optimiser="sgd",
        steps=1,
    )
    whole, parts = Trainer(bright_squares(), config), Trainer(bright_squares(), config)
    list(whole.run())
    events = parts.run()
    next(events)
    parts.learner.micro = 1
    list(events)
    for a, b in zip(whole.model.network.parameters(), parts.model.network.parameters()):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


# -- the run folder ------------------------------------------------------------


def test_a_run_leaves_everything_in_its_folder(tmp_path):
    trainer = Trainer(bright_squares(), tiny(), tmp_path / "run")
    events = list(trainer.run())
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "run.json",
        "best.safetensors",
        "last.safetensors",
        "state.pt",
        "history.jsonl",
        "validations",
    }
    folder = RunFolder(tmp_path / "run")
    assert TrainConfig.from_dict(folder.description()["config"]) == trainer.config
    assert [h["event"] for h in folder.history()] == [
        type(e).__name__ for e in events if not isinstance(e, Prepared)
    ]
    assert_same_weights(load_model(tmp_path / "run" / "last.safetensors"), trainer.model)
    assert folder.description()["data"][0]["name"] == "blobs"


def test_a_stopped_run_resumes_to_the_same_weights(tmp_path):
    through = Trainer(bright_squares(), tiny(steps=12), tmp_path / "through")
    list(through.run())
    stopped = Trainer(bright_squares(), tiny(steps=12), tmp_path / "stopped").run()
    for event in stopped:
        if isinstance(event, Step) and event.step == 6:  # between two checkpoints
            break
    stopped.close()
    assert RunFolder(tmp_path / "stopped").read_state()["step"] == 6
    resumed = Trainer(bright_squares(), tiny(steps=12), tmp_path / "stopped", resume=True)
    events = list(resumed.run())
    assert events[0].start_step == 6
    assert_same_weights(resumed.model, through.model)
    assert resumed.model.run["best"] == through.model.run["best"]


KILLED = """
    import sys
    sys.path[:0] = {places!r}
    from test_trainer import tiny
    from tests.stacks import bright_squares
    from napari_unet.training.trainer import Step, Trainer
    import torch
    torch.set_num_threads(1)
    for event in Trainer(bright_squares(), tiny(steps=12), {run!r}).run():
        if isinstance(event, Step) and event.step == 6:
            print("now", flush=True)
            import time
            time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_resumes_to_the_same_weights(tmp_path):
    through = Trainer(bright_squares(), tiny(steps=12))
    list(through.run())
    places = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    script = textwrap.dedent(KILLED.format(places=places, run=str(tmp_path / "r")))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"now\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert RunFolder(tmp_path / "r").read_state()["step"] == 4
    resumed = Trainer(bright_squares(), tiny(steps=12), tmp_path / "r", resume=True)
    list(resumed.run())
    assert_same_weights(resumed.model, through.model)


def test_a_finished_run_can_be_given_more_steps(tmp_path):
    list(train(bright_squares(), tiny(steps=4), tmp_path / "r"))
    events = list(train(bright_squares(), tiny(steps=6), tmp_path / "r", resume=True))
    assert [e.step for e in events if isinstance(e, Step)] == [5, 6]


def test_another_run_is_never_overwritten(tmp_path):
    list(train(bright_squares(), tiny(steps=1), tmp_path / "r"))
    with pytest.raises(CheckpointError, match="already holds a run"):
        train(bright_squares(), tiny(), tmp_path / "r")
    with pytest.raises(CheckpointError, match=r"other settings .*seed"):
        train(bright_squares(), tiny(seed=1), tmp_path / "r", resume=True)
    with pytest.raises(CheckpointError, match="other images or labels"):
        train(bright_squares(seed=1), tiny(), tmp_path / "r", resume=True)


def test_training_on_from_a_model():
    first = Trainer(bright_squares(), tiny(steps=30))
    list(first.run())
    second = Trainer(
        bright_squares(), tiny(steps=1, learning_rate=1e-9), start_from=first.snapshot()
    )
    events = list(second.run())
    assert events[2].iou == pytest.approx(first.model.run["best"]["iou"], abs=0.1)
    wrong = replace(first.snapshot(), network=UNet(UNetConfig(in_channels=2, width=1, depth=0)))
    with pytest.raises(InputError, match="2 channels and 2 classes, the stack 1 and 2"):
        Trainer(bright_squares(), tiny(), start_from=wrong)


# -- what goes wrong -----------------------------------------------------------


def test_closing_stops_at_once_and_leaves_no_thread():
    import threading

    before = threading.active_count()
    events = Trainer(bright_squares(), tiny(steps=10_000)).run()
    for event in events:
        if isinstance(event, Step):
            break
    events.close()
    assert threading.active_count() == before


def test_nan_stops_training_and_the_last_good_model_stays(tmp_path, monkeypatch):
    trainer = Trainer(bright_squares(), tiny(), tmp_path / "r")
    events = trainer.run()
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, Validated) and event.step == 4:
            with torch.no_grad():
                trainer.learner.network.classify.bias.fill_(float("nan"))
    assert isinstance(seen[-1], Diverged)
    assert seen[-1].step == 5
    assert "learning rate below 0.01" in seen[-1].message
    for model in (trainer.model, load_model(tmp_path / "r" / "last.safetensors")):
        assert all(v.isfinite().all() for v in model.network.state_dict().values())


def test_without_validation_the_last_checkpoint_is_the_last_good_model(tmp_path):
    config = tiny(split=SplitConfig(mode="none"), checkpoint_every=2)
    trainer = Trainer(bright_squares(), config, tmp_path / "r")
    for event in trainer.run():
        if isinstance(event, Checkpointed) and event.step == 6:
            good = weights_of(trainer.model)
            with torch.no_grad():
                trainer.learner.network.classify.bias.fill_(float("nan"))
    assert isinstance(event, Diverged)
    assert "the model of step 6 stays" in event.message
    for kept in (load_model(tmp_path / "r"), trainer.model):
        assert kept.run["step"] == 6
        for name, value in kept.network.state_dict().items():
            assert torch.equal(value, good[name]), name


def test_a_run_from_before_a_setting_existed_is_resumed(tmp_path):
    list(train(bright_squares(), tiny(steps=4), tmp_path / "r"))
    file = tmp_path / "r" / "run.json"
    description = json.loads(file.read_text())
    for part in ("augment", "weights", "split"):
        kept = description["config"][part]
        kept.pop(list(kept)[-1])  # the newest, at its default
    file.write_text(json.dumps(description))
    *_, finished = train(bright_squares(), tiny(steps=6), tmp_path / "r", resume=True)
    assert finished.step == 6
    with pytest.raises(CheckpointError, match="augment"):
        train(bright_squares(), tiny(augment=AugmentConfig.none()), tmp_path / "r", resume=True)


def test_a_resumed_run_keeps_the_grey_values_it_was_begun_with(tmp_path):
    first = Trainer(bright_squares(), tiny(steps=1))
    list(first.run())
    brighter = bright_squares(seed=1)
    brighter = replace(brighter, image=(brighter.image // 2 + 100).astype(np.uint8))
    run = Trainer(brighter, tiny(), tmp_path / "r", start_from=first.snapshot()).run()
    for event in run:
        if isinstance(event, Step) and event.step == 5:
            break
    run.close()
    resumed = Trainer(brighter, tiny(), tmp_path / "r", resume=True)
    list(resumed.run())
    assert resumed.model.intensity == first.model.intensity


def test_no_memory_for_making_tiles_is_handled_too(monkeypatch):
    from napari_unet.training.sampling import TileSampler

    make, calls = TileSampler.tile, []

    def short(self, step, index):
        calls.append((step, index))
        if len(calls) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return make(self, step, index)

    monkeypatch.setattr(TileSampler, "tile", short)
    events = list(train(bright_squares(), tiny()))
    assert "at a time" in next(e.message for e in events if isinstance(e, Adjusted))
    assert [e.step for e in events if isinstance(e, Step)] == list(range(1, 9))


def test_validation_tries_the_smallest_tile_when_little_memory_is_free(monkeypatch):
    expected = [e for e in train(bright_squares(), tiny()) if isinstance(e, Validated)]
    monkeypatch.setattr("napari_unet.training.measuring.available_memory", lambda device: 1000)
    freed = []
    monkeypatch.setattr("napari_unet.training.measuring.free_memory", freed.append)
    found = [e for e in train(bright_squares(), tiny()) if isinstance(e, Validated)]
    assert [e.iou for e in found] == pytest.approx([e.iou for e in expected])
    assert freed


def memory_for(limit, monkeypatch):
    forward = UNet.forward

    def short(self, x, dropped=None):
        if self.training and x.numel() > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return forward(self, x, dropped)

    monkeypatch.setattr(UNet, "forward", short)


def test_out_of_memory_computes_fewer_tiles_at_once(monkeypatch):
    memory_for(36 * 36, monkeypatch)
    events = list(train(bright_squares(), tiny(batch=4)))
    adjusted = [e.message for e in events if isinstance(e, Adjusted)]
    assert [m[-30:] for m in adjusted] == [
        "time, and their gradients added"[-30:],
        "time, and their gradients added"[-30:],
    ]
    assert "2 at a time" in adjusted[0]
    assert "1 at a time" in adjusted[1]
    assert [e.step for e in events if isinstance(e, Step)] == list(range(1, 9))


def test_out_of_memory_then_takes_smaller_tiles(monkeypatch):
    memory_for(30 * 30, monkeypatch)
    events = list(train(bright_squares(), tiny(batch=1)))
    assert "tiles are 26 now" in next(e.message for e in events if isinstance(e, Adjusted))
    assert isinstance(events[-1], Finished)


def test_no_memory_for_any_tile_is_an_error_with_advice(monkeypatch):
    memory_for(0, monkeypatch)
    with pytest.raises(DeviceError, match="use fewer channels"):
        list(train(bright_squares(), tiny(batch=1)))


class Disk:
    """Stands for a disk that is full at times."""

    def __init__(self, monkeypatch):
        self.full = False
        write, append = RunFolder.write_model, RunFolder.append_history
        state = RunFolder.write_state
        monkeypatch.setattr(RunFolder, "write_model", self._limited(write))
        monkeypatch.setattr(RunFolder, "append_history", self._limited(append))
        monkeypatch.setattr(RunFolder, "write_state", self._limited(state))

    def _limited(self, write):
        def limited(*args):
            if self.full:
                raise CheckpointError("The disk is full.")
            return write(*args)

        return limited


def test_a_full_disk_loses_nothing_before_it(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    events = Trainer(bright_squares(), tiny(), tmp_path / "r").run()
    for event in events:
        if isinstance(event, Checkpointed):
            break
    disk.full = True
    with pytest.raises(CheckpointError, match="full"):  # at the end of the run, not before
        list(events)
    assert RunFolder(tmp_path / "r").read_state()["step"] == 4
    assert RunFolder(tmp_path / "r").history()[-1]["step"] == 4
    load_model(tmp_path / "r")


def test_a_disk_that_is_full_for_a_while_does_not_end_the_run(tmp_path, monkeypatch):
    usual = list(train(bright_squares(), tiny(steps=12), tmp_path / "usual"))
    disk = Disk(monkeypatch)
    trainer = Trainer(bright_squares(), tiny(steps=12), tmp_path / "r")
    said = []
    for event in trainer.run():
        if isinstance(event, Step):
            disk.full = 3 <= event.step <= 6
        if isinstance(event, Adjusted):
            said.append(event.message)
    assert said == ["The disk is full. Training goes on, and tries again at step 8."]
    assert isinstance(event, Finished)
    mine, theirs = RunFolder(tmp_path / "r").history(), RunFolder(tmp_path / "usual").history()
    assert [(e["event"], e["step"]) for e in mine] == [
        (e["event"], e["step"])
        for e in theirs
        if not (e["event"] == "Checkpointed" and e["step"] == 4)
    ]
    best = [e.step for e in usual if isinstance(e, Validated) and e.best]
    assert load_model(tmp_path / "r").run["step"] == best[-1]


def test_the_best_model_waits_for_room(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    config = tiny(steps=12, validate_every=3, checkpoint_every=5)
    hits = iter([5, 9, 2, 1])  # of ten; the best comes while the disk is full

    def measure(*_):
        right = next(hits)
        return Measurement(1.0, np.array([[0, 0], [10 - right, right]]))

    monkeypatch.setattr("napari_unet.training.trainer.measure", measure)
    trainer = Trainer(bright_squares(), config, tmp_path / "r")
    for event in trainer.run():
        if isinstance(event, Step):
            disk.full = event.step in (4, 5, 6, 7)
        if isinstance(event, Validated) and event.step == 6:
            assert load_model(tmp_path / "r").run["step"] == 3
            assert trainer.unsaved_model().run["step"] == 6
    assert load_model(tmp_path / "r").run["step"] == 6


@pytest.mark.parametrize("value", [0, 1], ids=["background", "foreground"])
def test_labels_of_a_single_class_are_refused(value):
    labels = np.full((5, 64, 64), value, np.uint8)
    with pytest.raises(InputError):
        Trainer(bright_squares().with_labels(labels, MASK), tiny())


def test_a_stack_without_labels_is_refused():
    with pytest.raises(InputError, match="has no labels"):
        Trainer(bright_squares().with_labels(None), tiny())


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"steps": 0}, "steps must be a whole number from 1 to 1,000,000,000, got 0"),
        ({"tile": 37}, r"takes tiles of 20 \+ 2·n pixels, got 37: use 38"),
        ({"learning_rate": -1.0}, "learning_rate must be a number above 0"),
        ({"optimiser": "lion"}, "optimiser must be one of adam, sgd"),
        ({"momentum": 1.0}, "momentum"),
        ({"seed": -1}, "seed"),
        ({"device": "tpu"}, None),
    ],
)
def test_wrong_settings_are_refused(wrong, text):
    if text is None:
        with pytest.raises(InputError, match="device must be auto, cpu"):
            list(train(bright_squares(), tiny(**wrong)))
    else:
        with pytest.raises(InputError, match=text):
            tiny(**wrong)


def test_config_survives_json():
    import json

    config = tiny(split=SplitConfig(fraction=0.5), weights=None)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_images_smaller_than_a_tile_are_trained_on():
    stack = bright_squares(side=20)
    *_, finished = train(stack, tiny(steps=2))
    assert finished.step == 2


def test_the_network_can_be_used_between_two_events():
    trainer = Trainer(bright_squares(), tiny())
    for event in trainer.run():
        if isinstance(event, Step) and event.step == 2:
            stack = trainer.data.stacks[0]
            labels = predict_labels(trainer.model, stack, slices=(0,), device="cpu")
            assert labels.shape == (1, 64, 64)
            trainer.release()
    other = Trainer(bright_squares(), tiny())
    list(other.run())
    assert_same_weights(trainer.model, other.model)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int32, np.float16, np.float64])
def test_images_of_every_dtype_are_trained_on_and_predicted(dtype):
    stack = bright_squares(n=2)
    image = (stack.image > 120) if dtype is bool else (stack.image // 2).astype(dtype)
    trainer = Trainer(Stack("s", image, "zyx", labels=stack.labels, scheme=MASK), tiny(steps=2))
    events = list(trainer.run())
    assert all(np.isfinite(e.loss) for e in events if isinstance(e, Step))
    assert predict_labels(trainer.model, trainer.data.stacks[0], device="cpu").shape == (2, 64, 64)


def test_colour_images_are_trained_on_as_three_channels():
    grey = bright_squares(n=2)
    colour = np.stack([grey.image, 255 - grey.image, grey.image // 2], axis=-1)
    stack = Stack("s", colour, "zyxc", labels=grey.labels, scheme=MASK)
    trainer = Trainer(stack, tiny(steps=2))
    list(trainer.run())
    assert trainer.model.network.config.in_channels == 3
    assert predict_labels(trainer.model, stack, slices=(1,), device="cpu").shape == (1, 64, 64)


@pytest.mark.parametrize(
    ("image", "text"),
    [(np.full((2, 64, 64), 7, np.uint8), "constant"), (np.full((2, 64, 64), np.nan), "NaN")],
    ids=["constant", "NaN"],
)
def test_images_without_information_are_refused(image, text):
    stack = Stack("s", image, "zyx", labels=bright_squares(n=2).labels, scheme=MASK)
    with pytest.raises(InputError, match=text):
        list(train(stack, tiny()))


def test_three_classes_are_learnt_and_come_back_with_their_label_values():
    stack = bright_squares()
    labels = stack.labels.copy()
    labels[:, :, 32:][labels[:, :, 32:] == 1] = 7
    image = stack.image // 2 + 100 * (labels == 7).astype(np.uint8)
    scheme = LabelScheme(kind="classes", values=(0, 1, 7), names=("ground", "left", "right"))
    three = Stack("s", image, "zyx", labels=labels, scheme=scheme)
    network = UNetConfig(depth=1, width=8, dropout=0.0, norm="batch")
    config = tiny(network=network, steps=80, validate_every=80, augment=AugmentConfig.none())
    trainer = Trainer(three, config)
    list(trainer.run())
    found = predict_labels(trainer.model, three, device="cpu")
    assert set(np.unique(found)) == {0, 1, 7}
    assert (found == labels).mean() > 0.9


def test_sparse_annotation_trains_on_annotated_pixels_only():
    stack = bright_squares()
    labels = np.zeros_like(stack.labels)
    labels[:, 8:40, 8:40] = stack.labels[:, 8:40, 8:40] + 1
    scheme = LabelScheme(kind="classes", annotation="sparse", values=(1, 2))
    sparse = Stack("s", stack.image, "zyx", labels=labels, scheme=scheme)
    config = tiny(steps=60, validate_every=60, augment=AugmentConfig.none())
    trainer = Trainer(sparse, config)
    *_, validated, _ = trainer.run()
    assert validated.iou > 0.8
    found = predict_labels(trainer.model, sparse, device="cpu")
    assert ((found == 2) == stack.labels).mean() > 0.9, "outside of the annotation too"


def test_trainings_at_once_do_not_disturb_one_another():
    """Dropout has random numbers of its own: as many trainings as there are, each as if alone."""
    stack = bright_squares()
    settings = [tiny(seed=seed, steps=12, validate_every=12) for seed in range(3)]

    def train_one(config):
        trainer = Trainer(stack, config)
        for _ in trainer.run():
            time.sleep(0)  # lets the others in between two steps
        return weights_of(trainer.model)

    alone = [train_one(config) for config in settings]
    with ThreadPoolExecutor(len(settings)) as pool:
        together = list(pool.map(train_one, settings))
    for one, other in zip(alone, together):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_dropout_is_that_of_torch():
    """Bit by bit, so that runs of earlier versions are resumed as they would have gone on."""
    network = UNet(UNetConfig(depth=1, width=4, dropout=0.3)).train()
    x = torch.randn(2, 1, 44, 44)
    for layout in (torch.contiguous_format, torch.channels_last):
        x = x.contiguous(memory_format=layout)
        network.to(memory_format=layout)  # as the learner places it
        drawn = network.draw_dropout(
            x.shape, torch.Generator().manual_seed(5), memory_format=layout
        )
        torch.manual_seed(5)
        assert torch.equal(network(x, drawn), network(x))
    network.dropout.p = 0.0
    assert network.draw_dropout(x.shape, torch.Generator()) is None
