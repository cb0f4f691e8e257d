from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics import (
    confusion,
    count,
    dice,
    dice_by_class,
    f_score,
    iou,
    iou_by_class,
    mean_iou,
    pixel_accuracy,
)

PREDICTION = np.array([[1, 1], [0, 0]])
REFERENCE = np.array([[1, 0], [1, 0]])


def test_counts_by_hand():
    assert count(PREDICTION, REFERENCE) == (1, 1, 1, 1)


def test_scores_by_hand():
    assert iou(PREDICTION, REFERENCE) == 1 / 3
    assert dice(PREDICTION, REFERENCE) == 1 / 2
    assert f_score(PREDICTION, REFERENCE) == 1 / 2
    assert pixel_accuracy(PREDICTION, REFERENCE) == 1 / 2


def test_unknown_pixels_do_not_count():
    known = np.array([[1, 0], [1, 1]])
    assert count(PREDICTION, REFERENCE, known) == (1, 0, 1, 1)
    assert iou(PREDICTION, REFERENCE, known) == 1 / 2
    assert pixel_accuracy(PREDICTION, REFERENCE, known) == 2 / 3


def test_any_nonzero_value_is_foreground():
    assert iou(255 * PREDICTION, -3.0 * REFERENCE) == 1 / 3


def test_nothing_found_where_nothing_is_is_perfect():
    nothing = np.zeros((2, 2))
    assert iou(nothing, nothing) == dice(nothing, nothing) == 1
    assert pixel_accuracy(PREDICTION, REFERENCE, nothing) == 1
    assert mean_iou(nothing.astype(int), nothing.astype(int), 2, nothing) == 1


def test_confusion_by_hand():
    prediction, reference = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    table = confusion(prediction, reference, 4)
    assert table.tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(iou_by_class(table), [1, 1 / 2, 1 / 2, np.nan])
    np.testing.assert_array_equal(dice_by_class(table), [1, 2 / 3, 2 / 3, np.nan])
    assert mean_iou(prediction, reference, 4) == 2 / 3


def test_a_value_that_is_no_class_may_hide_where_unknown():
    prediction, reference = np.array([0, 1]), np.array([0, 9])
    with pytest.raises(InputError, match="class indices 0 to 1, got values 0 to 9"):
        confusion(prediction, reference, 2)
    assert confusion(prediction, reference, 2, known=[True, False]).tolist() == [[1, 0], [0, 0]]


def test_shapes_must_agree():
    with pytest.raises(InputError, match=r"got \(2, 2\) and \(2, 3\)"):
        iou(PREDICTION, np.zeros((2, 3)))
    with pytest.raises(InputError, match="known must have the shape"):
        iou(PREDICTION, REFERENCE, known=np.zeros(3))


binary = arrays(bool, (4, 5))


@settings(max_examples=50, deadline=None)
@given(binary, binary, binary)
def test_dice_follows_from_iou_and_both_are_symmetric(a, b, known):
    j = iou(a, b, known)
    assert dice(a, b, known) == pytest.approx(2 * j / (1 + j))
    assert iou(b, a, known) == j
    assert iou(a, a, known) == 1


@settings(max_examples=50, deadline=None)
@given(binary, binary, binary)
def test_confusion_holds_the_counts_and_adds_up(a, b, known):
    table = confusion(a, b, 2, known)
    tp, fp, fn, tn = count(a, b, known)
    assert table.tolist() == [[tn, fp], [fn, tp]]
    assert count(a, b, known) + count(a, b, ~known) == count(a, b)


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, (4, 5), elements=st.integers(0, 3)), binary)
def test_a_mask_equals_cropping(labels, known):
    other = np.roll(labels, 1)
    assert mean_iou(other, labels, 4, known) == mean_iou(other[known], labels[known], 4)
