"""The learning rate without a known end."""

from __future__ import annotations

from napari_unet.config.training import TrainConfig
from napari_unet.training.schedule import RISE, SETTLING, Schedule


def schedule(patience=100):
    return Schedule(TrainConfig(schedule="open", learning_rate=0.5, patience=patience))


def test_it_rises_stays_and_settles():
    rates = schedule()
    assert rates.rate(RISE // 2) == 0.25
    assert rates.rate(RISE) == rates.rate(100) == 0.5
    assert rates.rate(100 + SETTLING // 2) == 0.25  # the middle of half a cosine
    assert rates.rate(100 + SETTLING) == 0
    assert not rates.has_settled(100 + SETTLING - 1)
    assert rates.has_settled(100 + SETTLING)


def test_an_edit_keeps_it_up():
    rates = schedule()
    rates.edited(80)
    assert rates.rate(180) == 0.5
    assert rates.rate(180 + SETTLING) == 0


def test_an_edit_wakes_it_up_from_where_it_was():
    rates = schedule()
    rates.edited(100 + SETTLING // 2)  # at half the rate
    first = 100 + SETTLING // 2 + 1
    assert 0.2 < rates.rate(first) < 0.3
    assert rates.rate(first + RISE // 2) == 0.5
    settled = schedule()
    settled.edited(400)
    assert not settled.has_settled(400)
    assert 0 < settled.rate(401) < 0.05
    assert settled.rate(400 + RISE) == 0.5


def test_a_plain_training_does_not_settle():
    assert not Schedule(TrainConfig(schedule="constant")).has_settled(10**9)
