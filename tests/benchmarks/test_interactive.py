"""The benchmark of painting: when its annotators look, and what its tables say."""

from __future__ import annotations

from benchmarks.interactive.clocks import SetPace
from benchmarks.interactive.tables import costs, table
from benchmarks.interactive.ways import Leafing, Rounds


def curve(score: str, *points: tuple[int, int, float]) -> list[dict]:
    return [{"seconds": at, "strokes": n, score: value} for at, n, value in points]


def test_one_look_every_three_seconds():
    clock, way = SetPace(0.5), Leafing(None, (0, 1), 0)
    looks = []
    for step in range(1, 19):
        clock.stepped()
        looks.append(way.looks(step, clock))
    assert [step for step, n in enumerate(looks, start=1) if n] == [6, 12, 18]


def test_rounds_paint_while_nothing_is_trained():
    clock, way = SetPace(0.5), Rounds(None, (0, 1), 0)
    assert [way.looks(step, clock) for step in (1, 119, 120, 121, 240)] == [0, 0, 10, 0, 10]
    assert clock.now() == 60  # ten strokes take half a minute, twice


def test_what_a_score_cost_is_asked_of_the_means():
    read = {
        ("em", "order", 0): curve("V_Rand", (30, 10, 0.7), (60, 20, 0.9)),
        ("em", "order", 1): curve("V_Rand", (30, 12, 0.9), (60, 22, 0.9), (90, 30, 1.0)),
        ("em", "random", 0): curve("V_Rand", (30, 10, 0.5), (60, 20, 0.8)),
    }
    assert costs(read).splitlines()[2:] == [
        "| em | V_Rand 0.800 | order | 11 | 30 |",
        "| em | V_Rand 0.800 | random | 20 | 60 |",
    ]
    assert table(read).splitlines()[2:] == [
        "| em | order | 0 | 0.700 (10) | 0.900 (20) |",
        "| em | order | 1 | 0.900 (12) | 0.900 (22) |",
        "| em | random | 0 | 0.500 (10) | 0.800 (20) |",
    ]
