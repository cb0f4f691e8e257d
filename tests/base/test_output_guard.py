"""Nothing that is read is ever written over, whatever it is called."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
import tifffile

from napari_unet.base.errors import InputError
from napari_unet.base.output_guard import SOFTWARE, check_output_file, check_output_folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an image alone, a folder of slices, a zarr store and links to them."""
    (tmp_path / "slices").mkdir()
    (tmp_path / "store.zarr" / "0").mkdir(parents=True)
    (tmp_path / "store.zarr" / "zarr.json").write_text("{}")
    (tmp_path / "store.zarr" / "0" / "c.tif").write_bytes(b"chunk")
    for name in ("raw.tif", "slices/a.tif", "slices/b.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((4, 4), np.uint8))
    (tmp_path / "link.tif").symlink_to("raw.tif")
    (tmp_path / "linked").symlink_to("slices", target_is_directory=True)
    os.link(tmp_path / "raw.tif", tmp_path / "twin.tif")
    os.link(tmp_path / "slices" / "a.tif", tmp_path / "a twin.tif")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("output", "read"),
    [
        ("raw.tif", "raw.tif"),
        ("./slices/../raw.tif", "raw.tif"),
        ("new/../raw.tif", "raw.tif"),
        ("new/../slices/a.tif", "slices"),
        ("{}/raw.tif", "raw.tif"),
        ("raw.tif", "{}/raw.tif"),
        ("link.tif", "raw.tif"),
        ("raw.tif", "link.tif"),
        ("twin.tif", "raw.tif"),
        ("slices/a.tif", "slices"),
        ("linked/a.tif", "slices"),
        ("slices/a.tif", "linked"),
        ("a twin.tif", "slices"),
        ("store.zarr/0/c.tif", "store.zarr"),
        ("store.zarr/new.tif", "store.zarr"),
    ],
)
def test_what_is_read_is_never_replaced(place, output, read, overwrite):
    output, read = output.format(place), read.format(place)
    with pytest.raises(InputError, match="give the result another name"):
        check_output_file(output, ["isbi2012-em", None, read], overwrite=overwrite)


def test_a_file_of_a_person_needs_a_word(place):
    with pytest.raises(InputError, match=re.escape("was not written by napari-unet")) as error:
        check_output_file("twin.tif", ["slices"])
    assert "--overwrite" in str(error.value)
    assert check_output_file("twin.tif", ["slices"], overwrite=True).name == "twin.tif"
    (place / "empty.tif").touch()
    with pytest.raises(InputError, match="--overwrite"):
        check_output_file("empty.tif")


def test_a_file_of_ours_is_replaced_without_a_word(place):
    tifffile.imwrite("ours.tif", np.zeros((4, 4), np.uint8), software=SOFTWARE)
    check_output_file("ours.tif", ["raw.tif"])
    (place / "cells.csv").write_text("id,area\n1,5\n")
    check_output_file("cells.csv", ours=lambda file: file.read_text().startswith("id,area"))
    with pytest.raises(InputError, match="--overwrite"):
        check_output_file("cells.csv", ours=lambda file: file.read_text() == "")


def test_new_files_may_lie_anywhere(place):
    check_output_file("slices/new.tif", ["slices"])
    check_output_file("a/new/folder/new.tif", ["raw.tif"])
    assert not (place / "a").exists()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("slices", "is a folder; name a file in it"),
        ("raw.tif/out.tif", "choose another place"),
        ("x" * 300 + ".tif", "choose another place"),
        ("a\0b.tif", "choose another place"),
        ("/proc/out.tif", "choose another place"),
    ],
)
def test_a_place_that_cannot_be_written_is_found_at_once(place, output, said):
    with pytest.raises(InputError, match=said):
        check_output_file(output, ["raw.tif"])


def test_a_run_needs_a_folder_of_its_own(place):
    for folder in ("slices", "linked", "./slices/", "new/../slices", "store.zarr/0/run"):
        with pytest.raises(InputError, match="a folder of their own"):
            check_output_folder(folder, ["slices", "store.zarr", "isbi2012-em"])
    with pytest.raises(InputError, match=r"raw\.tif is a file"):
        check_output_folder("raw.tif", ["slices"])
    check_output_folder("slices/run", ["slices"])  # below it nothing is replaced
    check_output_folder("run", ["slices", "raw.tif"])
