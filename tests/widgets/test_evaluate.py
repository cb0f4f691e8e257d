from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_unet.errors import InputError
from napari_unet.evaluation import (
    ERROR_KINDS,
    Doing,
    ErrorPlane,
    EvaluationRequest,
    Row,
    evaluate,
)
from napari_unet.labels import LabelScheme
from napari_unet.session import session_of
from napari_unet.widgets.evaluate import (
    NO_PREDICTION,
    SAME,
    EvaluateDock,
    _ranges,
)
from napari_unet.widgets.layers import stack_from_layers

from .conftest import until

# -- the job ------------------------------------------------------------------------------------


def rows_of(request):
    return {event.name: event.value for event in evaluate(request) if isinstance(event, Row)}


def test_scores_of_a_hand_checked_pair():
    reference = np.array([[1, 1, 0, 0]])
    prediction = np.array([[1, 0, 1, 0]])
    scheme = LabelScheme(kind="classes", values=(0, 1))
    rows = rows_of(EvaluationRequest(prediction, reference, scheme=scheme))
    assert rows["IoU foreground"] == pytest.approx(1 / 3)
    assert rows["IoU mean"] == pytest.approx(1 / 3)
    assert rows["Dice foreground"] == pytest.approx(1 / 2)
    assert rows["pixel accuracy"] == pytest.approx(1 / 2)


def test_only_the_slices_asked_for_count():
    reference = np.zeros((3, 4, 4), np.uint8)
    reference[:, :2] = 1
    prediction = reference.copy()
    prediction[0] = 1 - prediction[0]
    scheme = LabelScheme(kind="classes", values=(0, 1))
    events = list(evaluate(EvaluationRequest(prediction, reference, scheme=scheme, slices=(1, 2))))
    rows = {event.name: event.value for event in events if isinstance(event, Row)}
    assert rows["IoU foreground"] == 1
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
    events = evaluate(EvaluationRequest(prediction, reference, scheme=scheme))
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
            kind="instances",
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
    rows = rows_of(EvaluationRequest(instances, reference, kind="instances", scheme=scheme))
    assert rows["IoU foreground"] == 1


def test_probabilities_above_a_half_are_foreground():
    reference = np.array([[1, 1, 0, 0]])
    probabilities = np.array([[0.9, 0.6, 0.4, 0.5]], np.float32)
    scheme = LabelScheme(kind="classes", values=(0, 1))
    request = EvaluationRequest(probabilities, reference, kind="probabilities", scheme=scheme)
    assert rows_of(request)["pixel accuracy"] == 1


def test_layers_of_different_shape_are_refused_in_one_sentence():
    request = EvaluationRequest(np.zeros((2, 3, 3)), np.zeros((3, 3), int))
    with pytest.raises(InputError, match="same shape"):
        list(evaluate(request))


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
    events = evaluate(request)
    for event in events:
        if isinstance(event, Doing) and event.text.startswith("computing"):
            break
    events.close()


# -- the dock -----------------------------------------------------------------------------------


@pytest.fixture
def dock(viewer, cells):
    image, labels = cells
    placement = {"scale": (4, 0.5, 0.5), "translate": (0, 10, 20)}
    image_layer = viewer.add_image(image, name="cells", **placement)
    truth = viewer.add_labels(labels, name="truth", **placement)
    session_of(viewer).use_layers(stack_from_layers(image_layer, truth), image_layer, truth)
    dock = EvaluateDock(viewer)
    viewer.window.add_dock_widget(dock)
    guess = (labels > 0).astype(np.uint8)
    guess[5, 40:60] = 1  # a bar across the last slice merges and invents
    viewer.add_labels(guess, name="guess", **placement)
    dock.prediction.value = viewer.layers["guess"]
    dock.reference.value = truth
    dock._on_layers()
    return dock


def one_line(tip):
    """A tooltip without the line breaks that keep it narrow."""
    return " ".join(tip.split())


def finish(dock):
    until(lambda: dock._worker is None, 60)


def test_it_says_what_is_missing(viewer, cells, qtbot):
    dock = EvaluateDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert one_line(dock.start.toolTip()) == NO_PREDICTION
    viewer.add_labels(cells[1], name="truth")
    assert not dock.start.isEnabled()
    assert one_line(dock.start.toolTip()) == SAME


