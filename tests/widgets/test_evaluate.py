from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_unet.app.session import session_of
from napari_unet.evaluation import comparison as evaluation
from napari_unet.widgets.common.layer_facts import mark_made, tell
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.evaluate.evaluate_dock import EvaluateDock
from napari_unet.widgets.evaluate.evaluate_form import NO_PREDICTION, SAME
from napari_unet.widgets.evaluate.reference_choice import SHOWN, ranges, shown_plane

from .conftest import until

# -- the dock -----------------------------------------------------------------------------------


@pytest.fixture
def dock(viewer, cells):
    image, labels = cells
    placement = {"scale": (4, 0.5, 0.5), "translate": (0, 10, 20)}
    image_layer = viewer.add_image(image, name="cells", **placement)
    truth = viewer.add_labels(labels, name="truth", **placement)
    session_of(viewer).use(LayerStack(image_layer, truth))
    dock = EvaluateDock(viewer)
    viewer.window.add_dock_widget(dock)
    guess = (labels > 0).astype(np.uint8)
    guess[5, 40:60] = 1  # a bar across the last slice merges and invents
    viewer.add_labels(guess, name="guess", **placement)
    dock.form.prediction.value = viewer.layers["guess"]
    dock.form.reference.value = truth
    dock.form.offer_slices()
    return dock


def one_line(tip):
    """A tooltip without the line breaks that keep it narrow."""
    return " ".join(tip.split())


def finish(dock):
    until(lambda: not dock.is_busy, 60)


def test_it_says_what_is_missing(viewer, cells, qtbot):
    dock = EvaluateDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert one_line(dock.start.toolTip()) == NO_PREDICTION
    viewer.add_labels(cells[1], name="truth")
    assert not dock.start.isEnabled()
    assert one_line(dock.start.toolTip()) == SAME


def test_of_our_layers_only_predictions_can_be_compared(dock):
    image = dock.viewer.layers[0]
    for kind in ("weights", "errors", "objects"):
        layer = dock.viewer.add_image(np.zeros((96, 112)), name=kind)
        mark_made(layer, kind, image)
    offered = [dock.form.prediction.itemText(k) for k in range(dock.form.prediction.count())]
    assert "objects" in offered
    assert not {"weights", "errors"} & set(offered)


def test_validation_slices_are_compared_first(dock):
    assert dock.form.slices.currentText() == "validation slices (5)"
    assert dock.start.text() == "Compare 1 slice"


def test_other_shapes_are_refused_at_the_field(dock):
    dock.viewer.add_labels(np.zeros((5, 5), int), name="small")
    dock.form.prediction.value = dock.viewer.layers["small"]
    dock.form.offer_slices()
    assert not dock.start.isEnabled()
    assert "shape" in dock.form.problem.text()


def test_comparing_fills_the_table_and_shows_the_errors(dock):
    dock.start.click()
    finish(dock)
    assert dock.problem.text() == ""
    names = [dock.scores.table.item(k, 0).text() for k in range(dock.scores.table.rowCount())]
    assert names == ["IoU", "Dice", "mean IoU", "pixel accuracy"]
    prediction, truth = dock.viewer.layers["guess"].data[5], dock.viewer.layers["truth"].data[5]
    inside = truth > 0  # as drawn: no gap is made between touching cells
    iou = ((prediction > 0) & inside).sum() / ((prediction > 0) | inside).sum()
    assert dock.scores.table.item(0, 1).text() == f"{iou:.3f}"
    errors = dock.viewer.layers["cells · errors"]
    np.testing.assert_array_equal(errors.scale, (4, 0.5, 0.5))
    np.testing.assert_array_equal(errors.translate, (0, 10, 20))
    assert errors.data[5].any()
    assert not errors.data[:5].any()
    # the window turned to the slice that was compared
    assert shown_plane(dock.viewer, errors) == 5
    assert dock.line.text().startswith("1 slice in ")


