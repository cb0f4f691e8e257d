"""Comparing a prediction with a reference, without a window."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme, separate_touching
from napari_unet.base.errors import InputError
from napari_unet.evaluation import comparison as evaluation
from napari_unet.evaluation.comparison import (
    ERROR_KINDS,
    Curves,
    Doing,
    ErrorPlane,
    EvaluationRequest,
    Score,
    compare,
    guess_kind,
    offered_metrics,
)

OBJECTS = LabelScheme(kind="objects")
TOUCHING = np.repeat([[1, 1, 1, 2, 2, 2, 0, 0]], 4, axis=0)


def rows_of(request):
    return {event.name: event.value for event in compare(request) if isinstance(event, Score)}


def test_scores_of_a_hand_checked_pair():
    reference = np.array([[1, 1, 0, 0]])
    prediction = np.array([[1, 0, 1, 0]])
    scheme = LabelScheme(kind="classes", values=(0, 1))
    rows = rows_of(EvaluationRequest(prediction, reference, scheme=scheme))
    assert rows["IoU"] == pytest.approx(1 / 3)
    assert rows["mean IoU"] == pytest.approx(1 / 3)
    assert rows["Dice"] == pytest.approx(1 / 2)
    assert rows["pixel accuracy"] == pytest.approx(1 / 2)


def test_only_the_slices_asked_for_count():
    reference = np.zeros((3, 4, 4), np.uint8)
    reference[:, :2] = 1
    prediction = reference.copy()
    prediction[0] = 1 - prediction[0]
    scheme = LabelScheme(kind="classes", values=(0, 1))
    events = list(compare(EvaluationRequest(prediction, reference, scheme=scheme, slices=(1, 2))))
    rows = {event.name: event.value for event in events if isinstance(event, Score)}
    assert rows["IoU"] == 1
    assert [e.index for e in events if isinstance(e, ErrorPlane)] == [(1,), (2,)]
    assert any(isinstance(event, Doing) for event in events)


def test_a_merge_and_an_invented_object_are_found_where_they_are():
    reference = np.zeros((2, 20, 30), np.uint8)
    reference[1, 2:8, 2:10] = 1
    reference[1, 2:8, 12:20] = 2
    prediction = np.zeros_like(reference)
    prediction[1, 2:8, 2:20] = 1
    prediction[1, 12:18, 2:10] = 1
    scheme = LabelScheme(kind="objects")
    events = compare(EvaluationRequest(prediction, reference, scheme=scheme))
    first, second = (event for event in events if isinstance(event, ErrorPlane))
    assert first.errors == ()
    assert not first.values.any()
    assert {error.kind for error in second.errors} == {"false merge", "invented"}
    merged = second.values == 1 + ERROR_KINDS.index("false merge")
    assert merged.sum() == 6 * 8
    assert set(np.unique(reference[1][merged])) <= {1, 2}
    invented = second.values == 1 + ERROR_KINDS.index("invented")
    assert invented.sum() == 6 * 8
    assert invented[12:18, 2:10].all()


def test_cell_and_object_metrics_of_a_perfect_segmentation():
    reference = np.zeros((1, 20, 20), np.uint8)
    reference[0, 2:8, 2:8] = 3
    reference[0, 12:18, 2:8] = 5
    for name, expected in (("ctc", ("SEG", "DET")), ("objects", ("AP 0.5", "AP 0.75", "AP 0.9"))):
        request = EvaluationRequest(
            reference,
            reference,
            kind="objects",
            scheme=LabelScheme(kind="objects"),
            metrics=("overlap", name),
        )
        rows = rows_of(request)
        assert [rows[key] for key in expected] == [1.0] * len(expected)


def test_sparse_references_count_only_where_annotated():
    reference = np.array([[2, 1, 0, 0]])
    prediction = np.array([[2, 1, 2, 2]])
    scheme = LabelScheme(kind="objects", annotation="sparse")
    rows = rows_of(EvaluationRequest(prediction, reference, scheme=scheme))
    assert rows["pixel accuracy"] == 1


def test_instances_of_id_one_are_foreground_for_sparse_references_too():
    reference = np.array([[2, 2, 1, 1]])
    instances = np.array([[1, 1, 0, 0]])
    scheme = LabelScheme(kind="objects", annotation="sparse", gap=False)
    rows = rows_of(EvaluationRequest(instances, reference, kind="objects", scheme=scheme))
    assert rows["IoU"] == 1


def test_probabilities_above_a_half_are_foreground():
    reference = np.array([[1, 1, 0, 0]])
    probabilities = np.array([[0.9, 0.6, 0.4, 0.5]], np.float32)
    scheme = LabelScheme(kind="classes", values=(0, 1))
    request = EvaluationRequest(probabilities, reference, kind="probabilities", scheme=scheme)
    assert rows_of(request)["pixel accuracy"] == 1


def test_layers_of_different_shape_are_refused_in_one_sentence():
    request = EvaluationRequest(np.zeros((4, 3, 3)), np.zeros((3, 3), int))
    with pytest.raises(InputError, match="same shape"):
        list(compare(request))


def test_the_challenge_metrics_of_a_perfect_segmentation():
    reference = np.zeros((2, 24, 24), np.uint8)
    reference[:, :11] = 1
    reference[:, 12:] = 1
    scheme = LabelScheme(kind="classes", values=(0, 1))
    request = EvaluationRequest(
        reference.astype(np.float32),
        reference,
        kind="probabilities",
        scheme=scheme,
        metrics=("overlap", "isbi2012"),
    )
    rows = rows_of(request)
    assert rows["Rand error"] == pytest.approx(0, abs=1e-12)
    assert rows["pixel error"] == pytest.approx(0, abs=1e-12)
    assert rows["V_Rand"] == pytest.approx(1)


def test_a_long_metric_ends_when_it_is_closed():
    rng = np.random.default_rng(0)
    reference = (rng.random((3, 96, 96)) > 0.4).astype(np.uint8)
    request = EvaluationRequest(
        rng.random((3, 96, 96), np.float32),
        reference,
        kind="probabilities",
        scheme=LabelScheme(kind="classes", values=(0, 1)),
        metrics=("overlap", "isbi2012"),
    )
    events = compare(request)
    for event in events:
        if isinstance(event, Doing) and event.text.startswith("computing"):
            break
    events.close()


def test_touching_cells_count_as_they_were_drawn():
    request = EvaluationRequest(
        TOUCHING, TOUCHING, "objects", OBJECTS, metrics=("overlap", "ctc", "objects")
    )
    rows = rows_of(request)
    assert rows["SEG"] == rows["DET"] == rows["AP 0.9"] == rows["AP mean"] == 1
    assert rows["IoU"] == rows["pixel accuracy"] == 1


def test_touching_cells_are_two_to_the_challenge_of_membranes():
    parted = separate_touching(TOUCHING) > 0
    rows = rows_of(
        EvaluationRequest(parted.astype(np.uint8), TOUCHING, None, OBJECTS, metrics=("isbi2012",))
    )
    assert rows["V_Rand"] == 1
    assert rows["pixel error"] == 0


@pytest.mark.parametrize(
    ("values", "scheme", "kind"),
    [
        ([0, 1], OBJECTS, "mask"),
        ([0, 255], LabelScheme(kind="classes", values=(0, 1)), "mask"),
        ([0, 1, 2], OBJECTS, "objects"),
        ([1, 2], LabelScheme(kind="objects", annotation="sparse"), "labels"),
        ([0, 1], LabelScheme(kind="objects", annotation="sparse"), "mask"),
        ([0, 1, 2], LabelScheme(kind="classes", values=(0, 1, 2)), "labels"),
        ([0, 7, 9], LabelScheme(kind="classes", values=(0, 1)), "objects"),
        ([0.0, 0.5], OBJECTS, "probabilities"),
        ([0.0, 1.0], OBJECTS, "probabilities"),
        ([0.0, 1.0, 2.0], OBJECTS, "objects"),
        ([0.0, 1.0, 2.0], LabelScheme(kind="classes", values=(0, 1, 2)), "labels"),
    ],
)
def test_what_a_prediction_holds_is_guessed(values, scheme, kind):
    assert guess_kind([np.array([values])], scheme) == kind


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({1: np.nan}, "probabilities from 0 to 1, got NaN"),
        ({1: 1.5}, "got 1.5"),
        ({1: -0.5}, "got -0.5"),
        ({1: np.inf}, "NaN or infinite"),
        ({1: -1.0, 2: 2.0}, "must be 0 or more, got -1"),
    ],
    ids=str,
)
def test_what_is_no_prediction_is_refused(change, words):
    """NaN and negative values would count as background."""
    prediction = np.zeros((4, 5), np.float32)
    for place, value in change.items():
        prediction.flat[place] = value
    reference = np.eye(4, 5, dtype=np.uint8)
    with pytest.raises(InputError, match=words):
        rows_of(EvaluationRequest(prediction, reference, None, OBJECTS, metrics=("overlap",)))


def test_ids_saved_as_fractions_are_ids():
    ids = TOUCHING.astype(np.float32)
    scores = [
        rows_of(EvaluationRequest(one, TOUCHING, None, OBJECTS, metrics=("objects",)))
        for one in (ids, TOUCHING)
    ]
    assert scores[0] == scores[1]


def test_the_pieces_of_a_mask_are_objects():
    mask = np.array([[1, 1, 0, 1, 1]] * 4)
    reference = np.array([[1, 1, 0, 2, 2]] * 4)
    rows = rows_of(EvaluationRequest(mask, reference, None, OBJECTS, metrics=("ctc",)))
    assert rows["SEG"] == rows["DET"] == 1


def test_eight_bit_probabilities_stand_for_0_to_1():
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (1, 20, 20), dtype=np.uint8)
    reference = (rng.random((1, 20, 20)) > 0.5).astype(np.uint8)
    scheme = LabelScheme(kind="classes", values=(0, 1))

    def of(prediction):
        return rows_of(
            EvaluationRequest(
                prediction, reference, "probabilities", scheme, metrics=("overlap", "isbi2012")
            )
        )

    assert of(grey) == of((grey / np.float64(255)).astype(np.float32))


def test_curves_belong_to_probabilities_alone():
    reference = np.zeros((1, 24, 24), np.uint8)
    reference[:, 2:20, 2:10], reference[:, 2:20, 12:20] = 1, 1
    scheme = LabelScheme(kind="classes", values=(0, 1))
    for prediction, number in ((reference * 0.7, 1), (reference, 0)):
        request = EvaluationRequest(prediction, reference, None, scheme, metrics=("isbi2012",))
        curves = [event for event in compare(request) if isinstance(event, Curves)]
        assert len(curves) == number
    (found,) = [
        event
        for event in compare(
            EvaluationRequest(reference * 0.7, reference, None, scheme, metrics=("isbi2012",))
        )
        if isinstance(event, Curves)
    ]
    assert found.values["pixel F"] == pytest.approx([1] * 7 + [0] * 4)
    assert len(found.thresholds) == 11
    assert len(found.values["warping error"]) == 10


@pytest.mark.parametrize("metric", offered_metrics())
def test_what_is_not_annotated_changes_no_metric(metric):
    """Pixels and whole frames of 0 may be predicted in any way."""
    rng = np.random.default_rng(1)
    reference = np.ones((3, 24, 24), np.uint8)
    reference[:2, 2:8, 2:8], reference[:2, 2:8, 12:18] = 2, 3
    reference[0, 10:] = 0  # of the first slice the upper part is annotated
    reference[2] = 0  # the third one is not annotated at all
    good = np.where(reference > 1, reference, 0)
    wild = np.where(reference == 0, rng.integers(50, 60, reference.shape), good)
    scheme = LabelScheme(kind="objects", annotation="sparse", gap=False)

    def of(prediction):
        return rows_of(
            EvaluationRequest(prediction, reference, "objects", scheme, metrics=(metric,))
        )

    assert of(good) == of(wild)
    assert of(good)
    regions = compare(EvaluationRequest(wild, reference, "objects", scheme))
    planes = [event for event in regions if isinstance(event, ErrorPlane)]
    assert len(planes) == 3
    assert not any(plane.values.any() or plane.errors for plane in planes)


def test_closing_does_not_wait_for_a_metric(monkeypatch):
    go_on, ended = threading.Event(), threading.Event()

    def slow(_planes, progress):
        go_on.wait(20)
        try:
            progress(1, 2)
        finally:
            ended.set()
        return []

    monkeypatch.setitem(evaluation.GROUPS, "ctc", slow)
    events = compare(EvaluationRequest(TOUCHING, TOUCHING, "objects", OBJECTS, metrics=("ctc",)))
    for event in events:
        if isinstance(event, Doing) and event.text.startswith("computing"):
            break
    begun = time.monotonic()
    events.close()
    assert time.monotonic() - begun < 1
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(5)


THROUGH = np.zeros((3, 8, 8), np.uint8)
THROUGH[:, 1:4, 1:4], THROUGH[:, 5:8, 5:8] = 3, 7


def test_ids_that_go_through_the_stack():
    def of(prediction, kind="objects", scheme=OBJECTS):
        return rows_of(EvaluationRequest(prediction, THROUGH, kind, scheme, metrics=("stack",)))

    perfect = of(np.where(THROUGH == 3, 300, THROUGH.astype(int)))
    assert perfect == {"adapted Rand error": 0, "VI split": 0, "VI merge": 0, "TRA": 1}
    swapped = THROUGH.copy()  # each ends in the second slice, and the other goes on
    swapped[2] = np.where(THROUGH[2] == 3, 7, np.where(THROUGH[2] == 7, 3, 0))
    found = of(swapped)
    # of 27 voxels of an object 18 have one id and 9 the other
    assert found["adapted Rand error"] == pytest.approx(1 - (18**2 + 9**2) / 27**2)
    assert found["VI split"] == pytest.approx(found["VI merge"])
    assert found["VI split"] == pytest.approx(-(2 * np.log2(2 / 3) + np.log2(1 / 3)) / 3)
    # 6 objects and 4 links; two links are missed and two are wrong
    assert found["TRA"] == pytest.approx(1 - (2 * 1.5 + 2 * 1) / (6 * 10 + 4 * 1.5))
    for none in (of(THROUGH > 0, "mask"), of(THROUGH > 0, None)):
        assert np.isnan(list(none.values())).all()


def test_ids_begin_anew_in_every_volume():
    """As `predict --link` numbers them: what is 3 at one time may be 7 at the next."""
    reference = np.stack([THROUGH, THROUGH])
    prediction = np.stack([THROUGH, np.array([0, 0, 0, 7, 0, 0, 0, 3])[THROUGH]])
    asked = {"kind": "objects", "scheme": OBJECTS, "metrics": ("stack",)}
    perfect = rows_of(EvaluationRequest(prediction, reference, **asked))
    assert perfect == {"adapted Rand error": 0, "VI split": 0, "VI merge": 0, "TRA": 1}
    wrong = THROUGH.copy()
    wrong[2] = np.where(THROUGH[2] == 3, 7, np.where(THROUGH[2] == 7, 3, 0))
    one = rows_of(EvaluationRequest(wrong, THROUGH, **asked))
    two = rows_of(EvaluationRequest(np.stack([wrong, wrong]), reference, **asked))
    assert two == pytest.approx(one)


BY_CLASS = LabelScheme(values=(0, 1000, 2000))
NUMBERED = np.repeat([[1001, 1001, 0, 1002, 1002, 0, 2001, 2001]], 4, axis=0)
AS_CLASSES = NUMBERED // 1000 * 1000
EACH = np.stack([value == AS_CLASSES for value in BY_CLASS.values]).astype(np.float32)


@pytest.mark.parametrize(
    "prediction",
    [NUMBERED, AS_CLASSES, EACH],
    ids=["numbered by class", "classes", "probabilities"],
)
def test_objects_of_several_classes_are_compared_class_by_class(prediction):
    metrics = ("overlap", "objects")
    request = EvaluationRequest(prediction, NUMBERED, None, scheme=BY_CLASS, metrics=metrics)
    rows = rows_of(request)
    assert rows["IoU class 1"] == rows["IoU class 2"] == rows["AP 0.9"] == 1


def test_objects_of_another_class_than_the_reference_are_wrong():
    swapped = np.where(NUMBERED == 1002, 2002, NUMBERED)
    rows = rows_of(EvaluationRequest(swapped, NUMBERED, None, scheme=BY_CLASS))
    assert rows["IoU class 1"] == rows["IoU class 2"] == 1 / 2


@pytest.mark.parametrize("kind", [None, "objects"])
def test_ids_that_say_no_class_are_compared_with_objects_of_several_classes_as_one(kind):
    ids = np.where(NUMBERED > 0, NUMBERED % 1000 + NUMBERED // 200, 0)
    metrics = ("overlap", "objects")
    rows = rows_of(EvaluationRequest(ids, NUMBERED, kind, scheme=BY_CLASS, metrics=metrics))
    assert rows["IoU"] == rows["AP 0.9"] == 1
    assert "IoU class 1" not in rows
