"""A training that is painted into: what a stroke changes, and that it can be replayed."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import CheckpointError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.images.stack import Stack
from napari_unet.training.events import Finished, Painted, Step, Waiting
from napari_unet.training.journal import Edit, Journal
from napari_unet.training.learner import Learner
from napari_unet.training.painted_run import PaintedRun
from napari_unet.training.painting import Painting
from napari_unet.training.strokes import Stroke
from napari_unet.training.trainer import Trainer

SPARSE = LabelScheme("classes", "sparse", (1, 2))


def discs():
    """(3, 48, 64) image of bright discs, and which pixels lie in one."""
    y, x = np.mgrid[:48, :64]
    inside = np.zeros((3, 48, 64), bool)
    for i in range(3):
        for cy, cx in ((12, 14 + 6 * i), (34, 44 - 5 * i)):
            inside[i] |= (y - cy) ** 2 + (x - cx) ** 2 < 81
    noise = np.random.default_rng(0).normal(0, 12, inside.shape)
    return np.clip(60 + 110 * inside + noise, 0, 255).astype(np.uint8), inside


def blank():
    image, _ = discs()
    return Stack("discs", image, "zyx", labels=np.zeros(image.shape, np.uint8), scheme=SPARSE)


def config(**changes):
    return TrainConfig(**{
        "network": UNetConfig(depth=1, width=4, dropout=0.2, norm="batch"), "steps": 60,
        "tile": 44, "batch": 2, "optimiser": "adam", "learning_rate": 3e-3, "schedule": "open",
        "patience": 20, "average": 0.9, "consistency": 10.0, "stroke_share": 0.5,
        "loss": "weighted mean",
        "weights": WeightConfig(preset="none"), "augment": AugmentConfig(),
        "checkpoint_every": 7, "device": "cpu",
    } | changes)  # fmt: skip


BEGIN = (
    Stroke(0, 0, 0, ((23, 4), (23, 34)), 3),
    Stroke(0, 0, 1, ((12, 8), (12, 20)), 5),
)


def script(seed, count=6, until=30):
    rng = np.random.default_rng(seed)
    _, inside = discs()
    strokes = list(BEGIN)
    for _ in range(count):
        i, y, x = int(rng.integers(3)), int(rng.integers(4, 44)), int(rng.integers(4, 60))
        value = int(inside[i, y, x]) if rng.random() > 0.2 else None
        end = y + int(rng.integers(-4, 5)), x + int(rng.integers(-4, 5))
        strokes.append(Stroke(int(rng.integers(1, until)), i, value, ((y, x), end), 3))
    return sorted(strokes, key=lambda stroke: stroke.step)


def trainer_of(strokes, folder=None, *, resume=False, **changes):
    journal = None if folder is None else Journal(folder)
    painting = Painting([blank()], journal, script=strokes)
    return Trainer(painting.stacks, config(**changes), folder, resume=resume, painting=painting)


def weights_of(trainer):
    return {k: v.clone() for k, v in trainer.learner.network.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_from_nothing_but_strokes_it_learns():
    trainer = trainer_of(BEGIN, steps=150, patience=200, learning_rate=1e-2)
    events = list(trainer.run())
    painted = [event for event in events if isinstance(event, Painted)]
    assert [(event.step, event.edits) for event in painted] == [(0, 2)]
    assert math.isnan(painted[0].right)  # nothing had been learnt before
    from napari_unet.prediction.arrays import predict_labels

    image, inside = discs()
    labels = predict_labels(trainer.model, image, "zyx", device="cpu")
    both = ((labels == 2) & inside).sum() / ((labels == 2) | inside).sum()
    assert both > 0.8


def test_no_stroke_changes_a_weight_before_it_and_every_stroke_does_after():
    def weights_at(strokes):
        trainer = trainer_of(strokes, steps=12)
        return [weights_of(trainer) for event in trainer.run() if isinstance(event, Step)]

    without = weights_at(BEGIN)
    late = weights_at([*BEGIN, Stroke(6, 1, 0, ((4, 4), (4, 30)), 5)])
    for k in range(6):
        assert_same(without[k], late[k])  # steps 1 to 6
    for k in (6, 7):
        name = "classify.weight"
        assert not torch.equal(without[k][name], late[k][name])


def test_undo_restores_the_batches():
    painting = Painting([blank()], script=BEGIN)
    trainer = Trainer(painting.stacks, config(stroke_share=0.0), painting=painting)
    run = trainer.run()
    while not isinstance(next(run), Step):
        pass
    before = trainer.sampler.batch(5)
    painting.add(Edit(0, 0, (30, 40, 5, 25), np.full((10, 20), 1, np.uint8)))
    while not isinstance(next(run), Painted):
        pass
    next(run)
    assert not torch.equal(trainer.sampler.batch(5).weights, before.weights)
    painting.add(Edit(0, 0, (30, 40, 5, 25), np.zeros((10, 20), np.uint8)))
    while not isinstance(next(run), Painted):
        pass
    next(run)
    after = trainer.sampler.batch(5)
    for name in ("image", "classes", "weights"):
        assert torch.equal(getattr(after, name), getattr(before, name))
    run.close()


@pytest.mark.parametrize("seed", range(6))
def test_stopped_and_resumed_equals_undisturbed(tmp_path, seed):
    strokes = script(seed)
    through = trainer_of(strokes, steps=30)
    list(through.run())
    stop = int(np.random.default_rng(seed).integers(2, 29))
    first = trainer_of(strokes, tmp_path / "run", steps=30)
    run = first.run()
    for event in run:
        if isinstance(event, Step) and event.step == stop:
            break
    run.close()
    again = trainer_of(strokes, tmp_path / "run", steps=30, resume=True)
    list(again.run())
    assert_same(weights_of(through), weights_of(again))
    assert_same(through.model.network.state_dict(), again.model.network.state_dict())


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from test_painted_training import script, trainer_of
    from napari_unet.training.trainer import Step
    for event in trainer_of(script({seed}), Path({run!r}), steps=30).run():
        if isinstance(event, Step) and event.step == {stop}:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(("seed", "stop"), [(0, 13), (1, 20), (2, 7)])
def test_killed_and_resumed_equals_undisturbed(tmp_path, seed, stop):
    through = trainer_of(script(seed), steps=30)
    list(through.run())
    code = KILLED.format(
        tests=str(Path(__file__).parent), seed=seed, stop=stop, run=str(tmp_path / "run")
    )
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    again = trainer_of(script(seed), tmp_path / "run", steps=30, resume=True)
    list(again.run())
    assert_same(weights_of(through), weights_of(again))


LIVE = {2: (0, (4, 8, 4, 30), 1), 5: (1, (30, 36, 40, 48), 2), 17: (2, (10, 15, 8, 18), 2)}
"""After a step: slice, box and value that somebody paints by hand."""

KILLED_BY_HAND = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from test_painted_training import by_hand, blank
    from napari_unet.training.journal import Journal
    from napari_unet.training.painting import Painting
    painting = Painting([blank()], Journal(Path({run!r})), live=True)
    for step in by_hand(painting, Path({run!r})):
        if step == 13:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def by_hand(painting, folder, *, resume=False):
    """Train while somebody paints; yields every step."""
    if not resume:
        for i, box, value in ((0, (23, 26, 4, 34), 1), (0, (10, 15, 8, 20), 2)):
            painting.add(edit_of(i, box, value))
    trainer = Trainer(painting.stacks, config(steps=30), folder, resume=resume, painting=painting)
    for event in trainer.run():
        if isinstance(event, Step):
            yield event.step
            if event.step in LIVE and not (resume and event.step < 13):
                painting.add(edit_of(*LIVE[event.step]))
    yield trainer


def edit_of(i, box, value):
    return Edit(0, i, box, np.full((box[1] - box[0], box[3] - box[2]), value, np.uint8))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_what_is_painted_by_hand_before_and_after_a_kill_gives_the_undisturbed_weights(tmp_path):
    *_, through = by_hand(Painting([blank()], live=True), None)
    code = KILLED_BY_HAND.format(tests=str(Path(__file__).parent), run=str(tmp_path / "run"))
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    painting = PaintedRun(tmp_path / "run").painting([blank().with_labels(None)], live=True)
    *_, again = by_hand(painting, tmp_path / "run", resume=True)
    assert_same(weights_of(through), weights_of(again))
    assert_same(through.learner.shown.state_dict(), again.learner.shown.state_dict())
    assert np.array_equal(through.painting.whole(0), again.painting.whole(0))


def test_what_a_full_disk_did_not_take_is_saved_with_the_next_checkpoint(tmp_path, monkeypatch):
    run, write = tmp_path / "run", Journal._write

    def full(self, line):
        self._unsaved += line
        raise CheckpointError("the disk is full")

    painting = Painting([blank()], Journal(run), script=BEGIN, live=True)
    trainer = Trainer(painting.stacks, config(steps=30), run, painting=painting)
    with closing(trainer.run()) as events:
        for step in (event.step for event in events if isinstance(event, Step)):
            if step == 8:
                monkeypatch.setattr(Journal, "_write", full)
                with pytest.raises(CheckpointError):
                    painting.add(edit_of(1, (2, 5, 4, 30), 1))
            elif step == 10:
                monkeypatch.setattr(Journal, "_write", write)
                assert len(Journal(run).edits) == 2
            elif step == 15:  # after the checkpoint of step 14
                break
        kept = Journal(run)
        assert [edit.slice_index for edit in kept.edits] == [0, 0, 1]
        assert [(one.step, one.edits) for one in kept.effects] == [(0, 2), (8, 3)]


@pytest.mark.parametrize("seed", range(4))
def test_a_replay_gives_the_same_weights(tmp_path, seed):
    first = trainer_of(script(seed), tmp_path / "run", steps=30)
    list(first.run())
    painting = Painting([blank()], Journal(tmp_path / "again"), replayed=Journal(tmp_path / "run"))
    again = Trainer(painting.stacks, config(steps=30), tmp_path / "again", painting=painting)
    list(again.run())
    assert_same(weights_of(first), weights_of(again))
    kept = [Journal(tmp_path / name).effects for name in ("run", "again")]
    assert [(e.step, e.edits) for e in kept[0]] == [(e.step, e.edits) for e in kept[1]]


def test_staying_near_the_average_is_learnt_in_parts_as_well():
    network = UNetConfig(depth=1, width=4, dropout=0.0)
    ends = []
    for micro, consistency in ((2, 100.0), (1, 100.0), (2, 0.0)):
        changes = {"network": network, "optimiser": "sgd", "consistency": consistency}
        trainer = trainer_of(BEGIN, **changes)
        for event in trainer.run():
            trainer.learner.micro = micro
            if isinstance(event, Step) and event.step == 5:
                break
        ends.append(weights_of(trainer))
    whole, parts, without = ends
    for name, values in whole.items():
        torch.testing.assert_close(values, parts[name], atol=1e-6, rtol=1e-5)
    assert not all(torch.allclose(values, without[name]) for name, values in whole.items())


def test_the_loss_that_is_told_is_that_of_what_is_painted():
    """The same as where nothing is stayed near to, from the same weights; the step differs."""
    told, ends = [], []
    for consistency in (100.0, 0.0):
        trainer = trainer_of(BEGIN, consistency=100.0, checkpoint_every=10**6)
        for event in trainer.run():
            if isinstance(event, Step) and event.step == 10:
                trainer.learner.config = config(consistency=consistency)
            if isinstance(event, Step) and event.step == 11:
                told.append(event.loss)
                ends.append(weights_of(trainer))
                break
    assert told[0] == told[1]
    assert not all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def after_a_step(statistics=None):
    """Weights and the average's buffers after the step that follows ten others."""
    network = UNetConfig(depth=1, width=4, dropout=0.0, norm="batch")
    trainer = trainer_of(BEGIN, network=network, consistency=100.0)
    for event in trainer.run():
        if isinstance(event, Step) and event.step == 10:
            for name, values in trainer.learner.shown.named_buffers():
                if statistics is not None and "running" in name:
                    values.fill_(statistics)
        if isinstance(event, Step) and event.step == 11:
            break
    return weights_of(trainer), dict(trainer.learner.shown.named_buffers())


