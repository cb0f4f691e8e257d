from __future__ import annotations

import numpy as np
import pytest

from napari_unet.evaluation.metrics import ctc_tra


def frame(*ids):
    """Objects of two pixels each, side by side with a gap."""
    return np.array([[value for number in ids for value in (number, number, 0)]])


REFERENCE = [frame(1, 2), frame(1, 2), frame(1, 2)]
# 6 objects and 4 links: from nothing it costs 60 + 6.
FROM_NOTHING = 66


def test_the_same_tracks_under_other_ids():
    assert ctc_tra([frame(7, 4)] * 3, REFERENCE) == 1


def test_two_ids_exchanged():
    # Two wrong links, two missed.
    found = [frame(1, 2), frame(2, 1), frame(2, 1)]
    assert ctc_tra(found, REFERENCE) == pytest.approx(1 - (2 * 1 + 2 * 1.5) / FROM_NOTHING)


def test_an_object_missed_in_one_frame():
    # One object; its two links are missed, and the one over the gap is wrong.
    found = [frame(1, 2), frame(1, 0), frame(1, 2)]
    assert ctc_tra(found, REFERENCE) == pytest.approx(1 - (10 + 2 * 1.5 + 1) / FROM_NOTHING)


def test_a_false_merger():
    merged = np.array([[1, 1, 1, 1, 1, 0]])
    # One split; all four links begin or end there.
    found = [frame(1, 2), merged, frame(1, 2)]
    # The id 2 goes on from frame 0 to 2, which is a wrong link.
    expected = 1 - (5 + 4 * 1.5 + 1) / FROM_NOTHING
    assert ctc_tra(found, REFERENCE) == pytest.approx(expected)


def test_an_invented_object():
    found = [frame(1, 2, 9), frame(1, 2, 0), frame(1, 2, 0)]
    wider = [np.pad(one, ((0, 0), (0, 3))) for one in REFERENCE]
    assert ctc_tra(found, wider) == pytest.approx(1 - 1 / FROM_NOTHING)


def test_divisions():
    truth = [frame(1, 0), frame(2, 3)]
    parents = {2: 1, 3: 1}
    # 3 objects and 2 links.
    assert ctc_tra(truth, truth, parents, parents) == 1
    assert ctc_tra(truth, truth, {}, parents) == pytest.approx(1 - 2 * 1.5 / 33)
    # The mother goes on as one daughter: a link of the wrong kind; the other is right.
    assert ctc_tra([frame(1, 0), frame(1, 3)], truth, {3: 1}, parents) == pytest.approx(1 - 1 / 33)


def test_worse_than_nothing_is_nothing():
    """Eleven invented objects and one missed cost 21, and drawing one cell costs 10."""
    found = [frame(0, *range(1, 12))]
    truth = [np.pad(frame(1), ((0, 0), (0, 33)))]
    assert ctc_tra(found, truth) == 0


def test_nothing_predicted_and_nothing_true():
    assert ctc_tra([frame(0, 0)] * 3, REFERENCE) == 0
    assert np.isnan(ctc_tra(REFERENCE, [frame(0, 0)] * 3))
