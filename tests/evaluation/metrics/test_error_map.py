from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics import SegmentationError, error_map

KINDS = ["false merge", "false split", "missed", "invented"]


def blocks(*columns):
    """A plane of 6 rows whose value in every column is given."""
    return np.tile(np.array(columns), (6, 1))


TWO = blocks(1, 1, 1, 1, 0, 2, 2, 2)
JOINED = blocks(7, 7, 7, 7, 7, 7, 7, 7)


def test_no_error():
    found = error_map(TWO * 5, TWO)
    assert found.errors == ()
    assert list(found.layers) == KINDS
    assert all(layer.shape == (1, 6, 8) and not layer.any() for layer in found.layers.values())


def test_a_false_merge():
    found = error_map(JOINED, TWO)
    (error,) = found.errors
    # The object belongs to 1, the larger one, and swallowed the 18 pixels of 2.
    assert (error.kind, error.severity) == ("false merge", 18)
    assert (error.reference_ids, error.predicted_ids) == ((1, 2), (7,))
    np.testing.assert_array_equal(found.layers["false merge"][0], TWO == 2)
    # They meet at the gap.
    assert error.position[1] in (3, 4, 5)
    assert error.position[0] in (2, 3)


def test_a_false_split():
    found = error_map(TWO, JOINED)
    (error,) = found.errors
    assert (error.kind, error.severity) == ("false split", 18)
    assert (error.reference_ids, error.predicted_ids) == ((7,), (1, 2))
    np.testing.assert_array_equal(found.layers["false split"][0], TWO == 2)
    assert error.position[1] in (3, 4, 5)


def test_missed_and_invented_lie_in_their_middle():
    reference = np.zeros((20, 30), int)
    reference[2:9, 3:10] = 4
    prediction = np.zeros_like(reference)
    prediction[11:16, 20:25] = 8
    missed, invented = error_map(prediction, reference).errors
    assert missed == SegmentationError("missed", 0, (5, 6), 49, (4,), ())
    assert invented == SegmentationError("invented", 0, (13, 22), 25, (), (8,))


def test_a_cell_that_leaks_into_its_neighbour():
    # Object 8 has all of 2 and a part of 1; the rest of 1 is object 7.
    reference = blocks(1, 1, 1, 1, 1, 1, 0, 2, 2, 2, 2)
    prediction = blocks(7, 7, 7, 7, 0, 8, 8, 8, 8, 8, 8)
    (error,) = error_map(prediction, reference, smallest=1).errors
    assert (error.kind, error.severity) == ("false merge", 6)
    assert (error.reference_ids, error.predicted_ids) == ((2, 1), (8,))


def test_three_cells_in_one_are_two_merges():
    three = blocks(1, 1, 1, 1, 0, 2, 2, 2, 0, 3, 3)
    errors = error_map(np.ones_like(three), three).errors
    assert [(error.severity, error.reference_ids) for error in errors] == [
        (18, (1, 2)),
        (12, (1, 3)),
    ]


def test_errors_are_ranked_over_all_slices_and_numbered_in_their_layers():
    found = error_map(np.stack([JOINED, 0 * TWO, TWO]), np.stack([TWO, TWO, TWO]))
    assert [(error.kind, error.slice_index, error.severity) for error in found.errors] == [
        ("missed", 1, 24),
        ("false merge", 0, 18),
        ("missed", 1, 18),
    ]
    assert [layer.max() for layer in found.layers.values()] == [2, 0, 3, 0]
    assert set(found.layers["missed"][1].ravel().tolist()) == {0, 1, 3}


def test_an_outline_one_pixel_apart_is_no_error():
    reference = np.zeros((40, 40), int)
    reference[5:20, 5:35], reference[21:36, 5:35] = 1, 2
    prediction = np.roll(reference, 2, axis=0)
    assert error_map(prediction, reference).errors == ()


def test_what_is_too_small_is_left_out():
    reference = np.zeros((9, 9), int)
    reference[3:6, 3:6] = 1
    assert error_map(0 * reference, reference).errors == ()
    assert len(error_map(0 * reference, reference, smallest=9).errors) == 1


def test_unknown_pixels_do_not_count():
    known = TWO != 2
    assert error_map(0 * TWO, TWO, known).errors[0].reference_ids == (1,)
    assert error_map(JOINED, TWO, known).errors == ()


def test_what_does_not_fit_is_said():
    with pytest.raises(InputError, match="same shape"):
        error_map(TWO, TWO[:3])
    with pytest.raises(InputError, match=r"got shape \(1, 1, 6, 8\)"):
        error_map(TWO[None, None], TWO[None, None])


labels = arrays(np.uint16, (2, 7, 7), elements=st.integers(0, 3))


@settings(max_examples=80, deadline=None)
@given(labels, labels, st.integers(1, 8))
def test_layers_and_list_agree(prediction, reference, smallest):
    found = error_map(prediction, reference, smallest=smallest)
    severities = [error.severity for error in found.errors]
    assert severities == sorted(severities, reverse=True)
    drawn = sum(layer.astype(int) for layer in found.layers.values())
    for number, error in enumerate(found.errors, start=1):
        region = found.layers[error.kind] == number
        assert region.sum() == (drawn == number).sum() == error.severity >= smallest
        assert region[error.slice_index].sum() == error.severity
        inside_true = reference[region] > 0
        inside_found = prediction[region] > 0
        assert inside_true.all() if error.kind != "invented" else not inside_true.any()
        assert inside_found.all() if error.kind != "missed" else not inside_found.any()
        assert 0 <= error.position[0] < 7
        assert 0 <= error.position[1] < 7


@settings(max_examples=40, deadline=None)
@given(labels)
def test_a_perfect_prediction_has_no_error_whatever_its_ids(reference):
    renamed = np.where(reference > 0, 50 - reference.astype(int), 0)
    assert error_map(renamed, reference, smallest=1).errors == ()


@settings(max_examples=40, deadline=None)
@given(labels, labels)
def test_missed_and_invented_change_places(prediction, reference):
    there = error_map(prediction, reference, smallest=1)
    back = error_map(reference, prediction, smallest=1)
    np.testing.assert_array_equal(there.layers["missed"] > 0, back.layers["invented"] > 0)
