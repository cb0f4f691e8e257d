"""Labels to correct: the prediction below, what was painted on top, nothing changed."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.labels_to_correct import (
    CorrectionRequest,
    LabelsMade,
    labels_of,
    labels_to_correct,
)
from napari_unet.base.errors import InputError
from napari_unet.config.network import UNetConfig
from napari_unet.images.intensity import Intensity
from napari_unet.images.stack import Stack
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_probabilities

SPARSE = LabelScheme("classes", "sparse", (1, 2))


def test_by_hand():
    foreground = np.array([[0.1, 0.5, 0.6, 0.95, 0.0]])
    probabilities = np.stack([1 - foreground, foreground])
    probabilities[:, 0, 4] = 0  # outside of the image
    assert labels_of(probabilities, SPARSE).tolist() == [[1, 1, 2, 2, 0]]
    assert labels_of(probabilities, SPARSE, 0.9).tolist() == [[1, 0, 0, 2, 0]]
    dense = LabelScheme("classes", "dense", (0, 1))
    assert labels_of(probabilities, dense, 0.9).tolist() == [[0, 0, 1, 1, 0]]


def model(classes=2):
    import torch

    config = UNetConfig(classes=classes, depth=1, width=4)
    network = UNet(config, torch.Generator().manual_seed(3)).eval()
    values = tuple(range(1, classes + 1))
    scheme = LabelScheme("classes", "sparse", values)
    return TrainedModel(network, Intensity((0.0,), (255.0,)), scheme)


def painted(axes="zyx", shape=(3, 40, 48)):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, shape, dtype=np.uint8)
    labels = np.zeros(tuple(n for n, a in zip(shape, axes) if a != "c"), np.uint8)
    labels[..., 3:6, 4:9] = 2
    labels[..., 9:12, 4:9] = 1
    return Stack("s", image, axes, labels=labels, scheme=SPARSE)


def made(request):
    *pieces, last = labels_to_correct(request)
    assert pieces[-1].done == pieces[-1].total
    assert isinstance(last, LabelsMade)
    return last


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


@pytest.mark.parametrize("sure", [0.0, 0.52])
def test_strokes_win_and_stay_as_they_are(sure):
    stack, one = painted(), model()
    before = digest(stack.labels)
    last = made(CorrectionRequest(lambda: one, stack, sure=sure))
    probabilities = predict_probabilities(one, stack, device="cpu")
    expected = labels_of(np.moveaxis(probabilities, 1, 0), SPARSE, sure)
    own = stack.labels != 0
    assert np.array_equal(last.values[~own], expected[~own])
    assert np.array_equal(last.values[own], stack.labels[own])
    assert last.given == np.count_nonzero(expected[~own])
    assert bool((last.values == 0).any()) is (sure > 0)
    assert digest(stack.labels) == before
    last.values[:] = 9
    assert digest(stack.labels) == before


def test_of_one_slice_the_others_have_the_strokes_alone():
    stack, one = painted(), model()
    values = made(CorrectionRequest(lambda: one, stack, slices=(1,))).values
    assert values[1].all()
    for i in (0, 2):
        assert np.array_equal(values[i], stack.labels[i])


def test_what_is_painted_meanwhile_wins_too():
    stack, one = painted(), model()
    events = labels_to_correct(CorrectionRequest(lambda: one, stack))
    next(events)
    stack.labels[2, 30:33, 30:33] = 2
    *_, last = events
    assert (last.values[2, 30:33, 30:33] == 2).all()


@pytest.mark.parametrize(("axes", "shape"), [("tczyx", (2, 1, 2, 40, 48)), ("yx", (40, 48))])
def test_any_axes(axes, shape):
    stack, one = painted(axes, shape), model()
    last = made(CorrectionRequest(lambda: one, stack))
    assert last.values.shape == stack.labels.shape
    own = stack.labels != 0
    assert np.array_equal(last.values[own], stack.labels[own])


def test_without_a_network_or_with_another_it_says_so():
    with pytest.raises(InputError, match="no network"):
        next(labels_to_correct(CorrectionRequest(lambda: None, painted())))
    three = model(3)
    with pytest.raises(InputError, match="3 classes"):
        next(labels_to_correct(CorrectionRequest(lambda: three, painted())))
