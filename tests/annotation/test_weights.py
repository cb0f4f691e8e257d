"""Weight maps, against the formulas evaluated with one distance transform per object."""

from __future__ import annotations

import json
import math
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet.annotation.labels import LabelScheme, Target, read_target, separate_touching
from napari_unet.annotation.weights import (
    balanced_weights,
    class_frequencies,
    target_weights,
    weight_map,
)
from napari_unet.base.errors import InputError
from napari_unet.config.weights import WeightConfig

if TYPE_CHECKING:
    from pathlib import Path


def distances(objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return d1 and d2 by definition: one full distance transform per object."""
    each = [ndimage.distance_transform_edt(objects != i) for i in np.unique(objects[objects > 0])]
    each += [np.full(objects.shape, np.inf)] * 2
    d1, d2 = np.partition(np.stack(each), 1, axis=0)[:2]
    return d1, d2


def paper_border(objects: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    d1, d2 = distances(objects)
    return w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def fiji(objects: np.ndarray, w0: float, sigma: float, v: float, sigma1: float) -> np.ndarray:
    gapped = separate_touching(objects)
    d1, _ = distances(gapped)
    background = v + paper_border(gapped, w0, sigma) + (1 - v) * np.exp(-(d1**2) / (2 * sigma1**2))
    return np.where(gapped > 0, 1, background)


@st.composite
def instance_images(draw: st.DrawFn) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    objects = np.zeros(shape, np.int32)
    for i in range(1, draw(st.integers(3, 12))):
        (y, x), (h, w) = rng.integers(0, shape), rng.integers(1, 15, 2)
        objects[y : y + h, x : x + w] = i
    # Two ids at least, else it is a mask and its components are the objects.
    objects.flat[0], objects.flat[-1] = 1, 2
    return objects


# -- paper ----------------------------------------------------------------------------------------


def test_paper_by_hand() -> None:
    # Background between two objects: d1 + d2 = 1 + 2; in an object: 0 + 3.
    weights = weight_map(np.array([[1, 0, 0, 2]]), w0=10, sigma=5, balance=False)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, np.full((1, 4), 1 + 10 * math.exp(-9 / 50)), rtol=1e-6)


def test_defaults_are_the_papers() -> None:
    labels = np.array([[1, 0, 0, 2, 2]])
    np.testing.assert_array_equal(weight_map(labels), weight_map(labels, w0=10, sigma=5))
    assert weight_map(labels, preset="fiji")[0, 1] == pytest.approx(
        0.1 + 50 * math.exp(-9 / 72) + 0.9 * math.exp(-1 / 200), abs=1e-5
    )


def test_sigma_is_not_its_square() -> None:
    weights = weight_map(np.array([[1, 0, 2]]), w0=1, sigma=2, balance=False)
    assert weights[0, 1] == pytest.approx(1 + math.exp(-4 / 8))


def test_one_object_has_no_border_term() -> None:
    labels = np.array([[0, 1, 1, 0]])
    np.testing.assert_array_equal(weight_map(labels, balance=False), np.ones((1, 4)))


@pytest.mark.parametrize("preset", ["paper", "fiji", "none"])
def test_no_object_at_all(preset: str) -> None:
    weights = weight_map(np.zeros((3, 4), np.uint8), preset=preset)
    np.testing.assert_allclose(weights, 0.1 if preset == "fiji" else 1)


def test_touching_instances_stay_two_objects() -> None:
    weights = weight_map(np.array([[4, 4, 6, 6]]), balance=False)
    # d2 to the other object: 2, 1, 1, 2. As one object there would be no term.
    expected = [1 + 10 * math.exp(-d * d / 50) for d in (2, 1, 1, 2)]
    np.testing.assert_allclose(weights[0], expected, rtol=1e-6)


@pytest.mark.parametrize("mask", [np.array([[True, False, True]]), np.array([[255, 0, 255]])])
def test_objects_of_a_mask_are_its_components(mask: np.ndarray) -> None:
    by_ids = weight_map(np.array([[1, 0, 2]]))
    np.testing.assert_array_equal(weight_map(mask), by_ids)


def test_components_of_a_mask_are_4_connected() -> None:
    weights = weight_map(np.eye(2, dtype=bool), balance=False)
    assert weights[0, 0] == pytest.approx(1 + 10 * math.exp(-2 / 50))


def test_an_instance_in_two_pieces_is_one_object() -> None:
    weights = weight_map(np.array([[1, 0, 1] + [0] * 60 + [2]]), balance=False)
    np.testing.assert_allclose(weights[0, :3], 1)


@settings(max_examples=60, deadline=None)
@given(
    instance_images(),
    st.floats(0, 60),
    st.floats(0.3, 15),
    st.sampled_from([1e-1, 1e-3, 1e-5]),
)
def test_paper_within_tolerance(
    objects: np.ndarray, w0: float, sigma: float, tolerance: float
) -> None:
    weights = weight_map(objects, w0=w0, sigma=sigma, balance=False, tolerance=tolerance)
    error = np.abs(weights - (1 + paper_border(objects, w0, sigma)))
    assert error.max() <= tolerance + 1e-5  # float32


@settings(max_examples=25, deadline=None)
@given(instance_images())
def test_symmetries(objects: np.ndarray) -> None:
    weights = weight_map(objects)
    np.testing.assert_allclose(weight_map(objects[::-1, ::-1])[::-1, ::-1], weights, atol=1e-5)
    np.testing.assert_allclose(weight_map(objects.T).T, weights, atol=1e-5)
    np.testing.assert_allclose(weight_map(objects * 1000 + (objects > 0)), weights, atol=1e-5)


# -- Fiji -----------------------------------------------------------------------------------------


def test_fiji_makes_the_gap_first() -> None:
    weights = weight_map(np.array([[1, 1, 2, 2]]), preset="fiji")
    gap = 0.1 + 50 * math.exp(-4 / 72) + 0.9 * math.exp(-1 / 200)
    np.testing.assert_allclose(weights, [[1, 1, gap, 1]], atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(instance_images(), st.floats(0, 1), st.floats(0.5, 30))
def test_fiji_within_tolerance(objects: np.ndarray, v: float, sigma1: float) -> None:
    weights = weight_map(objects, preset="fiji", background=v, sigma1=sigma1)
    expected = fiji(objects, 50, 6, v, sigma1)
    assert np.abs(weights - expected).max() <= 1e-3 + 1e-5


def test_fiji_takes_the_class_of_the_gap_away() -> None:
    labels = np.array([[1, 1, 2, 2]])
    one = weight_map(labels, preset="fiji")
    np.testing.assert_array_equal(weight_map(labels, preset="fiji", classes=[[2, 2, 1, 1]]), one)


# -- classes --------------------------------------------------------------------------------------


def test_balance_by_hand() -> None:
    # 3 of 4 background: w = 4 / (2·3) and 4 / (2·1).
    weights = weight_map(np.array([[0, 0, 0, 1]]))
    np.testing.assert_allclose(weights, [[2 / 3, 2 / 3, 2 / 3, 2]], rtol=1e-6)


def test_balance_over_several_slices() -> None:
    scheme = LabelScheme("classes", "sparse", (1, 2, 3))
    targets = [read_target(np.array([[1, 1, 2, 0]]), scheme), read_target(np.array([[3]]), scheme)]
    shares = class_frequencies(targets, 3)
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25])
    np.testing.assert_allclose(balanced_weights(shares), [2 / 3, 4 / 3, 4 / 3])


def test_an_absent_class_stays_finite() -> None:
    np.testing.assert_allclose(balanced_weights([0.25, 0, 0.75]), [2, 1, 2 / 3])
    np.testing.assert_allclose(balanced_weights(class_frequencies([], 2)), [1, 1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=6).filter(any))
def test_mean_balanced_weight_is_one(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    assert (shares * balanced_weights(shares)).sum() == pytest.approx(1)


def test_given_class_weights_and_classes() -> None:
    labels, classes = np.array([[0, 3, 3, 4]]), np.array([[0, 1, 1, 2]])
    weights = weight_map(labels, w0=0, classes=classes, class_weights=[1, 5, 7])
    np.testing.assert_allclose(weights, [[1, 5, 5, 7]])


def test_unknown_pixels_weigh_nothing() -> None:
    labels = np.array([[1, 0, 0, 2]])
    known = np.array([[True, False, True, True]])
    for preset in ("paper", "fiji", "none"):
        weights = weight_map(labels, preset=preset, known=known)
        assert weights[0, 1] == 0
        assert (weights[0, [0, 2, 3]] > 0).all()
    # They do not count as background either: 1 of 3 known pixels.
    assert weight_map(labels, w0=0, known=known)[0, 2] == pytest.approx(1.5)


def test_target_weights_of_settings() -> None:
    target = read_target(np.array([[1, 0, 0, 2, 2]]), LabelScheme())
    plain = target_weights(target, WeightConfig("none", balance=False))
    np.testing.assert_array_equal(plain, np.ones((1, 5)))
    balanced = target_weights(target, WeightConfig("none"), [0.5, 2])
    np.testing.assert_allclose(balanced, [[2, 0.5, 0.5, 2, 2]])
    paper = target_weights(target, WeightConfig(w0=4, sigma=3), [0.5, 2])
    np.testing.assert_allclose(paper - balanced, paper_border(target.objects, 4, 3), atol=1e-5)


def test_target_is_left_alone() -> None:
    target = read_target(np.array([[1, 0, 2]]), LabelScheme())
    copies = [a.copy() for a in (target.classes, target.objects, target.known)]
    target_weights(target, WeightConfig("fiji"))
    for array, copy in zip((target.classes, target.objects, target.known), copies):
        np.testing.assert_array_equal(array, copy)


# -- settings -------------------------------------------------------------------------------------


def test_settings_survive_json() -> None:
    config = WeightConfig("fiji", w0=3.5, sigma1=8)
    assert WeightConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(InputError, match="no field 'w1'"):
        WeightConfig.from_dict({"w1": 2})


def test_presets_numbers() -> None:
    assert (WeightConfig().resolved_w0, WeightConfig().resolved_sigma) == (10, 5)
    fiji_default = WeightConfig("fiji")
    assert (fiji_default.resolved_w0, fiji_default.resolved_sigma) == (50, 6)
    assert WeightConfig("fiji", w0=0).resolved_w0 == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "unet"},
        {"w0": -1},
        {"w0": math.nan},
        {"w0": "ten"},
        {"sigma": 0},
        {"sigma": -2},
        {"sigma": math.inf},
        {"sigma1": 0},
        {"background": 1.5},
    ],
)
def test_unusable_settings(wrong: dict) -> None:
    with pytest.raises(InputError):
        WeightConfig(**wrong)
    with pytest.raises(InputError):
        weight_map(np.eye(3), **wrong)


@pytest.mark.parametrize(
    ("labels", "more"),
    [
        (np.zeros((2, 3, 4)), {}),
        (np.array([[0.5]]), {}),
        (np.zeros((2, 2)), {"known": np.ones((2, 3))}),
        (np.zeros((2, 2)), {"classes": np.ones((2, 3))}),
        (np.eye(2), {"class_weights": [1.0]}),
        (np.eye(2), {"tolerance": 0}),
    ],
)
def test_unusable_arrays(labels: np.ndarray, more: dict) -> None:
    with pytest.raises(InputError):
        weight_map(labels, **more)


# -- speed and real data --------------------------------------------------------------------------


def cells(side: int, spacing: int) -> np.ndarray:
    """Squares with a gap of 3 px, numbered from 1."""
    y, x = np.mgrid[:side, :side]
    ids = y // spacing * (side // spacing + 1) + x // spacing + 1
    return np.where((y % spacing > 2) & (x % spacing > 2), ids, 0).astype(np.int32)


def seconds(function, *arguments, repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        start = process_time()
        function(*arguments)
        times.append(process_time() - start)
    return min(times)


def test_much_faster_than_one_transform_per_object() -> None:
    objects = cells(512, 42)
    count = len(np.unique(objects)) - 1
    assert 100 < count < 200
    one = seconds(ndimage.distance_transform_edt, objects != 1)
    ours = seconds(weight_map, objects)
    assert ours < one * count / 20  # measured: about 1/100; the rest is for a busy machine


def test_time_does_not_depend_on_the_number_of_objects() -> None:
    few, many = cells(1024, 300), cells(1024, 12)
    assert many.max() > 400 * np.unique(few).size
    assert seconds(weight_map, many) < 3 * seconds(weight_map, few)


@pytest.mark.data
def test_a_real_slice(data_dir: Path) -> None:
    import tifffile

    mask = tifffile.imread(data_dir / "isbi2012-em" / "train-labels.tif", key=0)[:256, :256]
    objects, _ = ndimage.label(mask)
    expected = paper_border(objects, 10, 5)
    np.testing.assert_allclose(weight_map(mask, balance=False), 1 + expected, atol=1.01e-3)
    expected = fiji(objects, 50, 6, 0.1, 10)
    np.testing.assert_allclose(weight_map(objects, preset="fiji"), expected, atol=1.01e-3)


def test_touching_components_of_two_classes_are_two_objects() -> None:
    target = read_target(np.array([[1, 2]]), LabelScheme("classes", values=(0, 1, 2)))
    assert isinstance(target, Target)
    weights = target_weights(target, WeightConfig(balance=False))
    np.testing.assert_allclose(weights, 1 + 10 * math.exp(-1 / 50), rtol=1e-6)
