"""The same two inputs give the same numbers under the same names, whoever asks."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import tifffile
import torch

from napari_unet import evaluate
from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError
from napari_unet.cli import main
from napari_unet.datasets.synthetic import synthetic_stack
from napari_unet.evaluation.comparison import offered_metrics
from napari_unet.images.stack import Stack
from napari_unet.report.demo import scores as demo_scores
from napari_unet.reproduction.data import ExperimentData
from napari_unet.reproduction.field_metrics import field_metrics
from napari_unet.reproduction.scores import Tally
from napari_unet.training.measuring import Measurement

STACK = synthetic_stack((2, 64, 64))
LABELS = np.stack([STACK.label_plane(i) for i in range(2)])


def blurred(labels):
    """A prediction that is wrong in places, (N, K, Y, X)."""
    noise = np.random.default_rng(0).random(labels.shape, np.float32)
    foreground = np.clip(0.25 + 0.5 * (labels > 0) + 0.5 * (noise - 0.5), 0, 1)
    return np.stack([1 - foreground, foreground], axis=1).astype(np.float32)


PROBABILITIES = blurred(LABELS)


def terminal(tmp_path, capsys, prediction, reference, *options):
    """Return what the command line says of two arrays."""
    for name, array in (("p", prediction), ("r", reference)):
        tifffile.imwrite(tmp_path / f"{name}.tif", array, photometric="minisblack")
    files = [str(tmp_path / "p.tif"), str(tmp_path / "r.tif")]
    assert main(["evaluate", *files, "--json", *options]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])["scores"]


@pytest.mark.parametrize("metric", offered_metrics())
def test_the_terminal_says_what_python_says(tmp_path, capsys, metric):
    found = evaluate(PROBABILITIES, LABELS, ("overlap", metric))
    said = terminal(tmp_path, capsys, PROBABILITIES, LABELS.astype(np.uint8), "--metric", metric)
    assert said == found.to_dict()
    assert len(found) >= 4


def test_the_demo_says_what_python_says():
    shown = demo_scores(STACK, dict(enumerate(PROBABILITIES)))
    assert dict(shown) == dict(evaluate(PROBABILITIES, STACK, ("overlap", "rand")))


def test_the_experiments_say_what_python_says():
    foreground = {i: PROBABILITIES[i, 1] for i in range(2)}
    found = field_metrics(ExperimentData(STACK), foreground)
    assert found.pop("slices") == 2
    assert found == pytest.approx(dict(evaluate(PROBABILITIES, STACK, "isbi2012")), abs=1e-12)
    tally = Tally()
    for probabilities, labels in zip(PROBABILITIES, LABELS):
        classes = torch.from_numpy((labels > 0).astype(np.int64))
        tally.add(torch.from_numpy(probabilities).log(), classes, torch.ones(classes.shape))
    same = evaluate(PROBABILITIES, STACK, "thresholded-iou")
    assert tally.reading().iou == same["IoU by slice"]
    assert tally.reading().thresholded_iou == same["thresholded IoU"]


def test_a_training_says_what_python_says():
    found, true = PROBABILITIES.argmax(1), LABELS > 0
    table = np.array([[((true == r) & (found == p)).sum() for p in (0, 1)] for r in (0, 1)])
    told, scores = Measurement(0.0, table), evaluate(PROBABILITIES, STACK)
    assert told.iou == scores["IoU"]
    assert told.f_score == scores["Dice"]
    assert told.pixel_accuracy == scores["pixel accuracy"]


def test_scores_by_hand_print_as_a_table():
    found = evaluate(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]]))
    assert dict(found) == pytest.approx(
        {"IoU": 1 / 2, "Dice": 2 / 3, "mean IoU": 7 / 12, "pixel accuracy": 3 / 4}
    )
    assert found.pixels == 4
    assert str(found).splitlines() == [
        "IoU             0.500", "Dice            0.667", "mean IoU        0.583",
        "pixel accuracy  0.750",
    ]  # fmt: skip


THREE = LabelScheme(kind="classes", values=(0, 3, 9), names=("background", "wall", "core"))


@pytest.mark.parametrize("form", ["labels", "all classes", "but background"])
def test_three_classes_in_every_form_that_predict_gives(form):
    """Two slices of one row: one wall is taken for core."""
    reference = np.array([[[0, 3, 3, 9]], [[0, 0, 0, 9]]])
    classes = np.array([[[0, 1, 2, 2]], [[0, 0, 0, 2]]])
    every = np.moveaxis(np.eye(3, dtype=np.float32)[classes], -1, 1)
    given = {
        "labels": np.array(THREE.values)[classes],
        "all classes": every,
        "but background": np.moveaxis(every, 1, 0)[1:],
    }[form]
    found = evaluate(given, reference, scheme=THREE)
    assert found["IoU wall"] == 1 / 2
    assert found["IoU core"] == 2 / 3
    assert found["IoU"] == pytest.approx(7 / 12)
    assert found["mean IoU"] == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    assert found["pixel accuracy"] == 7 / 8


def test_values_that_no_class_has_are_named():
    with pytest.raises(InputError, match=r"classes \(0, 3, 9\) of the reference, got 4"):
        evaluate(np.array([[0, 4]]), np.array([[0, 3]]), scheme=THREE)


@pytest.mark.parametrize("metric", offered_metrics())
@pytest.mark.parametrize("predicted", [0, 1])
def test_where_there_is_nothing_to_find_nobody_measures_finding(
    tmp_path, capsys, metric, predicted
):
    """Empty references gave 0 in one place and 1 in another."""
    reference = np.zeros((1, 8, 8), np.uint8)
    prediction = np.zeros((1, 8, 8), np.uint8)
    prediction[:, 2:5, 2:5] = predicted
    found = evaluate(prediction, reference, ("overlap", metric))
    told = terminal(tmp_path, capsys, prediction, reference, "--metric", metric)
    finding = ("IoU", "Dice", "SEG", "DET", "AP 0.5", "AP mean", "Rand error", "V_Rand", "V_Info",
               "pixel error", "IoU by slice")  # fmt: skip
    for name in set(finding) & set(found):
        assert math.isnan(found[name]), name
        assert told[name] is None
    assert "not measurable" in str(found)
    assert Measurement(0.0, np.array([[64 - 9 * predicted, 9 * predicted], [0, 0]])).iou is not None
    assert math.isnan(Measurement(0.0, np.array([[60, 4], [0, 0]])).iou)


def test_a_stack_says_which_slices_count():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[1, :2] = 1
    image = np.zeros((3, 4, 4), np.uint8)
    scheme = LabelScheme(kind="classes", values=(0, 1))
    stack = Stack("s", image, "zyx", labels=labels, scheme=scheme, annotated=(1,))
    wild = np.ones((3, 4, 4), np.uint8)
    wild[1] = labels[1]
    found = evaluate(wild, stack)
    assert found.slices == (1,)
    assert found["IoU"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.zeros((2, 3)), np.zeros((3, 3), int)), "same shape, got"),
        ((np.zeros((2, 2), int), np.zeros((2, 2), int), "iou"), "metrics must be some of overlap"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_sentence(arguments, said):
    with pytest.raises(InputError, match=said):
        evaluate(*arguments)