def test_the_average_is_asked_as_the_network_sees_its_tiles():
    """By the statistics of these tiles: those of the average do not count, and are left alone."""
    usual, _ = after_a_step()
    odd, buffers = after_a_step(100.0)
    assert_same(usual, odd)
    kept = (1 + 10) / (10 + 10)  # of the average, while it is short
    for name, values in buffers.items():
        if "running" in name:
            expected = 100.0 * kept + (1 - kept) * usual[name]
            torch.testing.assert_close(values, expected, atol=1e-4, rtol=1e-5)


def test_where_all_is_annotated_there_is_nothing_to_stay_near_to():
    _, inside = discs()
    dense = Stack("discs", discs()[0], "zyx", labels=inside + 1, scheme=SPARSE)
    ends = []
    for consistency in (0.0, 10.0):
        trainer = Trainer(dense, config(schedule="constant", steps=4, consistency=consistency))
        list(trainer.run())
        ends.append(weights_of(trainer))
    assert_same(*ends)


def test_it_settles_waits_and_wakes_up():
    painting = Painting([blank()], script=BEGIN, live=True)
    trainer = Trainer(painting.stacks, config(steps=10**6), painting=painting)
    run = trainer.run()
    settled = next(event for event in run if isinstance(event, Waiting) and event.settled)
    assert settled.step == 20 + 150
    assert isinstance(next(run), Waiting)
    painting.add(Edit(0, 0, (30, 34, 5, 25), np.full((4, 20), 1, np.uint8)))
    assert isinstance(next(run), Painted)
    woken = next(run)
    assert isinstance(woken, Step)
    assert 0 < woken.learning_rate < 3e-3 / 10
    run.close()


