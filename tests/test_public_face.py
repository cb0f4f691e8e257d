"""From files to a model and back with public names only."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_unet import TrainConfig, evaluate, load_model, open_image, predict_labels, train


@pytest.fixture
def files(tmp_path):
    """An image and its mask, of 3 slices."""
    rng = np.random.default_rng(0)
    mask = np.zeros((3, 160, 160), np.uint8)
    mask[:, 30:70, 30:70] = mask[:, 90:140, 80:130] = 255
    image = (mask // 2 + rng.integers(0, 60, mask.shape)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", image, photometric="minisblack")
    tifffile.imwrite(tmp_path / "mask.tif", mask, photometric="minisblack")
    return tmp_path


def test_a_model_is_trained_on_files(files):
    stack = open_image(files / "image.tif", files / "mask.tif")
    config = TrainConfig.preset_named("fast", steps=2, device="cpu", tile=92, batch=1)
    for event in train([stack], config, files / "run"):
        assert event is not None
    labels = predict_labels(load_model(files / "run"), stack)
    assert labels.shape == (3, 160, 160)
    assert set(np.unique(labels)) <= {0, 255}
    assert evaluate(labels, stack.labels)
