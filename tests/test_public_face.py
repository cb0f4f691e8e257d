"""From files to a model and back with public names only."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import torch

from napari_unet import TrainConfig, evaluate, load_model, open_image, predict_labels, train
from napari_unet.base.errors import InputError
from napari_unet.images.intensity import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet, UNetConfig
from napari_unet.prediction.arrays import predict_probabilities


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


def test_a_name_of_a_file_is_no_stack_and_no_array(files):
    config = TrainConfig.preset_named("fast", steps=2, device="cpu", tile=92, batch=1)
    image, mask = files / "image.tif", files / "mask.tif"
    stack = open_image(image, mask)
    with pytest.raises(InputError, match=r'open them with open_image\("image.tif"'):
        train(str(image), config)
    with pytest.raises(InputError, match="got a ndarray: open them with open_image"):
        train([stack, stack.image], config)
    with pytest.raises(InputError, match="as load_model gives it, got a str"):
        train(stack, config, start_from="run")
    with pytest.raises(InputError, match="give its folder"):
        train(stack, config, resume=True)
    network = UNet(UNetConfig(depth=1, width=2)).eval()
    model = TrainedModel(network, Intensity.measure(stack), stack.scheme)
    for one in (str(image), image, None):
        with pytest.raises(InputError, match="open files with open_image"):
            predict_labels(model, one)
    for one in (str(mask), mask, None, stack):
        with pytest.raises(InputError, match="the prediction must be an array"):
            evaluate(one, stack)
    with pytest.raises(InputError, match="slices 0 to 2, got 7"):
        evaluate(stack.labels, stack, slices=[7])


def test_a_slice_that_is_asked_for_twice_is_there_twice(files):
    stack = open_image(files / "image.tif", files / "mask.tif")
    network = UNet(UNetConfig(depth=1, width=2), torch.Generator().manual_seed(0)).eval()
    model = TrainedModel(network, Intensity.measure(stack), stack.scheme)
    whole = predict_probabilities(model, stack)
    twice = predict_probabilities(model, torch.from_numpy(stack.image), slices=[2, 0, 2])
    np.testing.assert_array_equal(twice, whole[[2, 0, 2]])