def test_it_waits_for_two_classes():
    painting = Painting([blank()], script=BEGIN[:1], live=True)
    run = Trainer(painting.stacks, config(), painting=painting).run()
    kinds = [type(next(run)) for _ in range(4)]
    assert kinds[-1] is Waiting
    assert Step not in kinds
    painting.add(Edit(0, 0, (10, 14, 8, 20), np.full((4, 12), 2, np.uint8)))
    while not isinstance(event := next(run), Step):
        assert isinstance(event, Waiting | Painted)
    run.close()


def test_a_script_that_settles_is_over():
    events = list(trainer_of(BEGIN, steps=10**6).run())
    assert isinstance(events[-1], Finished)
    assert events[-1].step == 20 + 150


def test_strokes_are_scored_before_they_are_learnt():
    image, _inside = discs()
    trainer = trainer_of(BEGIN, steps=10**6, patience=120, learning_rate=1e-2)
    run = trainer.run()
    for event in run:
        if isinstance(event, Step) and event.step == 119:
            break
    from napari_unet.prediction.arrays import predict_labels

    labels = predict_labels(trainer.model, image, "zyx", device="cpu")[2]
    box = (2, 40, 3, 60)
    wrong = np.where(labels == 2, 1, 2)  # all that the network says, turned round
    window = slice(2, 40), slice(3, 60)
    trainer.painting.add(Edit(0, 2, box, wrong[window].astype(np.uint8)))
    painted = next(event for event in run if isinstance(event, Painted))
    assert painted.right == 0
    trainer.painting.add(Edit(0, 2, box, labels[window].astype(np.uint8)))
    painted = next(event for event in run if isinstance(event, Painted))
    assert painted.right == pytest.approx(0.5, abs=0.1)  # the mean of both
    run.close()


