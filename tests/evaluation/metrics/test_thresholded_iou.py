from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis.extra.numpy import arrays

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics import iou, thresholded_iou


def image(n):
    """Foreground of n of 100 pixels."""
    return np.arange(100)[None] < n


@pytest.mark.parametrize(
    ("found", "score"),
    [(100, 1), (96, 1), (94, 0.9), (86, 0.8), (76, 0.6), (52, 0.1), (49, 0), (0, 0)],
)
def test_steps_by_hand(found, score):
    assert iou(image(found), image(100)) == found / 100
    assert thresholded_iou([image(found)], [image(100)]) == score


def test_images_are_averaged():
    assert thresholded_iou([image(86), image(40)], [image(100)] * 2) == 0.4


def test_an_image_without_foreground_is_perfect_if_none_is_found():
    assert thresholded_iou([image(0)], [image(0)]) == 1


def test_unknown_pixels_do_not_count():
    assert thresholded_iou([image(86)], [image(100)], [image(86)]) == 1


def test_an_image_without_annotation_does_not_count():
    nothing = np.zeros((1, 100), bool)
    found = thresholded_iou([image(86), image(1)], [image(100)] * 2, [~nothing, nothing])
    assert found == 0.8
    assert np.isnan(thresholded_iou([image(1)], [image(100)], [nothing]))


def test_what_does_not_fit_is_said():
    with pytest.raises(InputError, match="at least one, got 0 and 0"):
        thresholded_iou([], [])
    with pytest.raises(InputError, match="got 1 and 2"):
        thresholded_iou([image(1)], [image(1)] * 2)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, 20), arrays(bool, 20))
def test_it_is_one_of_eleven_steps_and_not_the_iou(a, b):
    assume((a | b).any())
    score = thresholded_iou([a], [b])
    assert score in [k / 10 for k in range(11)]
    assert score - 0.1 <= np.clip(2 * (iou(a, b) - 0.5), 0, 1) + 1e-4 <= score + 1e-3
