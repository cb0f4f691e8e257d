"""The field's metrics of predicted slices."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.datasets.synthetic import synthetic_stack
from napari_unet.images.stack import Stack
from napari_unet.reproduction.data import ExperimentData
from napari_unet.reproduction.field_metrics import field_metrics


def cells(annotated=None) -> Stack:
    labels = np.zeros((3, 20, 20), np.uint16)
    labels[:, 2:8, 2:8], labels[:, 12:18, 12:18] = 4, 9
    image = np.zeros((3, 20, 20), np.uint8)
    return Stack("cells", image, "tyx", labels=labels, scheme=LabelScheme(), annotated=annotated)


def test_a_perfect_em_prediction():
    stack = synthetic_stack((2, 64, 64))
    foreground = {i: (stack.label_plane(i) > 0).astype(np.float32) for i in (0, 1)}
    found = field_metrics(ExperimentData(stack), foreground)
    assert found["slices"] == 2
    assert found["Rand error"] == pytest.approx(0, abs=1e-12)
    assert found["warping error"] == 0
    assert found["pixel error"] == 0
    assert found["V_Rand"] > 0.99  # thinning moves borders by a pixel


def test_cells_count_where_there_is_gold_truth():
    gold, markers = cells((0, 2)), cells()
    right = (gold.label_plane(0) > 0).astype(np.float32)
    half = right.copy()
    half[12:18] = 0  # one of the two cells is missed
    found = field_metrics(
        ExperimentData(gold, gold, markers), {0: right, 1: np.zeros_like(right), 2: half}
    )
    assert found == {"frames": 2, "SEG": 0.75, "DET": 0.75}


def test_nothing_to_measure_on():
    gold = cells((0,))
    assert field_metrics(ExperimentData(gold, gold, gold), {}) == {}
    assert field_metrics(ExperimentData(gold, gold, cells()), {1: np.zeros((20, 20))}) == {}