def test_choosing_an_error_leads_to_it(dock):
    dock.form.slices.value = tuple(range(6))
    dock.form.slices.setCurrentIndex(1)  # all labelled slices
    dock.start.click()
    finish(dock)
    table = dock.errors.table
    assert not dock.errors.isHidden()
    areas = [int(table.item(k, 2).text().split()[0].replace(",", "")) for k in range(3)]
    assert areas == sorted(areas, reverse=True)
    dock.viewer.dims.set_point(0, 0)
    table.setCurrentCell(0, 0)
    index, error = dock.errors.found[0]
    assert shown_plane(dock.viewer, dock.viewer.layers["truth"]) == index[0]
    scene = getattr(dock.viewer, "scene", dock.viewer)
    centre = np.asarray(scene.camera.center)[-2:]
    expected = np.array(error.position) * 0.5 + (10, 20)
    np.testing.assert_allclose(centre, expected)


def test_the_table_can_be_copied(dock):
    dock.start.click()
    finish(dock)
    text = dock.scores.copy()
    assert QApplication.clipboard().text() == text
    assert text.splitlines()[0].split("\t")[0] == "IoU"
    assert len(text.splitlines()) == 4


def test_errors_can_be_left_out(dock):
    dock.form.show_errors.setChecked(False)
    dock.start.click()
    finish(dock)
    assert "cells · errors" not in dock.viewer.layers
    assert dock.scores.table.rowCount() == 4


def test_challenge_metrics_run_in_the_background(dock):
    dock.form.metrics.value = "isbi2012"
    dock.start.click()
    finish(dock)
    names = [dock.scores.table.item(k, 0).text() for k in range(dock.scores.table.rowCount())]
    assert "V_Rand" in names
    assert "warping error" in names


def test_an_error_is_one_sentence_and_the_button_is_usable_again(dock, monkeypatch):
    monkeypatch.setattr("napari_unet.widgets.evaluate.evaluate_dock.show_error", lambda error: None)

    def fail(*_, **__):
        raise RuntimeError("shapes do not match\nat all")

    monkeypatch.setattr("napari_unet.evaluation.comparison.metrics.error_map", fail)
    dock.start.click()
    finish(dock)
    assert "shapes do not match" in dock.problem.text()
    assert dock.start.isEnabled()


def test_cancel_acts_at_once_and_keeps_what_was_found(dock, monkeypatch):
    import threading
    import time

    go_on = threading.Event()
    slow = evaluation.metrics.error_map

    def wait_for_it(*planes):
        if planes[0].any():
            go_on.wait(20)
        return slow(*planes)

    monkeypatch.setattr("napari_unet.evaluation.comparison.metrics.error_map", wait_for_it)
    dock.form.slices.setCurrentIndex(1)
    dock.start.click()
    worker = dock._worker
    until(lambda: "comparing slice" in dock.line.text())
    begun = time.monotonic()
    dock.running.cancel.click()
    assert time.monotonic() - begun < 0.5
    assert not dock.is_busy
    assert dock.running.isHidden()
    assert dock.start.isEnabled()
    assert dock.line.text().startswith("Cancelled")
    # another comparison may begin while the first one is still ending
    dock.form.show_errors.setChecked(False)
    dock.start.click()
    go_on.set()
    finish(dock)
    until(lambda: not worker.is_running)
    assert dock.scores.table.rowCount() == 4


def test_curves_are_shown_for_probabilities(dock, cells):
    probabilities = np.clip((cells[0] - 60.0) / 100, 0, 1).astype(np.float32)
    placement = {"scale": (4, 0.5, 0.5), "translate": (0, 10, 20)}
    layer = dock.viewer.add_image(probabilities, name="sure", **placement)
    dock.form.prediction.value = layer
    dock.form.metrics.value = "isbi2012"
    dock._check()
    dock.start.click()
    finish(dock)
    assert dock.problem.text() == ""
    assert not dock.curves.isHidden()
    first, second = dock.curves.plots
    thresholds, rand = first.points("Rand F")
    assert len(thresholds) == 11
    error = float(dock.scores.table.item(4, 1).text())
    assert 1 - rand.max() == pytest.approx(error, abs=5e-4)
    assert len(second.points("warping error")[0]) == 10
    assert "Rand F at" in dock.curves.note.text()
    dock.form.metrics.value = "overlap"
    dock.start.click()
    finish(dock)
    assert dock.curves.isHidden()
    assert dock.curves.plots == []


