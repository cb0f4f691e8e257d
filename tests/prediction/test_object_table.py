"""The table of objects: by hand, and against scikit-image."""

from __future__ import annotations

import csv
import io
import time

import numpy as np
import pytest
from skimage.measure import regionprops_table

from napari_unet.base.errors import InputError
from napari_unet.images.stack import Stack
from napari_unet.prediction.object_table import ObjectTable, TableMaker, measure

OBJECTS = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 7, 7, 7, 0, 0],
        [0, 7, 7, 7, 0, 2],
        [0, 0, 0, 0, 0, 2],
    ]
)


def grey(shape=(4, 6)) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def row(table: ObjectTable, number: int) -> dict[str, object]:
    k = int(np.flatnonzero(table.columns["id"] == number)[0])
    return {name: column[k].item() for name, column in table.columns.items()}


def test_two_objects_by_hand() -> None:
    table = measure(OBJECTS, Stack("s", grey(), "yx"))
    assert len(table) == 2
    block, column = row(table, 7), row(table, 2)
    assert (block["area (px)"], column["area (px)"]) == (6, 2)
    assert (block["centroid y (px)"], block["centroid x (px)"]) == (1.5, 2)
    assert [block[f"{end} (px)"] for end in ("y from", "y to", "x from", "x to")] == [1, 3, 1, 4]
    assert block["touches border"] is False
    assert column["touches border"] is True
    assert block["grey mean"] == np.mean([7, 8, 9, 13, 14, 15])
    assert (block["grey min"], block["grey max"]) == (7, 15)
    assert block["grey std"] == pytest.approx(np.std([7, 8, 9, 13, 14, 15]))
    assert block["equivalent diameter (px)"] == pytest.approx(np.sqrt(24 / np.pi))
    # Second moments along y and x: 1/4 and 2/3.
    assert block["eccentricity"] == pytest.approx(np.sqrt(1 - (1 / 4) / (2 / 3)))
    assert column["eccentricity"] == 1
    assert "class" not in table.columns


def test_units_of_the_image() -> None:
    stack = Stack(
        "s", grey()[None], "zyx", scale=(2, 0.5, 0.25), translate=(0, 10, 20),
        units=("micrometer",) * 3,
    )  # fmt: skip
    block = row(measure(OBJECTS[None], stack), 7)
    assert block["z"] == 0
    assert block["area (µm²)"] == 6 * 0.125
    assert (block["centroid y (µm)"], block["centroid x (µm)"]) == (10.75, 20.5)
    assert block["equivalent diameter (µm)"] == pytest.approx(np.sqrt(4 * 0.75 / np.pi))
    # In the unit it is longer along y, though wider in pixels.
    assert block["eccentricity"] == pytest.approx(np.sqrt(1 - (2 / 3 / 16) / (1 / 4 / 4)))


def test_class_probability_and_certainty() -> None:
    stack = Stack("s", grey(), "yx")
    probabilities = np.zeros((3, 4, 6))
    probabilities[0] = 1
    probabilities[:, OBJECTS == 7] = np.array([[0.1, 0.2, 0.7]]).T
    probabilities[:, 2, 5], probabilities[:, 3, 5] = (0.1, 0.9, 0), (0.3, 0.1, 0.6)
    maker = TableMaker(stack, ("background", "nucleus", "cell"))
    maker.add(0, OBJECTS, probabilities)
    block, column = row(maker.table(), 7), row(maker.table(), 2)
    assert (block["class"], column["class"]) == ("cell", "nucleus")  # 0.9 + 0.1 against 0.6
    assert list(block)[:3] == ["id", "class", "area (px)"]
    assert block["mean probability"] == pytest.approx(0.9)
    assert block["certainty"] == pytest.approx(0.5)
    assert column["mean probability"] == pytest.approx(0.8)
    assert column["certainty"] == pytest.approx((0.8 + 0.3) / 2)


