"""One run with one seed: trained, measured, resumed, skipped."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_unet.base.errors import CheckpointError
from napari_unet.config.network import UNetConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.datasets.synthetic import synthetic_stack
from napari_unet.reproduction import attempt as module
from napari_unet.reproduction.attempt import Attempt, Effort
from napari_unet.reproduction.course import read_course
from napari_unet.reproduction.data import ExperimentData
from napari_unet.reproduction.table import EXPERIMENTS, Experiment
from napari_unet.training.events import Finished, Step, Validated
from napari_unet.training.run_folder import RunFolder


@pytest.fixture(scope="session")
def stack():
    return synthetic_stack((5, 48, 48))


@pytest.fixture
def tiny(stack, monkeypatch) -> Experiment:
    monkeypatch.setattr(module, "open_data", lambda *_: ExperimentData(stack))
    monkeypatch.setattr(module, "LEAST_BETWEEN", 2)
    em = EXPERIMENTS["em-fold-2"]
    settings = replace(
        em.settings, network=UNetConfig(depth=1, width=2, dropout=0.1), tile=28, batch=2, steps=6
    )
    return replace(em, settings=settings)


def test_a_run_is_trained_measured_and_kept(tiny, tmp_path):
    attempt = Attempt(tiny, 0, tmp_path)
    assert attempt.result() is None
    events = list(attempt.run())
    assert isinstance(events[-1], Finished)
    assert [e.step for e in events if isinstance(e, Validated)] == [2, 4, 6]
    result = attempt.result()
    assert result.training.steps == 6
    assert result.training.shortened == ""
    assert (result.training.train_slices, result.training.validation_slices) == (4, 1)
    assert result.scores.whole.images == 1
    assert result.scores.tiles.images == 10
    assert result.scores.augmented.spread >= 0
    assert result.scores.field["slices"] == 1
    course = read_course(attempt.folder)
    assert course.steps == (1, 2, 3, 4, 5, 6)
    assert np.allclose(course.losses, [e.loss for e in events if isinstance(e, Step)], rtol=1e-3)
    assert course.validated == (2, 4, 6)
    assert attempt.folder == tmp_path / "runs" / "em-fold-2" / "seed-0"
    described = json.loads((attempt.folder / "run.json").read_text())
    assert described["config"]["split"]["slices"] == [1]


def test_the_last_network_is_measured(tiny, tmp_path):
    attempt = Attempt(tiny, 0, tmp_path)
    *_, last = [e for e in attempt.run() if isinstance(e, Validated)]
    assert attempt.result().scores.whole.loss == pytest.approx(last.loss, rel=1e-4)


def test_an_interrupted_run_arrives_at_the_same_result(tiny, tmp_path):
    whole = Attempt(tiny, 0, tmp_path / "whole")
    list(whole.run())
    parts = Attempt(tiny, 0, tmp_path / "parts")
    events = parts.run()
    for event in events:
        if isinstance(event, Step) and event.step == 3:
            break
    events.close()
    assert parts.result() is None
    list(parts.run())
    assert repr(parts.result().scores) == repr(whole.result().scores)  # NaN is unequal to itself
    assert read_course(parts.folder) == read_course(whole.folder)


def test_a_shortened_run_is_not_the_full_one_and_can_be_made_it(tiny, tmp_path):
    short = Attempt(tiny, 0, tmp_path, Effort(steps=2))
    list(short.run())
    assert short.result().training.shortened == "2 of 6 steps"
    full = Attempt(tiny, 0, tmp_path)
    assert full.result() is None
    list(full.run())
    assert full.result().training.shortened == ""
    assert short.result() is not None  # more than what is asked is enough


def test_another_width_is_another_run(tiny, tmp_path):
    list(Attempt(tiny, 0, tmp_path, Effort(steps=1, width=1)).run())
    wide = Attempt(tiny, 0, tmp_path, Effort(steps=1))
    assert wide.result() is None
    with pytest.raises(CheckpointError, match="network"):
        list(wide.run())


def test_seeds_differ(tiny, tmp_path):
    for seed in (0, 1):
        list(Attempt(tiny, seed, tmp_path, Effort(steps=2)).run())
    first, second = (Attempt(tiny, s, tmp_path, Effort(steps=2)).result() for s in (0, 1))
    assert first.scores != second.scores


def test_a_diverged_run_is_done(tiny, tmp_path):
    wild = replace(
        tiny, settings=replace(tiny.settings, learning_rate=1e3, weights=WeightConfig(w0=1e6))
    )
    attempt = Attempt(wild, 0, tmp_path)
    list(attempt.run())
    result = attempt.result()
    assert "no longer a number" in result.training.diverged
    assert result.training.steps < 6
    with pytest.raises(CheckpointError, match="holds no last model"):  # nothing good was learnt
        RunFolder(attempt.folder).read_model("last")
