"""What label values mean."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_unet.annotation.labels import (
    LabelScheme,
    check_annotation,
    integer_labels,
    likeliest,
    propose_scheme,
    read_target,
    separate_touching,
)
from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

OBJECTS = LabelScheme()
small_planes = arrays(
    np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4)
)


# -- schemes --------------------------------------------------------------------------------------


def test_scheme_completes_itself() -> None:
    assert OBJECTS.values == (0, 1)
    assert OBJECTS.n_classes == 2
    assert OBJECTS.names == ("background", "foreground")
    assert OBJECTS.colours == (None, None)
    assert LabelScheme(annotation="sparse").values == (1, 2)
    three = LabelScheme("classes", values=(0, 7, 3))
    assert three.n_classes == 3
    assert three.names == ("background", "class 1", "class 2")


def test_objects_have_fixed_values_also_when_the_annotation_is_changed() -> None:
    from dataclasses import replace

    assert replace(OBJECTS, annotation="sparse").values == (1, 2)
    assert LabelScheme(values=(0, 255)).values == (0, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "mask"}, "'objects' or 'classes'"),
        ({"annotation": "partial"}, "'dense' or 'sparse'"),
        ({"kind": "classes", "values": (0,)}, "2 to 255"),
        ({"kind": "classes", "values": tuple(range(256))}, "2 to 255"),
        ({"kind": "classes", "values": (0, 1, 1)}, "of its own"),
        ({"kind": "classes", "values": (0, -1)}, "between 0 and"),
        ({"kind": "classes", "values": (0, 1.5)}, "whole number"),
        ({"kind": "classes", "values": (0, 70000)}, "at most 65535"),
        ({"kind": "classes", "annotation": "sparse", "values": (0, 1)}, "not annotated"),
        ({"kind": "classes", "ignore": 1}, "must not be a class"),
        ({"ignore": 0}, "must not be a class"),
        ({"ignore": -1}, "between 0 and"),
        ({"names": ("a",)}, "one per class, 2 in all, got 1"),
        ({"colours": ("red", None)}, "#rrggbb"),
    ],
)
def test_scheme_refuses_contradictions(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LabelScheme(**settings)


def test_255_classes_are_possible() -> None:
    scheme = LabelScheme("classes", values=tuple(range(255)))
    target = read_target(np.arange(255).reshape(15, 17), scheme)
    assert target.known.all()
    np.testing.assert_array_equal(target.classes.ravel(), np.arange(255))


@pytest.mark.parametrize(
    "scheme",
    [
        OBJECTS,
        LabelScheme(
            "classes",
            "sparse",
            (1, 5, 9),
            ("none", "nucleus", "body"),
            (None, "#ff0000", "#00FF00"),
            255,
            False,
        ),
    ],
)
def test_scheme_survives_json(scheme: LabelScheme) -> None:
    assert LabelScheme.from_dict(json.loads(json.dumps(scheme.to_dict()))) == scheme


def test_unknown_field_is_refused() -> None:
    with pytest.raises(InputError, match="no field 'color'"):
        LabelScheme.from_dict({"color": 1})


def test_predictions_get_the_users_values() -> None:
    mask = LabelScheme("classes", values=(0, 255))
    encoded = mask.encode(np.array([[0, 1], [1, 0]]))
    assert encoded.dtype == np.uint8
    assert encoded.tolist() == [[0, 255], [255, 0]]
    assert LabelScheme("classes", values=(0, 300, 2)).encode([2, 1, 0]).tolist() == [2, 300, 0]
    assert LabelScheme("classes", values=(0, 300)).encode([0]).dtype == np.uint16
    assert LabelScheme(annotation="sparse").encode([0, 1]).tolist() == [1, 2]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_reading_what_was_encoded_gives_the_classes_back(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(1, 70), min_size=2, max_size=6, unique=True))
    annotation = data.draw(st.sampled_from(["dense", "sparse"]))
    scheme = LabelScheme("classes", annotation, tuple(values))
    classes = data.draw(arrays(np.uint8, (5, 6), elements=st.integers(0, len(values) - 1)))
    target = read_target(scheme.encode(classes), scheme)
    np.testing.assert_array_equal(target.classes, classes)
    assert target.known.all()


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2"]
)
def test_any_whole_numbers_are_labels(dtype: str) -> None:
    labels = np.array([[0, 1], [1, 0]]).astype(dtype)
    result = integer_labels(labels)
    assert result.dtype == np.int32
    assert result.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0.0, 0.5]), "got 0.5: choose a labels layer"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([np.inf]), "infinite"),
        (np.array([-1, 0]), "0 or more, got -1"),
        (np.array([-2.0]), "0 or more, got -2"),
        (np.array([2**31]), "at most 2147483647"),
        (np.array([2**63], np.uint64), "at most"),
        (np.array([1e10]), "at most"),
        (np.array(["a"]), "dtype <U1"),
        (np.array([1j]), "dtype complex128"),
    ],
)
def test_other_values_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        integer_labels(labels)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((8, 8, 3), "RGB"), ((2, 8, 8, 4), "RGB"), ((5, 8, 8), "one slice at a time"), ((8,), "2D")],
)
def test_target_needs_a_plane(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_target(np.zeros(shape, np.uint8), OBJECTS)


# -- targets --------------------------------------------------------------------------------------


def test_objects_keep_their_ids_and_get_a_gap() -> None:
    target = read_target(np.array([[7, 7, 9, 9], [0, 0, 9, 9]]), OBJECTS)
    # (0, 2) has a 7 to its left, (1, 2) a 7 above left.
    assert target.objects.tolist() == [[7, 7, 0, 9], [0, 0, 0, 9]]
    assert target.classes.tolist() == [[1, 1, 0, 1], [0, 0, 0, 1]]
    assert target.known.all()
    assert target.classes.dtype == np.uint8
    assert target.objects.dtype == np.int32


def test_gap_can_be_left_out() -> None:
    labels = np.array([[7, 7, 9, 9]])
    assert read_target(labels, LabelScheme(gap=False)).objects.tolist() == labels.tolist()


def test_sparse_objects() -> None:
    target = read_target(np.array([[0, 1, 2, 0, 3]]), LabelScheme(annotation="sparse"))
    assert target.classes.tolist() == [[0, 0, 1, 0, 1]]
    assert target.objects.tolist() == [[0, 0, 2, 0, 3]]
    assert target.known.tolist() == [[False, True, True, False, True]]


def test_ignored_pixels_are_not_known_and_take_no_part_in_the_gap() -> None:
    target = read_target(np.array([[1, 9, 2, 2]]), LabelScheme(ignore=9))
    assert target.objects.tolist() == [[1, 0, 2, 2]]
    assert target.known.tolist() == [[True, False, True, True]]


def test_classes_are_split_into_components_without_a_gap() -> None:
    labels = np.array([[5, 0, 5], [3, 3, 5], [5, 0, 0]])
    target = read_target(labels, LabelScheme("classes", values=(0, 3, 5)))
    assert target.classes.tolist() == [[2, 0, 2], [1, 1, 2], [2, 0, 0]]
    # Class 1 first: one component; then class 2: three, 4-connected.
    assert target.objects.tolist() == [[2, 0, 3], [1, 1, 3], [4, 0, 0]]


def test_background_needs_not_be_0() -> None:
    target = read_target(np.array([[0, 4]]), LabelScheme("classes", values=(4, 0)))
    assert target.classes.tolist() == [[1, 0]]
    assert target.objects.tolist() == [[1, 0]]


def test_sparse_classes_with_ignore() -> None:
    scheme = LabelScheme("classes", "sparse", (1, 2, 3), ignore=255)
    target = read_target(np.array([[0, 1, 2, 3, 255]]), scheme)
    assert target.classes.tolist() == [[0, 0, 1, 2, 0]]
    assert target.known.tolist() == [[False, True, True, True, False]]


@pytest.mark.parametrize("strange", [2, 200, 100_000])
def test_a_value_that_is_no_class_is_named(strange: int) -> None:
    with pytest.raises(InputError, match=f"got {strange}; add it to the classes"):
        read_target(np.array([[0, 1, strange]]), LabelScheme("classes", values=(0, 1)))


def test_labels_are_not_changed() -> None:
    labels = np.array([[1, 2], [2, 0]], np.int32)
    before = labels.copy()
    target = read_target(labels, LabelScheme(gap=False, ignore=2))
    target.objects[:] = 9
    np.testing.assert_array_equal(labels, before)


# -- gap ------------------------------------------------------------------------------------------


def by_definition(objects: np.ndarray) -> np.ndarray:
    """Fiji's rule, pixel by pixel."""
    result = objects.copy()
    Y, X = objects.shape
    for y in range(Y):
        for x in range(X):
            for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
                if y + dy >= 0 and 0 <= x + dx < X:
                    other = objects[y + dy, x + dx]
                    if other not in (0, objects[y, x]):
                        result[y, x] = 0
    return result