def test_slices_and_channels() -> None:
    image = np.stack([grey((2, 4, 6)), 100 - grey((2, 4, 6))], axis=1)
    stack = Stack("s", image, "tcyx", channel_names=("actin", "DNA"))
    labels = np.stack([OBJECTS, np.where(OBJECTS == 2, 2, 0)])
    table = measure(labels, stack)
    assert table.columns["t"].tolist() == [0, 0, 1]
    assert table.columns["id"].tolist() == [2, 7, 2]
    assert table.columns["actin max"].tolist() == [23, 15, 47]
    assert table.columns["DNA max"][2] == 100 - 41


def test_nothing_found_has_the_columns() -> None:
    table = measure(np.zeros((4, 6), int), Stack("s", grey(), "yx"))
    assert len(table) == 0
    assert "area (px)" in table.columns
    assert table.to_csv().count("\n") == 1
    assert len(TableMaker(Stack("s", grey(), "yx")).table()) == 0


def test_rows_and_columns_of_different_units() -> None:
    """0.5 µm are 500 nm."""
    sizes = {"scale": (0.5, 500), "translate": (1, 2000), "units": ("micrometer", "nanometer")}
    block = row(measure(OBJECTS, Stack("s", grey(), "yx", **sizes)), 7)
    assert block["area (nm²)"] == pytest.approx(6 * 500 * 500)
    assert block["centroid y (nm)"] == pytest.approx(1750)
    assert block["centroid x (nm)"] == 3000
    in_pixels = row(measure(OBJECTS, Stack("s", grey(), "yx")), 7)
    assert block["eccentricity"] == pytest.approx(in_pixels["eccentricity"])
    unknown = Stack("s", grey(), "yx", scale=(1, 500), units=("pixel", "nanometer"))
    assert row(measure(OBJECTS, unknown), 7) == in_pixels


def test_channels_of_one_name() -> None:
    image = np.stack([grey(), grey() + 100, grey() + 200])
    stack = Stack("s", image, "cyx", channel_names=("GFP", "GFP", ""))
    block = row(measure(OBJECTS, stack), 7)
    means = [value for name, value in block.items() if name.endswith(" mean")]
    assert means == [11, 111, 211]
    assert block["GFP channel 1 mean"] == 111
    assert block["channel 2 mean"] == 211


def test_what_a_part_of_a_slice_cuts_touches_the_border() -> None:
    maker = TableMaker(Stack("s", grey(), "yx"))
    maker.add(0, OBJECTS[:, :3], corner=(0, 0))
    maker.add(0, OBJECTS[1:3, 1:4], corner=(1, 1))
    assert maker.table().columns["touches border"].tolist() == [True, True]


def test_a_part_of_a_slice_lies_where_it_lies() -> None:
    sizes = {"scale": (2, 0.5), "translate": (10, 20), "units": ("micrometer",) * 2}
    stack = Stack("s", grey(), "yx", **sizes)
    maker = TableMaker(stack)
    maker.add(0, OBJECTS[2:, 3:], corner=(2, 3))
    part = maker.table()
    column = row(part, 2)
    assert column == row(measure(OBJECTS, stack), 2)
    assert (column["y from (px)"], column["x from (px)"], column["grey min"]) == (2, 5, 17)
    assert (column["centroid y (µm)"], column["centroid x (µm)"]) == (10 + 2.5 * 2, 20 + 5 * 0.5)
    rest = row(part, 7)  # one pixel of it
    assert (rest["centroid y (px)"], rest["centroid x (px)"], rest["grey mean"]) == (2, 3, 15)


def test_a_picture_is_no_labels() -> None:
    picture = np.random.default_rng(0).integers(0, 4000, (64, 64)).astype(np.uint16)
    with pytest.raises(InputError, match="neighbouring pixels"):
        measure(picture, Stack("s", grey((64, 64)), "yx"))


