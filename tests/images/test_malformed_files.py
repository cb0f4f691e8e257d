"""Malformed files end in one sentence that names them: no traceback, no hang, no full memory."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import zlib

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_unet.base.errors import DataSetError, UNetError
from napari_unet.images.files import open_image, read_labels

IMAGE = np.random.default_rng(0).integers(0, 200, (3, 20, 18), np.uint8)
FEW = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def read_every_way(path) -> None:
    """Whatever comes of it is pixels or one sentence."""
    for read in (
        open_image,
        read_labels,
        lambda path: open_image(path, lazy_above=0).image_plane(0),
    ):
        said = sentence(read, path)
        assert "\n" not in said
        assert said == "" or said.endswith(".")


def sentence(read, path) -> str:
    """What an error says; "" where there is none."""
    try:
        read(path)
    except UNetError as error:
        return str(error)
    return ""


def seeds(folder):
    grey = {"photometric": "minisblack"}
    tifffile.imwrite(folder / "plain.tif", IMAGE, **grey)
    tifffile.imwrite(folder / "zlib.tif", IMAGE, compression="zlib", **grey)
    tifffile.imwrite(folder / "tiles.tif", IMAGE, compression="lzw", tile=(16, 16), **grey)
    tifffile.imwrite(folder / "ome.tif", IMAGE, ome=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "ij.tif", IMAGE, imagej=True, metadata={"unit": "um", "axes": "ZYX"})
    for suffix in ("png", "jpg", "bmp", "webp"):
        Image.fromarray(IMAGE[0]).save(folder / f"a.{suffix}")
    np.save(folder / "a.npy", IMAGE)
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Cut off, or changed in a few places, most of them where the description is."""
    data = bytearray(content)
    if chance.random() < 0.2:
        return bytes(data[: chance.randrange(len(data))])
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        i = chance.randrange(min(len(data), 400) if chance.random() < 0.7 else len(data))
        if chance.random() < 0.6:
            data[i] = chance.randrange(256)
        else:
            value = chance.choice((0, 1, 255, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1))
            data[i : i + 4] = struct.pack(chance.choice("<>") + "I", value)
    return bytes(data)


@pytest.mark.parametrize("name", ["plain.tif", "zlib.tif", "tiles.tif", "ome.tif", "ij.tif"])
def test_mutated_tiffs(tmp_path, name):
    _mutate(tmp_path, name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.webp", "a.npy"])
def test_mutated_pictures_and_arrays(tmp_path, name):
    _mutate(tmp_path, name)


def _mutate(folder, name):
    content = seeds(folder)[name]

    @FEW
    @given(st.integers(0, 2**32))
    def run(seed):
        (folder / f"m-{name}").write_bytes(mutated(content, random.Random(seed)))
        read_every_way(folder / f"m-{name}")

    run()


# -- OME-Zarr metadata ----------------------------------------------------------------------

HOSTILE = (None, True, "", -1, 0, 1e308, float("nan"), 10**30, [], {}, [[]], "../../etc", "é⁵", 3.5)


def ome_zarr(path, version):
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": [2, 0.5, 0.5]}]
    described = {
        "multiscales": [
            {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
        ]
    }
    inner = group.create_group("labels")
    cells = inner.create_group("cells")
    named = {"labels": ["cells"]}
    for node, attributes in ((group, described), (inner, named), (cells, described)):
        node.attrs.update(attributes if version == "0.4" else {"ome": attributes})
    for node in (group, cells):
        node.create_array("0", data=IMAGE, chunks=(1, 10, 18))


def places(value, before=()):
    yield before
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*before, key))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_mutated_metadata_of_ome_zarr(tmp_path, version):
    ome_zarr(tmp_path / "seed.zarr", version)

    @FEW
    @given(st.integers(0, 2**32))
    def run(seed):
        chance, path = random.Random(seed), tmp_path / "m.zarr"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(tmp_path / "seed.zarr", path)
        names = ("zarr.json", ".zattrs", ".zarray", ".zgroup")
        file = chance.choice(sorted(p for p in path.rglob("*") if p.name in names))
        content = json.loads(file.read_text())
        every = [one for one in places(content) if one]
        if every:
            *outer, last = chance.choice(every)
            at = content
            for key in outer:
                at = at[key]
            at[last] = chance.choice(HOSTILE)
        file.write_text(json.dumps(content))
        assert "\n" not in sentence(read_planes, path)

    run()


def read_planes(path) -> None:
    stack = open_image(path)
    stack.image_plane(0)
    if stack.labels is not None:
        stack.label_plane(0)


# -- by hand --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".npy", ".bmp", ".webp"])
def test_files_that_are_none(tmp_path, suffix):
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / f"empty{suffix}").touch()
    (tmp_path / f"text{suffix}").write_text("no image")
    (tmp_path / f"link{suffix}").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / f"pipe{suffix}")
    for name, words in (
        ("empty", "cannot be read"),
        ("text", "cannot be read"),
        ("link", "a device or a pipe: choose a regular file"),
        ("pipe", "a device or a pipe: choose a regular file"),
        ("missing", "does not exist"),
        ("x" * 300, "cannot be opened|does not exist"),
        ("nul\0", "cannot be opened|does not exist"),
    ):
        for read in (open_image, read_labels):
            with pytest.raises(DataSetError, match=words) as caught:
                read(str(tmp_path / f"{name}{suffix}"))
            assert "\n" not in str(caught.value)


def test_npy_files_that_are_something_else(tmp_path):
    np.savez(tmp_path / "zip.npz", IMAGE)
    (tmp_path / "zip.npz").rename(tmp_path / "zip.npy")
    np.save(tmp_path / "pickle.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "long.npy", IMAGE)
    with (tmp_path / "long.npy").open("r+b") as stream:
        stream.truncate(200)
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    for name in ("zip", "pickle", "long", "text"):
        with pytest.raises(UNetError, match=rf"{name}|dtype <U1"):
            open_image(tmp_path / f"{name}.npy")


def test_sizes_are_looked_at_before_anything_is_read(tmp_path):
    """A header of a terabyte costs nothing."""
    header = np.lib.format.header_data_from_array_1_0(IMAGE) | {"shape": (10**6, 10**6)}
    with (tmp_path / "a.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
    Image.fromarray(IMAGE[0]).save(tmp_path / "a.png")
    png = bytearray((tmp_path / "a.png").read_bytes())
    png[16:24] = struct.pack(">II", 10_000, 5_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    (tmp_path / "a.png").write_bytes(png)
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0], photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
        for tag in ("ImageLength", "RowsPerStrip"):
            tif.pages[0].tags[tag].overwrite(60_000)
        tif.pages[0].tags["ImageWidth"].overwrite(60_000)
        tif.pages[0].tags["ImageDescription"].overwrite("")
    for name in ("a.npy", "a.png", "a.tif"):
        with pytest.raises(DataSetError, match=name):
            open_image(tmp_path / name)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_rights(tmp_path):
    (tmp_path / "a").mkdir(mode=0)
    with pytest.raises(DataSetError, match="cannot be opened"):
        open_image(tmp_path / "a")
