"""The table of runs: which there are, and that they are what the reproduction did."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_unet.annotation.labels import read_target
from napari_unet.annotation.weights import target_weights
from napari_unet.base.errors import InputError
from napari_unet.config.size_rule import output_size
from napari_unet.config.weights import WeightConfig
from napari_unet.reproduction.data import open_data
from napari_unet.reproduction.published import REPRODUCTION
from napari_unet.reproduction.table import BASELINE, EXPERIMENTS, WEIGHTS_AS_RUN, choose
from napari_unet.training.augmentation import draw


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
        baseline = BASELINE if one.data == "em" else replace(BASELINE, weights=None)
        if one.group in ("reproduction", "stricter"):
            assert s == replace(baseline, **changes), one.name


def test_what_the_code_does_differs_in_weights_and_augmentation_alone():
    as_run = EXPERIMENTS["em-as-run"].settings
    assert replace(as_run, weights=BASELINE.weights, augment=BASELINE.augment) == BASELINE
    assert EXPERIMENTS["em-weights-as-run"].settings == replace(BASELINE, weights=as_run.weights)
    only = EXPERIMENTS["em-augmentation-as-run"].settings
    assert only == replace(BASELINE, augment=as_run.augment)
    assert EXPERIMENTS["em-no-weights-as-run"].settings == replace(only, weights=None)
    a = as_run.augment
    assert (a.rotation, a.turn, a.zoom, a.about) == (0.0, 30.0, (1.5, 1.5), "slice")
    assert (a.interpolation, a.labels) == ("spline", "spline")
    drawn = [draw(a, np.random.default_rng(k)).matrix for k in (0, 1)]
    c, s = math.cos(math.pi / 6) / 1.5, math.sin(math.pi / 6) / 1.5
    for matrix in drawn:
        np.testing.assert_allclose(matrix, [[c, -s], [s, c]])


@pytest.mark.data
@pytest.mark.data
def test_the_weight_map_of_the_code_all_but_switches_cells_off(data_dir):
    """Of slice 0, as counted by hand from what that code computes."""
    stack = open_data(EXPERIMENTS["em-as-run"], data_dir).stack
    target = read_target(stack.label_plane(0), stack.scheme)
    cell = target.classes > 0
    as_run = target_weights(target, WEIGHTS_AS_RUN)
    assert (as_run < 0.01).mean() == pytest.approx(0.24, abs=0.005)
    assert (as_run[cell] < 0.01).mean() == pytest.approx(0.30, abs=0.005)
    assert as_run[~cell].sum() / as_run.sum() == pytest.approx(0.46, abs=0.005)
    assert (~cell).mean() == pytest.approx(0.22, abs=0.005)
    assert as_run.mean() == pytest.approx(1.9, abs=0.05)
    assert target_weights(target, WeightConfig()).mean() == pytest.approx(2.9, abs=0.05)
    alone = target_weights(target, replace(WEIGHTS_AS_RUN, w0=0.0))
    assert alone[cell].max() == pytest.approx(5e-6, rel=0.05)
    assert alone[~cell].max() == pytest.approx(1.7e-5, rel=0.05)


def test_the_papers_setting():
    s = EXPERIMENTS["em-paper"].settings
    assert (s.batch, s.tile, s.momentum, s.network.dropout) == (1, 572, 0.99, 0.5)
    assert EXPERIMENTS["hela-paper"].truth == "gold"


def test_names_groups_and_sets_stand_for_runs_each_once():
    assert [one.name for one in choose(["hela-adam", "hela-adam"])] == ["hela-adam"]
    assert len(choose(["stricter"])) == 9
    assert len(choose(["paper", "u373-paper"])) == 3
    assert {one.data for one in choose(["em"])} == {"em"}
    assert len(choose(["as-run"])) == 4
    assert len(choose(["all"])) == len(EXPERIMENTS) == 29


@pytest.mark.parametrize("names", [[], ["em-adma"]])
def test_unknown_names_are_refused(names):
    with pytest.raises(InputError, match="--list"):
        choose(names)
