"""Results are written, read back, and say whether a run was shortened."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from napari_unet.base.errors import CheckpointError
from napari_unet.reproduction.result import (
    Reading,
    Result,
    Scores,
    Training,
    read_result,
    read_results,
    write_result,
)

READING = Reading(loss=0.5, cross_entropy=0.25, iou=0.9, thresholded_iou=0.8, images=6)
TRAINING = Training(
    steps=4000, full_steps=4000, width=64, full_width=64, tile=508, batch=4, seconds=100.0,
    peak_memory=10**9, compute="CPU", parameters=31, train_slices=24, validation_slices=6,
    remarks=("tiles are smaller",),
)  # fmt: skip
RESULT = Result(
    "em-adam", 0, TRAINING, Scores(READING, READING, READING, {"Rand error": 0.1}, READING)
)


def test_what_is_written_comes_back(tmp_path):
    write_result(tmp_path, RESULT)
    assert read_result(tmp_path) == RESULT


def test_nan_comes_back(tmp_path):
    scores = replace(RESULT.scores, tiles=replace(READING, loss=math.nan), field={"SEG": math.nan})
    write_result(tmp_path, replace(RESULT, scores=scores))
    assert "NaN" not in (tmp_path / "result.json").read_text()
    found = read_result(tmp_path)
    assert math.isnan(found.scores.tiles.loss)
    assert math.isnan(found.scores.field["SEG"])


def test_a_result_with_the_names_of_before_is_read(tmp_path):
    old = replace(RESULT, scores=replace(RESULT.scores, field={"rand_error": 0.1, "slices": 6}))
    write_result(tmp_path, old)
    assert read_result(tmp_path).scores.field == {"Rand error": 0.1, "slices": 6}


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "result.json").write_text('{"experiment": "em-adam"}')
    with pytest.raises(CheckpointError, match="remove that file"):
        read_result(tmp_path)


def test_results_are_gathered_with_seeds_in_order(tmp_path):
    for seed in (10, 9):
        write_result(tmp_path / "runs" / "em-adam" / f"seed-{seed}", replace(RESULT, seed=seed))
    (tmp_path / "runs" / "hela-adam" / "seed-0").mkdir(parents=True)
    found = read_results(tmp_path)
    assert list(found) == ["em-adam"]
    assert [one.seed for one in found["em-adam"]] == [9, 10]


def test_shortened_says_what_was_less():
    assert TRAINING.shortened == ""
    assert replace(TRAINING, steps=10).shortened == "10 of 4,000 steps"
    both = replace(TRAINING, steps=10, width=4)
    assert both.shortened == "10 of 4,000 steps, width 4 of 64"
    assert replace(TRAINING, steps=10, diverged="nan").shortened == ""


def test_results_of_before_know_no_trivial_score(tmp_path):
    write_result(tmp_path, replace(RESULT, scores=replace(RESULT.scores, everything=None)))
    found = read_result(tmp_path)
    assert found is not None
    assert found.scores.everything is None
    assert found.scores.learnt


def test_scales():
    assert TRAINING.scale == "full"
    assert replace(TRAINING, width=8).scale == "narrow"
    assert replace(TRAINING, width=4).scale == "shortened: width 4 of 64"
    assert replace(TRAINING, width=8, steps=10).scale.startswith("shortened: 10 of")
