"""What a prediction will cost is told only from predictions of the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.prediction_cost import prediction_cost
from napari_unet.app.prediction_job import PredictionRequest, prediction_job
from napari_unet.config.network import UNetConfig
from napari_unet.images.intensity import Intensity
from napari_unet.images.stack import Stack
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet


@pytest.fixture(autouse=True)
def nothing_measured_yet(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_unet.base.measured_times.cache_folder", lambda: tmp_path)


def model(width=2, **changes):
    network = UNet(UNetConfig(depth=1, width=width, dropout=0.0, **changes)).eval()
    return TrainedModel(network, Intensity((0.0,), (255.0,)), LabelScheme())


def request(shape=(4, 60, 70), **changes):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    return PredictionRequest(model(), Stack("s", image, "zyx"), **{"device": "cpu", **changes})


def test_the_same_is_estimated_and_scales_with_the_slices():
    asked = request()
    assert prediction_cost(asked, asked.model).seconds is None
    for _ in prediction_job(asked):
        pass
    four = prediction_cost(asked, asked.model)
    assert (four.slices, four.tiles) == (4, 4)
    assert 0 < four.seconds < 60
    one = prediction_cost(replace(asked, slices=(2,)), asked.model)
    assert one.seconds == pytest.approx(four.seconds / 4)


@pytest.mark.parametrize(
    "other",
    [
        {"tile": 44},
        {"device": "auto"},
        {"mirror_average": True},
        {"shape": (4, 60, 71)},
    ],
)
def test_nothing_is_reckoned_from_another_prediction(other):
    asked = request()
    for _ in prediction_job(asked):
        pass
    assert prediction_cost(request(**other), asked.model).seconds is None


def test_nothing_is_reckoned_from_another_network():
    asked = request()
    for _ in prediction_job(asked):
        pass
    for network in (model(width=3), model(norm="batch"), model(classes=3)):
        assert prediction_cost(asked, network).seconds is None


def test_one_tile_says_nothing_about_time():
    """All of its time may be preparation."""
    asked = request(slices=(0,))
    for _ in prediction_job(asked):
        pass
    assert prediction_cost(asked, asked.model).seconds is None


def test_a_prediction_that_was_stopped_says_nothing():
    asked = request()
    job = prediction_job(asked)
    for _ in range(3):
        next(job)
    job.close()
    assert prediction_cost(asked, asked.model).seconds is None
