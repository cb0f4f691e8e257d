"""The stacks of experiments."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.datasets import registry as datasets
from napari_unet.images.stack import Stack
from napari_unet.reproduction.data import CELL_OR_NOT, binary, open_data
from napari_unet.reproduction.held_out import split_for
from napari_unet.reproduction.memory import PeakMemory
from napari_unet.reproduction.table import EXPERIMENTS


def fake(name, folder, sequence="01", truth="gold", progress=None) -> Stack:
    labels = np.zeros((2, 8, 8), np.uint16)
    labels[:, 1:, 1:] = {"gold": 3, "silver": 5, "markers": 7}[truth]
    return Stack(f"{name} {sequence} {truth}", np.zeros((2, 8, 8)), "tyx", labels=labels)


def test_silver_truth_is_cell_or_not_and_gold_is_objects(monkeypatch):
    monkeypatch.setattr(datasets, "open", fake)
    silver = open_data(EXPERIMENTS["u373-adam"])
    assert silver.stack.name == "phc-c2dh-u373 both silver"
    assert silver.stack.scheme == CELL_OR_NOT
    assert np.unique(silver.stack.labels).tolist() == [0, 1]
    assert silver.gold.labels.max() == 3
    assert silver.markers.labels.max() == 7
    gold = open_data(EXPERIMENTS["hela-01-to-02"])
    assert gold.stack is gold.gold


def test_binary_leaves_the_stack_it_came_from():
    stack = fake("x", None)
    assert binary(stack).labels.dtype == np.uint8
    assert stack.labels.max() == 3


def test_peak_memory_of_this_process():
    peak = PeakMemory("cpu").read()
    assert peak is None or peak > 2**20
    assert PeakMemory("mps").read() is None


@pytest.mark.data
def test_sequence_02_of_the_real_cells_is_held_out(data_dir):
    data = open_data(EXPERIMENTS["hela-01-to-02"], data_dir)
    split = split_for("sequence 02", data.stack.labelled_slices, data.stack.n_slices, 0)
    assert data.stack.n_slices == 168
    assert len(split.slices) == 9
    assert min(split.slices) >= 84
    assert len(data.markers.labelled_slices) == 168
