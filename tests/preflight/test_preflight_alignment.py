"""Labels against the image: shifted, turned, of another pixel size; and real ones that are well."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.config.training import TrainConfig
from napari_unet.datasets import registry as datasets
from napari_unet.images.stack import Stack
from napari_unet.preflight import find
from napari_unet.preflight.alignment import (
    REACH,
    check_alignment,
    correlations,
    edge_strength,
    label_edges,
)
from napari_unet.preflight.sample import Sample

if TYPE_CHECKING:
    from pathlib import Path

DENSE = LabelScheme("classes", values=(0, 255))


def found(stack: Stack, **options) -> list[str]:
    """Texts of the findings about alignment."""
    names = ("shift", "orientation", "scale")
    return [one.text for one in find(stack, **options) if one.check in names]


def moved(stack: Stack, dy: int, dx: int) -> Stack:
    """Return the stack with labels that lie dy rows too low and dx columns too far right."""
    return replace(stack, labels=np.roll(np.asarray(stack.labels), (dy, dx), (-2, -1)))


@pytest.fixture(scope="module")
def synthetic() -> Stack:
    return datasets.open("synthetic")


# -- the pieces, by hand ------------------------------------------------------------------------


def test_edges_of_labels_lie_on_both_sides_of_a_boundary():
    labels = np.array([[0, 0, 5, 5, 7]] * 2, np.int32)
    assert label_edges(labels, LabelScheme()).tolist() == [[0, 1, 1, 1, 1]] * 2
    labels = np.array([[0, 1, 1, 2, 0]] * 2, np.int32)
    sparse = LabelScheme("classes", "sparse", values=(1, 2))
    assert label_edges(labels, sparse).tolist() == [[0, 0, 1, 1, 0]] * 2
    ignoring = LabelScheme("classes", values=(0, 1), ignore=2)
    assert label_edges(labels, ignoring).tolist() == [[1, 1, 0, 0, 0]] * 2


def test_edge_strength_is_greatest_at_a_step_and_counts_channels_alike():
    image = np.zeros((1, 64, 64))
    image[:, :, 32:] = 100
    strength = edge_strength(image)
    assert strength.dtype == np.float32
    assert set(strength.argmax(1)) <= {31, 32}
    both = np.concatenate([image, 1000 * image])
    assert np.allclose(edge_strength(both), 2 * strength, atol=1e-4)
    assert not edge_strength(np.full((1, 40, 40), 3, np.uint8)).any()


def test_correlations_equal_shifting_by_hand():
    rng = np.random.default_rng(2)
    g, b = rng.normal(size=(2, 45, 51)).astype(np.float32)
    surface = correlations(g, b)
    assert surface.shape == (2 * REACH + 1, 2 * REACH + 1)
    inner = b[REACH:-REACH, REACH:-REACH].astype(float)
    inner -= inner.mean()
    for dy, dx in ((0, 0), (3, -5), (-8, 8), (8, 1)):
        rows = slice(REACH + dy, g.shape[0] - REACH + dy)
        cols = slice(REACH + dx, g.shape[1] - REACH + dx)
        there = g[rows, cols].astype(float) - g.mean()
        expected = (there * inner).mean() / (inner.std() * g.std())
        assert surface[REACH + dy, REACH + dx] == pytest.approx(expected, abs=1e-5)
    assert not correlations(g, np.ones_like(b)).any()


# -- shift --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "words"),
    [((4, 0), "moved about 4 pixels up"), ((0, -5), "moved about 5 pixels right"),
     ((-6, 7), "moved about 6 pixels down and 7 pixels left"),
     ((8, 8), "8 pixels up and 8 pixels left")],
)  # fmt: skip
def test_shifted_labels_are_moved_back(synthetic, shift, words):
    (text,) = found(moved(synthetic, *shift))
    assert words in text
    assert "check that they were drawn on this image" in text


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, -1), (1, 1), (2, 0)])
def test_labels_drawn_a_little_beside_the_edge_are_well(synthetic, shift):
    assert not found(moved(synthetic, *shift))


def test_labels_of_another_image_are_not_called_shifted(synthetic):
    other = datasets.synthetic_stack((12, 256, 256), seed=9)
    assert not found(replace(synthetic, labels=other.labels))
    noise = np.random.default_rng(0).integers(0, 255, synthetic.image.shape, np.uint8)
    assert not found(replace(synthetic, image=noise))


def test_few_pixels_say_nothing(synthetic):
    small = Stack(
        "small", synthetic.image[:1, :40, :40], "zyx",
        labels=synthetic.labels[:1, 5:45, :40], scheme=DENSE,
    )  # fmt: skip
    assert not found(small)


# -- orientation --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turn", "words"),
    [(lambda a: a.transpose(0, 2, 1), "transposed (rows and columns exchanged)"),
     (lambda a: a[:, ::-1], "mirrored top to bottom"),
     (lambda a: a[:, :, ::-1], "mirrored left to right"),
     (lambda a: a[:, ::-1, ::-1], "turned by 180"),
     (lambda a: np.rot90(a, -1, (1, 2)), "turned by 90 degrees to the left"),
     (lambda a: np.rot90(a, 1, (1, 2)), "turned by 90 degrees to the right")],
)  # fmt: skip
def test_labels_that_another_program_turned(synthetic, turn, words):
    (text,) = found(replace(synthetic, labels=turn(synthetic.labels).copy()))
    assert f"only when they are {words}" in text


def test_a_picture_that_is_not_square_can_only_be_mirrored(synthetic):
    image, labels = synthetic.image[:, :200], synthetic.labels[:, :200]
    stack = Stack("oblong", image, "zyx", labels=labels[:, ::-1].copy(), scheme=DENSE)
    (text,) = found(stack)
    assert "mirrored top to bottom" in text
    assert not found(replace(stack, labels=labels))


# -- pixel sizes --------------------------------------------------------------------------------


def test_another_pixel_size_or_place_of_the_labels(synthetic):
    assert not found(synthetic, labels_scale=(50, 4, 4), labels_translate=(0, 0, 0))
    (text,) = found(synthetic, labels_scale=(50, 8, 8))
    assert "50 × 8 × 8 and the image of 50 × 4 × 4" in text
    (text,) = found(synthetic, labels_scale=(8, 8))
    assert "8 × 8 and the image of 4 × 4" in text
    (text,) = found(synthetic, labels_scale=(50, 4, 4), labels_translate=(0, 40, -4))
    assert "(10, -1) pixels beside the image" in text
    assert not found(synthetic, labels_translate=(0, 1.9, 0))


def test_labels_without_a_pixel_size_are_an_info(synthetic):
    (one,) = [f for f in find(synthetic, labels_scale=(1, 1, 1)) if f.check == "scale"]
    assert one.severity == "info"
    (one,) = [f for f in find(synthetic, labels_scale=(1, 2, 2)) if f.check == "scale"]
    assert one.severity == "warning"


# -- real data ----------------------------------------------------------------------------------

SETS = [
    ("isbi2012-em", {}),
    *(
        (name, {"sequence": sequence, "truth": truth})
        for name in ("phc-c2dh-u373", "dic-c2dh-hela")
        for sequence in ("01", "02")
        for truth in ("gold", "silver")
    ),
]


@functools.cache
def opened(name: str, folder: Path, **options: str) -> Stack:
    return datasets.open(name, folder, **options)


@pytest.mark.data
@pytest.mark.parametrize(("name", "options"), SETS)
def test_the_published_data_sets_yield_no_warning(data_dir, name, options):
    stack = opened(name, data_dir, **options)
    found = list(find(stack, TrainConfig()))
    assert [one for one in found if one.severity != "info"] == []


@pytest.mark.data
@pytest.mark.parametrize(("name", "options"), SETS)
def test_the_published_data_sets_are_found_when_shifted(data_dir, name, options):
    stack = opened(name, data_dir, **options)
    (one,) = check_alignment(Sample(moved(stack, 7, -7)))
    assert one.check == "shift"
    assert "up" in one.text
    assert "right" in one.text


@pytest.mark.data
def test_thirty_slices_of_em_take_a_second(data_dir):
    stack = datasets.open("isbi2012-em", data_dir)
    list(find(stack))  # imports and plans of Fourier transforms
    begun = time.process_time()
    list(find(stack, TrainConfig()))
    assert time.process_time() - begun < 1.0
