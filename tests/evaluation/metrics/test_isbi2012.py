"""Against values by the challenge's own implementation, on 12 synthetic stacks of 2 × 64 × 64."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from scipy import ndimage

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics import (
    isbi2012,
    pixel_error,
    pixel_f_score,
    rand_error,
    rand_score,
    v_info,
    v_rand,
    warping_error,
)
from napari_unet.evaluation.metrics.challenge import THRESHOLDS, components, overlap
from napari_unet.evaluation.metrics.information import information_score
from napari_unet.evaluation.metrics.thinning import mean_over_slices
from napari_unet.evaluation.metrics.warping import warp_reference

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "isbi2012_metrics.json").read_text())
with np.load(GOLDEN / "isbi2012_metrics.npz") as stacks:
    LABELS, PROBABILITIES = stacks["labels"], stacks["prob"]


@pytest.fixture(params=range(12), scope="module")
def case(request):
    """Labels (2, 64, 64) bool, probabilities (2, 64, 64) float32, expected values, result."""
    k = request.param
    result = isbi2012(PROBABILITIES[k], LABELS[k])
    return LABELS[k], PROBABILITIES[k], EXPECTED[k], result


def near(value):
    return pytest.approx(value, rel=0, abs=1e-9)


def test_official_values(case):
    _, _, expected, result = case
    assert result.rand_error == near(expected["official_rand_error"])
    assert result.pixel_error == near(expected["official_pixel_error"])
    assert result.v_rand == near(expected["official_VRand_thinned"])
    assert result.v_info == near(expected["official_VInfo_thinned"])


def test_official_warping_error_to_the_pixel(case):
    labels, _, expected, result = case
    assert result.warping_error == expected["official_warping_error"]
    assert (result.warping_error * labels.size).is_integer()


def test_values_at_half(case):
    labels, prob, expected, result = case
    score = rand_score(prob, labels, 0.5)
    assert score.f_score == near(expected["fgRandF@0.5"])
    assert score.precision == near(expected["fgRandPrec@0.5"])
    assert score.recall == near(expected["fgRandRec@0.5"])
    assert pixel_f_score(prob, labels, 0.5) == near(expected["pixelF@0.5"])
    assert np.mean((prob > 0.5) != labels) == near(expected["pixelMismatch@0.5"])
    assert result.rand_curve[5] == near(expected["fgRandF@0.5"])
    assert result.pixel_curve[5] == near(expected["pixelF@0.5"])
    assert result.v_rand_curve[5] == near(expected["VRandThin@0.5"])
    assert result.v_info_curve[5] == near(expected["VInfoThin@0.5"])


def test_information_without_thinning(case):
    labels, prob, expected, _ = case
    everywhere = np.ones(labels[0].shape, bool)
    counts = [overlap(components(a), components(b > 0.5), everywhere) for a, b in zip(labels, prob)]
    assert mean_over_slices(information_score, counts) == near(expected["VInfo@0.5"])


def test_all_pixels_left_by_warping(case):
    labels, prob, expected, _ = case
    everywhere = np.ones(labels[0].shape, bool)
    left = [warp_reference(b, a, 0.5, everywhere)[1] for a, b in zip(labels, prob)]
    assert np.mean(left) == expected["warpAll@0.5"]


def test_single_metrics_agree_with_all_in_one_go():
    labels, prob = LABELS[1], PROBABILITIES[1]
    result = isbi2012(prob, labels)
    assert rand_error(prob, labels) == result.rand_error
    assert pixel_error(prob, labels) == result.pixel_error
    assert warping_error(prob, labels) == result.warping_error
    assert v_rand(prob, labels) == result.v_rand
    assert v_info(prob, labels) == result.v_info


def test_the_result_is_frozen_and_has_curves():
    result = isbi2012(PROBABILITIES[0], LABELS[0])
    with pytest.raises(FrozenInstanceError):
        result.rand_error = 0  # type: ignore[misc]
    assert result.thresholds == THRESHOLDS
    assert len(result.rand_curve) == len(result.v_info_curve) == 11
    assert len(result.warping_curve) == 10
    assert min(result.warping_curve) == result.warping_error


def test_a_single_plane_and_255_for_cells():
    plane = isbi2012(PROBABILITIES[1][0], LABELS[1][0].astype(np.uint8) * 255)
    assert plane == isbi2012(PROBABILITIES[1][:1], LABELS[1][:1])


def test_a_perfect_prediction_is_perfect():
    labels = LABELS[0]
    result = isbi2012(labels.astype(np.float32), labels)
    assert (result.rand_error, result.warping_error, result.pixel_error) == (0, 0, 0)
    assert result.v_rand == pytest.approx(1)
    assert result.v_info == pytest.approx(1)


def test_what_is_not_known_does_not_matter():
    labels, prob = LABELS[7], PROBABILITIES[7]
    known = np.ones(labels.shape, bool)
    known[:, :, 40:] = False
    spoilt = np.where(known, labels, np.random.default_rng(0).random(labels.shape) < 0.5)
    # Membrane beside what is unknown: otherwise the components of the reference differ.
    labels, spoilt = labels.copy(), spoilt.copy()
    labels[:, :, 38:40] = spoilt[:, :, 38:40] = False
    # One column beyond is a neighbour of known pixels, and so part of their topology.
    spoilt[:, :, 40] = labels[:, :, 40]
    mine, theirs = isbi2012(prob, labels, known), isbi2012(prob, spoilt, known)
    assert mine.rand_curve == pytest.approx(theirs.rand_curve)
    assert mine.v_info_curve == pytest.approx(theirs.v_info_curve)
    assert mine.pixel_curve == theirs.pixel_curve
    assert mine.rand_curve != pytest.approx(isbi2012(prob, labels).rand_curve)


def test_a_slice_that_is_not_known_does_not_count():
    labels, prob = LABELS[7], PROBABILITIES[7]
    known = np.array([True, False])[:, None, None]
    assert isbi2012(prob, labels, known) == isbi2012(prob[:1], labels[:1])


def test_where_nothing_is_known_nothing_can_be_measured():
    result = isbi2012(PROBABILITIES[0], LABELS[0], np.zeros((1, 1, 1), bool))
    found = (result.rand_error, result.warping_error, result.pixel_error, result.v_rand)
    assert np.isnan([*found, result.v_info]).all()


def test_progress_counts_up():
    calls = []
    isbi2012(PROBABILITIES[0], LABELS[0], progress=lambda *of: calls.append(of))
    assert calls == [(k, 22) for k in range(1, 23)]


def test_progress_can_stop_it():
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isbi2012(PROBABILITIES[0], LABELS[0], progress=stop)


def test_the_arguments_are_not_changed():
    labels, prob = LABELS[3].copy(), PROBABILITIES[3].copy()
    isbi2012(prob, labels)
    np.testing.assert_array_equal(labels, LABELS[3])
    np.testing.assert_array_equal(prob, PROBABILITIES[3])


@pytest.mark.parametrize(
    ("prob", "labels", "message"),
    [
        (np.zeros((2, 2)), np.zeros((2, 3)), r"got \(2, 2\) and \(2, 3\)"),
        (np.zeros((1, 2, 2, 2)), np.zeros((1, 2, 2, 2)), r"must both be \(N, Y, X\) or \(Y, X\)"),
        (np.zeros((0, 2, 2)), np.zeros((0, 2, 2)), r"got \(0, 2, 2\)"),
        (np.full((2, 2), 255.0), np.zeros((2, 2)), "must lie in 0 to 1, got 255.0 to 255.0"),
        (np.full((2, 2), np.nan), np.zeros((2, 2)), "must lie in 0 to 1"),
    ],
)
def test_what_does_not_fit_is_said(prob, labels, message):
    with pytest.raises(InputError, match=message):
        isbi2012(prob, labels)


def test_a_slice_of_512_px_takes_a_sixth_of_20_seconds_at_most():
    rng = np.random.default_rng(0)
    seeds = rng.random((512, 512)) < 140 / 512**2
    nearest = ndimage.distance_transform_edt(~seeds, return_distances=False, return_indices=True)
    cell = nearest[0] * 512 + nearest[1]
    labels = ndimage.maximum_filter(cell, 5) == ndimage.minimum_filter(cell, 5)
    noisy = ndimage.gaussian_filter(labels + rng.normal(0, 1, labels.shape), 1.5)
    prob = np.clip(noisy, 0, 1).astype(np.float32)
    start = process_time()
    result = isbi2012(prob, labels)
    assert process_time() - start < 20 / 6
    assert result.v_rand > 0.5