@settings(max_examples=80, deadline=None)
@given(small_planes)
def test_gap_follows_the_rule(objects: np.ndarray) -> None:
    result = separate_touching(objects)
    np.testing.assert_array_equal(result, by_definition(objects))
    assert result.dtype == objects.dtype
    # No two objects touch, and doing it again changes nothing.
    largest = ndimage.maximum_filter(result, 3)
    smallest = ndimage.minimum_filter(np.where(result == 0, 99, result), 3)
    assert ((result == 0) | (largest == smallest)).all()
    np.testing.assert_array_equal(separate_touching(result), result)


# -- proposals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "kind", "values"),
    [
        (np.array([[0, 255], [255, 0]], np.uint8), "classes", (0, 255)),
        (np.array([[True, False]]), "classes", (0, 1)),
        (np.array([[0.0, 1.0]]), "classes", (0, 1)),
        (np.array([[1, 2, 2]]), "classes", (1, 2)),
        (np.arange(16).reshape(4, 4), "objects", (0, 1)),
        (np.array([[0, 1, 1, 0, 2]]), "objects", (0, 1)),
        (np.zeros((4, 4), int), "objects", (0, 1)),
        (np.array([[0, 100_000]]), "objects", (0, 1)),
    ],
)
def test_proposals(labels: np.ndarray, kind: str, values: tuple[int, ...]) -> None:
    scheme, reason = propose_scheme(labels)
    assert (scheme.kind, scheme.values, scheme.annotation) == (kind, values, "dense")
    assert reason.endswith(".")
    read_target(labels, scheme)  # what is proposed can be read


