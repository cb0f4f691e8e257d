"""Objects with one id through a stack: one row each, by hand and against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops_table

from napari_unet.images.stack import Stack
from napari_unet.prediction.object_table import TableMaker, measure


def scene() -> np.ndarray:
    """Three slices: 5 is a tower of 2, 4 and 2 pixels; 9 is in the first and the last."""
    labels = np.zeros((3, 5, 8), np.uint16)
    labels[0, 1, 1:3] = labels[2, 1, 1:3] = 5
    labels[1, 1:3, 1:3] = 5
    labels[0, 3, 5] = labels[2, 3, 6] = 9
    return labels


def row(table, number: int) -> dict[str, object]:
    k = int(np.flatnonzero(table.columns["id"] == number)[0])
    return {name: column[k].item() for name, column in table.columns.items()}


def test_two_volumes_by_hand() -> None:
    labels = scene()
    image = np.where(labels == 5, np.arange(3)[:, None, None] + 10, 100).astype(np.float32)
    stack = Stack(
        "s", image, "zyx", scale=(2, 0.5, 0.25), translate=(4, 0, 1), units=("micrometer",) * 3
    )
    table = measure(labels, stack, linked=True)
    assert len(table) == table.count == 2
    assert table.per_slice == (2, 1, 2)
    assert table.summary == "2 objects, 1 to 2 a slice"
    assert "z" not in table.columns
    tower, two = row(table, 5), row(table, 9)
    assert (tower["slices"], two["slices"]) == (3, 2)
    assert (tower["volume (px)"], two["volume (px)"]) == (8, 2)
    assert [tower[f"centroid {a} (px)"] for a in "zyx"] == [1, 1.25, 1.5]
    sides = [f"{a} {end} (px)" for a in "zyx" for end in ("from", "to")]
    assert [tower[side] for side in sides] == [0, 3, 1, 3, 1, 3]
    assert [two[side] for side in sides] == [0, 3, 3, 4, 5, 7]
    assert tower["equivalent diameter (px)"] == pytest.approx((48 / np.pi) ** (1 / 3))
    assert tower["volume (µm³)"] == 8 * 2 * 0.5 * 0.25
    assert [tower[f"centroid {a} (µm)"] for a in "zyx"] == [6, 0.625, 1.375]
    assert tower["equivalent diameter (µm)"] == pytest.approx((12 / np.pi) ** (1 / 3))
    values = [10] * 2 + [11] * 4 + [12] * 2
    assert tower["grey mean"] == np.mean(values)
    assert (tower["grey min"], tower["grey max"]) == (10, 12)
    assert tower["grey std"] == pytest.approx(np.std(values))
    assert tower["touches border"] is True  # the first slice


def test_the_border_is_that_of_the_volume() -> None:
    labels = np.zeros((4, 6, 6), np.uint8)
    labels[1:3, 2:4, 2:4] = 1
    labels[1:3, 0, 5] = 2
    labels[2:, 5, 2] = 3
    labels[0, 3, 5] = 4
    stack = Stack("s", labels, "zyx")
    assert measure(labels, stack, linked=True).columns["touches border"].tolist() == [
        False, True, True, True,
    ]  # fmt: skip
    in_the_last = np.roll(labels == 1, 1, axis=0).astype(np.uint8)
    assert measure(in_the_last, stack, linked=True).columns["touches border"].tolist() == [True]
    shut_in = np.pad(labels, 1)
    found = measure(shut_in, Stack("s", shut_in, "zyx"), linked=True)
    assert not found.columns["touches border"].any()


def test_class_and_sureness_are_of_all_voxels() -> None:
    """In two of three slices it is rather a cell, in the first for certain a nucleus."""
    labels = np.zeros((3, 1, 2), np.uint8)
    labels[:, 0, 0] = 1
    maker = TableMaker(Stack("s", labels, "zyx"), ("background", "nucleus", "cell"), linked=True)
    for i, values in enumerate(([0, 1, 0], [0.2, 0.35, 0.45], [0.2, 0.35, 0.45])):
        maker.add(i, labels[i], np.array(values)[:, None, None] * np.ones((1, 1, 2)))
    assert maker.slices().columns["class"].tolist() == ["nucleus", "cell", "cell"]
    table = maker.table()
    assert table.columns["class"].tolist() == ["nucleus"]
    assert table.columns["mean probability"] == pytest.approx([(1 + 0.8 + 0.8) / 3])
    assert table.columns["certainty"] == pytest.approx([(1 + 0.1 + 0.1) / 3])


def test_ids_begin_anew_at_every_time() -> None:
    labels = np.stack([scene(), np.where(scene() == 9, 0, scene())])
    table = measure(labels, Stack("s", labels, "tzyx"), linked=True)
    assert table.columns["t"].tolist() == [0, 0, 1]
    assert table.columns["id"].tolist() == [5, 9, 5]
    assert table.columns["volume (px)"].tolist() == [8, 2, 8]
    several = np.stack([labels, labels[::-1]])  # positions of a plate
    table = measure(several, Stack("s", several, "ptzyx"), linked=True)
    places = np.stack([table.columns[name] for name in ("p", "t", "id")], axis=1)
    assert places.tolist() == [[0, 0, 5], [0, 0, 9], [0, 1, 5], [1, 0, 5], [1, 1, 5], [1, 1, 9]]
    assert "z" not in table.columns


def test_through_time_an_object_has_a_row_in_every_frame() -> None:
    labels = scene()
    table = measure(labels, Stack("s", labels, "tyx"), linked=True)
    assert table.columns["t"].tolist() == [0, 0, 1, 2, 2]
    assert table.columns["id"].tolist() == [5, 9, 5, 5, 9]
    assert table.columns["area (px)"].tolist() == [2, 1, 4, 2, 1]
    assert table.summary == "2 objects, 1 to 2 a slice"
    assert measure(labels, Stack("s", labels, "tyx")).count == 5


def test_units_of_z_that_differ() -> None:
    """A micrometre in z beside nanometres, or pixels beside them."""
    labels = scene()
    nano = ("micrometer", "nanometer", "nanometer")
    table = measure(labels, Stack("s", labels, "zyx", scale=(0.05, 4, 4), units=nano), linked=True)
    assert row(table, 5)["volume (nm³)"] == pytest.approx(8 * 50 * 4 * 4)
    mixed = ("micrometer", "micrometer", "nanometer")
    sizes = {"scale": (0.05, 0.5, 4), "translate": (1, 0.25, 8), "units": mixed}
    tower = row(measure(labels, Stack("s", labels, "zyx", **sizes), linked=True), 5)
    assert tower["volume (nm³)"] == pytest.approx(8 * 50 * 500 * 4)
    centre = [tower[f"centroid {a} (nm)"] for a in "zyx"]
    assert centre == pytest.approx([1000 + 50, 250 + 1.25 * 500, 8 + 1.5 * 4])
    assert not [name for name in tower if "µm" in name]
    unknown = ("pixel", "nanometer", "nanometer")
    table = measure(labels, Stack("s", labels, "zyx", units=unknown), linked=True)
    assert not [name for name in table.columns if "nm" in name]
    table = measure(labels, Stack("s", labels, "zyx", scale=(3, 1, 1)), linked=True)
    assert {name.split("(")[1] for name in table.columns if "(" in name} == {"px)"}


def test_nothing_found() -> None:
    labels = np.zeros((2, 3, 4), np.uint8)
    table = measure(labels, Stack("s", labels, "zyx"), linked=True)
    assert len(table) == table.count == 0
    assert "volume (px)" in table.columns
    assert table.summary == "0 objects, 0 a slice"


def test_equal_to_scikit_image() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 9, (6, 20, 25)) * (rng.random((6, 20, 25)) < 0.5)
    image = rng.normal(1e4, 30, (6, 2, 20, 25))
    stack = Stack("s", image, "zcyx", channel_names=("actin", "DNA"))
    names = {
        "volume (px)": "area",
        "equivalent diameter (px)": "equivalent_diameter_area",
        **{f"centroid {a} (px)": f"centroid-{k}" for k, a in enumerate("zyx")},
        **{f"{a} from (px)": f"bbox-{k}" for k, a in enumerate("zyx")},
        **{f"{a} to (px)": f"bbox-{k + 3}" for k, a in enumerate("zyx")},
        **{
            f"{channel} {ours}": f"intensity_{theirs}-{k}"
            for k, channel in enumerate(("actin", "DNA"))
            for ours, theirs in (("mean", "mean"), ("min", "min"), ("max", "max"), ("std", "std"))
        },
    }
    asked = sorted({name.split("-")[0] for name in names.values()})
    expected = regionprops_table(labels, np.moveaxis(image, 1, -1), properties=asked)
    table = measure(labels, stack, linked=True)
    for ours, theirs in names.items():
        np.testing.assert_allclose(table.columns[ours], expected[theirs], rtol=1e-5, err_msg=ours)