def test_a_pixel_without_a_grey_value(recwarn) -> None:
    image = grey().astype(np.float32)
    image[1, 1] = np.nan
    table = measure(OBJECTS, Stack("s", image, "yx"))
    assert row(table, 2)["grey max"] == 23
    assert np.isnan([row(table, 7)[f"grey {name}"] for name in ("mean", "min", "max", "std")]).all()
    assert not recwarn.list


def test_csv(tmp_path) -> None:
    table = measure(OBJECTS, Stack("s", grey(), "yx"))
    table.write(tmp_path / "cells.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "cells.csv").read_text("utf-8-sig"))))
    assert [r["id"] for r in rows] == ["2", "7"]
    assert rows[1]["equivalent diameter (px)"] == "2.76395"
    assert rows[1]["touches border"] == "False"


def test_tables_of_several_files() -> None:
    one = measure(OBJECTS, Stack("s", grey(), "yx"))
    two = measure(OBJECTS[None], Stack("s", grey()[None], "zyx"))
    both = ObjectTable.joined([one, two], ["a.tif", "b.tif"])
    assert next(iter(both.columns)) == "file"
    assert both.columns["file"].tolist() == ["a.tif", "a.tif", "b.tif", "b.tif"]
    assert np.isnan(both.columns["z"][:2]).all()
    assert both.columns["z"][2:].tolist() == [0, 0]


def test_large_numbers_that_some_files_do_not_have() -> None:
    """A volume of a stack beside the areas of a plane."""
    one, two = ObjectTable({"volume (px)": np.array([1234567])}, 1), ObjectTable({"id": np.ones(1)})
    both = ObjectTable.joined([one, two], ["a.tif", "b.tif"])
    assert both.to_csv() == "file,volume (px),id\na.tif,1234567,\nb.tif,,1\n"


def test_equal_to_scikit_image() -> None:
    rng = np.random.default_rng(0)
    objects = rng.integers(0, 6, (40, 50)) * (rng.random((40, 50)) < 0.6)
    image = rng.normal(100, 30, (40, 50)).astype(np.float32)
    names = {
        "area (px)": "area",
        "centroid y (px)": "centroid-0",
        "centroid x (px)": "centroid-1",
        "y from (px)": "bbox-0",
        "x from (px)": "bbox-1",
        "y to (px)": "bbox-2",
        "x to (px)": "bbox-3",
        "equivalent diameter (px)": "equivalent_diameter_area",
        "eccentricity": "eccentricity",
        "grey mean": "intensity_mean",
        "grey min": "intensity_min",
        "grey max": "intensity_max",
        "grey std": "intensity_std",
    }
    asked = {name.split("-")[0] for name in names.values()}
    expected = regionprops_table(objects, image, properties=sorted(asked))
    table = measure(objects, Stack("s", image, "yx"))
    for ours, theirs in names.items():
        np.testing.assert_allclose(table.columns[ours], expected[theirs], rtol=1e-5, err_msg=ours)


def test_what_does_not_fit_is_said() -> None:
    stack = Stack("s", grey(), "yx")
    with pytest.raises(InputError, match="must have the shape"):
        measure(OBJECTS[:3], stack)
    with pytest.raises(InputError, match="whole numbers"):
        measure(OBJECTS * 0.5, stack)
    with pytest.raises(InputError, match="must be 0 or more, got -1"):
        measure(OBJECTS.astype(int) - 1, stack)
    as_floats = measure(OBJECTS.astype(np.float32), stack)
    assert len(as_floats) == len(measure(OBJECTS, stack))


def test_ten_thousand_objects_take_seconds() -> None:
    side, cell = 4096, 41
    y, x = np.ogrid[:side, :side]
    inside = np.hypot(y % cell - cell / 2, x % cell - cell / 2) < 18
    objects = np.where(inside, 1 + (y // cell) * 100 + x // cell, 0).astype(np.int32)
    image = np.random.default_rng(0).integers(0, 4000, (side, side), np.uint16)
    begun = time.process_time()
    table = measure(objects, Stack("s", image, "yx"))
    assert time.process_time() - begun < 5
    assert len(table) > 9800