def two_tissues() -> np.ndarray:
    plane = np.zeros((40, 40), np.uint8)
    plane[2:38:8, 2:38:6] = 1
    plane[5:38:8, 2:38:6] = 2
    return plane


def test_a_few_values_in_many_pieces_are_classes() -> None:
    scheme, reason = propose_scheme(np.stack([two_tissues(), two_tissues()]))
    assert (scheme.kind, scheme.values) == ("classes", (0, 1, 2))
    assert "many separate pieces" in reason


def test_a_few_objects_with_specks_are_objects() -> None:
    plane = np.zeros((40, 40), np.uint8)
    plane[2:12, 2:12], plane[20:35, 20:35] = 1, 2
    plane[0, 20:40:4], plane[38, 0:20:4] = 1, 2  # slips of the brush
    assert propose_scheme(plane)[0].kind == "objects"


def test_mostly_zero_hints_at_sparse_annotation() -> None:
    plane = np.zeros((40, 40), int)
    plane[0, :3] = 1, 2, 2
    assert "choose sparse" in propose_scheme(plane)[1]
    assert "choose sparse" not in propose_scheme(two_tissues() + 1)[1]


@pytest.mark.parametrize(
    ("labels", "kind", "values"),
    [
        ([[0, 1, 2]], "classes", (1, 2)),
        ([[0, 1, 0]], "classes", (1, 2)),
        ([[0, 1, 2, 3, 4]], "objects", (1, 2)),
    ],
)
def test_sparse_proposals(labels: list, kind: str, values: tuple[int, ...]) -> None:
    scheme, _ = propose_scheme(np.array(labels), "sparse")
    assert (scheme.kind, scheme.annotation, scheme.values) == (kind, "sparse", values)


