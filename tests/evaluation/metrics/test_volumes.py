"""Scores of ids that go through a whole stack: adapted Rand and variation of information."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import variation_of_information as skimage_variation

from napari_unet.evaluation.metrics import adapted_rand, variation_of_information

REFERENCE = np.array([[[1, 1, 2, 2]], [[1, 1, 2, 0]]])  # two slices; 4 and 3 voxels

stacks = arrays(np.int16, (2, 4, 5), elements=st.integers(0, 4))


def test_the_same_objects_under_other_ids():
    found = np.where(REFERENCE > 0, 9 - REFERENCE, 0)
    assert adapted_rand(found, REFERENCE).f_score == 1
    assert variation_of_information(found, REFERENCE) == (0, 0)


def test_one_merger_through_the_stack():
    score = adapted_rand(np.ones_like(REFERENCE), REFERENCE)
    assert score.precision == pytest.approx((16 + 9) / 49)
    assert score.recall == 1
    assert score.f_score == pytest.approx(2 * 25 / (25 + 49))
    variation = variation_of_information(np.ones_like(REFERENCE), REFERENCE)
    entropy = -(4 / 7 * np.log2(4 / 7) + 3 / 7 * np.log2(3 / 7))
    assert variation.split == 0
    assert variation.total == variation.merge == pytest.approx(entropy)


def test_ids_that_begin_anew_in_every_slice_are_splits():
    found = REFERENCE + 10 * (REFERENCE > 0) * np.array([0, 1])[:, None, None]
    score = adapted_rand(found, REFERENCE)
    assert score.precision == 1
    assert score.recall == pytest.approx((4 + 4 + 4 + 1) / 25)
    variation = variation_of_information(found, REFERENCE)
    assert variation.merge == 0
    inside = 4 / 7 * 1 - 3 / 7 * (2 / 3 * np.log2(2 / 3) + 1 / 3 * np.log2(1 / 3))
    assert variation.split == pytest.approx(inside)


def test_predicted_background():
    found = np.where(REFERENCE == 2, 0, REFERENCE)
    # Each of three voxels by itself; as one object for the variation of information.
    score = adapted_rand(found, REFERENCE)
    assert score.f_score == pytest.approx(2 * (16 + 3) / (25 + 16 + 3))
    assert variation_of_information(found, REFERENCE) == (0, 0)


def test_what_is_not_known_does_not_count():
    found = REFERENCE.copy()
    found[1] = 7
    known = np.array([True, False])[:, None, None]
    assert adapted_rand(found, REFERENCE, known).f_score == 1
    assert variation_of_information(found, REFERENCE, known).total == 0


def test_no_reference():
    nothing = np.zeros_like(REFERENCE)
    assert np.isnan(adapted_rand(REFERENCE, nothing).f_score)
    assert np.isnan(variation_of_information(REFERENCE, nothing).total)


@settings(max_examples=60, deadline=None)
@given(stacks, stacks)
def test_variation_is_that_of_scikit_image(found, reference):
    inside = reference > 0
    if not inside.any():
        return
    ours = variation_of_information(found, reference)
    merge, split = skimage_variation(found[inside], reference[inside])
    assert (ours.split, ours.merge) == pytest.approx((split, merge), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(stacks, stacks)
def test_rand_counts_pairs(found, reference):
    at = [(r, f if f else -k - 1) for k, (r, f) in enumerate(zip(reference.flat, found.flat)) if r]
    if not at:
        return
    same = sum(a == b for a in at for b in at)
    true, predicted = (sum(a[k] == b[k] for a in at for b in at) for k in (0, 1))
    score = adapted_rand(found, reference)
    assert score.precision == pytest.approx(same / predicted)
    assert score.recall == pytest.approx(same / true)
