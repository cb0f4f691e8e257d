"""What scripts/recipe.py counts beside the scores."""

import importlib.util
import sys
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).parents[2] / "scripts" / "recipe.py"


def recipe():
    spec = importlib.util.spec_from_file_location("recipe", SCRIPT)
    module = sys.modules["recipe"] = importlib.util.module_from_spec(spec)  # dataclasses ask for it
    spec.loader.exec_module(module)
    return module


def test_cells_that_hang_together_are_counted_slice_by_slice_and_left_out():
    cells = np.zeros((2, 20, 40), np.int32)
    cells[:, 2:12, 2:12] = 1
    cells[:, 2:12, 12:22] = 2
    cells[:, 2:12, 26:36] = 3
    found = cells.copy()
    found[1][found[1] == 2] = 1  # in the second slice the first two are one
    found[0, 2:7, 26:36] = 0  # half of the third is missing in the first slice
    assert recipe().mergers(found, cells) == {"merged": 2, "seg_others": 0.75}
    assert recipe().mergers(cells, cells) == {"merged": 0, "seg_others": 1.0}