class Lazy:
    """An array that counts what is read of it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.read = shape, 0

    def __getitem__(self, index: tuple) -> np.ndarray:
        block = np.ones([len(range(*s.indices(n))) for s, n in zip(index[-2:], self.shape[-2:])])
        self.read += block.size
        return block.astype(np.uint8)


@pytest.mark.parametrize("shape", [(500, 512, 512), (20_000, 20_000), (2, 3, 9000, 70)])
def test_of_a_large_array_a_sample_is_read(shape: tuple[int, ...]) -> None:
    lazy = Lazy(shape)
    propose_scheme(lazy)
    assert 0 < lazy.read <= 2**26


@pytest.mark.parametrize("labels", [np.zeros((8, 8, 3)), np.array([[0.5]]), np.array([1, 2])])
def test_no_proposal_for_what_is_no_label_image(labels: np.ndarray) -> None:
    with pytest.raises(InputError):
        propose_scheme(labels)


# -- is there something to learn? -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "scheme", "message"),
    [
        ([[0, 0]], OBJECTS, "all labels are 0"),
        ([[3, 4]], OBJECTS, "every annotated pixel is 'foreground'"),
        ([[0, 9]], LabelScheme(ignore=9), "all labels are 0"),
        ([[0, 0]], LabelScheme(annotation="sparse"), "no annotated pixel"),
        ([[0, 1]], LabelScheme(annotation="sparse"), "every annotated pixel is 'background'"),
        ([[0, 2]], LabelScheme("classes", "sparse", (1, 2)), "'foreground'"),
    ],
)
def test_a_single_class_teaches_nothing(labels: list, scheme: LabelScheme, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_annotation(np.array(labels), scheme)


def test_slices_count_together() -> None:
    check_annotation([np.zeros((2, 2), int), np.ones((2, 2), int)], OBJECTS)
    check_annotation((plane for plane in [np.array([[0]]), np.array([[5]])]), OBJECTS)
    check_annotation(np.array([[[0, 1]]]), OBJECTS)


def test_reading_stops_at_the_second_class() -> None:
    def planes():
        yield np.array([[0, 1]])
        raise AssertionError("read on")

    check_annotation(planes(), OBJECTS)


# -- real data ------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("isbi2012-em/train-labels.tif", "classes"),
        ("DIC-C2DH-HeLa/01_GT/SEG/man_seg002.tif", "objects"),
        ("DIC-C2DH-HeLa/01_ST/SEG/man_seg000.tif", "objects"),
        ("PhC-C2DH-U373/01_GT/TRA/man_track000.tif", "objects"),
    ],
)
def test_proposals_for_real_labels(data_dir: Path, path: str, kind: str) -> None:
    import tifffile

    scheme, _ = propose_scheme(tifffile.imread(data_dir / path))
    assert scheme.kind == kind
    assert scheme.values == ((0, 255) if kind == "classes" else (0, 1))


# -- the likeliest class --------------------------------------------------------------------------


def test_the_likeliest_class_by_hand():
    planes = np.array([[0.5, 0.2, 0.1, 0.3], [0.5, 0.8, 0.1, 0.3], [0.0, 0.0, 0.8, 0.4]])
    found = likeliest(planes)
    assert found.tolist() == [0, 1, 2, 2]  # the first of equals
    assert found.dtype == np.uint8


@given(arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 5)),
              elements=st.integers(-3, 3).map(float)))  # fmt: skip
def test_the_likeliest_class_is_argmax(planes):
    assert np.array_equal(likeliest(planes), planes.argmax(0))


# -- objects that have a class --------------------------------------------------------------------

NUMBERED = LabelScheme(values=(0, 1000, 2000), names=("background", "cell", "nucleus"))


def test_an_object_has_the_class_of_its_first_id() -> None:
    labels = np.array([[0, 1000, 1999, 0, 2000, 2000], [0, 1000, 1001, 1001, 0, 9999]])
    target = read_target(labels, replace(NUMBERED, gap=False))
    assert target.classes.tolist() == [[0, 1, 1, 0, 2, 2], [0, 1, 1, 1, 0, 2]]
    assert target.objects.tolist() == labels.tolist()


def test_a_gap_between_objects_is_of_no_class() -> None:
    target = read_target(np.array([[1001, 1001, 1001, 2001, 2001]]), NUMBERED)
    assert target.objects.tolist() == [[1001, 1001, 1001, 0, 2001]]
    assert target.classes.tolist() == [[1, 1, 1, 0, 2]]


def test_sparse_objects_of_classes() -> None:
    scheme = LabelScheme("objects", "sparse", (1, 1000, 2000), ignore=7)
    target = read_target(np.array([[0, 1, 1004, 1, 2001, 7]]), scheme)
    assert target.classes.tolist() == [[0, 0, 1, 0, 2, 0]]
    assert target.known.tolist() == [[False, True, True, True, True, False]]


def test_an_id_below_the_first_class_is_refused() -> None:
    with pytest.raises(InputError, match="must be 1000 \\('cell'\\) or more, got 5"):
        read_target(np.array([[0, 5, 1001]]), NUMBERED)


def test_first_ids_ascend() -> None:
    with pytest.raises(InputError, match="must ascend"):
        LabelScheme(values=(0, 2000, 1000))


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        ([[0, 1001, 1002, 2001]], (0, 1000, 2000)),
        ([[0, 1000, 3000, 3001]], (0, 1000, 3000)),
        ([[0, 1001, 1002, 1003]], (0, 1)),  # one thousand alone
        ([[0, 1001, 2001, 3001]], (0, 1)),  # one object of each: ids, as far as one can tell
        ([[0, 7, 1001, 1002, 2001]], (0, 1)),
        ([[0, 1240, 1250, 1995, 2000, 2310]], (0, 1)),  # numbered through, of one class
        ([[0, 66_001, 66_002, 67_001]], (0, 1)),
    ],
)
def test_numbers_by_class_are_proposed(labels: list, values: tuple[int, ...]) -> None:
    scheme, reason = propose_scheme(np.array(labels))
    assert (scheme.kind, scheme.values) == ("objects", values)
    assert ("thousands are its class" in reason) == (len(values) > 2)
    sparse, _ = propose_scheme(np.array(labels) + (np.array(labels) == 0), "sparse")
    assert sparse.values == ((1, *values[1:]) if len(values) > 2 else (1, 2))


def test_how_numbers_by_class_are_read() -> None:
    assert NUMBERED.describe() == (
        "0 is background, every other value one object: from 1000 on cell, from 2000 on nucleus"
    )
    assert NUMBERED.encode([0, 1, 2]).tolist() == [0, 1000, 2000]


# -- a grey image is none -----------------------------------------------------------------------


@pytest.mark.parametrize("smooth", [0, 1, 2])
def test_a_grey_image_is_refused_as_labels(smooth):
    """Swapped arguments, or the wrong layer: every grey value would be an object."""
    noise = np.random.default_rng(0).normal(0, 1, (2, 96, 96))
    blurred = ndimage.gaussian_filter(noise, (0, smooth, smooth))
    image = (128 + 40 * blurred / blurred.std()).clip(0, 255).astype(np.uint8)
    with pytest.raises(InputError, match="neighbouring pixels differ, as in a grey image"):
        propose_scheme(image)


@pytest.mark.parametrize("side", [2, 3, 8])
def test_small_objects_side_by_side_are_labels(side):
    n = 96 // side
    labels = np.kron(np.arange(1, n * n + 1).reshape(n, n), np.ones((side, side), int))
    assert propose_scheme(labels)[0].kind == "objects"


def test_points_are_labels():
    labels = np.zeros((64, 64), np.uint16)
    labels[::4, ::4] = np.arange(1, 257).reshape(16, 16)
    assert propose_scheme(labels)[0].kind == "objects"


@pytest.mark.parametrize(
    ("dtype", "value", "works"),
    [
        (np.float16, 2048, True),
        (np.float16, 2050, False),
        (np.float32, 2**24, True),
        (np.float32, 2**24 + 2, False),
        (np.float64, 2**31 - 1, True),
    ],
)
def test_ids_that_their_type_cannot_tell_apart_are_refused(dtype, value, works):
    labels = np.array([[0, 1, value]], dtype)
    if works:
        assert integer_labels(labels).tolist() == [[0, 1, value]]
    else:
        with pytest.raises(InputError, match="save them as integers"):
            integer_labels(labels)
