"""Resampling keeps the field of view, the values and the labels."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError
from napari_unet.images.resampling import resample
from napari_unet.images.stack import Stack


def test_doubling_by_hand():
    labels = np.array([[0, 1], [2, 3]])
    stack = Stack("s", labels * 10.0, "yx", labels=labels, scheme=LabelScheme(), scale=(4, 4))
    fine = resample(stack, (2, 2))
    assert fine.label_plane(0).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    assert fine.image_plane(0)[0, 0].tolist() == [0, 2.5, 7.5, 10]
    assert (fine.scale, fine.translate) == ((2, 2), (-1, -1))


@pytest.mark.parametrize(("axes", "result"), [("zyx", "zyx"), ("tzyxc", "tzcyx"), ("yczx", "zcyx")])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int64", "float32"])
def test_a_constant_stays_constant_in_any_axes_and_dtype(axes, result, dtype):
    sizes = {"t": 2, "z": 3, "c": 2, "y": 10, "x": 8}
    stack = Stack("s", np.ones([sizes[a] for a in axes], dtype), axes)
    fine = resample(stack, (0.5, 0.7))
    assert (fine.axes, fine.dtype) == (result, np.dtype(dtype))
    assert fine.plane_shape == (20, 11)
    assert (fine.image == 1).all()
    # The outline of the plane is where it was, although 11 pixels of 0.7 are not 8.
    for n, m, k in ((10, 20, -2), (8, 11, -1)):
        assert fine.translate[k] - fine.scale[k] / 2 == pytest.approx(-0.5)
        assert fine.scale[k] * m == pytest.approx(n)


def test_lazy_stacks_stay_lazy_and_equal():
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 255, (3, 40, 30), np.uint8), rng.integers(0, 9, (2, 40, 30))
    described = {"scheme": LabelScheme(), "annotated": (0, 2), "scale": (50, 4, 4)}
    eager = resample(Stack("s", image, "zyx", labels=labels, **described), (6, 6))
    both = da.from_array(image), da.from_array(labels)
    lazy = resample(Stack("s", both[0], "zyx", labels=both[1], **described), (6, 6))
    assert isinstance(lazy.image, da.Array)
    assert eager.labelled_slices == lazy.labelled_slices == (0, 2)
    for i in range(3):
        np.testing.assert_array_equal(eager.image_plane(i), lazy.image_plane(i))
        np.testing.assert_array_equal(eager.label_plane(i), lazy.label_plane(i))


def test_shrinking_does_not_alias():
    stripes = np.tile(np.array([0.0, 1.0]), (64, 32))
    assert resample(Stack("s", stripes, "yx"), (4, 4)).image.std() < 0.05


@pytest.mark.parametrize("size", [(0, 1), (-1, 1), (float("nan"), 1), (100, 1)])
def test_impossible_sizes(size):
    with pytest.raises(InputError):
        resample(Stack("s", np.zeros((9, 9)), "yx"), size)