def test_scores_and_curves_can_be_saved(dock, cells, tmp_path):
    layer = dock.viewer.add_image(cells[0], name="grey")
    dock.form.prediction.value = layer
    dock.form.metrics.value = "isbi2012"
    dock.start.click()
    finish(dock)
    dock.scores.save(tmp_path / "scores")
    assert dock.line.text() == "Saved as scores.csv."
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = {row["score"]: float(row["value"]) for row in rows if not row["threshold"]}
    curve = [float(row["value"]) for row in rows if row["score"] == "pixel F"]
    assert scores["pixel error"] == pytest.approx(1 - max(curve))
    assert len(curve) == 11


def test_a_saved_table_says_what_was_compared(dock):
    dock.form.slices.value = tuple(range(6))
    dock.start.click()
    finish(dock)
    (first, *rest) = csv.DictReader(io.StringIO(dock.scores.as_csv()))
    assert (first["model"], first["prediction"], first["reference"]) == ("", "guess", "truth")
    assert first["slices"] == "0 1 2 3 4 5"
    assert first["settings"] == "0 means background"
    assert {row["prediction"] for row in rest} == {"guess"}
    how = {"threshold": "0.4", "holes": "", "mirrored views": "averaged"}
    predicted = {"model": "em, step 7 (0badcafe)", "settings": how}
    tell(dock.form.prediction.value, predicted=predicted)
    dock.form.slices.value = SHOWN
    dock.viewer.dims.set_current_step(0, 4)
    dock.start.click()
    finish(dock)
    first = next(csv.DictReader(io.StringIO(dock.scores.as_csv())))
    assert first["model"] == "em, step 7 (0badcafe)"
    assert first["slices"] == "4"
    assert first["settings"] == "threshold 0.4; mirrored views averaged; 0 means background"


