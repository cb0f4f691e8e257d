"""Times are remembered by all that they depend on; nothing is reckoned from other tasks."""

from __future__ import annotations

import json

import pytest

from napari_unet.base.measured_times import MOST, MeasuredTimes


def test_times_are_kept_between_sessions(tmp_path):
    file = tmp_path / "cache" / "times.json"
    assert MeasuredTimes(file).seconds("a step on cpu", 10) is None
    MeasuredTimes(file).remember("a step on cpu", 2.0)
    assert MeasuredTimes(file).seconds("a step on cpu", 10) == 20
    assert MeasuredTimes(file).seconds("a step on cuda", 10) is None
    MeasuredTimes(file).remember("a step on cpu", 1.0)
    assert MeasuredTimes(file).seconds("a step on cpu", 10) == 10


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_time_is_not_kept(tmp_path, seconds):
    file = tmp_path / "times.json"
    MeasuredTimes(file).remember("a", seconds)
    assert MeasuredTimes(file).seconds("a", 1) is None


@pytest.mark.parametrize(
    "content",
    ["", "{broken", "[]", "7", '{"version": 1}', '{"version": 1, "seconds": 3}', "[" * 10_000,
     '{"version": 2, "seconds": {"a": 1.0}}', '{"version": 1, "seconds": {"a": "soon"}}',
     '{"version": 1, "seconds": {"a": NaN}}', '{"version": 1, "seconds": {"a": -1}}', '{"a": "1"}'],
)  # fmt: skip
def test_a_damaged_or_foreign_file_knows_nothing_and_is_replaced(tmp_path, content):
    file = tmp_path / "times.json"
    file.write_text(content)
    times = MeasuredTimes(file)
    assert times.seconds("a", 1) is None
    times.remember("a", 3.0)
    assert times.seconds("a", 1) == 3


def test_the_oldest_are_forgotten(tmp_path):
    file = tmp_path / "times.json"
    old = {str(k): 1.0 for k in range(MOST)}
    file.write_text(json.dumps(old))
    times = MeasuredTimes(file)
    times.remember("new", 1.0)
    assert times.seconds("0", 1) is None
    assert times.seconds("1", 1) == times.seconds("new", 1) == 1


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    MeasuredTimes(tmp_path / "file" / "times.json").remember("a", 1.0)
