"""The pre-flight: each finding made by hand, and none where nothing is wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme, separate_touching
from napari_unet.base.errors import InputError
from napari_unet.config.network import UNetConfig
from napari_unet.config.size_rule import next_valid_size
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.datasets import registry as datasets
from napari_unet.images.stack import Stack
from napari_unet.preflight import FIXES, Finding, apply_fix, find, touching_pairs
from napari_unet.preflight.finding import listed
from napari_unet.preflight.objects import large_squares, thin_objects
from napari_unet.preflight.sample import MOST_PARTS, Sample, spread
from napari_unet.preflight.validation import check_validation
from napari_unet.training.data import TrainingData

OBJECTS = LabelScheme("objects")
MASK = LabelScheme("classes", values=(0, 255))


def discs(n: int = 4, side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Bright discs of 17 pixels on a dark ground, none touching another: image, labels."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((n, side, side), np.uint16)
    for plane in labels:
        k = 0
        for cy in range(16, side - 8, 24):
            for cx in range(16, side - 8, 24):
                k += 1
                jy, jx = rng.integers(-2, 3, 2)
                plane[(y - cy - jy) ** 2 + (x - cx - jx) ** 2 <= 64] = k
    image = 60 + 90 * (labels > 0) + rng.normal(0, 6, labels.shape)
    return image.round().clip(1, 254).astype(np.uint8), labels


@pytest.fixture
def clean() -> Stack:
    image, labels = discs()
    return Stack("discs", image, "zyx", labels=labels, scheme=OBJECTS)


def run_of(split: SplitConfig | None = None, depth: int = 4, zoom: float = 1.0) -> TrainConfig:
    tile = next_valid_size(284, depth)
    split = split or SplitConfig("none")
    return TrainConfig(network=UNetConfig(depth=depth), tile=tile, split=split, zoom=zoom)


def grave(findings) -> list[Finding]:
    return [one for one in findings if one.severity != "info"]


def look(stack: Stack, *, split=None, depth: int = 4, zoom: float = 1.0, **options):
    return find(stack, run_of(split, depth, zoom), **options)


def only(stack: Stack, check: str, **options) -> Finding:
    """Return the one finding of a check, which must be the only grave one if it is grave."""
    found = list(look(stack, **options))
    (one,) = [finding for finding in found if finding.check == check]
    assert [finding for finding in grave(found) if finding is not one] == []
    return one


def checks(stack: Stack, **options) -> set[str]:
    return {one.check for one in look(stack, **options)}


# -- nothing wrong ----------------------------------------------------------------------------


def test_a_clean_stack_yields_its_description_and_nothing_else(clean):
    found = list(
        find(clean, run_of(SplitConfig()), labels_scale=(1, 1, 1), labels_translate=(0, 0))
    )
    first, second = (one.text for one in found)
    assert first == "4 slices, 128 × 128 pixels, uint8."
    assert second.endswith("become 0–1.")
    assert not grave(found)


@pytest.mark.parametrize("scheme", [MASK, OBJECTS])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_no_warning_whatever_the_dtype_and_kind_of_labels(clean, scheme, dtype):
    labels = clean.labels if scheme is OBJECTS else (clean.labels > 0).astype(np.uint8) * 255
    stack = Stack("discs", clean.image.astype(dtype) * 3, "zyx", labels=labels, scheme=scheme)
    assert not grave(find(stack, run_of(SplitConfig())))


def test_an_image_without_labels_is_well():
    image, _ = discs()
    assert not grave(find(Stack("image", image, "zyx")))


def test_the_synthetic_stack_is_well():
    assert not grave(find(datasets.open("synthetic"), run_of(SplitConfig())))


def test_the_arrays_are_left_alone(clean):
    image, labels = clean.image.copy(), clean.labels.copy()
    list(find(clean, run_of(SplitConfig())))
    assert np.array_equal(image, clean.image)
    assert np.array_equal(labels, clean.labels)


def test_every_grave_finding_is_one_sentence_with_advice():
    image, labels = discs()
    image[1] = 7
    labels[2] = 0
    stack = Stack("bad", image, "zyx", labels=labels, scheme=replace(OBJECTS, gap=False))
    found = list(find(stack))
    assert {"constant", "empty"} <= {one.check for one in found}
    for one in grave(found):
        assert one.text.endswith(".")
        assert ". " not in one.text
        assert ";" in one.text
        assert one.fix is None or one.fix in FIXES


# -- axes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes", "better"),
    [
        ((256, 256, 30), "zyx", "yxz"),
        ((256, 30, 256), "zyx", "yzx"),
        ((256, 256, 2), "zyx", "yxc"),
        ((2, 256, 300, 30), "czyx", "cyxz"),
        ((5, 256, 256, 20), "tzyx", "tyxz"),
    ],
)
def test_slices_that_would_be_narrow_strips_have_their_axes_in_another_order(shape, axes, better):
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    one = only(Stack("strips", image, axes), "axes")
    assert one.severity == "warning"
    assert f"rather {better!r} than {axes!r}" in one.text
    assert (one.fix, one.axes) == ("read other axes", better)
    assert not grave(find(Stack("strips", image, better)))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((30, 256, 256), "zyx"), ((256, 256), "yx"), ((200, 64, 64), "zyx"), ((9, 256, 40), "zyx"),
     ((3, 2, 128, 128), "zcyx")],
)  # fmt: skip
def test_usual_shapes_are_well(shape, axes):
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    assert "axes" not in checks(Stack("usual", image, axes))


def test_many_channels_are_rather_slices():
    image = np.random.default_rng(0).integers(0, 255, (30, 64, 64), np.uint8)
    one = only(Stack("thirty", image, "cyx"), "axes")
    assert "30 channels" in one.text
    assert "'zyx' instead of 'cyx'" in one.text


def test_colour_is_said_and_grey_saved_as_colour_too(clean):
    grey = clean.image[0]
    rng = np.random.default_rng(0)
    colour = np.stack([grey, 255 - grey, rng.integers(0, 255, grey.shape, np.uint8)], -1)
    assert "3 channels are learned together" in only(Stack("rgb", colour, "yxc"), "colour").text
    assert "channels" not in checks(Stack("rgb", colour, "yxc"))
    same = Stack("rgb", np.stack([grey] * 3, -1), "yxc")
    assert "All 3 channels are the same" in only(same, "channels").text
    opaque = np.concatenate([colour, np.full((*grey.shape, 1), 255, np.uint8)], -1)
    assert "Channel 3 is 255 everywhere" in only(Stack("rgba", opaque, "yxc"), "channels").text


# -- grey values --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_values_are_an_error_that_names_the_slices(clean, value):
    image = clean.image.astype(np.float32)
    image[1, 3, 4] = image[3, 9, 9] = value
    one = only(replace(clean, image=image), "finite")
    assert one.severity == "error"
    bad, fix = ("NaN", "take NaN as outside") if np.isnan(value) else ("infinite", None)
    assert f"2 slices of 'discs' (1, 3) contain {bad} pixels" in one.text
    assert one.fix == fix
    assert ("outside" in one.text) == (bad == "NaN")


def test_a_constant_image_is_an_error():
    found = grave(find(Stack("flat", np.full((3, 40, 40), 7, np.uint8), "zyx")))
    assert [one.severity for one in found] == ["error"]
    assert "constant (7 everywhere)" in found[0].text


def test_constant_slices_are_left_out(clean):
    clean.image[1], clean.image[2] = 7, 0
    one = only(clean, "constant")
    assert "2 slices of 4 (1, 2) have the same grey value everywhere" in one.text
    fixed = apply_fix(clean, one.fix)
    assert fixed.labelled_slices == (0, 3)
    assert fixed.labels is clean.labels


def test_a_constant_slice_without_labels_has_no_fix(clean):
    clean.image[1] = 7
    stack = replace(clean, annotated=(0, 2, 3))
    assert only(stack, "constant").fix is None


def test_a_slice_of_constant_channels_that_differ_is_constant():
    image = np.random.default_rng(0).integers(0, 255, (3, 2, 64, 64), np.uint8)
    assert "constant" not in checks(Stack("two", image, "zcyx"))
    image[1, 0] = 5
    assert "constant" not in checks(Stack("two", image, "zcyx"))
    image[1, 1] = 9
    assert "1 slice of 3 (1) has" in only(Stack("two", image, "zcyx"), "constant").text


def test_saturation_from_one_pixel_in_a_hundred_on(clean):
    n = clean.image.size
    bright = clean.image.reshape(-1)
    chosen = np.random.default_rng(0).permutation(n)
    bright[chosen[: n // 50]] = 255
    one = only(clean, "saturation")
    assert one.severity == "warning"
    assert "2 % of the pixels have the highest value 255" in one.text
    bright[chosen[n // 125 : n // 50]] = 100
    assert "saturation" not in checks(clean)


def test_many_pixels_near_the_highest_value_are_no_saturation():
    steps = np.arange(256, dtype=np.uint8).repeat(64).reshape(128, 128)
    few_levels = np.random.default_rng(0).integers(0, 9, (128, 128), np.uint8)
    assert "saturation" not in checks(Stack("ramp", steps, "yx"))
    assert "saturation" in checks(Stack("cut", np.minimum(steps, 200), "yx"))
    assert "clipped" not in checks(Stack("few", few_levels, "yx"))


def test_a_background_that_was_cut_off_is_said(clean):
    image = np.where(clean.image < 70, 0, clean.image)
    one = only(replace(clean, image=image), "clipped")
    assert one.severity == "info"
    assert "the lowest value 0" in one.text


def test_a_mask_chosen_as_image(clean):
    mask = (clean.labels > 0).astype(np.uint8) * 255
    one = only(replace(clean, image=mask), "mask")
    assert "no grey values but 0 and 255" in one.text
    assert "mask" not in checks(clean)


# -- annotation ---------------------------------------------------------------------------------


def test_a_mask_of_0_and_255_is_read_and_said(clean):
    mask = (clean.labels > 0).astype(np.uint8) * 255
    one = only(replace(clean, labels=mask, scheme=MASK), "values")
    assert one.severity == "info"
    assert "0 is read as background, 255 as foreground" in one.text
    assert only(clean, "values", reason="Because I say so.").text == "Because I say so."


def test_float_labels_are_read_if_they_are_whole(clean):
    stack = replace(clean, labels=clean.labels.astype(np.float32))
    assert "stored as float32" in only(stack, "dtype").text
    stack.labels[0, 0, 0] = 0.5
    (one,) = grave(find(stack))
    assert one.severity == "error"
    assert "whole numbers" in one.text


def test_empty_labels_are_an_error(clean):
    (one,) = grave(find(replace(clean, labels=np.zeros_like(clean.labels))))
    assert one.severity == "error"
    assert "all labels are 0" in one.text


def test_nearly_empty_labels(clean):
    labels = np.zeros_like(clean.labels)
    labels[:, 60:64, 60:64] = 1  # 16 of 16384 pixels: just under a thousandth
    one = only(replace(clean, labels=labels), "amount")
    assert one.severity == "warning"
    assert "Only 0.098 % of the pixels are labelled" in one.text
    labels[:, 59, 60] = 1
    assert "amount" not in checks(replace(clean, labels=labels))


def test_very_few_annotated_pixels(clean):
    scheme = LabelScheme("classes", "sparse", values=(1, 2))
    labels = np.zeros_like(clean.labels)
    labels[0, :10, :10] = 1
    labels[0, 20:30, 20:30] = 2
    stack = replace(clean, labels=labels, scheme=scheme)
    assert "Only 200 pixels of the labels count" in only(stack, "amount").text
    labels[0, 40:80, 40:80] = 1
    assert "amount" not in checks(stack)
    labels[0, 20:30, 20:30] = 0
    labels[0, 20:27, 20:27] = 2
    assert "Only 49 pixels are annotated as 'foreground'" in only(stack, "amount").text


def test_a_class_that_nobody_annotated(clean):
    labels = np.where(clean.labels > 12, 2, np.minimum(clean.labels, 1))
    scheme = LabelScheme(
        "classes", values=(0, 1, 2, 3), names=("ground", "cell", "nucleus", "axon")
    )
    stack = replace(clean, labels=labels, scheme=scheme)
    assert "No pixel is annotated as 'axon'" in only(stack, "amount").text
    assert "amount" not in checks(replace(stack, scheme=LabelScheme("classes", values=(0, 1, 2))))


def test_a_value_that_is_none_of_the_classes(clean):
    (one,) = grave(find(replace(clean, scheme=LabelScheme("classes", values=(0, 1)))))
    assert one.severity == "error"
    assert "must have one of the class values (0, 1), got 2" in one.text


def test_empty_slices_are_left_out(clean):
    clean.labels[2] = 0
    one = only(clean, "empty")
    assert "1 slice of 4 has no label at all (2) and is taken as background" in one.text
    assert apply_fix(clean, one.fix).labelled_slices == (0, 1, 3)
    assert "empty" not in checks(apply_fix(clean, one.fix))
    assert "3 of 4 slices are annotated" in only(apply_fix(clean, one.fix), "annotated").text


def test_empty_slices_of_labels_made_for_a_few_slices_have_no_fix(clean):
    labels = clean.labels[:3].copy()
    labels[1] = 0
    stack = Stack("few", clean.image, "zyx", labels=labels, scheme=OBJECTS, annotated=(0, 1, 3))
    one = only(stack, "empty")
    assert "(1)" in one.text
    assert one.fix is None


# -- objects or classes -------------------------------------------------------------------------


def test_a_mask_read_as_objects(clean):
    stack = replace(clean, labels=(clean.labels > 0).astype(np.uint8) * 7)
    one = only(stack, "kind")
    assert "The only label value marks about 25 separate pieces" in one.text
    fixed = apply_fix(stack, one.fix)
    assert (fixed.scheme.kind, fixed.scheme.values) == ("classes", (0, 7))
    assert not grave(find(fixed))


def test_classes_read_as_objects_and_objects_read_as_classes(clean):
    classes = np.where(clean.labels > 0, 1 + clean.labels % 2, 0)
    stack = replace(clean, labels=classes)
    one = only(stack, "kind")
    assert "Each of 2 label values marks about 12 separate pieces" in one.text
    assert apply_fix(stack, one.fix).scheme.values == (0, 1, 2)
    ids = tuple(range(26))
    stack = replace(clean, scheme=LabelScheme("classes", values=ids))
    one = only(stack, "kind")
    assert "Each of 25 label values is in one piece" in one.text
    assert apply_fix(stack, one.fix).scheme == OBJECTS


def test_the_ignored_value_is_no_object_in_pieces(clean):
    labels = clean.labels.copy()
    labels[:, ::16, ::16] = 99
    assert "kind" not in checks(replace(clean, labels=labels, scheme=replace(OBJECTS, ignore=99)))


# -- touching, thin, large ----------------------------------------------------------------------


def test_pairs_of_touching_objects_by_hand():
    # 1-2, 1-3, 2-3 and, by a corner, 3-4
    assert touching_pairs(np.array([[1, 1, 2], [0, 3, 2], [4, 0, 0]], np.int32)) == 4
    assert touching_pairs(np.array([[1, 0, 2]], np.int32)) == 0
    assert touching_pairs(np.array([[1, 2]], np.int32), first_object=2) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_touches_after_the_gap(seed):
    labels = np.random.default_rng(seed).integers(0, 4, (7, 8)).astype(np.int32)
    assert touching_pairs(separate_touching(labels)) == 0
    neighbours = {
        tuple(sorted((int(a), int(b))))
        for y in range(7)
        for x in range(8)
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1))
        if y + dy < 7 and 0 <= x + dx < 8
        for a, b in [(labels[y, x], labels[y + dy, x + dx])]
        if a and b and a != b
    }
    assert touching_pairs(labels) == len(neighbours)


def test_touching_objects_get_their_gap(clean):
    clean.labels[0, 10:20, 40:50] = 60
    clean.labels[0, 10:20, 50:60] = 61
    stack = replace(clean, scheme=replace(OBJECTS, gap=False))
    one = next(one for one in find(stack) if one.check == "touching")
    assert one.severity == "warning"
    assert "without a gap" in one.text
    fixed = apply_fix(stack, one.fix)
    assert fixed.scheme.gap
    one = next(one for one in find(fixed) if one.check == "touching")
    assert one.severity == "info"
    assert one.fix is None


def test_thin_objects_by_hand():
    objects = np.array(
        [[1, 1, 0, 2, 0, 3, 3],
         [1, 1, 0, 2, 0, 0, 3],
         [0, 0, 0, 2, 0, 4, 4],
         [5, 5, 5, 5, 0, 4, 4]], np.int32,
    )  # fmt: skip
    assert thin_objects(objects) == (5, 3)  # 2, 3 and 5
    assert thin_objects(np.zeros((3, 3), np.int32)) == (0, 0)


def test_thin_objects_need_a_zoom_of_2(clean):
    labels = np.zeros_like(clean.labels)
    for k in range(1, 9):
        labels[:, 10 * k, 10:110] = k
    image = (60 + 90 * (labels > 0) + (np.arange(128) % 7)).astype(np.uint8)
    one = only(replace(clean, image=image, labels=labels), "thin")
    assert "32 of 32 objects are thinner than 2 pixels" in one.text
    assert "zoom of 2" in one.text
    assert (one.fix, one.zoom) == ("zoom", 2.0)
    assert "thin" not in checks(replace(clean, image=image, labels=labels), zoom=2.0)
    labels[:, 11::10, 10:110] = labels[:, 10:-1:10, 10:110]
    assert "thin" not in checks(replace(clean, image=image, labels=labels))


def test_large_squares_by_hand():
    objects = np.zeros((40, 60), np.int32)
    objects[5:30, 5:30] = 3  # 25 × 25
    objects[5:14, 35:59] = 8  # 9 × 24: a square of 9
    objects[14, 50] = 8
    assert large_squares(objects, 9) == [25]
    assert sorted(large_squares(objects, 8)) == [9, 25]
    assert large_squares(objects, 25) == []


def test_objects_larger_than_the_network_sees():
    labels = np.zeros((1, 160, 160), np.uint8)
    labels[0, 20:131, 20:131] = 1  # 111 px; a network of depth 3 sees 88
    image = (60 + 90 * labels + np.random.default_rng(0).integers(0, 9, labels.shape)).astype("u1")
    stack = Stack("large", image, "zyx", labels=labels, scheme=OBJECTS)
    one = only(stack, "large", depth=3)
    assert one.severity == "warning"
    assert "up to 111 pixels thick, but the network sees only 88" in one.text
    assert "zoom of 0.75" in one.text  # 88 / 111 = 0.79
    assert math.ceil(111 * 0.75) <= 88
    assert (one.fix, one.zoom) == ("zoom", 0.75)
    assert "large" not in checks(stack, depth=3, zoom=0.75)
    assert "sees only 44" in only(stack, "large", depth=3, zoom=2.0).text
    with pytest.raises(InputError, match="setting of the training"):
        apply_fix(stack, one.fix)
    assert "large" not in checks(stack, depth=4)
    assert "large" in checks(stack, depth=2)
    classes = replace(stack, scheme=LabelScheme("classes", values=(0, 1)))
    assert only(classes, "large", depth=3).severity == "info"


# -- validation ---------------------------------------------------------------------------------


def test_a_class_that_is_missing_from_validation(clean):
    labels = np.minimum(clean.labels, 1).astype(np.uint8)
    labels[1, 60:80, 60:80] = 2
    scheme = LabelScheme("classes", values=(0, 1, 2), names=("ground", "cell", "axon"))
    stack = replace(clean, labels=labels, scheme=scheme)
    one = only(stack, "validation", split=SplitConfig("last"))
    assert "'axon' does not occur in what validates" in one.text
    one = only(stack, "validation", split=SplitConfig("slices", slices=(1,)))
    assert "'axon' occurs only in what validates" in one.text
    labels[3, 60:80, 60:80] = 2
    assert "validation" not in checks(stack, split=SplitConfig("last"))
    assert "validation" not in checks(stack, split=SplitConfig("none"))


def test_a_validation_region_without_foreground(clean):
    labels = np.zeros_like(clean.labels)
    labels[:, 5:40, 5:40] = 1
    image = (60 + 90 * labels + np.arange(128) % 5).astype(np.uint8)
    stack = replace(clean, image=image, labels=labels)
    empty = SplitConfig("region", region=(110, 128, 0, 128))
    (one,) = check_validation(TrainingData(stack, run_of(empty, depth=1)))
    assert "'foreground' does not occur in what validates" in one.text
    # ... nor in what trains, when the region covers all of it.
    covered = SplitConfig("region", region=(0, 50, 0, 128))
    (one,) = check_validation(TrainingData(stack, run_of(covered, depth=1)))
    assert "'foreground' occurs only in what validates" in one.text
    half = SplitConfig("region", region=(0, 20, 0, 128))
    assert not list(check_validation(TrainingData(stack, run_of(half, depth=1))))


def test_a_split_that_cannot_be_made_is_an_error(clean):
    (one,) = grave(find(clean, run_of(SplitConfig("slices", slices=(0, 1, 2, 3)))))
    assert one.severity == "error"
    assert "all of them were chosen" in one.text


# -- samples and fixes --------------------------------------------------------------------------


class Counting:
    """A lazy array that counts the pixels read from it."""

    def __init__(self, shape, value):
        self.shape, self.dtype, self.ndim = shape, np.dtype(np.uint8), len(shape)
        self.value, self.pixels = value, 0

    def __getitem__(self, where):
        i, rows, cols = where
        y, x = np.mgrid[rows, cols]
        self.pixels += y.size
        return self.value(i, y, x).astype(np.uint8)


def test_of_a_large_stack_a_sample_is_read_and_said():
    def blocks(i, y, x):
        return (y // 40 + x // 40) % 2

    shape = (3, 40_000, 40_000)
    image = Counting(shape, lambda i, y, x: 100 + 50 * blocks(i, y, x) + (7 * y + 3 * x) % 11)
    labels = Counting(shape, blocks)
    stack = Stack("huge", image, "zyx", labels=labels, scheme=LabelScheme("classes"))
    image.pixels = labels.pixels = 0
    found = list(find(stack, run_of(SplitConfig())))
    assert not grave(found)
    (one,) = [one for one in found if one.check == "sample"]
    assert "48 squares in 3 of 3 slices" in one.text
    assert image.pixels <= 3 * MOST_PARTS * 512**2
    assert labels.pixels <= 3 * MOST_PARTS * 512**2


def test_a_sample_is_whole_or_bounded(clean):
    assert Sample(clean).whole
    assert Sample(clean).labels_whole
    large = Stack("large", Counting((900, 600, 600), lambda i, y, x: y), "zyx")
    sample = Sample(large)
    assert not sample.whole
    assert len(sample.blocks) == 16
    assert "16 of 900 slices" in sample.describe()


def test_spread_takes_the_first_and_the_last():
    assert spread(range(10), 4) == [0, 3, 6, 9]
    assert spread("abc", 4) == ["a", "b", "c"]


def test_lists_of_numbers_are_cut_short():
    assert listed([1, 2]) == "1, 2"
    assert listed(range(9)) == "0, 1, 2, 3, 4, 5, …"


def test_a_fix_needs_labels(clean):
    with pytest.raises(InputError, match="has none"):
        apply_fix(clean.with_labels(None), "make gaps")
    with pytest.raises(InputError, match="no fix named"):
        apply_fix(clean, "something else")


def test_a_file_that_breaks_while_being_read_is_an_error_finding(clean):
    class Broken(Counting):
        def __getitem__(self, where):
            raise OSError("disc gone")

    found = list(find(Stack("broken", Broken((2, 64, 64), None), "zyx")))
    assert found[-1].severity == "error"
    assert "disc gone" in found[-1].text