def test_a_table_that_cannot_be_saved_says_so(dock, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_unet.widgets.evaluate.score_table.show_error", lambda error: None)
    dock.start.click()
    finish(dock)
    (tmp_path / "file").touch()
    dock.scores.save(tmp_path / "file" / "scores.csv")
    assert "choose another place" in dock.line.text()


def test_scores_never_replace_what_was_compared(dock, tmp_path, monkeypatch):
    from napari.layers._source import Source

    monkeypatch.setattr("napari_unet.widgets.evaluate.score_table.show_error", lambda error: None)
    file = tmp_path / "truth.tif"
    file.write_bytes(b"truth")
    dock.form.reference.value._source = Source(path=str(file))
    dock.start.click()
    finish(dock)
    dock.scores.save(tmp_path / "." / "truth.tif")
    assert "give the result another name" in dock.line.text()
    assert file.read_bytes() == b"truth"


def test_kinds_of_errors_can_be_hidden(dock):
    dock.form.slices.setCurrentIndex(1)
    dock.start.click()
    finish(dock)
    listed = dock.errors.table
    kinds = [listed.item(k, 0).text() for k in range(listed.rowCount())]
    assert kinds.count("invented") > 0
    box = dock.errors.kinds.boxes["invented"]
    assert box.text() == f"invented: {kinds.count('invented')}"
    box.click()
    assert listed.rowCount() == len(kinds) - kinds.count("invented")
    layer = dock.viewer.layers["cells · errors"]
    shown = {k: layer.colormap.color_dict[k][3] > 0 for k in range(1, 5)}
    assert shown == {1: True, 2: True, 3: True, 4: False}


def test_slices_without_labels_are_left_out_of_a_foreign_reference(dock, cells):
    sparse = cells[1].copy()
    sparse[[0, 2, 3]] = 0
    layer = dock.viewer.add_labels(sparse, name="some frames")
    dock.form.reference.value = layer
    dock.form.offer_slices()
    assert dock.form.slices.currentText() == "3 slices with labels"
    assert dock.form.slices.value == (1, 4, 5)
    assert not dock.form.zero.isHidden()
    dock.form.prediction.value = dock.viewer.add_labels(cells[1], name="same")
    dock._check()
    dock.start.click()
    finish(dock)
    assert dock.scores.table.item(0, 1).text() == "1.000"
    assert dock.errors.isHidden()


def test_frames_known_not_to_be_annotated_are_not_offered(dock, cells):
    told = {"napari_unet": {"annotated": [1, 4], "scheme": {"kind": "objects"}}}
    truth = np.zeros_like(cells[1])
    truth[[1, 4]] = cells[1][[1, 4]]
    dock.form.reference.value = dock.viewer.add_labels(truth, name="gold", metadata=told)
    dock.form.prediction.value = dock.viewer.add_labels(cells[1], name="cells found")
    dock.form.offer_slices()
    texts = [dock.form.slices.itemText(k) for k in range(dock.form.slices.count())]
    assert texts == ["all 2 labelled slices", "slice shown"]
    assert dock.start.text() == "Compare 2 slices"
    assert dock.form.zero.isHidden()
    dock.form.slices.setCurrentIndex(1)
    dock.viewer.dims.set_current_step(0, 0)
    dock.start.click()
    assert not dock.is_busy
    assert "not annotated: turn to one that is, such as 1" in dock.problem.text()
    dock.form.slices.setCurrentIndex(0)
    dock.form.metrics.value = "ctc"
    dock.start.click()
    finish(dock)
    values = [dock.scores.table.item(k, 1).text() for k in range(dock.scores.table.rowCount())]
    assert values == ["1.000"] * 4 + ["1.0000"] * 2
    assert dock.errors.isHidden()


def test_zero_may_mean_not_annotated(dock, cells):
    reference = np.where(cells[1] > 0, 2, 1).astype(np.uint8)
    reference[:, :, 50:] = 0
    dock.form.reference.value = dock.viewer.add_labels(reference, name="half")
    dock.form.prediction.value = dock.viewer.add_labels((cells[1] > 0).astype(int), name="mask")
    dock.form.offer_slices()
    dock.form.zero.value = "sparse"
    dock.start.click()
    finish(dock)
    assert dock.problem.text() == ""
    assert dock.scores.table.item(0, 1).text() == "1.000"


def test_the_cost_is_told_before(dock):
    assert dock.reason.text() == "a few seconds"
    dock.form.metrics.value = "isbi2012"
    dock.viewer.add_labels(np.ones((40, 512, 512), np.uint8), name="large")
    dock.viewer.add_labels(np.ones((40, 512, 512), np.uint8), name="larger")
    dock.form.reference.value = dock.viewer.layers["large"]
    dock.form.prediction.value = dock.viewer.layers["larger"]
    dock.form.offer_slices()
    assert dock.start.text() == "Compare 40 slices"
    assert dock.reason.text().startswith("about 1 min")


def test_it_fits_into_320_pixels(dock):
    assert dock.column.parentWidget().minimumSizeHint().width() <= 320


def test_slices_are_named_shortly():
    assert ranges((24, 25, 26)) == "24–26"
    assert ranges((3,)) == "3"
    assert ranges((1, 5)) == "1, 5"


@pytest.mark.parametrize("metric", ["overlap", "ctc", "objects"])
def test_the_dock_says_what_python_says(dock, metric):
    from napari_unet import evaluate

    dock.form.metrics.value = metric
    dock._check()
    dock.start.click()
    finish(dock)
    guess, truth = (dock.viewer.layers[name].data for name in ("guess", "truth"))
    scheme = dock.session.stack.scheme
    expected = evaluate(
        guess, truth, ("overlap", metric), scheme=scheme, slices=dock.form.slices.value
    )
    assert {row.name: row.value for row in dock.scores.scores} == dict(expected)
    assert [row.text for row in dock.scores.scores] == [row.text for row in expected.rows]
