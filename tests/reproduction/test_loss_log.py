"""The losses of a run survive interruptions."""

from __future__ import annotations

from napari_unet.reproduction.loss_log import LossLog, read_losses


def test_losses_come_back(tmp_path):
    log = LossLog(tmp_path / "losses.csv")
    log.add(1, 0.5)
    log.add(2, float("nan"))
    log.write()
    steps, losses = read_losses(tmp_path / "losses.csv")
    assert steps == [1, 2]
    assert losses[0] == 0.5
    assert losses[1] != losses[1]


def test_a_resumed_run_replaces_what_it_computes_again(tmp_path):
    file = tmp_path / "losses.csv"
    first = LossLog(file)
    for step in (1, 2, 3):
        first.add(step, float(step))
    first.write()
    second = LossLog(file)
    second.begin(1)
    second.add(2, 20.0)
    second.write()
    assert read_losses(file) == ([1, 2], [1.0, 20.0])


def test_no_file_is_no_losses(tmp_path):
    assert read_losses(tmp_path / "none.csv") == ([], [])
