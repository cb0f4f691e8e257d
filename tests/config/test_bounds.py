"""No number overflows, hangs or fills memory, wherever it is given."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.annotation.splits import parse_slices
from napari_unet.base.errors import InputError
from napari_unet.cli import main
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.bounds import BOUNDS, Bound, check_number
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import NUMBERS, TrainConfig

EXTREME = [
    -1, 10**30, 10**400, -(10**400), 1e39, 1e308, -1e308, math.nan, math.inf, -math.inf, None,
    "1", True, [], 2**64,
]  # fmt: skip
SLICES = st.tuples(*[st.integers(0, 10**7)] * 2)


def test_a_bound_by_hand():
    whole, share = Bound(1, 9, whole=True), Bound(0, 1, above=True, below=True)
    assert [whole.allows(n) for n in (0, 1, 9, 10, 5.0, True, "5", None)] == [
        False, True, True, False, False, False, False, False,
    ]  # fmt: skip
    assert [share.allows(x) for x in (0, 0.5, 1, math.nan)] == [False, True, False, False]
    assert str(whole) == "a whole number from 1 to 9"
    assert str(Bound(0, 1000.0, above=True)) == "a number above 0 and to 1e+03"
    with pytest.raises(InputError, match="tile must be a whole number from 1 to 16,384, got 0"):
        check_number("tile", 0)


@pytest.mark.parametrize("name", [*NUMBERS, "validate_every"])
@pytest.mark.parametrize("value", EXTREME, ids=lambda v: repr(v)[:12])
def test_settings_of_a_training_have_bounds(name, value):
    if value is None and name == "validate_every":
        return
    with pytest.raises(InputError) as caught:
        TrainConfig.preset_named("fast", **{name: value})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["displacement", "rotation", "brightness", "contrast", "gamma"])
@pytest.mark.parametrize("value", [-1.0, 1e39, math.nan, math.inf])
def test_augmentation_has_bounds(name, value):
    with pytest.raises(InputError, match=name):
        AugmentConfig(**{name: value})


@pytest.mark.parametrize("size", [1e-308, 0.0, -1.0, 1e308, math.nan, (1.0, 1e-300)])
def test_pixel_sizes_have_bounds(size):
    with pytest.raises(InputError, match="pixel size"):
        TrainConfig.preset_named("fast", pixel_size=size)


@pytest.mark.parametrize("slices", [(-1,), (10**12,), (10**400,)])
def test_numbers_of_slices_have_bounds(slices):
    with pytest.raises(InputError, match="slices"):
        SplitConfig(mode="slices", slices=slices)


@pytest.mark.parametrize("text", ["0-999999999999", "9" * 5000, f"1-{'9' * 400}", "0-1000001"])
def test_no_list_of_slices_is_as_long_as_its_number(text):
    begun = time.process_time()
    with pytest.raises(InputError, match="at most 1,000,000"):
        parse_slices(text)
    assert time.process_time() - begun < 1


@given(SLICES)
def test_ranges_of_slices_are_what_they_say(ends):
    first, last = ends
    text = f"{first}-{last}"
    if first <= last <= 10**6:
        found = parse_slices(text)
        assert (found[0], found[-1], len(found)) == (first, last, last - first + 1)
    else:
        with pytest.raises(InputError):
            parse_slices(text)


@pytest.mark.parametrize(
    "line",
    [
        "train synthetic -o run --validate 0-999999999999",
        "train synthetic -o run --batch 999999999999",
        "train synthetic -o run --tile 999999999999",
        "train synthetic -o run --tile 0",
        "train synthetic -o run --seed " + "9" * 400,
        "train synthetic -o run --learning-rate 1e39",
        "train synthetic -o run --pixel-size 1e-308",
        "train synthetic -o run --validate region:0,1000000000000000,0,9",
        "train synthetic -o run --split-slices 0-999999999999",
        "predict run synthetic -o x.tif --tile 0",
        "predict run synthetic -o x.tif --tile 999999999999",
        "predict run synthetic -o x.tif --region -1000000000000000 9 0 9",
        "predict run synthetic -o x.tif --region 0 1000000000000000 0 9",
        "predict run synthetic -o x.tif --threshold nan",
        "predict run synthetic -o x.tif --threshold 2",
        "predict run synthetic -o x.tif --min-size " + "9" * 5000,
        "evaluate synthetic synthetic --slices 0-999999999999",
        "check synthetic --series 999999999999",
        "demo -o demo --steps 0",
        "reproduce --seeds 999999999999",
    ],
)
def test_numbers_of_the_command_line_have_bounds(tmp_path, monkeypatch, capsys, line):
    monkeypatch.chdir(tmp_path)
    begun = time.process_time()
    try:
        code = main(line.split())
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert time.process_time() - begun < 10
    assert len(capsys.readouterr().err.splitlines()[-1]) < 400
    assert list(tmp_path.iterdir()) == []


def test_every_bound_is_a_sentence():
    for name, bound in BOUNDS.items():
        assert str(bound).startswith(("a number ", "a whole number ")), name
        assert "  " not in str(bound)
