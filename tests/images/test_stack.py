"""A stack reads what a plain numpy index would, from any container, dtype and axes."""

from __future__ import annotations

import itertools
import json

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import DataSetError, InputError
from napari_unet.images.stack import Intensity, Stack, from_multiscale, guess_axes, sample_blocks

SIZES = {"t": 2, "z": 3, "c": 2, "y": 7, "x": 5}
AXES = ("yx", "xy", "zyx", "tzyx", "cyx", "yxc", "zcyx", "zyxc", "tczyx", "yzxc", "ctzyx", "xzy")
DTYPES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", ">u2", ">f4"),
)


def values(axes: str, dtype: str) -> np.ndarray:
    shape = tuple(SIZES[a] for a in axes)
    data = np.arange(np.prod(shape)).reshape(shape)
    return (data % 120).astype(dtype) if np.dtype(dtype).itemsize == 1 else data.astype(dtype)


def contain(array: np.ndarray, container: str):
    chunks = tuple(max(1, n // 2) for n in array.shape)
    if container == "dask":
        return da.from_array(array, chunks=chunks)
    if container == "zarr":
        return zarr.array(array, chunks=chunks)
    return array


def reference_crop(array, axes, leading, rows, cols):
    """(C, h, w) by moving axes first and indexing then, the other way round than the code."""
    names = [a for a in axes if a not in "cyx"]
    if "c" not in axes:
        array, axes = array[None], "c" + axes
    ordered = array.transpose([axes.index(a) for a in (*names, *"cyx")])
    return ordered[leading][:, rows, cols]


# -- by hand --------------------------------------------------------------------------------


def test_a_crop_by_hand():
    stack = Stack("s", np.arange(12).reshape(2, 2, 3), "zyx")
    assert stack.image_crop(1, slice(0, 2), slice(1, 3)).tolist() == [[[7, 8], [10, 11]]]
    assert stack.plane_shape == (2, 3)
    assert stack.n_slices == 2


def test_index_counts_leading_axes_in_c_order():
    stack = Stack("s", np.zeros((2, 3, 4, 5)), "tzyx")
    assert [stack.index(i) for i in (0, 1, 3, 5)] == [(0, 0), (0, 1), (1, 0), (1, 2)]
    with pytest.raises(IndexError):
        stack.index(6)
    with pytest.raises(IndexError):
        stack.index(-1)


def test_two_dimensions_are_one_slice():
    stack = Stack("s", np.ones((4, 5)), "yx")
    assert (stack.n_slices, stack.index(0), stack.leading_shape) == (1, (), ())


def test_the_image_is_kept_as_it_is():
    image = np.zeros((3, 4, 4), np.uint8)
    stack = Stack("s", image, "zyx", labels=image, scheme=LabelScheme())
    image[1, 2, 3] = 9
    assert stack.image is image
    assert stack.image_plane(1)[0, 2, 3] == 9
    assert stack.label_plane(1)[2, 3] == 9


# -- any container, dtype and axes ----------------------------------------------------------


@pytest.mark.parametrize("container", ["numpy", "dask", "zarr"])
@pytest.mark.parametrize("axes", AXES)
def test_crops_equal_numpy(container, axes):
    array = values(axes, "uint16")
    stack = Stack("s", contain(array, container), axes)
    rows, cols = slice(1, 6), slice(2, 5)
    assert stack.channels == (2 if "c" in axes else 1)
    for i, leading in enumerate(np.ndindex(stack.leading_shape)):
        crop = stack.image_crop(i, rows, cols)
        assert type(crop) is np.ndarray
        np.testing.assert_array_equal(crop, reference_crop(array, axes, leading, rows, cols))
        assert stack.image_plane(i).shape == (stack.channels, 7, 5)


@pytest.mark.parametrize("container", ["numpy", "dask", "zarr"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_reads_and_normalises(container, dtype):
    array = values("zyx", dtype)
    stack = Stack("s", contain(array, container), "zyx")
    crop = stack.image_crop(2, slice(0, 7), slice(0, 5))
    assert crop.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(crop[0], array[2])
    intensity = Intensity.measure(stack)
    planes = intensity.normalise(crop)
    assert planes.dtype == np.float32
    expected = (array[2].astype(np.float64) - intensity.low[0]) / (
        intensity.high[0] - intensity.low[0]
    )
    np.testing.assert_allclose(planes[0], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("container", ["numpy", "dask", "zarr"])
@pytest.mark.parametrize("axes", ["yx", "xy", "zyx", "yxc", "zcyx", "tzyx", "yzxc"])
def test_labels_follow_the_axes_without_channels(container, axes):
    plain = axes.replace("c", "")
    labels = values(plain, "uint16")
    stack = Stack(
        "s", values(axes, "uint8"), axes, labels=contain(labels, container), scheme=LabelScheme()
    )
    for i, leading in enumerate(np.ndindex(stack.leading_shape)):
        plane = stack.label_plane(i)
        assert plane.dtype == np.int32
        np.testing.assert_array_equal(
            plane, reference_crop(labels, plain, leading, slice(None), slice(None))[0]
        )
    assert stack.labelled_slices == tuple(range(stack.n_slices))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_crop_of_any_axes(data):
    axes = "".join(data.draw(st.permutations(data.draw(st.sampled_from(["yx", "zyx", "tzcyx"])))))
    array = values(axes, "int32")
    stack = Stack("s", array, axes)
    i = data.draw(st.integers(0, stack.n_slices - 1))
    r = sorted(data.draw(st.lists(st.integers(0, 7), min_size=2, max_size=2)))
    c = sorted(data.draw(st.lists(st.integers(0, 5), min_size=2, max_size=2)))
    leading = list(np.ndindex(stack.leading_shape))[i]
    np.testing.assert_array_equal(
        stack.image_crop(i, slice(*r), slice(*c)),
        reference_crop(array, axes, leading, slice(*r), slice(*c)),
    )


def test_a_lazy_crop_reads_only_what_it_covers():
    read = []

    def block(block_info):
        where = block_info[None]["array-location"]
        read.append(where)
        return np.zeros([b - a for a, b in where], np.uint8)

    image = da.map_blocks(block, chunks=((1,) * 50, (64,) * 40, (64,) * 40), dtype=np.uint8)
    stack = Stack("s", image, "zyx")
    assert stack.image_crop(7, slice(64, 128), slice(130, 140)).shape == (1, 64, 10)
    assert read == [[(7, 8), (64, 128), (128, 192)]]


@pytest.mark.parametrize("rows", [slice(-1, 3), slice(0, 8), slice(4, 2), slice(0, 6, 2)])
def test_crops_outside_are_refused(rows):
    with pytest.raises(IndexError):
        Stack("s", values("yx", "uint8"), "yx").image_crop(0, rows, slice(0, 5))


def test_a_lazy_array_that_cannot_be_read_says_so():
    class Broken:
        shape, dtype, ndim = (4, 4), np.dtype("u1"), 2

        def __getitem__(self, key):
            raise RuntimeError("bad zlib stream")

    with pytest.raises(DataSetError, match="'cells' cannot be read"):
        Stack("cells", Broken(), "yx").image_plane(0)


# -- labels of a few slices -----------------------------------------------------------------


def test_labels_of_a_few_slices_only():
    labels = np.arange(1, 9).reshape(2, 2, 2)
    stack = Stack(
        "s", np.zeros((5, 2, 2)), "zyx", labels=labels, scheme=LabelScheme(), annotated=(1, 4)
    )
    assert stack.labelled_slices == (1, 4)
    assert stack.label_plane(4).tolist() == [[5, 6], [7, 8]]
    assert stack.label_crop(1, slice(0, 1), slice(1, 2)).tolist() == [[2]]
    assert not stack.label_plane(0).any()


def test_labels_of_one_slice():
    stack = Stack("s", np.zeros((5, 2, 2)), "zyx").with_labels(
        np.array([[1, 0], [0, 2]]), LabelScheme(), annotated=(3,)
    )
    assert stack.label_plane(3).tolist() == [[1, 0], [0, 2]]
    assert stack.labelled_slices == (3,)


def test_labels_of_a_plane_with_an_axis_of_length_one():
    plane = np.arange(12).reshape(3, 4) % 3
    for image, labels in ((plane, plane[None]), (plane[None], plane), (plane[None], plane[None])):
        stack = Stack("s", image, "yx" if image.ndim == 2 else "zyx", labels=labels)
        np.testing.assert_array_equal(stack.label_plane(0), plane)
    for labels in (plane[None, None], plane[..., None], plane[None, :, :, None]):
        for image, axes in ((plane, "yx"), (plane[None], "zyx"), (plane[None, None], "tzyx")):
            stack = Stack("s", image, axes, labels=labels)
            np.testing.assert_array_equal(stack.label_plane(0), plane)
    whole = np.arange(24).reshape(2, 3, 4) % 3
    for labels in (whole[None], whole[:, None], whole[..., None]):
        stack = Stack("s", whole, "zyx", labels=labels)
        np.testing.assert_array_equal(stack.label_plane(1), whole[1])
    stack = Stack("s", np.zeros((5, 3, 4)), "zyx", labels=plane[None], annotated=(2,))
    np.testing.assert_array_equal(stack.label_plane(2), plane)


def test_arrays_of_other_libraries():
    da, torch = pytest.importorskip("dask.array"), pytest.importorskip("torch")
    image = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    stack = Stack("s", torch.from_numpy(image), "zyx", labels=torch.from_numpy(image % 3))
    np.testing.assert_array_equal(stack.image_plane(1)[0], image[1])
    np.testing.assert_array_equal(stack.label_plane(1), image[1] % 3)
    unknown = da.from_array(image).map_blocks(lambda one: one, chunks=((2,), (3,), (np.nan,)))
    with pytest.raises(InputError, match="compute_chunk_sizes"):
        Stack("s", unknown, "zyx")


def test_labels_with_one_channel():
    labels = np.arange(8).reshape(2, 1, 2, 2)
    stack = Stack("s", np.zeros((2, 3, 2, 2)), "zcyx", labels=labels, scheme=LabelScheme())
    assert stack.label_plane(1).tolist() == [[4, 5], [6, 7]]


def test_sparse_annotation_counts_painted_slices_only():
    labels = np.zeros((4, 3, 3), np.uint8)
    labels[2, 1, 1] = 1
    sparse = LabelScheme(annotation="sparse")
    stack = Stack("s", np.zeros((4, 3, 3)), "zyx", labels=labels, scheme=sparse)
    assert stack.labelled_slices == (2,)
    labels[0, 0, 0] = 2  # painting goes on
    assert stack.labelled_slices == (0, 2)
    lazy = Stack("s", np.zeros((4, 3, 3)), "zyx", labels=zarr.array(labels), scheme=sparse)
    assert lazy.labelled_slices == (0, 2)
    assert Stack("s", np.zeros((4, 3, 3)), "zyx").labelled_slices == ()


def test_a_scheme_is_proposed():
    labels = np.zeros((2, 32, 32), np.uint8)
    labels[:, 4:9, 4:9] = 255
    for array in (labels, zarr.array(labels), labels[:, None]):
        axes = "zyx" if array.ndim == 3 else "zcyx"
        image = np.zeros((2, 32, 32)) if array.ndim == 3 else np.zeros((2, 2, 32, 32))
        assert Stack("s", image, axes, labels=array).scheme.values == (0, 255)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("n", [3, 70, 300])
def test_a_few_objects_are_objects_however_many_slices_there_are(n, lazy):
    labels = np.zeros((n, 512, 512), np.uint8)
    labels[:, 100:200, 100:200], labels[:, 300:400, 50:150], labels[:, 200:250, 300:350] = 1, 2, 3
    stack = Stack("s", np.broadcast_to(np.uint8(0), labels.shape), "zyx")
    stack = stack.with_labels(da.from_array(labels, (1, 512, 512)) if lazy else labels)
    assert stack.scheme == LabelScheme("objects")


def test_the_annotated_slices_alone_say_what_labels_mean():
    labels = np.zeros((400, 512, 512), np.uint8)  # more than is read whole
    labels[3, :9, :9], labels[7, 20:29, :9] = 7, 7
    image = np.broadcast_to(np.uint8(0), labels.shape)
    stack = Stack("s", image, "zyx", labels=labels, annotated=(3, 7))
    assert stack.scheme.values == (0, 7)
    sparse, why = Stack("s", image, "zyx", labels=labels).propose_scheme("sparse")
    assert sparse.values == (1, 7)
    assert "0 is not annotated" in why


def test_with_labels_keeps_the_scheme():
    scheme = LabelScheme(kind="classes", values=(0, 5))
    stack = Stack("s", np.zeros((3, 3)), "yx", labels=np.zeros((3, 3), int), scheme=scheme)
    assert stack.with_labels(np.ones((3, 3), int)).scheme is scheme
    assert stack.with_labels(None).labels is None


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", "uint64", "int8"])
def test_whole_numbers_of_any_dtype_are_labels(dtype):
    labels = np.array([[0, 1], [1, 0]], dtype)
    stack = Stack("s", np.zeros((2, 2)), "yx", labels=labels, scheme=LabelScheme())
    assert stack.label_plane(0).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("bad", [np.array([[0.5]]), np.array([[np.nan]])])
def test_fractions_are_no_labels(bad):
    stack = Stack("s", np.zeros((1, 1)), "yx", labels=bad, scheme=LabelScheme())
    with pytest.raises(InputError, match="whole numbers"):
        stack.label_plane(0)


def test_ids_beyond_int32_are_refused():
    for dtype in (np.uint32, np.uint64, np.float64):
        labels = np.array([[2**31]], dtype)
        stack = Stack("s", np.zeros((1, 1)), "yx", labels=labels, scheme=LabelScheme())
        with pytest.raises(InputError, match="2147483648"):
            stack.label_plane(0)


# -- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"image": np.zeros((3, 3)), "axes": "zyx"}, "one letter per axis"),
        ({"image": np.zeros((3, 3)), "axes": "zx"}, "'y' and 'x'"),
        ({"image": np.zeros((3, 3)), "axes": "yy"}, "different"),
        ({"image": np.zeros((3, 3)), "axes": "YX"}, "lower-case"),
        ({"image": np.zeros((0, 3)), "axes": "yx"}, "empty"),
        ({"image": np.zeros((3, 3), complex), "axes": "yx"}, "real numbers"),
        ({"image": np.zeros((64, 64, 3)), "axes": "zyx"}, "use axes 'yxc'"),
        ({"image": np.zeros((9, 64, 64, 4)), "axes": "tzyx"}, "use axes 'tyxc'"),
        ({"image": np.zeros((3, 3)), "axes": "yx", "scale": (1, 2, 3)}, "scale must have 2"),
        ({"image": np.zeros((3, 3)), "axes": "yx", "scale": (0, 1)}, "positive"),
        ({"image": np.zeros((3, 3)), "axes": "yx", "units": ("nm",)}, "units must have 2"),
        ({"image": np.zeros((2, 3, 3)), "axes": "cyx", "channel_names": ("a",)}, "2 channels"),
        ({"image": np.zeros((3, 3)), "axes": "yx", "labels": np.zeros((3, 4))}, "drawn on this"),
        ({"image": np.zeros((4, 3, 3)), "axes": "zyx", "labels": np.zeros((3, 3))}, "'cyx'"),
        (
            {"image": np.zeros((4, 3, 3)), "axes": "zyx", "labels": np.zeros((2, 3, 3))},
            "annotated=",
        ),
        ({"image": np.zeros((8, 8, 3)), "axes": "zyx", "labels": np.zeros((8, 8))}, "'yxc'"),
        ({"image": np.zeros((4, 3, 3)), "axes": "zyx", "annotated": (1, 4)}, "0 … 3"),
        ({"image": np.zeros((4, 3, 3)), "axes": "zyx", "annotated": (2, 1)}, "ascend"),
        ({"image": [np.zeros((3, 3)), np.zeros((3, 3))], "axes": "yx"}, "numpy.stack"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(keywords, words):
    with pytest.raises(InputError, match=words) as caught:
        Stack("s", **keywords)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


# -- intensity ------------------------------------------------------------------------------


def test_percentiles_by_hand():
    stack = Stack("s", np.arange(201).reshape(1, 201), "yx")
    intensity = Intensity.measure(stack)
    assert intensity.low == (1.0,)  # 0.5 % of 200
    assert intensity.high == (199.0,)
    normal = intensity.normalise(np.array([[[1, 100, 199, 397]]]))
    assert normal.tolist() == [[[0.0, 0.5, 1.0, 2.0]]]  # not clipped


def test_one_pair_of_limits_per_channel():
    image = np.stack([np.arange(101), 10 * np.arange(101)])[:, None]
    intensity = Intensity.measure(Stack("s", image, "cyx"), percentiles=(0, 100))
    assert (intensity.low, intensity.high) == ((0, 0), (100, 1000))
    np.testing.assert_array_equal(*intensity.normalise(image.astype(np.int16)))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
def test_normalise_takes_leading_axes_and_leaves_its_input(dtype):
    planes = np.arange(24).reshape(1, 2, 3, 4).astype(dtype)
    before = planes.copy()
    result = Intensity((0,), (2,)).normalise(planes)
    np.testing.assert_array_equal(result, before / 2)
    np.testing.assert_array_equal(planes, before)


def test_wide_integers_lose_no_digits():
    planes = np.array([[[2**40, 2**40 + 1]]])
    result = Intensity((2.0**40,), (2.0**40 + 2,)).normalise(planes)
    assert result.tolist() == [[[0.0, 0.5]]]


def test_an_almost_empty_image_takes_minimum_and_maximum():
    image = np.zeros((100, 100), np.uint8)
    image[0, 0] = 7
    intensity = Intensity.measure(Stack("s", image, "yx"))
    assert (intensity.low, intensity.high) == ((0,), (7,))


def test_constant_and_broken_images_are_refused():
    with pytest.raises(InputError, match="constant"):
        Intensity.measure(Stack("s", np.full((9, 9), 3), "yx"))
    for bad in (np.nan, np.inf):
        image = np.random.default_rng(0).random((3, 9, 9))
        image[1, 0, 0] = bad
        with pytest.raises(InputError, match="slice 1 of 'cells'"):
            Intensity.measure(Stack("cells", image, "zyx"))


def test_a_constant_channel_among_others_becomes_zero():
    image = np.stack([np.arange(100).reshape(10, 10), np.full((10, 10), 255)], axis=-1)
    stack = Stack("s", image, "yxc")
    normal = Intensity.measure(stack).normalise(stack.image_plane(0))
    assert not normal[1].any()


def test_limits_of_each_image():
    image = np.stack([np.arange(101), np.arange(101) + 50, np.full(101, 4)])[:, None]
    stack = Stack("s", image, "zyx")
    intensity = Intensity.measure(stack, (0, 100), mode="image")
    whole = [intensity.normalise(stack.image_plane(i)) for i in range(2)]
    np.testing.assert_array_equal(whole[0], whole[1])
    of_slice = intensity.for_slice(stack, 1)
    assert (of_slice.low, of_slice.high, of_slice.mode) == ((50,), (150,), "stack")
    crop = stack.image_crop(1, slice(0, 1), slice(0, 9))
    np.testing.assert_array_equal(of_slice.normalise(crop), whole[1][..., :9])
    flat = intensity.for_slice(stack, 2)
    assert (flat.low, flat.high) == (intensity.low, intensity.high)
    plain = Intensity.measure(stack)
    assert plain.for_slice(stack, 1) is plain


@pytest.mark.parametrize(
    "bad",
    [
        {"low": (1,), "high": (1,)},
        {"low": (), "high": ()},
        {"low": (1,), "high": (2, 3)},
        {"low": (float("nan"),), "high": (1,)},
        {"low": (0,), "high": (1,), "mode": "tile"},
        {"low": (0,), "high": (1,), "percentiles": (99, 1)},
    ],
)
def test_impossible_limits_are_refused(bad):
    with pytest.raises(InputError):
        Intensity(**bad)


def test_the_channels_must_be_those_of_the_limits():
    with pytest.raises(InputError, match="expected 1 channels"):
        Intensity((0,), (1,)).normalise(np.zeros((3, 4, 4)))


def test_limits_go_through_json():
    intensity = Intensity((1, 2), (3, 4), "image", (1, 99))
    assert Intensity.from_dict(json.loads(json.dumps(intensity.to_dict()))) == intensity


def test_a_huge_stack_is_sampled_within_bounds_and_always_alike():
    stack = Stack("s", da.zeros((500, 20_000, 20_000), np.uint8, chunks=(1, 1024, 1024)), "zyx")
    blocks = list(sample_blocks(stack))
    pixels = sum((r.stop - r.start) * (c.stop - c.start) for _, r, c in blocks)
    assert pixels <= 16 * 2**22
    assert blocks == list(sample_blocks(stack))
    assert {0, 499} <= {i for i, _, _ in blocks}
    assert all(r.stop <= 20_000 and c.stop <= 20_000 for _, r, c in blocks)


def test_a_small_stack_is_read_whole():
    stack = Stack("s", np.zeros((3, 700, 600)), "zyx")
    assert list(sample_blocks(stack)) == [(i, slice(0, 700), slice(0, 600)) for i in range(3)]


# -- multiscale, axes, fingerprint ----------------------------------------------------------


def test_multiscale_takes_the_level_and_its_scale():
    levels = [np.zeros((3, 8, 8)), np.ones((3, 4, 4)), np.ones((3, 2, 2))]
    assert Stack("s", levels, "zyx").image is levels[0]
    stack = from_multiscale(
        "s", levels, "zyx", level=1, scale=(50, 4, 4), labels=levels, scheme=LabelScheme()
    )
    assert stack.image is levels[1]
    assert stack.labels is levels[1]
    assert stack.scale == (50, 8, 8)
    with pytest.raises(InputError, match="0 … 2"):
        from_multiscale("s", levels, "zyx", level=3)


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((512, 512), "yx"),
        ((30, 512, 512), "zyx"),
        ((3, 512, 512), "zyx"),
        ((512, 512, 3), "yxc"),
        ((30, 512, 512, 4), "zyxc"),
        ((30, 2, 512, 512), "zcyx"),
        ((2, 30, 512, 512), "czyx"),
        ((20, 30, 512, 512), "tzyx"),
        ((20, 2, 30, 512, 512), "tczyx"),
    ],
)
def test_axes_are_proposed(shape, first):
    assert guess_axes(shape)[0] == first


def test_labels_tell_channels_from_slices():
    assert guess_axes((3, 64, 64), labels_shape=(64, 64))[0] == "cyx"
    assert guess_axes((3, 64, 64), labels_shape=(3, 64, 64))[0] == "zyx"
    assert guess_axes((64, 64, 3), rgb=True) == ("yxc",)


@pytest.mark.parametrize("n", range(2, 6))
def test_every_proposal_makes_a_stack(n):
    for shape in itertools.product((2, 5), repeat=n):
        for axes in guess_axes(shape):
            assert Stack("s", np.zeros(shape), axes).image.ndim == n


def test_a_fingerprint_sees_every_change():
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 255, (3, 8, 8), np.uint8), np.zeros((3, 8, 8), np.uint8)
    one = Stack("s", image, "zyx", labels=labels, scheme=LabelScheme()).fingerprint()
    json.dumps(one)
    again = Stack("s", image.copy(), "zyx", labels=labels, scheme=LabelScheme()).fingerprint()
    assert one == again
    image[2, 7, 7] ^= 1
    changed = Stack("s", image, "zyx", labels=labels, scheme=LabelScheme()).fingerprint()
    assert changed["image"] != one["image"]
    assert changed["labels"] == one["labels"]
    other_type = Stack("s", image.view(np.int8), "zyx").fingerprint()
    assert other_type["image"] != changed["image"]
    lazy = Stack("s", zarr.array(image), "zyx").fingerprint()
    assert lazy["sampled"]
    assert lazy["image"] == changed["image"]  # so small that the sample is all of it
