"""Tags that change the meaning or the place of pixels: a test per row of the table in `pixels`."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.base.units import METRES, SECONDS, SYMBOLS, canonical_unit, pixel_in_words, ratio
from napari_unet.images.files import open_image, read_labels

PLANE = np.add.outer(np.arange(24) * 9, np.arange(18)).astype(np.uint8)


# -- places ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_pictures_as_every_viewer_does(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if suffix == ".jpg" else {}
    options |= {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(PLANE).save(tmp_path / f"a{suffix}", exif=exif, **options)
    with Image.open(tmp_path / f"a{suffix}") as picture:
        seen = np.asarray(ImageOps.exif_transpose(picture))
    stack = open_image(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(stack.image, seen)
    assert stack.plane_shape == (seen.shape[0], seen.shape[1])
    assert any("Exif" in note for note in stack.notes) == (orientation != 1)
    mask = (seen if seen.ndim == 2 else seen[..., 0]) > 100
    Image.fromarray(mask).save(tmp_path / "mask.png")  # drawn as seen
    labelled = open_image(tmp_path / f"a{suffix}", tmp_path / "mask.png")
    np.testing.assert_array_equal(labelled.label_plane(0), mask)


def test_a_folder_of_photos_taken_both_ways(tmp_path):
    for k, orientation in enumerate((1, 6, 8)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        plane = PLANE if orientation == 1 else PLANE.T.copy()
        Image.fromarray(plane).save(tmp_path / f"{k}.png", exif=exif)
    assert open_image(tmp_path).image.shape == (3, 24, 18)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_orientation_is_said_and_not_followed(tmp_path, orientation):
    tags = [(274, "H", 1, orientation, False)]
    tifffile.imwrite(tmp_path / "a.tif", PLANE, extratags=tags)
    stack = open_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(stack.image, PLANE)
    assert any("orientation" in note for note in stack.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_labels_tell_whether_a_tiff_was_turned(tmp_path, orientation):
    tags = [(274, "H", 1, orientation, False)]
    tifffile.imwrite(tmp_path / "a.tif", PLANE, extratags=tags)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(PLANE)
    picture.getexif()[0x0112] = orientation
    seen = np.asarray(ImageOps.exif_transpose(picture))
    for drawn, image in ((PLANE > 100, PLANE), (seen > 100, seen)):
        Image.fromarray(drawn).save(tmp_path / "mask.png")
        stack = open_image(tmp_path / "a.tif", tmp_path / "mask.png")
        np.testing.assert_array_equal(stack.image_plane(0)[0], image)
        np.testing.assert_array_equal(stack.label_plane(0), drawn)


# -- values ---------------------------------------------------------------------------------


def test_white_as_zero_keeps_its_values_and_is_said(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PLANE, photometric="miniswhite")
    stack = open_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(stack.image, PLANE)
    assert "0 as white" in stack.notes[0]


def test_an_imagej_mask_with_its_inverted_table_is_no_news(tmp_path):
    mask = (PLANE > 100).astype(np.uint8) * 255
    tifffile.imwrite(tmp_path / "a.tif", mask, imagej=True, photometric="miniswhite")
    read = read_labels(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.array, mask)
    assert read.notes == ()


def test_both_meanings_of_zero_in_one_folder_are_refused(tmp_path):
    for k, photometric in enumerate(("minisblack", "miniswhite")):
        tifffile.imwrite(tmp_path / f"{k}.tif", PLANE, photometric=photometric)
    with pytest.raises(DataSetError, match=r"1\.tif is uint8, 0 is white, but 0\.tif is uint8"):
        open_image(tmp_path)


def tiff_of_bits(rows: list[bytes], width: int, fill_order: int) -> bytes:
    """A bilevel TIFF, written by hand."""
    pixels = b"".join(rows)
    entries = [
        (256, 3, 1, width),
        (257, 3, 1, len(rows)),
        (258, 3, 1, 1),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (266, 3, 1, fill_order),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 3, 1, len(rows)),
        (279, 4, 1, len(pixels)),
    ]
    ifd = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        ifd += struct.pack("<HHI", tag, kind, count)
        ifd += struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + ifd + b"\0\0\0\0"


def test_bits_of_either_fill_order(tmp_path):
    bits = np.random.default_rng(0).random((16, 24)) > 0.5
    for order, name in ((1, "big"), (2, "little")):
        rows = [np.packbits(row, bitorder=name).tobytes() for row in bits]
        (tmp_path / "a.tif").write_bytes(tiff_of_bits(rows, 24, order))
        np.testing.assert_array_equal(read_labels(tmp_path / "a.tif").array, bits)
        np.testing.assert_array_equal(open_image(tmp_path / "a.tif").image, bits)


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_sample_formats_keep_their_values(tmp_path, dtype, order):
    array = PLANE.astype(dtype) // 2
    tifffile.imwrite(tmp_path / "a.tif", array, byteorder=order)
    stack = open_image(tmp_path / "a.tif")
    assert stack.dtype.newbyteorder("=") == np.dtype(dtype)
    np.testing.assert_array_equal(stack.image, array)
    lazy = open_image(tmp_path / "a.tif", lazy_above=0)
    np.testing.assert_array_equal(lazy.image_plane(0)[0], array)


def write_packed(path, array, bits):
    """Write one strip of samples bit after bit, the highest first; each row begins a byte."""
    places = np.arange(bits - 1, -1, -1)
    packed = np.packbits((array[..., None] >> places & 1).reshape(len(array), -1), axis=1).tobytes()
    tags = {256: array.shape[1], 257: array.shape[0], 258: bits, 259: 1, 262: 1, 273: 8, 277: 1}
    tags |= {278: array.shape[0], 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    end = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + end)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits_are_unpacked(tmp_path, bits):
    array = PLANE.astype(np.uint16) << (bits - 8)
    write_packed(tmp_path / "a.tif", array, bits)
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").image, array)


def test_complex_samples_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PLANE.astype(np.complex64))
    with pytest.raises(InputError, match="real numbers, got dtype complex64"):
        open_image(tmp_path / "a.tif")


def test_the_indices_of_a_tiff_palette_are_the_data(tmp_path):
    table = np.random.default_rng(0).integers(0, 2**16, (3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", PLANE, photometric="palette", colormap=table)
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").image, PLANE)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif").array, PLANE)


def test_a_tiff_of_inks_is_taken_as_stored_and_said(tmp_path):
    inks = np.random.default_rng(0).integers(0, 255, (20, 18, 4), np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "inks.tif")
    stack = open_image(tmp_path / "inks.tif")
    np.testing.assert_array_equal(stack.image, inks)
    assert "inks.tif is stored as inks (CMYK): its channels are taken as stored." in stack.notes


def test_cmyk_is_shown_in_red_green_blue(tmp_path):
    Image.fromarray(PLANE).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    stack = open_image(tmp_path / "a.jpg")
    assert (stack.axes, stack.channels) == ("yxc", 3)
    assert np.abs(stack.image[..., 0].astype(int) - PLANE).max() < 12


# -- units ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spellings", "name"),
    [
        ("µm,μm,um,UM,micron,Microns,micra,micrometer,micrometers,micrometre,Micrometres", 0),
        ("nm,NM,nanometer,nanometers,nanometre", 1),
        ("Å,å,Å,angstrom,Angstroms,ångström", 2),
        ("px,pixel,Pixels,voxel,voxels,", 3),
        ("s,sec,second,Seconds", 4),
        ("min,minute,minutes", 5),
        ('in,inch,inches,"', 6),
    ],
)
def test_a_unit_has_one_name(spellings, name):
    names = ("micrometer", "nanometer", "angstrom", "pixel", "second", "minute", "inch")
    assert {canonical_unit(one) for one in spellings.split(",")} == {names[name]}


@pytest.mark.parametrize("unit", ["reference frame", "furlong", "kg", "µ m²", "meter per second"])
def test_what_is_no_unit_has_none(unit):
    assert canonical_unit(unit) is None


@given(st.text(max_size=12))
def test_any_text_is_a_unit_or_none(text):
    found = canonical_unit(text)
    assert found is None or found in (*METRES, *SECONDS, "pixel")


def test_units_are_compared_by_what_they_are():
    assert ratio("mm", "micrometers") == pytest.approx(1000)
    assert ratio("voxel", "px") == 1
    assert ratio("µm", "s") is None
    assert all(canonical_unit(symbol) == name for name, symbol in SYMBOLS.items())


UNKNOWN = ["reference frame", "furlong", "voxels per inch"]


@pytest.mark.parametrize("unit", [*UNKNOWN, "voxel", "micra", "micrometers", "Å"])
@pytest.mark.parametrize("kind", ["ome", "imagej", "zarr", "ours"])
def test_a_unit_that_nobody_knows_becomes_pixel_and_is_said(tmp_path, kind, unit):
    import zarr

    file = tmp_path / "a.tif"
    if kind == "ome":
        sizes = {f"PhysicalSize{a}": 0.5 for a in "XY"} | {
            f"PhysicalSize{a}Unit": unit for a in "XY"
        }
        tifffile.imwrite(file, PLANE, ome=True, metadata={"axes": "YX", **sizes})
    elif kind == "imagej":
        tifffile.imwrite(
            file, PLANE, imagej=True, resolution=(2, 2), metadata={"unit": unit.replace("Å", "A")}
        )
    elif kind == "ours":
        metadata = {"axes": "YX", "scale": [0.5, 0.5], "translate": [0, 0], "units": [unit] * 2}
        tifffile.imwrite(file, PLANE, metadata=metadata)
    else:
        file = tmp_path / "a.zarr"
        group = zarr.open_group(file, mode="w", zarr_format=2)
        group.create_array("0", data=PLANE, chunks=(8, 8))
        group.attrs["multiscales"] = [
            {
                "axes": [{"name": a, "type": "space", "unit": unit} for a in "yx"],
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}],
                    }
                ],
            }
        ]
    stack = open_image(file)
    known = canonical_unit(unit)
    assert stack.units == (known or "pixel",) * 2
    assert any(unit in note for note in stack.notes) == (known is None)
    if known or kind == "zarr":
        assert stack.pixel_size == (0.5, 0.5)


@pytest.mark.parametrize("size", ["nan", "-1", "0", "1e999", "a", ""])
def test_sizes_that_cannot_be_are_said_and_1(tmp_path, size):
    tifffile.imwrite(
        tmp_path / "a.tif", PLANE, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.123}
    )
    content = (tmp_path / "a.tif").read_bytes()
    old = b'PhysicalSizeX="0.123"'
    new = f'PhysicalSizeX="{size}"'.encode()
    assert old in content
    (tmp_path / "a.tif").write_bytes(content.replace(old, new + b" " * (len(old) - len(new))))
    stack = open_image(tmp_path / "a.tif")
    assert stack.pixel_size == (1, 1)
    assert any("cannot be" in note for note in stack.notes)


@pytest.mark.parametrize(
    ("sides", "unit", "said"),
    [
        ((0.5, 0.5), "micrometer", "0.5 µm"),
        ((0.5, 0.25), "micrometer", "0.5 × 0.25 µm"),
        ((1.0, 1.0), "pixel", "1 pixel"),
        ((2.0, 3.0), "parsec", "2 × 3 parsec"),
    ],
)
def test_both_sides_of_a_pixel_are_said_where_they_differ(sides, unit, said):
    assert pixel_in_words(sides, unit) == said
