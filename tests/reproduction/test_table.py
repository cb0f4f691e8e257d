"""The table of runs: which there are, and that they are what the reproduction did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_unet.base.errors import InputError
from napari_unet.config.size_rule import output_size
from napari_unet.reproduction.published import REPRODUCTION
from napari_unet.reproduction.table import BASELINE, EXPERIMENTS, choose


def side_with_odd_rows_dropped(side: int, depth: int = 4) -> int:
    """Output of unpadded convolutions with poolings that drop an odd row."""
    for _ in range(depth):
        side = (side - 4) // 2
    side -= 4
    for _ in range(depth):
        side = 2 * side - 4
    return side


def test_there_are_the_thirteen_published_runs():
    group = [one.name for one in EXPERIMENTS.values() if one.group == "reproduction"]
    assert len(group) == 13
    assert set(group) == set(REPRODUCTION)
    assert EXPERIMENTS["u373-adam"].published.remark == "diverged"
    assert EXPERIMENTS["em-fold-1"].published is None


def test_baseline_is_what_the_reproduction_did():
    assert (BASELINE.steps, BASELINE.batch, BASELINE.tile) == (4000, 4, 508)
    assert (BASELINE.optimiser, BASELINE.learning_rate, BASELINE.momentum) == ("sgd", 1e-3, 0.99)
    assert (BASELINE.network.width, BASELINE.network.depth, BASELINE.network.dropout) == (
        64,
        4,
        0.1,
    )
    assert BASELINE.schedule == "constant"
    a = BASELINE.augment
    assert (a.displacement, a.grid, a.rotation, a.zoom) == (10.0, 3, 30.0, (1.0, 1.5))
    assert (a.flips, a.brightness, a.contrast, a.gamma, a.noise) == (False, 0, 0, 0, 0)


@pytest.mark.parametrize(("theirs", "ours", "output"), [(512, 508, 324), (256, 252, 68)])
def test_our_tiles_have_the_output_of_theirs(theirs, ours, output):
    assert side_with_odd_rows_dropped(theirs) == output
    assert side_with_odd_rows_dropped(ours) == output
    assert output_size(ours, 4) == output


def test_a_run_differs_from_the_baseline_in_what_it_asks_about_alone():
    for one in EXPERIMENTS.values():
        s, name = one.settings, one.name.split("-", 1)[1]
        changes = {
            "batch16": {"tile": 252, "batch": 16},
            "no-weights": {"weights": None},
            "adam": {"optimiser": "adam"},
            "adam-3e-4": {"optimiser": "adam", "learning_rate": 3e-4},
        }.get(name, {})
        if one.group != "paper":
            assert s == replace(BASELINE, **changes), one.name


def test_the_papers_setting():
    s = EXPERIMENTS["em-paper"].settings
    assert (s.batch, s.tile, s.momentum, s.network.dropout) == (1, 572, 0.99, 0.5)
    assert EXPERIMENTS["hela-paper"].truth == "gold"


def test_names_groups_and_sets_stand_for_runs_each_once():
    assert [one.name for one in choose(["hela-adam", "hela-adam"])] == ["hela-adam"]
    assert len(choose(["stricter"])) == 9
    assert len(choose(["paper", "u373-paper"])) == 3
    assert {one.data for one in choose(["em"])} == {"em"}
    assert len(choose(["all"])) == len(EXPERIMENTS) == 25


@pytest.mark.parametrize("names", [[], ["em-adma"]])
def test_unknown_names_are_refused(names):
    with pytest.raises(InputError, match="--list"):
        choose(names)