@pytest.mark.parametrize("zoom", [0.5, 1.6])
def test_strokes_are_scored_as_the_network_sees_them(zoom):
    trainer = trainer_of(BEGIN, steps=10**6, patience=120, learning_rate=1e-2, zoom=zoom)
    run = trainer.run()
    for event in run:
        if isinstance(event, Step) and event.step == 119:
            break
    from napari_unet.prediction.arrays import predict_labels

    labels = predict_labels(trainer.model, discs()[0], "zyx", device="cpu")[2]
    inside = labels == 2
    assert 0.1 < inside.mean() < 0.9
    box, window = (2, 40, 3, 60), (slice(2, 40), slice(3, 60))
    for values, expected in ((3 - labels, 0), (labels, 0.5)):  # the last: the mean of both
        trainer.painting.add(Edit(0, 2, box, values[window].astype(np.uint8)))
        painted = next(event for event in run if isinstance(event, Painted))
        # A resampled answer differs from the seen one along the outlines.
        assert painted.right == pytest.approx(expected, abs=0.1)
    run.close()


def test_scoring_many_strokes_takes_no_more_tiles_than_a_step(monkeypatch):
    trainer = trainer_of(BEGIN, steps=10**6, patience=120, learning_rate=1e-2)
    run = trainer.run()
    for event in run:
        if isinstance(event, Step) and event.step == 60:
            break
    from napari_unet.prediction.arrays import predict_labels

    labels = predict_labels(trainer.model, discs()[0], "zyx", device="cpu")
    asked, answers = [], Learner.answers
    monkeypatch.setattr(
        Learner, "answers", lambda self, x: asked.append(len(x)) or answers(self, x)
    )
    # tiles of 44 give 28 pixels, so that squares begin at 0, 28, 56
    places = [(2, 30, 30), (2, 40, 45), (2, 4, 4), (1, 4, 4), (0, 40, 4), (2, 29, 35)]
    for k, (i, y, x) in enumerate(places):
        values = np.full((5, 4), 1 + k % 2, np.uint8)
        trainer.painting.add(Edit(0, i, (y, y + 5, x, x + 4), values))
    next(event for event in run if isinstance(event, Painted))
    assert asked == [2]  # tiles in a step
    right = trainer.painting.journal.effects[-1].right
    # the latest edit, (2, 29, 35), with its neighbours in a square, and the one before it
    for k, (i, y, x) in enumerate(places):
        if k in (0, 1, 4, 5):
            share = (labels[i, y : y + 5, x : x + 4] == 1 + k % 2).mean()
            assert right[k] == pytest.approx(share, abs=0.051)  # a pixel of 20, for rounding
        else:
            assert math.isnan(right[k])
    run.close()


