"""What the window is told about the objects of a prediction."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.found_objects import FoundObjects
from napari_unet.app.prediction_job import PredictionRequest, prediction_job
from napari_unet.config.decoding import Decoding
from napari_unet.config.network import UNetConfig
from napari_unet.images.stack import Intensity, Stack
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.outputs import Output


@pytest.mark.parametrize(("size", "smallest"), [(0.25, 12), (0.5, 3), (0.125, 48)])
def test_sliders_begin_with_the_smallest_size_of_this_image(size, smallest) -> None:
    """It saw images of 0.25 µm at half their size, so that 12 pixels of them were 3."""
    config = UNetConfig(depth=1, width=2, object_maps=("distance",))
    model = TrainedModel(
        UNet(config), Intensity((0.0,), (1.0,)), LabelScheme(), "model", (0.5, 0.5),
        {"unit": "micrometer"}, 0.5, Decoding(min_size=12),
    )  # fmt: skip
    image = np.random.default_rng(0).random((24, 32), np.float32)
    stack = Stack("s", image, "yx", scale=(size,) * 2, units=("micrometer",) * 2)
    request = PredictionRequest(model, stack, output=Output("objects"), device="cpu")
    *_, found = prediction_job(request)
    assert isinstance(found, FoundObjects)
    assert found.decoding.min_size == smallest
    assert request.by(model)["settings"]["smallest"] == f"{smallest} px"
