from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics import (
    AreaScores,
    confusion,
    count,
    dice_by_class,
    iou,
    iou_by_class,
    iou_by_image,
)

PREDICTION = np.array([[1, 1], [0, 0]])
REFERENCE = np.array([[1, 0], [1, 0]])


def test_counts_by_hand():
    assert count(PREDICTION, REFERENCE) == (1, 1, 1, 1)


def test_scores_by_hand():
    assert iou(PREDICTION, REFERENCE) == 1 / 3
    assert count(PREDICTION, REFERENCE).dice == 1 / 2
    areas = AreaScores(confusion(PREDICTION, REFERENCE, 2))
    assert (areas.iou, areas.dice, areas.mean_iou) == (1 / 3, 1 / 2, 1 / 3)
    assert areas.pixel_accuracy == 1 / 2


def test_unknown_pixels_do_not_count():
    known = np.array([[1, 0], [1, 1]])
    assert count(PREDICTION, REFERENCE, known) == (1, 0, 1, 1)
    assert iou(PREDICTION, REFERENCE, known) == 1 / 2
    assert AreaScores(confusion(PREDICTION, REFERENCE, 2, known)).pixel_accuracy == 2 / 3


def test_any_nonzero_value_is_foreground():
    assert iou(255 * PREDICTION, -3.0 * REFERENCE) == 1 / 3


def test_where_there_is_nothing_to_find_nothing_can_be_measured():
    """Neither 0 nor 1, whatever was predicted: a slice without objects says nothing of finding."""
    nothing = np.zeros((2, 2), int)
    assert np.isnan([iou(nothing, nothing), count(nothing, nothing).dice]).all()
    for prediction in (nothing, PREDICTION):
        areas = AreaScores(confusion(prediction, nothing, 2))
        assert np.isnan([areas.iou, areas.dice]).all()
        assert areas.pixel_accuracy == (prediction == 0).mean()
    unknown = AreaScores(confusion(PREDICTION, REFERENCE, 2, nothing))
    assert np.isnan([unknown.iou, unknown.mean_iou, unknown.pixel_accuracy]).all()
    assert np.isnan(iou_by_image([PREDICTION], [nothing]))


def test_the_iou_of_each_image_counts_alike():
    small, large = np.array([[1, 0]]), np.ones((10, 10))
    assert iou_by_image([small, large], [np.array([[1, 1]]), large]) == 0.75
    assert iou_by_image([small, large], [np.zeros((1, 2)), large]) == 1


def test_confusion_by_hand():
    prediction, reference = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    table = confusion(prediction, reference, 4)
    assert table.tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(iou_by_class(table), [1, 1 / 2, 1 / 2, np.nan])
    np.testing.assert_array_equal(dice_by_class(table), [1, 2 / 3, 2 / 3, np.nan])
    assert AreaScores(table).mean_iou == 2 / 3
    assert AreaScores(table).iou == 1 / 2


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
    if not ((a | b) & known).any():
        assert np.isnan(j)
        return
    assert count(a, b, known).dice == pytest.approx(2 * j / (1 + j))
    assert iou(b, a, known) == j
    assert iou(a | b, a | b, known) == 1


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
    masked = confusion(other, labels, 4, known)
    np.testing.assert_array_equal(masked, confusion(other[known], labels[known], 4))
