"""A picture of the slice being shown: what comes first, what it is, and when it is begun anew."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app import live_prediction
from napari_unet.app.live_prediction import LivePrediction, Look, parts
from napari_unet.config.network import UNetConfig
from napari_unet.images.stack import Intensity, Stack
from napari_unet.network.compute import Compute
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_labels

SHAPE = (150, 200)
SCHEME = LabelScheme("classes", values=(1, 2))
IMAGE = np.random.default_rng(0).integers(0, 255, (2, *SHAPE), np.uint8)
STACK = Stack("s", IMAGE, "zyx", scheme=None)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(live_prediction, "PART", 60)


def model_of(seed=0):
    torch.manual_seed(seed)
    network = UNet(UNetConfig(depth=1, width=4, classes=2, dropout=0.0)).eval()
    return TrainedModel(network, Intensity((0.0,), (255.0,)), SCHEME)


def whole(live, model):
    """A picture: its pieces put together, and the rows and columns of each."""
    found, places = np.zeros(SHAPE, int), []
    for piece in live.whole_slice(model, Compute()):
        found[piece.rows, piece.cols] = piece.values
        places.append((piece.rows.start, piece.rows.stop, piece.cols.start, piece.cols.stop))
    return found, places


@given(
    st.tuples(st.integers(1, 1500), st.integers(1, 1500)),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.none() | st.tuples(st.floats(0, 1500), st.floats(0, 1500)),
)
def test_parts_cover_a_plane_once_and_what_is_seen_comes_first(shape, corners, near):
    (Y, X), (a, b, c, d) = shape, corners
    y0, x0 = int(a * (Y - 1)), int(c * (X - 1))
    seen = y0, y0 + 1 + int(b * (Y - 1 - y0)), x0, x0 + 1 + int(d * (X - 1 - x0))
    times, is_seen = np.zeros(shape, int), np.zeros(shape, bool)
    is_seen[seen[0] : seen[1], seen[2] : seen[3]] = True
    order = []
    for p0, p1, q0, q1 in parts(shape, seen, near):
        times[p0:p1, q0:q1] += 1
        assert p0 < p1 <= p0 + live_prediction.PART
        assert q0 < q1 <= q0 + live_prediction.PART
        inside = is_seen[p0:p1, q0:q1]
        assert inside.all() or not inside.any()
        order.append(bool(inside.all()))
    assert (times == 1).all()
    assert order == sorted(order, reverse=True)


def test_what_was_painted_last_comes_first():
    # by hand: 512 px a part, so three by three
    first, *rest = parts((1500, 1500), None, (1400, 700))
    assert first == (1000, 1500, 500, 1000)
    assert rest[:2] == [(1000, 1500, 0, 500), (1000, 1500, 1000, 1500)]  # 200 and 300 px away
    assert parts((1500, 1500), (0, 400, 0, 400), (1400, 700))[0] == (0, 400, 0, 400)


def test_put_together_it_is_the_prediction_of_the_slice(small_parts):
    model = model_of()
    live = LivePrediction(STACK, lambda: Look(1, (64, 128, 0, 128)), painted=lambda: (100, 100))
    found, places = whole(live, model)
    assert places[0] == (96, 128, 85, 128)
    assert np.array_equal(found, predict_labels(model, IMAGE, "zyx", device="cpu")[1])


def test_a_picture_is_of_one_network(small_parts):
    model = model_of()
    expected = predict_labels(model, IMAGE, "zyx", device="cpu")[0]
    live = LivePrediction(STACK, lambda: Look(0))
    found, other = np.zeros(SHAPE, int), model_of(1).network.state_dict()
    for piece in live.whole_slice(model, Compute()):
        found[piece.rows, piece.cols] = piece.values
        model.network.load_state_dict(other)  # a step is taken meanwhile
    assert np.array_equal(found, expected)
    assert not np.array_equal(expected, predict_labels(model, IMAGE, "zyx", device="cpu")[0])


def test_whoever_looks_elsewhere_begins_another_picture(small_parts):
    looks = [Look(0, (0, 64, 0, 64))]
    live = LivePrediction(STACK, lambda: looks[-1])
    live._time.affords = lambda **_: True
    model = model_of()
    first = live.next_piece(model, Compute())
    assert (first.rows.start, first.cols.start) == (0, 0)
    assert live.next_piece(model, Compute()).cols.start > 0
    looks.append(Look(0, (64, 128, 128, 200)))
    moved = live.next_piece(model, Compute())
    assert 64 <= moved.rows.start < 128 <= moved.cols.start
    looks.append(Look(1))
    assert live.next_piece(model, Compute()).slice_index == 1


def test_moving_the_canvas_does_not_end_the_last_picture(small_parts):
    regions = iter([(0, k, 0, 64) for k in range(64, 149)])
    live = LivePrediction(STACK, lambda: Look(0, next(regions)))
    model = copy.deepcopy(model_of())
    found, _ = whole(live, model)
    assert np.array_equal(found, predict_labels(model, IMAGE, "zyx", device="cpu")[0])
