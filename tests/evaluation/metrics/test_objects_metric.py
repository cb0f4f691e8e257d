from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics import average_precision, average_precision_curve
from napari_unet.evaluation.metrics.objects import count_detections, match_objects, object_overlaps

REFERENCE = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 0]])
# Object 5 has an IoU of 3/4 with 1, object 6 of 1/3 with 2, object 7 is invented.
PREDICTION = np.array([[5, 5, 5, 0, 0, 6, 0, 6, 7]])


def test_overlaps_by_hand():
    overlaps = object_overlaps(PREDICTION, REFERENCE)
    assert overlaps.reference_ids.tolist() == [1, 2]
    assert overlaps.reference_areas.tolist() == [4, 2]
    assert overlaps.predicted_ids.tolist() == [5, 6, 7]
    assert overlaps.predicted_areas.tolist() == [3, 2, 1]
    pairs = zip(overlaps.reference, overlaps.predicted, overlaps.shared)
    assert [tuple(map(int, pair)) for pair in pairs] == [(0, 0, 3), (1, 1, 1)]
    assert overlaps.iou.tolist() == [3 / 4, 1 / 3]


def test_average_precision_by_hand():
    # 1 is found; 2 is missed; 6 and 7 are wrong.
    assert average_precision([PREDICTION], [REFERENCE], 0.5) == 1 / 4
    # Both are found; 7 is wrong.
    assert average_precision([PREDICTION], [REFERENCE], 0.3) == 2 / 3
    assert average_precision_curve([PREDICTION], [REFERENCE], (0.3, 0.75, 0.8)) == (2 / 3, 1 / 4, 0)


def test_objects_are_counted_over_all_frames():
    frames = [PREDICTION, REFERENCE], [REFERENCE, REFERENCE]
    assert average_precision(*frames) == (1 + 2) / (4 + 2)


def test_frames_that_are_not_annotated_do_not_count():
    assert average_precision([PREDICTION, REFERENCE], [None, REFERENCE]) == 1


def test_an_object_stands_for_one_at_most():
    # At 0.5 both halves match the whole; only one may.
    halves, whole = np.array([[1, 1, 2, 2]]), np.array([[9, 9, 9, 9]])
    assert average_precision([halves], [whole], 0.5) == 1 / 2
    assert average_precision([whole], [halves], 0.5) == 1 / 2


def test_as_many_pairs_as_possible():
    # The greatest IoU, 5 with 2, would leave 1 and 6 without a partner.
    reference = np.array([[1, 1, 1, 2, 2, 2, 2, 2, 2, 0]])
    prediction = np.array([[5, 5, 5, 5, 5, 5, 5, 6, 6, 0]])
    overlaps = object_overlaps(prediction, reference)
    assert sorted(np.round(overlaps.iou, 3)) == [0.333, 0.429, 0.444]
    assert len(match_objects(overlaps, 0.3)) == 2


def test_unknown_pixels_do_not_count():
    known = [np.arange(9)[None] < 5]
    # What is left of object 1 is matched; 6 and 7 lie where nothing is known.
    assert average_precision([PREDICTION], [REFERENCE], 0.5, known) == 1
    detections = count_detections(object_overlaps(PREDICTION, REFERENCE, known[0]))
    assert (detections.true_positive, detections.false_positive) == (1, 0)


def test_an_object_that_is_mostly_unknown_is_not_invented():
    prediction, truth = np.array([[3, 3, 3, 0, 5]]), np.array([[0, 0, 0, 0, 5]])
    assert average_precision([prediction], [truth], known=[np.array([[1, 0, 0, 1, 1]])]) == 1
    assert average_precision([prediction], [truth], known=[np.array([[1, 1, 0, 1, 1]])]) == 0.5


def test_where_there_is_nothing_to_find_nothing_can_be_measured():
    nothing = np.zeros((2, 2), int)
    assert np.isnan(average_precision([nothing], [nothing]))
    assert np.isnan(average_precision([nothing + 1], [nothing]))
    assert np.isnan(average_precision([], []))


def test_what_does_not_fit_is_said():
    with pytest.raises(InputError, match="same number of frames, got 1 and 2"):
        average_precision([PREDICTION], [REFERENCE, REFERENCE])
    with pytest.raises(InputError, match="every frame must be"):
        average_precision(PREDICTION, REFERENCE)
    with pytest.raises(InputError, match="must have the same shape"):
        average_precision([PREDICTION], [REFERENCE[:, :4]])


labels = arrays(np.uint16, (6, 6), elements=st.integers(0, 4))


@settings(max_examples=60, deadline=None)
@given(labels, labels, st.sampled_from([0.1, 0.3, 0.5, 0.7]))
def test_matches_are_one_to_one_and_reach_the_threshold(prediction, reference, threshold):
    overlaps = object_overlaps(prediction, reference)
    matches = match_objects(overlaps, threshold)
    assert (overlaps.iou[matches] >= threshold).all()
    for side in (overlaps.reference[matches], overlaps.predicted[matches]):
        assert len(set(side.tolist())) == len(side)
    # By symmetry the other way round finds as many.
    assert len(match_objects(object_overlaps(reference, prediction), threshold)) == len(matches)


@settings(max_examples=60, deadline=None)
@given(labels, labels)
def test_overlaps_are_those_of_masks(prediction, reference):
    overlaps = object_overlaps(prediction, reference)
    for r, p, shared, iou in zip(
        overlaps.reference, overlaps.predicted, overlaps.shared, overlaps.iou
    ):
        true = reference == overlaps.reference_ids[r]
        found = prediction == overlaps.predicted_ids[p]
        assert (true & found).sum() == shared
        assert shared / (true | found).sum() == iou
    assert overlaps.shared.sum() == ((prediction > 0) & (reference > 0)).sum()


@settings(max_examples=40, deadline=None)
@given(labels)
def test_a_perfect_prediction_is_perfect_whatever_its_ids(reference):
    assume(reference.any())
    renamed = np.where(reference > 0, 40 - reference.astype(int), 0)
    assert set(average_precision_curve([renamed], [reference])) == {1.0}
