"""Tiles: where they lie, what they hold, what they never see, and that they can be repeated."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme, read_target
from napari_unet.annotation.splits import Split
from napari_unet.annotation.weights import balanced_weights, class_frequencies, target_weights
from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.size_rule import border
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.images.stack import Intensity, Stack
from napari_unet.network.tiles import mirrored_indices
from napari_unet.training.data import TrainingData
from napari_unet.training.plane_cache import PlaneCache
from napari_unet.training.plane_tensors import PlaneTensors
from napari_unet.training.sampling import TileSampler

DEPTH = 2  # input 44 + 4·n, loses 40
TILE = 60
OUT = TILE - border(DEPTH)
UNIT = Intensity((0.0,), (1.0,))
NONE = AugmentConfig.none()


def blobs(shape=(3, 70, 90), seed=0) -> np.ndarray:
    """Touching square objects of 7 px, on a background."""
    n, Y, X = shape
    y, x = np.mgrid[:Y, :X]
    ids = (y // 8) * 100 + x // 10 + 1
    kept = np.random.default_rng(seed).random((n, ids.max() + 1)) < 0.6
    return np.stack([np.where(kept[i][ids], ids, 0) for i in range(n)]).astype(np.int32)


def stack_of(labels, image=None, scheme=None, annotated=None) -> Stack:
    if image is None:
        image = np.random.default_rng(1).random(labels.shape).astype(np.float32)
    scheme = scheme or LabelScheme("objects")
    return Stack("test", image, "zyx", labels, scheme, annotated)


def all_of(stack: Stack) -> Split:
    return Split(tuple(range(stack.n_slices)), (), None, 0)


def data_of(stack, split=None, *, intensity=UNIT, **changes) -> TrainingData:
    """Data with splits and limits that are simple to reckon with."""
    settings_ = {
        "network": UNetConfig(depth=DEPTH), "tile": TILE, "batch": 2, "split": SplitConfig("none"),
    }  # fmt: skip
    stacks = [stack] if isinstance(stack, Stack) else stack
    data = TrainingData(stacks, TrainConfig(**(settings_ | changes)), limits=intensity)
    if split is not None:
        data.splits = tuple(split) if isinstance(split, list) else (split,)
    return data


def sampler_of(*args, **changes) -> TileSampler:
    return data_of(*args, **changes).sampler()


def read_windowed(monkeypatch) -> None:
    """Take every plane for a large one, of which only windows are read."""
    monkeypatch.setattr(PlaneTensors, "_prepares_whole", lambda self, tile: False)


def same(a, b) -> bool:
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in ("image", "classes", "weights"))


def whole_weights(stack: Stack, config: WeightConfig) -> np.ndarray:
    targets = [read_target(stack.label_plane(i), stack.scheme) for i in range(stack.n_slices)]
    balance = balanced_weights(class_frequencies(targets, stack.scheme.n_classes))
    return np.stack([target_weights(t, config, balance) for t in targets])


# -- crops --------------------------------------------------------------------------------------


@pytest.mark.parametrize("windowed", [False, True])
def test_without_augmentation_tiles_are_exact_mirrored_crops(monkeypatch, windowed):
    if windowed:
        read_windowed(monkeypatch)
    stack = stack_of(blobs())
    sampler = sampler_of(stack, augment=NONE)
    weights = whole_weights(stack, WeightConfig())
    for step in range(40):
        tile = sampler.tile(step, 0)
        top, left = (int(c - (TILE - 1) / 2) for c in tile.centre)
        rows = mirrored_indices(top, top + TILE, 70)
        cols = mirrored_indices(left, left + TILE, 90)
        i, inner = tile.slice_index, slice(border(DEPTH) // 2, -border(DEPTH) // 2)
        target = read_target(stack.label_plane(i), stack.scheme)
        assert np.array_equal(tile.image[0].numpy(), stack.image[i][np.ix_(rows, cols)])
        at = np.ix_(rows[inner], cols[inner])
        assert np.array_equal(tile.classes.numpy(), target.classes[at])
        assert np.allclose(tile.weights.numpy(), weights[i][at], atol=2e-3)
        if not windowed:
            assert np.array_equal(tile.weights.numpy(), weights[i][at])


def test_shapes_and_dtypes():
    labels = blobs()
    image = np.random.default_rng(0).random((3, 2, 70, 90)).astype(np.float32)
    stack = Stack("two", image, "zcyx", labels, LabelScheme("objects"))
    sampler = sampler_of(stack, intensity=Intensity((0.0, 0.0), (1.0, 1.0)), batch=3)
    batch = sampler.batch(0)
    assert batch.image.shape == (3, 2, TILE, TILE)
    assert batch.image.dtype == torch.float32
    assert batch.classes.shape == batch.weights.shape == (3, OUT, OUT)
    assert (batch.classes.dtype, batch.weights.dtype) == (torch.int64, torch.float32)
    tile = sampler.tile(0, 1)
    assert torch.equal(batch.image[1], tile.image)
    assert torch.equal(batch.classes[1], tile.classes.long())


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 50), (1, 5, 3), (1, 300, 2)])
@pytest.mark.parametrize("windowed", [False, True])
def test_planes_smaller_than_a_tile(monkeypatch, shape, windowed):
    if windowed:
        read_windowed(monkeypatch)
    labels = np.zeros(shape, np.int32)
    labels[..., : max(1, shape[2] // 2)] = 1
    sampler = sampler_of(stack_of(labels))
    for step in range(3):
        batch = sampler.batch(step)
        assert torch.isfinite(batch.image).all()
        assert (batch.weights > 0).all()


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_windows_of_large_planes_equal_whole_planes(interpolation, seed):
    stack = stack_of(blobs(seed=seed))
    augment = AugmentConfig(brightness=0, contrast=0, gamma=0, interpolation=interpolation)
    whole = sampler_of(stack, augment=augment, seed=seed).tile(0, 0)
    with pytest.MonkeyPatch.context() as patch:
        read_windowed(patch)
        part = sampler_of(stack, augment=augment, seed=seed).tile(0, 0)
    assert whole.centre == part.centre
    assert (whole.image - part.image).abs().max() < 1e-3
    assert (whole.classes != part.classes).float().mean() < 0.01  # rounding at .5
    assert (whole.weights - part.weights).abs().max() < 1e-2


def test_cubic_interpolation_blurs_less():
    stack = stack_of(blobs())
    quiet = AugmentConfig(brightness=0, contrast=0, gamma=0, displacement=0, zoom=(1, 1))
    spread = {
        order: sampler_of(stack, augment=replace(quiet, interpolation=order)).tile(0, 0).image.std()
        for order in ("linear", "cubic")
    }
    plain = sampler_of(stack, augment=AugmentConfig.none()).tile(0, 0).image.std()
    assert spread["linear"] < 0.9 * spread["cubic"]
    assert spread["cubic"] < plain


@pytest.mark.parametrize("preset", ["paper", "fiji", "none"])
def test_weights_of_a_window_equal_those_of_the_plane(monkeypatch, preset):
    stack = stack_of(blobs((1, 200, 220)))
    config = WeightConfig(preset)
    expected = sampler_of(stack, weights=config)._view.sources[0].truth(0, (0, 200), (0, 220))[0]
    read_windowed(monkeypatch)
    source = sampler_of(stack, weights=config)._view.sources[0]
    for rows, cols in [((90, 110), (100, 130)), ((-20, 30), (200, 260)), ((180, 230), (-9, 9))]:
        window, origin = source.truth(0, rows, cols)
        at = np.ix_(mirrored_indices(*rows, 200), mirrored_indices(*cols, 220))
        assert origin == (rows[0], cols[0])
        assert np.array_equal(window[0], expected[0].numpy()[at])
        assert np.allclose(window[1], expected[1].numpy()[at], atol=2e-3)


def test_a_window_reads_no_more_than_it_needs(monkeypatch):
    read_windowed(monkeypatch)
    labels = np.zeros((1, 3000, 3000), np.uint8)
    labels[:, ::9] = 1
    stack = stack_of(labels, image=np.zeros((1, 3000, 3000), np.uint8))
    sampler = sampler_of(stack, weights=None)
    sizes = []
    read = Stack.image_crop

    def watched(self, i, rows, cols):
        sizes.append((rows.stop - rows.start, cols.stop - cols.start))
        return read(self, i, rows, cols)

    monkeypatch.setattr(Stack, "image_crop", watched)
    for step in range(20):
        sampler.tile(step, 0)
    assert np.max(sizes) < 3 * TILE  # √2 · 1.25 · 60, and displacements


# -- one field for all --------------------------------------------------------------------------


@pytest.mark.parametrize("windowed", [False, True])
def test_image_labels_and_weights_move_together(monkeypatch, windowed):
    if windowed:
        read_windowed(monkeypatch)
    mask = (blobs() > 0).astype(np.uint8)
    scheme = LabelScheme("classes")
    stack = stack_of(mask, image=mask.astype(np.float32), scheme=scheme)
    augment = AugmentConfig(interpolation="linear")  # cubics overshoot
    data = data_of(stack, augment=augment, weights=WeightConfig("none"))
    sampler = data.sampler()
    c0, c1 = data.class_weights
    inner = slice(border(DEPTH) // 2, -border(DEPTH) // 2)
    for step in range(10):
        tile = sampler.tile(step, 0)
        image = tile.image[0, inner, inner]
        assert torch.all(image[tile.classes == 1] >= 0.249)
        assert torch.all(image[tile.classes == 0] <= 0.751)
        # Class weights are a linear function of the mask, and so is linear interpolation.
        assert torch.allclose(tile.weights, c0 + (c1 - c0) * image, atol=1e-3)


def test_unknown_pixels_weigh_exactly_nothing():
    labels = np.ones((1, 80, 80), np.int32)
    labels[:, 20:40, 20:60] = 2
    labels[:, 50:, :30] = 0
    scheme = LabelScheme("objects", "sparse")
    coded = labels[0] == 0
    image = coded[None].astype(np.float32)
    augment = AugmentConfig(brightness=0, contrast=0, gamma=0)
    sampler = sampler_of(stack_of(labels, image, scheme), augment=augment)
    inner = slice(border(DEPTH) // 2, -border(DEPTH) // 2)
    seen = 0
    for step in range(30):
        tile = sampler.tile(step, 0)
        unknown = tile.image[0, inner, inner] > 0.76  # surely nearest to an unknown pixel
        seen += int(unknown.sum())
        assert not tile.weights[unknown].any()
        assert not tile.classes[unknown].any()
        assert (tile.weights[tile.image[0, inner, inner] == 0] > 0).all()
    assert seen > 100


def test_without_a_weight_map_every_known_pixel_weighs_one():
    data = data_of(stack_of(blobs()), weights=None)
    assert data.class_weights is None
    assert torch.allclose(data.sampler().batch(0).weights, torch.ones(2, OUT, OUT))


def test_class_weights_come_from_training_slices_alone():
    labels = np.zeros((2, 50, 50), np.int32)
    labels[0, :, :10] = 1  # a fifth
    labels[1] = 1
    split = Split((0,), (1,), None, 0)
    assert np.allclose(data_of(stack_of(labels), split).class_weights, [50 / 80, 50 / 20])


# -- repeatable ---------------------------------------------------------------------------------


def test_a_tile_depends_on_seed_step_and_index_alone():
    stack = stack_of(blobs())
    data = data_of(stack)
    a = data.sampler()
    b = TileSampler(
        [data.images(0)], [data.truth(0)], depth=DEPTH, tile=TILE, batch=2,
        augment=AugmentConfig(), seed=0, cache_bytes=1,
    )  # fmt: skip
    for step, index in [(7, 1), (0, 0), (7, 1), (3, 5)]:
        assert same(a.tile(step, index), b.tile(step, index))
    first = a.tile(4, 0)
    assert same(first, a.tile(4, 0))
    assert not same(first, a.tile(4, 1))
    assert not same(first, a.tile(5, 0))
    assert not same(first, sampler_of(stack, seed=1).tile(4, 0))


def test_every_pixel_is_equally_likely():
    """Interior pixels as often as one another; the outermost, which no mirror repeats, half."""
    side = 30
    sampler = sampler_of(stack_of(np.eye(side, dtype=np.int32)[None]), augment=NONE, weights=None)
    counts = np.zeros((side, side))
    n = 6000
    rng = np.random.default_rng(0)
    for _ in range(n):
        y, x = sampler._view.sources[0].draw_pixel(0, OUT, rng)
        rows, cols = (mirrored_indices(c - OUT // 2, c - OUT // 2 + OUT, side) for c in (y, x))
        np.add.at(counts, np.ix_(rows, cols), 1)
    share = counts / (n * OUT * OUT) * side**2
    assert np.abs(share[1:-1, 1:-1] - 1).max() < 0.3  # 3 to 4 standard deviations
    assert share[1:-1, 1:-1].mean() == pytest.approx(1.07, abs=0.03)
    assert share[0, 1:-1].mean() == pytest.approx(0.55, abs=0.1)


def test_middles_reach_every_corner():
    rng = np.random.default_rng(0)
    source = sampler_of(stack_of(np.eye(4, dtype=np.int32)[None]))._view.sources[0]
    drawn = {source.draw_pixel(0, OUT, rng) for _ in range(400)}
    assert drawn == {(y, x) for y in range(4) for x in range(4)}


def test_slices_are_drawn_in_proportion_to_their_pixels():
    small = stack_of(np.eye(20, dtype=np.int32)[None])
    large = stack_of(np.eye(40, dtype=np.int32)[None].repeat(2, 0))
    sampler = sampler_of([small, large], tile=44)
    picks = [(t.stack_index, t.slice_index) for t in (sampler.tile(k, 0) for k in range(900))]
    shares = [picks.count(p) / 900 for p in [(0, 0), (1, 0), (1, 1)]]
    assert np.allclose(shares, [1 / 9, 4 / 9, 4 / 9], atol=0.06)


@pytest.mark.parametrize("windowed", [False, True])
def test_tiles_of_sparse_annotation_hold_annotated_pixels(monkeypatch, windowed):
    if windowed:
        read_windowed(monkeypatch)
    labels = np.zeros((1, 700, 700), np.int32)
    labels[0, 600:604, 30:40] = 1
    labels[0, 604:606, 30:40] = 2
    labels[0, 5:8, 690:700] = 1
    stack = stack_of(labels, scheme=LabelScheme("objects", "sparse"))
    sampler = sampler_of(stack, augment=NONE)
    middles = []
    for step in range(60):
        tile = sampler.tile(step, 0)
        assert tile.weights.any()
        middles.append(tile.centre)
    assert len({m[0] for m in middles if m[0] > 300}) > 8  # not always in the middle of the tile
    # 60 known pixels below, 30 above.
    assert 0.4 < np.mean([m[0] > 300 for m in middles]) < 0.9


# -- validation is hidden -----------------------------------------------------------------------


@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("mode", ["stack", "image"])
@pytest.mark.parametrize("kind", ["objects", "classes"])
def test_what_validates_changes_no_training_bit(monkeypatch, windowed, mode, kind):
    if windowed:
        read_windowed(monkeypatch)
    labels = blobs()
    if kind == "classes":
        labels = (labels > 0).astype(np.int32)
    image = np.random.default_rng(1).random(labels.shape).astype(np.float32)
    changed, relabelled = image.copy(), labels.copy()
    split = Split((0, 1), (2,), (20, 45, 30, 90), 3)
    y0, y1, x0, x1 = split.region
    changed[2], relabelled[2] = 7.0, 0
    changed[:, y0:y1, x0:x1] = 1e9
    relabelled[:, y0:y1, x0:x1] = 1 if kind == "classes" else 9999
    scheme = LabelScheme(kind)
    intensity = replace(UNIT, mode=mode)
    one = data_of(stack_of(labels, image, scheme), split, intensity=intensity)
    other = data_of(stack_of(relabelled, changed, scheme), split, intensity=intensity)
    assert np.array_equal(one.class_weights, other.class_weights)
    before, after = one.sampler(), other.sampler()
    for step in range(25):
        assert same(before.batch(step), after.batch(step))


def test_the_region_weighs_nothing_within_its_guard():
    stack = stack_of(blobs((1, 70, 90)), image=np.ones((1, 70, 90), np.float32))
    split = Split((0,), (0,), (20, 40, 30, 60), 5)
    sampler = sampler_of(stack, split)
    truth = sampler._view.sources[0].truth(0, (0, 0), (0, 0))[0]
    weights = truth[1].numpy()
    assert not weights[15:45, 25:65].any()
    weights[15:45, 25:65] = 1
    assert (weights > 0).all()
    image = sampler._view.sources[0].image(0, (0, 0), (0, 0))[0][0].numpy()
    assert not image[20:40, 30:60].any()
    assert image.sum() == 70 * 90 - 20 * 30


def test_limits_per_image_are_those_of_the_whole_slice(monkeypatch):
    image = np.random.default_rng(0).random((2, 70, 90)).astype(np.float32)
    image[1] *= 10
    stack = stack_of(blobs((2, 70, 90)), image)
    intensity = Intensity((0.0,), (1.0,), "image")
    expected = np.stack([intensity.normalise(plane[None])[0] for plane in image])
    assert abs(expected[1].max() - expected[0].max()) < 0.1
    for windowed in (False, True):
        if windowed:
            read_windowed(monkeypatch)
        source = sampler_of(stack, intensity=intensity)._view.sources[0]
        for i in range(2):
            crop, origin = source.image(i, (10, 20), (30, 50))
            y, x = 10 - origin[0], 30 - origin[1]
            assert np.allclose(
                crop[0, y : y + 10, x : x + 20], expected[i, 10:20, 30:50], atol=1e-5
            )


def test_validation_planes_are_whole_and_plain():
    stack = stack_of(blobs())
    split = Split((0, 1), (2,), None, 0)
    data = data_of(stack, split, intensity=Intensity((0.0,), (2.0,)))
    planes = data.validation()
    (plane,) = list(planes)
    assert len(planes) == 1
    assert (plane.stack_index, plane.slice_index) == (0, 2)
    assert np.array_equal(plane.image, stack.image[2:3] / 2)
    target = read_target(stack.label_plane(2), stack.scheme)
    assert np.array_equal(plane.classes, target.classes)
    expected = target_weights(target, WeightConfig(), data.class_weights)
    assert np.array_equal(plane.weights, expected)
    assert next(iter(planes)) is plane  # prepared once
    edited = stack.with_labels(np.zeros_like(stack.labels))
    data.refresh(0, edited)
    planes.refresh(0, data.images(0, blind=False), data.truth(0, blind=False))
    assert not next(iter(planes)).classes.any()


def test_validation_counts_only_inside_the_region(monkeypatch):
    stack = stack_of(blobs((1, 70, 90)))
    split = Split((0,), (0,), (20, 40, 30, 60), 5)
    data = data_of(stack, split, weights=None)
    (plane,) = data.validation()
    assert plane.weights.sum() == 20 * 30
    assert plane.weights[20:40, 30:60].all()
    for name, value in (("WHOLE_PIXELS", 100), ("ALIGN", 4), ("HALO", 8)):
        monkeypatch.setattr(f"napari_unet.training.validation_planes.{name}", value)
    (part,) = data.validation()
    assert (part.rows, part.cols) == (slice(12, 48), slice(20, 68))
    for name in ("classes", "weights"):
        assert np.array_equal(getattr(part, name), getattr(plane, name)[part.rows, part.cols])
    assert np.array_equal(part.image, plane.image[:, part.rows, part.cols])


def test_a_large_validation_plane_is_measured_in_spread_windows(monkeypatch):
    monkeypatch.setattr("napari_unet.training.validation_planes.WHOLE_PIXELS", 100)
    monkeypatch.setattr("napari_unet.training.validation_planes.WINDOW", 16)
    monkeypatch.setattr("napari_unet.training.validation_planes.ALIGN", 4)
    stack = stack_of(blobs((1, 70, 90)))
    split = Split((), (0,), None, 0)
    parts = list(data_of(stack, split, weights=WeightConfig(balance=False)).validation())
    assert len(parts) == 4
    assert {part.classes.shape for part in parts} == {(16, 16)}
    assert len({(part.rows.start, part.cols.start) for part in parts}) == 4


# -- edited labels ------------------------------------------------------------------------------


def test_edits_are_seen_from_the_next_batch(monkeypatch):
    labels = blobs()
    stack = stack_of(labels)
    data = data_of(stack, weights=None)
    sampler = data.sampler()
    batches = sampler.batches(0, prefetch=2)
    next(batches)
    time.sleep(0.1)  # the next ones are ready by now
    labels[:] = 0  # painted in place
    reads = []
    read = Stack.image_crop
    monkeypatch.setattr(Stack, "image_crop", lambda *a: reads.append(a) or read(*a))
    data.refresh(0, stack)
    sampler.refresh(0, data.images(0), data.truth(0))
    batch = next(batches)
    batches.close()
    assert not batch.classes.any()
    assert same(batch, sampler.batch(1))
    assert not reads  # the image is the same, and kept


def test_a_new_image_replaces_the_old_one():
    stack = stack_of(blobs())
    data = data_of(stack, augment=NONE)
    sampler = data.sampler()
    sampler.batch(0)
    data.refresh(0, stack_of(stack.labels, np.full(stack.image.shape, 0.25, np.float32)))
    sampler.refresh(0, data.images(0), data.truth(0))
    assert (sampler.batch(0).image == 0.25).all()


def test_edits_must_fit():
    data = data_of(stack_of(blobs()))
    with pytest.raises(InputError, match="same size"):
        data.refresh(0, stack_of(blobs((3, 70, 91))))
    with pytest.raises(InputError, match="lost its labels"):
        data.refresh(0, Stack("bare", np.zeros((3, 70, 90), np.uint8), "zyx"))


# -- prefetching --------------------------------------------------------------------------------


def threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name == "tiles"}


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_prepared_batches_are_the_same_batches(prefetch):
    sampler = sampler_of(stack_of(blobs()))
    batches = sampler.batches(5, prefetch=prefetch)
    for step in range(5, 10):
        assert same(next(batches), sampler.batch(step))
    assert len(threads()) == (prefetch > 0)
    batches.close()
    assert not threads()


def test_a_generator_never_started_leaves_no_thread():
    batches = sampler_of(stack_of(blobs())).batches()
    batches.close()
    assert not threads()


def test_an_error_in_the_thread_reaches_the_consumer(monkeypatch):
    sampler = sampler_of(stack_of(blobs()))
    make = sampler.batch

    def broken(step):
        if step == 2:
            raise OSError("the disk went away")
        return make(step)

    monkeypatch.setattr(sampler, "batch", broken)
    batches = sampler.batches(0, prefetch=2)
    next(batches)
    next(batches)
    with pytest.raises(OSError, match="the disk went away"):
        next(batches)
    assert not threads()


# -- the cache ----------------------------------------------------------------------------------


def test_the_cache_keeps_the_newest_within_its_bytes():
    cache = PlaneCache(10)
    token, made = object(), []

    def get(name, size=4):
        def make():
            made.append(name)
            return name, size

        return cache.get((token, name), make)

    assert [get("a"), get("b"), get("a"), get("c"), get("a")] == ["a", "b", "a", "c", "a"]
    assert made == ["a", "b", "c"]
    assert cache.bytes == 8
    get("b")
    assert made == ["a", "b", "c", "b"]  # b was the oldest when c came
    get("huge", 99)
    get("huge", 99)
    assert made[-1] == "huge"
    assert made.count("huge") == 1
    cache.drop(token)
    assert cache.bytes == 0


@pytest.mark.data
def test_tiles_of_the_em_stack(data_dir):
    folder = data_dir / "isbi2012-em"
    if not folder.is_dir():
        pytest.skip(f"needs the EM stack in {folder}")
    tifffile = pytest.importorskip("tifffile")
    image = tifffile.imread(folder / "train-volume.tif")
    labels = tifffile.imread(folder / "train-labels.tif")
    stack = stack_of(labels, image, LabelScheme("classes", values=(0, 255)))
    split = Split(tuple(range(24)), tuple(range(24, 30)))
    limits = Intensity.measure(stack)
    data = data_of(stack, split, network=UNetConfig(), tile=572, intensity=limits)
    # White (0 < label) is inside a cell, 78 % of the stack: membranes weigh more.
    share = (labels[:24] > 0).mean()
    assert np.allclose(data.class_weights, [0.5 / (1 - share), 0.5 / share])
    tile = data.sampler().tile(0, 0)
    assert tile.image.shape == (1, 572, 572)
    assert tile.weights.shape == (388, 388)
    inside = tile.image[0, 92:-92, 92:-92][tile.classes == 1].mean()
    membrane = tile.image[0, 92:-92, 92:-92][tile.classes == 0].mean()
    assert inside > membrane + 0.1  # membranes are dark, so image and labels lie on each other