def test_dense_labels_are_validated_as_ever_and_strokes_there_do_not_train():
    image, inside = discs()
    dense = LabelScheme("classes", "dense", (0, 1))
    stack = Stack("discs", image, "zyx", labels=inside.astype(np.uint8), scheme=dense)

    def weights(strokes):
        painting = Painting([stack], script=strokes)
        trainer = Trainer(
            painting.stacks, config(steps=14, split=SplitConfig("slices", slices=(2,))),
            painting=painting,
        )  # fmt: skip
        events = list(trainer.run())
        return weights_of(trainer), events

    plain, _ = weights([])
    same, _ = weights([Stroke(4, 2, 1, ((10, 10), (10, 40)), 5)])
    assert_same(plain, same)
    other, _ = weights([Stroke(4, 1, 1, ((10, 10), (10, 40)), 5)])
    assert not torch.equal(plain["classify.weight"], other["classify.weight"])


def test_strokes_outside_a_training_that_has_none_are_not_asked_for(tmp_path):
    """A plain training knows nothing of all this."""
    image, inside = discs()
    dense = LabelScheme("classes", "dense", (0, 1))
    stack = Stack("discs", image, "zyx", labels=inside.astype(np.uint8), scheme=dense)
    plain = config(steps=3, schedule="constant", average=0.0, consistency=0.0)
    list(Trainer(stack, plain, tmp_path / "r").run())
    assert not (tmp_path / "r" / "journal.jsonl").exists()
