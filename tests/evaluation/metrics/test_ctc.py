from __future__ import annotations

import math

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics import ctc_det, ctc_seg

REFERENCE = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 0, 0]])
# 5 covers three of the four pixels of 1; 6 only half of 2, which is not enough; 7 is invented.
PREDICTION = np.array([[5, 5, 5, 0, 0, 6, 0, 0, 0, 7]])


def seg_object_by_object(predictions, references):
    """Every object for itself, with its own mask."""
    scores = []
    for prediction, reference in zip(predictions, references):
        for r in set(reference[reference > 0].tolist()):
            mask = reference == r
            values, sizes = np.unique(prediction[mask], return_counts=True)
            score = 0.0
            for s, size in zip(values, sizes):
                if s > 0 and size > mask.sum() / 2:
                    score = size / (mask | (prediction == s)).sum()
            scores.append(score)
    return np.mean(scores)


def det_object_by_object(predictions, references):
    """Cost of an empty result is D0; cost of this one is summed error by error."""
    cost = empty = 0
    for prediction, reference in zip(predictions, references):
        covers = {int(s): 0 for s in np.unique(prediction) if s > 0}
        for r in set(reference[reference > 0].tolist()):
            empty += 10
            values, sizes = np.unique(prediction[reference == r], return_counts=True)
            found = [int(s) for s, n in zip(values, sizes) if s > 0 and 2 * n > sizes.sum()]
            if found:
                covers[found[0]] += 1
            else:
                cost += 10
        for number in covers.values():
            cost += 1 if number == 0 else 5 * (number - 1)
    return 1 - min(cost, empty) / empty


def test_seg_by_hand():
    assert ctc_seg([PREDICTION], [REFERENCE]) == (3 / 4 + 0) / 2


def test_det_by_hand():
    # 2 is missed (10); 6 and 7 find nothing (1 each); an empty result would cost 20.
    assert ctc_det([PREDICTION], [REFERENCE]) == pytest.approx(1 - 12 / 20)


def test_one_object_for_two_cells_costs_a_split():
    merged = np.where(np.arange(10)[None] < 7, 3, 0)
    assert ctc_det([merged], [REFERENCE]) == 1 - 5 / 20
    assert ctc_seg([merged], [REFERENCE]) == (4 / 7 + 0 + 2 / 7) / 2


def test_det_is_not_negative():
    assert ctc_det([np.arange(1, 11)[None]], [np.array([[1] * 4 + [0] * 6])]) == 0


def test_nothing_found():
    assert ctc_seg([0 * REFERENCE], [REFERENCE]) == ctc_det([0 * REFERENCE], [REFERENCE]) == 0


def test_objects_are_averaged_over_all_frames_not_frame_by_frame():
    one = np.array([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]])
    assert ctc_seg([PREDICTION, one], [REFERENCE, one]) == (3 / 4 + 0 + 1) / 3
    assert ctc_det([PREDICTION, one], [REFERENCE, one]) == 1 - 12 / 30


def test_frames_that_are_not_annotated_do_not_count():
    frames = [PREDICTION, PREDICTION], [None, REFERENCE]
    assert ctc_seg(*frames) == ctc_seg([PREDICTION], [REFERENCE])
    assert ctc_det(*frames) == ctc_det([PREDICTION], [REFERENCE])


def test_unknown_pixels_do_not_count():
    known = [np.arange(10)[None] < 5]
    assert ctc_seg([PREDICTION], [REFERENCE], known) == 3 / 4
    assert ctc_det([PREDICTION], [REFERENCE], known) == 1
    assert ctc_det([PREDICTION], [REFERENCE], [np.arange(10)[None] != 6]) == 1 - 1 / 20


def test_without_any_reference_object_there_is_no_score():
    assert math.isnan(ctc_seg([PREDICTION], [0 * REFERENCE]))
    assert math.isnan(ctc_det([PREDICTION], [None]))


def test_the_number_of_frames_must_agree():
    with pytest.raises(InputError, match="got 1 and 2"):
        ctc_seg([PREDICTION], [REFERENCE, REFERENCE])


@pytest.mark.parametrize("metric", [ctc_seg, ctc_det])
def test_progress_is_told_before_every_frame_and_can_stop(metric):
    calls = []
    metric([PREDICTION] * 3, [REFERENCE] * 3, progress=lambda *of: calls.append(of))
    assert calls == [(0, 3), (1, 3), (2, 3)]

    def stop(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        metric([PREDICTION], [REFERENCE], progress=stop)


frames = st.lists(
    st.tuples(*[arrays(np.uint16, (6, 6), elements=st.integers(0, 4))] * 2), min_size=1, max_size=3
)


@settings(max_examples=100, deadline=None)
@given(frames)
def test_equals_counting_object_by_object(pairs):
    predictions, references = zip(*pairs)
    references[0][0, 0] = 1
    assert ctc_seg(predictions, references) == pytest.approx(
        seg_object_by_object(predictions, references)
    )
    assert ctc_det(predictions, references) == pytest.approx(
        det_object_by_object(predictions, references)
    )


@settings(max_examples=40, deadline=None)
@given(frames)
def test_ids_do_not_matter_and_a_perfect_result_is_perfect(pairs):
    predictions, references = zip(*pairs)
    references[0][0, 0] = 1
    renamed = [np.where(p > 0, 1000 - 7 * p.astype(int), 0) for p in predictions]
    assert ctc_seg(renamed, references) == ctc_seg(predictions, references)
    assert ctc_det(renamed, references) == ctc_det(predictions, references)
    assert ctc_seg(references, references) == ctc_det(references, references) == 1


@pytest.mark.data
@pytest.mark.parametrize("name", ["PhC-C2DH-U373", "DIC-C2DH-HeLa"])
def test_silver_truth_against_gold_on_real_frames(data_dir, name):
    """Predictions of real shape: silver truth, its objects merged or cut, against gold truth."""
    silver, gold = [], []
    for path in sorted((data_dir / name / "01_GT" / "SEG").glob("man_seg*.tif"))[:5]:
        gold.append(tifffile.imread(path))
        silver.append(tifffile.imread(data_dir / name / "01_ST" / "SEG" / path.name))
    assert 0.7 < ctc_seg(silver, gold) < 1
    merged = [np.where(frame > 0, (frame + 1) // 2, 0) for frame in silver]
    cut = [frame + 100 * (frame > 0) * (np.arange(frame.shape[1]) // 40) for frame in silver]
    for found in (silver, merged, cut):
        assert ctc_seg(found, gold) == pytest.approx(seg_object_by_object(found, gold))
        assert ctc_det(found, gold) == pytest.approx(det_object_by_object(found, gold))
    assert ctc_det(merged, gold) < ctc_det(silver, gold)
    assert ctc_seg(cut, gold) < ctc_seg(silver, gold)
