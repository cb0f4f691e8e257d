from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.evaluation.metrics import (
    challenge,
    pixel_error,
    pixel_f_score,
    rand_error,
    rand_score,
)
from napari_unet.evaluation.metrics.challenge import THRESHOLDS, above, components, overlap
from napari_unet.evaluation.metrics.information import information_score
from napari_unet.evaluation.metrics.rand import rand_sums

# Two cells of 2 pixels; in the prediction they are one of 5.
TWO = np.array([[1, 1, 0, 1, 1]])
ONE = np.ones((1, 5))
# The first cell is found, of the second one pixel is lost.
LOST = np.array([[1.0, 1.0, 0.0, 1.0, 0.0]])


def overlap_of(prediction, labels):
    everywhere = np.ones(labels.shape, bool)
    return overlap(components(labels > 0), components(prediction > 0), everywhere)


def test_a_merger_lowers_precision():
    # S = 2² + 2², A = 2² + 2², B = 4²: membrane pixels do not count.
    score = rand_score(ONE, TWO)
    assert (score.precision, score.recall, score.f_score) == (1 / 2, 1, 2 / 3)


def test_a_split_lowers_recall():
    # S = 2² + 2² + 1, A = 5², B = 2² + 2² + 1: the pixel between is a component of its own.
    score = rand_score(TWO.astype(float), ONE)
    assert (score.precision, score.recall, score.f_score) == (1, 9 / 25, 18 / 34)


def test_predicted_background_counts_as_single_pixels():
    # S = 2² + 1² + 1, A = 2² + 2², B = 2² + 1² + 1.
    score = rand_score(LOST, TWO)
    assert (score.precision, score.recall) == (1, 6 / 8)


def test_sums_are_pooled_over_slices():
    pooled = rand_score(np.stack([ONE, LOST]), np.stack([TWO, TWO]))
    assert (pooled.precision, pooled.recall) == ((8 + 6) / (16 + 6), (8 + 6) / (8 + 8))


def test_components_are_joined_by_edges_only():
    diagonal = np.eye(2)
    assert components(diagonal > 0).max() == 2
    assert rand_score(np.ones((2, 2)), diagonal).f_score == 2 / 3


def test_the_best_threshold_counts():
    prob = np.array([[0.9, 0.9, 0.6, 0.9, 0.9]])
    assert rand_score(prob, TWO, 0.5).f_score == 2 / 3
    assert rand_error(prob, TWO) == 0
    assert pixel_error(prob, TWO) == 0
    assert pixel_f_score(prob, TWO, 0.5) == 8 / 9


def test_thresholds_are_sums_compared_in_double_precision():
    assert len(THRESHOLDS) == 11
    assert THRESHOLDS[3] == 0.1 + 0.1 + 0.1 != 0.3
    assert above(np.array([0.1], np.float32), 0.1).all()
    assert not above(np.array([0.1], np.float64), 0.1).any()


def test_pixels_that_are_not_known_do_not_count():
    known = np.array([[1, 1, 1, 0, 0]])
    assert rand_score(ONE, TWO, known=known).f_score == 1
    assert pixel_f_score(ONE, TWO, known=known) == 4 / 5


def test_information_by_hand():
    # Two halves found as one and a half: n = 4, z = 1.
    counts = overlap_of(LOST, TWO)
    assert (counts.total, counts.background) == (4, 1)
    h_a = math.log(2)
    h_b = -(1 / 2 * math.log(1 / 2) + 1 / 4 * math.log(1 / 4)) + 1 / 4 * math.log(4)
    score = information_score(counts)
    # The prediction tells the reference: H_AB = H_B.
    assert score.recall == pytest.approx(1)
    assert score.precision == pytest.approx(h_a / h_b)
    assert score.f_score == pytest.approx(2 * h_a / (h_a + h_b))


def test_information_of_a_single_component():
    single = information_score(overlap_of(TWO, ONE))
    assert (single.precision, single.recall, single.f_score) == (0, 1, 0)
    merged = information_score(overlap_of(ONE, TWO))
    assert (merged.precision, merged.recall, merged.f_score) == (1, 0, 0)


def test_an_empty_reference_measures_nothing():
    counts = overlap_of(ONE, np.zeros((1, 5)))
    assert np.isnan([information_score(counts).f_score, rand_sums(counts).score().f_score]).all()
    assert np.isnan(rand_error(ONE, np.zeros((1, 5))))


planes = arrays(bool, (6, 7))


def pairs_counted_one_by_one(prediction, labels):
    """Precision and recall over pairs of pixels, a pixel paired with itself included."""
    inside = np.flatnonzero(labels)
    true = components(labels).ravel()[inside]
    found = components(prediction).ravel()[inside].astype(int)
    lost = found == 0
    found[lost] = -np.arange(1, lost.sum() + 1)
    same_true, same_found = true[:, None] == true, found[:, None] == found
    both = (same_true & same_found).sum()
    return both / same_found.sum(), both / same_true.sum()


@settings(max_examples=60, deadline=None)
@given(planes, planes)
def test_rand_counts_pairs_of_pixels(prediction, labels):
    labels[0, 0] = True
    score = rand_score(prediction.astype(float), labels)
    assert (score.precision, score.recall) == pytest.approx(
        pairs_counted_one_by_one(prediction, labels)
    )


@settings(max_examples=60, deadline=None)
@given(planes, planes)
def test_scores_lie_in_0_to_1_and_perfect_ones_are_1(prediction, labels):
    assume(labels.any())
    for score in (rand_sums, information_score):
        found = score(overlap_of(prediction, labels))
        found = found.score() if score is rand_sums else found
        assert -1e-12 <= found.precision <= 1 + 1e-12
        assert -1e-12 <= found.recall <= 1 + 1e-12
    assert rand_sums(overlap_of(labels, labels)).score().f_score == 1
    if components(labels).max() > 1:
        assert information_score(overlap_of(labels, labels)).f_score == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(arrays(np.int32, (5, 5), elements=st.integers(0, 4)), planes)
def test_sparse_and_dense_tables_agree(labels, known):
    other = np.roll(labels, 2)
    dense = overlap(labels, other, known[:5, :5])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(challenge, "DENSE_CELLS", 0)
        sparse = overlap(labels, other, known[:5, :5])
    assert dense.shared.tolist() == sparse.shared.tolist()
    assert dense.background == sparse.background
    assert dense.shared.sum() + dense.background == dense.total == dense.reference.sum()
