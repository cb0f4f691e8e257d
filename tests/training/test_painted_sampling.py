"""What is renewed after an edit equals what would be made anew, and tiles look at strokes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.training import TrainConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.images.stack import Intensity, Stack
from napari_unet.training import plane_tensors
from napari_unet.training.data import TrainingData
from napari_unet.training.interest import Interest, Spot
from napari_unet.training.journal import Edit
from napari_unet.training.plane_tensors import PlaneTensors
from napari_unet.training.planes import SeenTruth

SCHEMES = {
    "objects": LabelScheme("objects", "sparse"),
    "dense objects": LabelScheme("objects"),
    "classes": LabelScheme("classes", "sparse", (1, 2, 3)),
}
WEIGHTS = {
    "none": WeightConfig(preset="none"),
    "paper": WeightConfig(w0=10, sigma=2),
    "fiji": WeightConfig(preset="fiji", sigma=2, sigma1=3),
    "no weights": None,
}
SHAPE = (2, 60, 70)


def data_of(labels, scheme, weights, **changes):
    image = np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)
    config = TrainConfig(
        network=UNetConfig(depth=1, width=2), tile=28, batch=2, weights=weights,
        augment=AugmentConfig.none(), stroke_share=0.5, device="cpu", **changes,
    )  # fmt: skip
    stack = Stack("painted", image, "zyx", labels=labels, scheme=scheme)
    return TrainingData(stack, config, limits=Intensity((0.0,), (255.0,)), painted=True)


boxes = st.tuples(
    st.integers(0, 1), st.integers(0, 59), st.integers(1, 30), st.integers(0, 69),
    st.integers(1, 30), st.integers(0, 3),
)  # fmt: skip


@pytest.mark.parametrize(("whole", "zoom"), [(True, 1.0), (False, 1.0), (True, 0.5)])
@pytest.mark.parametrize(
    ("scheme", "weights"),
    [("objects", "paper"), ("dense objects", "fiji"), ("classes", "none"), ("classes", "paper"),
     ("dense objects", "no weights")],
)  # fmt: skip
@settings(max_examples=6)
@given(st.lists(boxes, min_size=1, max_size=3))
def test_renewed_planes_equal_fresh_ones(scheme, weights, whole, zoom, edits):
    if not whole and weights == "paper" and scheme == "classes":
        return  # a window cannot know which parts of a class meet far away; so it never was exact
    everything = [Spot(0, i, (0, 1, 0, 1), np.nan) for i in (0, 1)]
    labels = np.zeros(SHAPE, np.uint16)
    labels[0, 5:20, 5:20] = 2
    labels[0, 5:20, 22:30] = 3 if scheme != "classes" else 1
    data = data_of(labels, SCHEMES[scheme], WEIGHTS[weights], zoom=zoom)
    # tiles of 28, so that a plane of 60 x 70 is not kept whole for being small
    limit = plane_tensors.WHOLE_PIXELS
    plane_tensors.WHOLE_PIXELS = limit if whole else 0
    try:
        sampler = data.sampler(tile=28)
        assert sampler._view.sources[0].whole is whole
        sampler.edited(everything, known=False)
        for i, y, h, x, w, value in edits:
            box = y, min(60, y + h), x, min(70, x + w)
            labels[i, box[0] : box[1], box[2] : box[3]] = value
            edit = Edit(0, i, box, labels[i, box[0] : box[1], box[2] : box[3]])
            spot = Spot(0, i, data.edited(edit), 0.5)
            sampler.edited([spot], known=not data.is_resampled(0))
        fresh = data_of(labels.copy(), SCHEMES[scheme], WEIGHTS[weights], zoom=zoom).sampler(
            tile=28
        )
        fresh.edited([Spot(0, i, (0, 1, 0, 1), np.nan) for i in (0, 1)], known=False)
        Y, X = data.stacks[0].plane_shape
        for i in (0, 1):
            renewed, expected = (
                s._view.sources[0].truth(i, (0, Y), (0, X))[0].numpy() for s in (sampler, fresh)
            )
            assert np.array_equal(renewed[0], expected[0])
            np.testing.assert_allclose(renewed[1], expected[1], atol=1e-5)
            counts, anew = (s._view.sources[0].class_counts(i) for s in (sampler, fresh))
            if whole:  # pixels are drawn by their number, so their order counts
                had, known = (s._view.sources[0]._whole_truth(i).known for s in (sampler, fresh))
                assert (had is None) == (known is None)
                assert known is None or np.array_equal(had, known)
            assert np.array_equal(counts, anew)
            by_hand = np.bincount(
                expected[0][expected[0] != 255].astype(int), minlength=len(counts)
            )
            assert np.array_equal(counts, by_hand)
    finally:
        plane_tensors.WHOLE_PIXELS = limit


@pytest.mark.parametrize("formula", ["paper", "none"])
def test_a_stroke_that_joins_two_parts_takes_their_border_away_everywhere(formula):
    labels = np.full(SHAPE, 1, np.uint16)
    labels[0, :50, 10:14] = labels[0, :50, 18:22] = 2
    weights = WeightConfig(formula, w0=10, sigma=2)  # also where only w0 asks for a border
    data = data_of(labels, SCHEMES["classes"], weights)
    sampler = data.sampler(tile=28)
    sampler.edited([Spot(0, 0, (0, 1, 0, 1), np.nan)], known=False)
    source = sampler._view.sources[0]
    gap = source.truth(0, (0, 60), (0, 70))[0].numpy()[1, 5, 14:18]
    assert (gap > 1.4).all()
    box = (46, 50, 14, 18)
    labels[0, 46:50, 14:18] = 2
    spot = Spot(0, 0, data.edited(Edit(0, 0, box, labels[0, 46:50, 14:18])), 0.5)
    sampler.edited([spot])
    gap = sampler._view.sources[0].truth(0, (0, 60), (0, 70))[0].numpy()[1, 5, 14:18]
    assert (gap == 1).all()


def test_a_stroke_costs_as_much_as_its_box_however_large_the_slice(monkeypatch):
    labels = np.zeros(SHAPE, np.uint16)
    labels[0, :9, :9], labels[0, 20:29, :9] = 1, 2
    sampler = data_of(labels, SCHEMES["classes"], WEIGHTS["none"]).sampler(tile=28)
    sampler.edited([Spot(0, 0, (0, 29, 0, 9), np.nan)])
    source = sampler._view.sources[0]
    known = source._whole_truth(0).known
    assert source.whole
    read = []
    window = SeenTruth.window

    def noted(self, i, rows, cols):
        read.append((rows.stop - rows.start) * (cols.stop - cols.start))
        return window(self, i, rows, cols)

    monkeypatch.setattr(SeenTruth, "window", noted)
    monkeypatch.setattr(PlaneTensors, "_surveyed", lambda *_: pytest.fail("the whole was read"))
    labels[0, 40:43, 30:35] = 2
    sampler.edited([Spot(0, 0, (40, 43, 30, 35), 0.5)])
    reach = source.seen_truth.reach
    assert read == [(3 + 2 * reach) * (5 + 2 * reach)]
    renewed = sampler._view.sources[0]._whole_truth(0)
    assert renewed.counts.tolist() == [81, 96, 0]
    assert len(renewed.known) == len(known) + 15


def test_tiles_come_from_annotated_slices_and_a_share_from_the_stroke():
    counts = {(0, 0): np.array([0, 0]), (0, 1): np.array([30, 10]), (0, 2): np.array([0, 120])}
    spot = Spot(0, 1, (10, 12, 40, 44), 0.0)
    interest = Interest(counts, [spot], 0.5, balance=True)
    rng = np.random.default_rng(0)
    drawn = [interest.draw(k % 4, 20, rng) for k in range(8000)]
    assert {aim.slice_index for aim in drawn} == {1, 2}
    at_spot = [aim.middle for aim in drawn if aim.middle is not None]
    assert len(at_spot) / 8000 == pytest.approx(0.5, abs=0.03)
    ys, xs = np.transpose(at_spot)
    assert ys.min() >= 10 - 5 and ys.max() <= 12 + 5  # noqa: PT018 - a range
    assert xs.min() >= 40 - 5 and xs.max() <= 44 + 5  # noqa: PT018
    rest = [aim for aim in drawn if aim.middle is None]
    first, second = ([a.slice_index for a in rest if a.of_class == c] for c in (0, 1))
    assert len(first) / len(rest) == pytest.approx(0.5, abs=0.03)  # classes alike
    assert set(first) == {1}  # the only slice that has the first
    assert np.mean(np.array(second) == 2) == pytest.approx(120 / 130, abs=0.03)
    # N / (K N_c) with 30 and 130 of 160 pixels
    assert interest.class_weights == pytest.approx([160 / 60, 160 / 260])


def test_wrong_and_recent_strokes_are_looked_at_more():
    counts = {(0, i): np.array([5, 5]) for i in range(3)}
    spots = [Spot(0, 0, (0, 1, 0, 1), 1.0), Spot(0, 1, (0, 1, 0, 1), 0.0)]
    interest = Interest(counts, spots, 0.99, balance=False)
    rng = np.random.default_rng(0)
    seen = np.bincount([interest.draw(k, 20, rng).slice_index for k in range(3000)], minlength=3)
    # chances 0.1 * 0.5 ** 0.1 and 1.1
    assert seen[0] / seen[1] == pytest.approx(0.1 * 0.5**0.1 / 1.1, abs=0.03)


@pytest.mark.parametrize("whole", [True, False])
def test_a_tile_for_a_class_holds_a_pixel_of_it(whole, monkeypatch):
    monkeypatch.setattr(plane_tensors, "WHOLE_PIXELS", 10**7 if whole else 0)
    labels = np.zeros(SHAPE, np.uint16)
    labels[0, 5:45, 5:60] = 1
    labels[0, 50, 66] = 2
    sampler = data_of(labels, SCHEMES["classes"], WEIGHTS["none"]).sampler(tile=28)
    source, rng = sampler._view.sources[0], np.random.default_rng(0)
    assert source.whole is whole
    middles = np.array([source.draw_pixel(0, 10, rng, 1) for _ in range(200)])
    assert (abs(middles - (50, 66)) <= 5).all()
    assert len({tuple(m) for m in middles}) > 20
    ones = np.array([source.draw_pixel(0, 2, rng, 0) for _ in range(200)])
    assert ones[:, 0].max() <= 46
    assert ones[:, 1].max() <= 61


def test_one_class_is_not_enough():
    assert not Interest({(0, 0): np.array([7, 0])}, [], 0.5, balance=True).ready
    assert not Interest({}, [], 0.5, balance=True).ready
    assert Interest({(0, 0): np.array([7, 0]), (0, 1): np.array([0, 1])}, [], 0, balance=True).ready


def test_an_edit_changes_the_batches_after_it_alone():
    labels = np.zeros(SHAPE, np.uint16)
    labels[0, 5:20, 5:20] = 2
    labels[0, 30:40, 30:40] = 1
    data = data_of(labels, SCHEMES["classes"], WEIGHTS["none"])
    sampler = data.sampler(tile=28)
    sampler.edited([Spot(0, 0, (0, 60, 0, 70), np.nan)], known=False)
    batches = sampler.batches()
    before = [next(batches) for _ in range(2)]
    labels[0, 2:4, 60:69] = 1
    sampler.edited([Spot(0, 0, (2, 4, 60, 69), 0.0)])
    after = next(batches)
    assert torch.equal(after.weights, sampler.batch(2).weights)
    batches.close()
    labels[0, 2:4, 60:69] = 0
    sampler.edited([Spot(0, 0, (2, 4, 60, 69), np.nan)])
    sampler._spots.clear()
    sampler.edited([])
    for step, batch in enumerate(before):  # undone: the batches are what they were
        assert torch.equal(batch.weights, sampler.batch(step).weights)
        assert torch.equal(batch.image, sampler.batch(step).image)


def test_a_stroke_in_a_validation_region_never_reaches_training():
    labels = np.zeros(SHAPE, np.uint16)
    labels[:, 5:20, 5:20] = 1
    from napari_unet.config.split import SplitConfig

    split = SplitConfig("region", region=(40, 60, 40, 70))
    data = data_of(labels, SCHEMES["dense objects"], WEIGHTS["none"], split=split)
    sampler = data.sampler(tile=28)
    spots = [Spot(0, i, (0, 60, 0, 70), np.nan) for i in (0, 1)]
    sampler.edited(spots, known=False)
    before = [sampler.batch(step) for step in range(8)]
    labels[0, 45:50, 45:60] = 9
    sampler.edited([Spot(0, 0, (45, 50, 45, 60), np.nan)])
    for step, batch in enumerate(before):
        for name in ("image", "classes", "weights"):
            assert torch.equal(getattr(batch, name), getattr(sampler.batch(step), name))
