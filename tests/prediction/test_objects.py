"""From probabilities to objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage import measure

from napari_unet.base.errors import InputError
from napari_unet.prediction.objects import instances

RING = np.array(
    [
        [1, 1, 1, 0],
        [1, 0, 1, 0],
        [1, 1, 1, 0],
        [0, 0, 0, 1],
    ],
    float,
)
planes = arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
)


def test_corners_do_not_connect_unless_asked() -> None:
    objects = instances(RING)
    assert objects.dtype == np.int32
    assert objects.tolist() == [[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 2]]
    assert instances(RING, connectivity=2).max() == 1


def test_more_than_the_threshold() -> None:
    assert instances(np.array([[0.5, 0.6, 0.4]])).tolist() == [[0, 1, 0]]
    assert instances(np.array([[0.5, 0.6, 0.4]]), threshold=0.3).tolist() == [[1, 1, 1]]


def test_foreground_of_classes_is_all_but_background() -> None:
    background = np.array([[0.2, 0.9, 0.4]])
    probabilities = np.stack([background, (1 - background) / 2, (1 - background) / 2])
    # No class but background has more than a half here, together they have.
    assert instances(probabilities).tolist() == [[1, 0, 2]]


def test_holes() -> None:
    assert instances(RING, fill_holes=True)[1, 1] == 1
    opened = RING.copy()
    opened[0, 1] = 0
    assert instances(opened, fill_holes=True)[1, 1] == 0


def test_a_ring_closed_by_corners_has_an_inside_only_if_corners_connect() -> None:
    diamond = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], float)
    assert instances(diamond, fill_holes=True)[1, 1] == 0
    assert instances(diamond, fill_holes=True, connectivity=2)[1, 1] == 1


def test_small_objects_are_left_out_and_numbers_close_up() -> None:
    plane = np.array([[1, 0, 1, 1, 0, 1, 1, 1]], float)
    assert instances(plane, min_size=2).tolist() == [[0, 0, 1, 1, 0, 2, 2, 2]]
    assert instances(RING, min_size=9, fill_holes=True).max() == 1
    assert instances(RING, min_size=9).max() == 0


def test_bool_and_half_precision() -> None:
    assert instances(np.array([[True, False]])).tolist() == [[1, 0]]
    assert instances(np.array([[1, 0]], np.float16)).tolist() == [[1, 0]]


@settings(max_examples=60, deadline=None)
@given(planes, st.sampled_from([0.0, 0.3, 0.5]), st.sampled_from([1, 2]), st.integers(0, 5))
def test_equal_to_scikit_image(
    plane: np.ndarray, threshold: float, connectivity: int, min_size: int
) -> None:
    objects = instances(plane, threshold=threshold, connectivity=connectivity, min_size=min_size)
    # Same pixels, same partition, numbered 1 .. n.
    reference = measure.label(plane > threshold, connectivity=connectivity)
    reference[np.bincount(reference.ravel())[reference] < min_size] = 0
    np.testing.assert_array_equal(objects > 0, reference > 0)
    pairs = set(zip(objects[objects > 0].tolist(), reference[objects > 0].tolist()))
    assert len(pairs) == objects.max() == len({b for _, b in pairs})


@settings(max_examples=40, deadline=None)
@given(planes)
def test_filling_only_adds_enclosed_pixels(plane: np.ndarray) -> None:
    plain, filled = instances(plane), instances(plane, fill_holes=True)
    assert (filled[plain > 0] > 0).all()
    added = (filled > 0) & (plain == 0)
    for border in (added[0], added[-1], added[:, 0], added[:, -1]):
        assert not border.any()
    assert filled.max() <= plain.max()


@pytest.mark.parametrize(
    ("probabilities", "more", "message"),
    [
        (np.zeros((1, 4, 4)), {}, "2 classes at least"),
        (np.zeros(4), {}, "got shape"),
        (np.zeros((2, 2, 4, 4)), {}, "one slice at a time"),
        (np.array([[3.0]]), {}, "between 0 and 1, got 3.0; apply the softmax"),
        (np.array([[np.nan]]), {}, "got nan"),
        (np.array([[0, 255]], np.uint8), {}, "got 255"),
        (np.array([[0, 1]]), {}, "got int64"),
        (RING, {"threshold": 1.5}, "threshold"),
        (RING, {"min_size": -1}, "smallest object"),
        (RING, {"connectivity": 4}, "connectivity"),
    ],
)
def test_unusable_input(probabilities: np.ndarray, more: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        instances(probabilities, **more)
