"""What the report answers, and when it does not."""

from __future__ import annotations

import math

import pytest

from napari_unet.reproduction.answers import answer, question_figure, statements
from napari_unet.reproduction.comparison import SEEDS, Comparison
from napari_unet.reproduction.course import POINTS, Course, read_course, write_course
from napari_unet.reproduction.questions import QUESTIONS, STATEMENTS
from napari_unet.reproduction.result import Reading, Result, Scores, Training
from napari_unet.reproduction.table import EXPERIMENTS

PAIR = Comparison("em", "em-batch16", "em-baseline", "V_Rand")


def result(name, seed, v_rand, iou=0.9, diverged=""):
    training = Training(4000, 4000, 8, 64, 508, 4, 1.0, None, "CPU", 1, 24, 6, diverged)
    readings = [Reading(0.1, 0.1, iou, 0.8, 6)] * 3
    everything = Reading(0.1, 0.1, 0.75, 0.5, 6)
    return Result(name, seed, training, Scores(*readings, {"V_Rand": v_rand}, everything))


def both(changed, usual, **more):
    return {
        name: [result(name, seed, v, **more) for seed, v in enumerate(values)]
        for name, values in (("em-batch16", changed), ("em-baseline", usual))
    }


@pytest.mark.parametrize(
    ("changed", "usual", "sign"),
    [
        ([0.93, 0.94, 0.92], [0.90, 0.90, 0.89], 1),
        ([0.90, 0.90, 0.89], [0.93, 0.94, 0.92], -1),
        ([0.93, 0.89, 0.92], [0.90, 0.90, 0.89], 0),  # not with every seed
        ([0.901, 0.99, 0.90], [0.90, 0.90, 0.899], 0),  # a mean within its spread
        ([0.93, 0.94], [0.90, 0.90, 0.89], None),
        ([0.93, 0.94, float("nan")], [0.90, 0.90, 0.89], None),
    ],
)
def test_better_takes_every_seed_and_more_than_the_spread(changed, usual, sign):
    assert PAIR.of(both(changed, usual)).sign == sign


def test_what_is_missing_is_counted():
    outcome = PAIR.of(both([0.93], [0.90, 0.91]))
    assert outcome.verdict == "not decidable yet: 3 of 6 trainings done"
    assert outcome.differences == pytest.approx((0.03,))
    assert PAIR.of({}).verdict == "not decidable yet: 0 of 6 trainings done"
    assert PAIR.of({}).difference_text == "–"


def test_nothing_is_decided_by_a_network_that_learnt_nothing():
    outcome = PAIR.of(both([0.93, 0.94, 0.92], [0.90, 0.90, 0.89], iou=0.755))
    assert outcome.sign is None
    assert "learnt nothing" in outcome.verdict


def test_an_answer_says_what_is_decided_and_what_is_not():
    tiles = QUESTIONS[0]
    assert answer(tiles, {}) == "Not decidable yet: 0 of 18 trainings done."
    said = answer(tiles, both([0.93, 0.94, 0.92], [0.90, 0.90, 0.89]))
    assert said.startswith("ISBI-2012 EM, `em-batch16` against `em-baseline`: better.")
    assert said.endswith("The rest is not decidable yet: 6 of 18 trainings done.")


def test_every_question_has_a_figure_once_a_run_is_done():
    assert question_figure(QUESTIONS[0], {}) is None
    picture = question_figure(QUESTIONS[0], both([0.93], [0.90]))
    assert picture.shape[2] == 3
    orange, blue = (213, 94, 0), (0, 114, 178)
    for colour in (orange, blue):
        assert (abs(picture.astype(int) - colour).max(-1) < 12).sum() > 50


def test_statements_are_judged_by_runs():
    seeds = {"em-adam": [0.8] * SEEDS, "em-baseline": [0.9] * SEEDS}
    results = {
        name: [result(name, k, 0.5, iou=v + 0.01 * k) for k, v in enumerate(values)]
        for name, values in seeds.items()
    }
    rows = {row.split("|")[1].strip(): row for row in statements(results).splitlines()[2:]}
    assert len(rows) == len(STATEMENTS)
    assert "| confirmed |" in rows["Adam with rate 0.001 is worse than SGD on EM"]
    assert "not decidable yet: 0 of 6" in rows["16 small tiles are worse on HeLa"]
    adam = "Adam with rate 0.001 diverges on U373"
    assert "not decidable yet: 0 of 3" in rows[adam]
    results["u373-adam"] = [result("u373-adam", k, 0.5, diverged="nan") for k in range(2)]
    results["u373-adam"].append(result("u373-adam", 2, 0.5))
    judged = {row.split("|")[1].strip(): row for row in statements(results).splitlines()[2:]}
    assert "| confirmed |" in judged[adam]
    assert "2 of 3 diverged" in judged[adam]


def test_every_comparison_is_of_runs_that_exist():
    compared = [c for q in QUESTIONS for c in q.comparisons]
    compared += [one.by[0] for one in STATEMENTS if one.by]
    for c in compared:
        assert EXPERIMENTS[c.changed].data == EXPERIMENTS[c.usual].data == c.data
        assert c.measure in ("V_Rand", "IoU")
    assert all(one.by or one.verdict or one.reason == "`u373-adam`" for one in STATEMENTS)


def test_a_course_is_short_and_keeps_its_means(tmp_path):
    step = {"event": "Step", "steps": 4000}
    history = [step | {"step": k, "loss": float(k)} for k in range(1, 4001)]
    history += [{"event": "Validated", "step": 200, "loss": None, "iou": 0.5, "best": True}]
    course = Course.of(history)
    assert len(course.steps) == POINTS
    assert (course.steps[0], course.losses[0]) == (50, 25.5)
    write_course(tmp_path, course)
    assert (tmp_path / "curves.json").stat().st_size < 4000
    found = read_course(tmp_path)
    assert found.losses == course.losses
    assert len(found.validation_losses) == 1
    assert math.isnan(found.validation_losses[0])
    assert read_course(tmp_path / "nowhere") == Course()
