"""Events that a run keeps, made again from what is in the file."""

from __future__ import annotations

import math

from napari_unet.training.events import Validated
from napari_unet.training.history import History, events_of

STEP = {"event": "Step", "step": 3, "steps": 9, "loss": 0.5, "learning_rate": 0.1, "seconds": 1.0}


def test_what_was_kept_comes_back(tmp_path):
    validated = Validated(4, 0.5, math.nan, 0.25, math.nan, best=True)
    history = History(tmp_path / "history.jsonl")
    history.append(validated)
    (again,) = events_of(history.entries())
    assert (again.step, again.loss, again.pixel_accuracy, again.best) == (4, 0.5, 0.25, True)
    assert math.isnan(again.iou)
    assert math.isnan(again.f_score)


def test_a_number_that_is_missing_is_none_and_more_than_that_is_left_out():
    assert math.isnan(next(events_of([STEP | {"loss": None}])).loss)
    without = {name: value for name, value in STEP.items() if name != "loss"}
    assert math.isnan(next(events_of([without])).loss)
    assert not list(events_of([{"event": "Step", "loss": 0.5}]))
    assert not list(events_of([{"event": "Remembered", "step": 3}]))
