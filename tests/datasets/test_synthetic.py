"""The synthetic stack is like EM: same greys, same membranes, and no threshold solves it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage

from napari_unet.base.errors import InputError
from napari_unet.datasets.synthetic import generate, synthetic_stack


@pytest.fixture(scope="module")
def made():
    return generate()


def test_it_is_a_labelled_stack():
    stack = synthetic_stack((2, 64, 48), seed=1)
    assert (stack.axes, stack.plane_shape, stack.n_slices) == ("zyx", (64, 48), 2)
    assert stack.scheme.values == (0, 255)
    assert stack.scale == (50, 4, 4)


def test_the_seed_decides(made):
    image, labels = generate((2, 64, 64), seed=3)
    again = generate((2, 64, 64), seed=3)
    np.testing.assert_array_equal(image, again[0])
    np.testing.assert_array_equal(labels, again[1])
    assert (generate((2, 64, 64), seed=4)[0] != image).mean() > 0.9


def test_greys_and_membranes_are_those_of_em(made):
    image, labels = made
    assert image.dtype == labels.dtype == np.uint8
    assert np.unique(labels).tolist() == [0, 255]
    assert 0.12 < (labels == 0).mean() < 0.3  # ISBI-2012: 0.22
    assert 110 < image.mean() < 145  # 126
    assert 35 < image.std() < 50  # 44
    assert image[labels == 0].mean() < image[labels > 0].mean() - 40  # 52


def test_cells_are_separate_and_differ_in_size(made):
    _, labels = made
    for plane in labels:
        areas = np.bincount(ndimage.label(plane)[0].ravel())[1:]
        areas = areas[areas > 20]
        assert len(areas) > 30
        assert areas.max() > 8 * np.median(areas)


def test_neighbouring_slices_resemble_each_other(made):
    _, labels = made

    def agreement(a, b):
        return np.corrcoef(a.ravel(), b.ravel())[0, 1]

    assert agreement(labels[0], labels[1]) > 0.35
    assert agreement(labels[0], labels[-1]) < 0.2


def test_no_threshold_solves_it(made):
    image, labels = made
    membrane = labels == 0
    best = 0.0
    for sigma in (0, 1, 1.5):
        smooth = ndimage.gaussian_filter(image.astype(np.float32), (0, sigma, sigma))
        for t in range(60, 140, 10):
            found = smooth < t
            best = max(best, 2 * (found & membrane).sum() / (found.sum() + membrane.sum()))
    assert 0.5 < best < 0.8


def test_it_is_made_in_two_seconds():
    start = time.process_time()
    generate()
    assert time.process_time() - start < 3.0  # 1 s measured; room for a slower machine


@pytest.mark.parametrize("shape", [(64, 64), (0, 64, 64), (2, 16, 64)])
def test_impossible_shapes_are_refused(shape):
    with pytest.raises(InputError):
        generate(shape)
