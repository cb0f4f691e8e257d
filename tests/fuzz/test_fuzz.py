"""A short fixed part of the hunt; ``make fuzz`` goes on for hours."""

from __future__ import annotations

import os
import sys

import pytest

from .hunt import hunt
from .kills import kill_and_resume
from .report import table
from .soak import WARM_UP, soak

linux = pytest.mark.skipif(os.name != "posix", reason="forks and pipes are POSIX")


def told(bad) -> str:
    return "\n".join(str(one)[:2000] for one in bad)


@linux
@pytest.mark.parametrize(("kind", "cases"), [("files", 60), ("commands", 60)])
def test_whatever_is_read_or_asked_is_answered_by_a_sentence(kind, cases):
    found = hunt(kind, range(cases))
    assert found.tried == cases
    assert not found.bad, told(found.bad)
    assert found.refused > cases // 4


@linux
@pytest.mark.skipif(sys.platform == "darwin", reason="torch and forks do not go together there")
def test_a_killed_training_comes_to_the_same_end():
    found = kill_and_resume(points=4, moments=2)
    assert (found.at_points, found.at_random) == (8, 2)
    assert not found.bad, told(found.bad)


def test_memory_stays_where_it_is():
    found = soak(WARM_UP + 15)
    assert found.growth < 30e6


def test_figures_are_a_table():
    found = {
        "date": "2026-01-02", "python": "3.11", "system": "Linux", "seconds": 120,
        "files": {"tried": 1000, "refused": 600, "bad": [{}], "most_seconds": 1.25,
                  "most_bytes": 500e6},
        "kills": {"at_points": 5, "at_random": 6, "bad": []},
    }  # fmt: skip
    lines = table(found).splitlines()
    assert lines[2] == "| mutated files | 1,000 | 1 | 1.2 s, 500 MB |"
    assert "| 11 | 0 | |" in lines[3]
    assert lines[-1].startswith("Measured on Linux, Python 3.11")