def test_validation_slices_are_compared_first(dock):
    assert dock.slices.currentText() == "validation slices (5)"
    assert dock.start.text() == "Compare 1 slice"


def test_other_shapes_are_refused_at_the_field(dock):
    dock.viewer.add_labels(np.zeros((5, 5), int), name="small")
    dock.prediction.value = dock.viewer.layers["small"]
    dock._on_layers()
    assert not dock.start.isEnabled()
    assert "shape" in dock.prediction_problem.text()


def test_comparing_fills_the_table_and_shows_the_errors(dock):
    dock.start.click()
    finish(dock)
    assert dock.problem.text() == ""
    names = [dock.table.item(k, 0).text() for k in range(dock.table.rowCount())]
    assert names == ["IoU foreground", "IoU mean", "Dice foreground", "pixel accuracy"]
    prediction, truth = dock.viewer.layers["guess"].data[5], dock.viewer.layers["truth"].data[5]
    inside = truth > 0  # as drawn: no gap is made between touching cells
    iou = ((prediction > 0) & inside).sum() / ((prediction > 0) | inside).sum()
    assert dock.table.item(0, 1).text() == f"{iou:.3f}"
    errors = dock.viewer.layers["cells · errors"]
    np.testing.assert_array_equal(errors.scale, (4, 0.5, 0.5))
    np.testing.assert_array_equal(errors.translate, (0, 10, 20))
    assert errors.data[5].any()
    assert not errors.data[:5].any()
    # the window turned to the slice that was compared
    assert dock._shown(errors) == 5
    assert "invented" in dock.legend.text()


def test_choosing_an_error_leads_to_it(dock):
    dock.slices.value = tuple(range(6))
    dock.slices.setCurrentIndex(1)  # all labelled slices
    dock.start.click()
    finish(dock)
    table = dock.errors.table
    assert not dock.errors.isHidden()
    areas = [int(table.item(k, 2).text().split()[0].replace(",", "")) for k in range(3)]
    assert areas == sorted(areas, reverse=True)
    dock.viewer.dims.set_point(0, 0)
    table.setCurrentCell(0, 0)
    index, error = dock._found[0]
    assert dock._shown(dock.viewer.layers["truth"]) == index[0]
    scene = getattr(dock.viewer, "scene", dock.viewer)
    centre = np.asarray(scene.camera.center)[-2:]
    expected = np.array(error.position) * 0.5 + (10, 20)
    np.testing.assert_allclose(centre, expected)


def test_the_table_can_be_copied(dock):
    dock.start.click()
    finish(dock)
    text = dock.copy_table()
    assert QApplication.clipboard().text() == text
    assert text.splitlines()[0].split("\t")[0] == "IoU foreground"
    assert len(text.splitlines()) == 4


def test_errors_can_be_left_out(dock):
    dock.show_errors.setChecked(False)
    dock.start.click()
    finish(dock)
    assert "cells · errors" not in dock.viewer.layers
    assert dock.table.rowCount() == 4


def test_challenge_metrics_run_in_the_background(dock):
    dock.metrics.value = "isbi2012"
    dock.start.click()
    finish(dock)
    names = [dock.table.item(k, 0).text() for k in range(dock.table.rowCount())]
    assert "V_Rand" in names
    assert "warping error" in names


def test_an_error_is_one_sentence_and_the_button_is_usable_again(dock, monkeypatch):
    monkeypatch.setattr("napari_unet.widgets.evaluate.show_error", lambda error: None)

    def fail(*_, **__):
        raise RuntimeError("shapes do not match\nat all")

    monkeypatch.setattr("napari_unet.evaluation.metrics.error_map", fail)
    dock.start.click()
    finish(dock)
    assert "shapes do not match" in dock.problem.text()
    assert dock.start.isEnabled()


def test_it_fits_into_320_pixels(dock):
    assert dock.column.parentWidget().minimumSizeHint().width() <= 320


def test_slices_are_named_shortly():
    assert _ranges((24, 25, 26)) == "24–26"
    assert _ranges((3,)) == "3"
    assert _ranges((1, 5)) == "1, 5"
