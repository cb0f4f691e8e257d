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
def test_parts_cover_a_plane_once_and_tell_what_is_seen(shape, corners, near):
    (Y, X), (a, b, c, d) = shape, corners
    y0, x0 = int(a * (Y - 1)), int(c * (X - 1))
    seen = y0, y0 + 1 + int(b * (Y - 1 - y0)), x0, x0 + 1 + int(d * (X - 1 - x0))
    times, is_seen = np.zeros(shape, int), np.zeros(shape, bool)
    is_seen[seen[0] : seen[1], seen[2] : seen[3]] = True
    for regions, expected in zip(parts(shape, seen, near), (True, False)):
        for p0, p1, q0, q1 in regions:
            times[p0:p1, q0:q1] += 1
            assert p0 < p1 <= p0 + live_prediction.PART
            assert q0 < q1 <= q0 + live_prediction.PART
            assert (is_seen[p0:p1, q0:q1] == expected).all()
    assert (times == 1).all()


def test_what_was_painted_last_comes_first():
    # by hand: 512 px a part, so three by three
    (first, *rest), hidden = parts((1500, 1500), None, (1400, 700))
    assert first == (1000, 1500, 500, 1000)
    assert hidden == []
    assert rest[:2] == [(1000, 1500, 0, 500), (1000, 1500, 1000, 1500)]  # 200 and 300 px away
    seen, hidden = parts((1500, 1500), (0, 400, 0, 400), (1400, 700))
    assert seen == [(0, 400, 0, 400)]
    assert hidden[0] == (1133, 1500, 500, 1000)


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


def test_who_goes_on_painting_sees_it_before_the_rest_which_comes_in_turns(small_parts):
    strokes = [(10, 10)]
    live = LivePrediction(STACK, lambda: Look(0), painted=lambda: strokes[-1])
    live._time.affords = lambda **_: True
    model, seen = model_of(), []

    def corner():
        piece = live.next_piece(model, Compute())
        seen.append((piece.rows.start, piece.cols.start))
        return seen[-1]

    # 150 x 200 in parts of 50 x 50; nothing is painted for a while, so a picture is completed
    for _ in range(12):
        corner()
    assert seen[0] == (0, 0)
    assert len(set(seen)) == 12
    assert corner() == (0, 0)
    del seen[:]
    strokes.append((140, 190))
    assert corner() != (100, 150)  # what was begun is not broken off at once
    for k in range(22):
        strokes.append((140, 190 - k / 100))
        corner()
    assert seen[1::2] == [(100, 150)] * 11
    others = seen[2::2]
    assert len(set(others)) == 11  # all others, and none twice
