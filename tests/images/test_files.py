"""Files and folders open with their axes and sizes; damaged ones say which and what to do."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import DataSetError, InputError
from napari_unet.images.files import open_image, read_labels, write_labels
from napari_unet.images.ome_zarr import open_zarr
from napari_unet.images.pairing import pair_by_name
from napari_unet.images.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {"t": 2, "z": 3, "c": 2, "y": 20, "x": 18}
OBJECTS = LabelScheme()
GREY = {"photometric": "minisblack"}


def values(axes: str, dtype: str = "uint8") -> np.ndarray:
    shape = tuple(SIZES[a] for a in axes)
    noise = np.random.default_rng(len(axes)).integers(0, 120, shape)
    return noise.astype(dtype)


def all_planes(stack: Stack) -> np.ndarray:
    return np.stack([stack.image_plane(i) for i in range(stack.n_slices)])


def expected_planes(array: np.ndarray, axes: str) -> np.ndarray:
    names = [a for a in axes if a not in "cyx"]
    if "c" not in axes:
        array, axes = array[None], "c" + axes
    ordered = array.transpose([axes.index(a) for a in (*names, *"cyx")])
    return ordered.reshape(-1, *ordered.shape[-3:])


# -- TIFF -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lazy_above", [2**30, 0])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64", "uint32"])
@pytest.mark.parametrize("axes", ["yx", "zyx", "tzyx", "tzcyx", "cyx", "zcyx"])
def test_ome_tiff_of_any_axes_and_dtype(tmp_path, axes, dtype, lazy_above):
    array = values(axes, dtype)
    file = tmp_path / "a.ome.tif"
    tifffile.imwrite(file, array, ome=True, metadata={"axes": axes.upper()}, compression="zlib")
    stack = open_image(file, lazy_above=lazy_above)
    assert (stack.name, stack.axes) == ("a", axes)
    assert isinstance(stack.image, np.ndarray) == (lazy_above > 0)
    np.testing.assert_array_equal(all_planes(stack), expected_planes(array, axes))


@pytest.mark.parametrize(
    "compression",
    [None, "lzw", "zlib", "packbits", "zstd", "lzma", "jpeg2000", "webp", "lerc", "png", "jpegxl"],
)
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_every_lossless_compression(tmp_path, compression, tile):
    array = values("zyx")
    options = {"compressionargs": {"lossless": True}} if compression in ("webp", "jpegxl") else {}
    options |= GREY
    if compression == "webp":
        array = np.repeat(array[..., None], 3, -1)
        options["photometric"] = "rgb"
    try:
        tifffile.imwrite(tmp_path / "a.tif", array, compression=compression, tile=tile, **options)
    except (ValueError, RuntimeError) as error:
        pytest.skip(f"this imagecodecs cannot write {compression}: {error}")
    for lazy_above in (2**30, 0):
        stack = open_image(tmp_path / "a.tif", lazy_above=lazy_above)
        planes = expected_planes(array, "zyxc" if array.ndim == 4 else "zyx")
        np.testing.assert_array_equal(all_planes(stack), planes)


def test_plain_pages_are_slices(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in values("zyx"):
            writer.write(page, metadata=None, contiguous=False)
    assert open_image(tmp_path / "a.tif").axes == "zyx"
    assert open_image(tmp_path / "a.tif", axes="tyx").axes == "tyx"


def test_colour_is_channels_last(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values("zyx")[..., None].repeat(3, -1), photometric="rgb")
    stack = open_image(tmp_path / "a.tif")
    assert (stack.axes, stack.channels) == ("zyxc", 3)


def test_imagej_sizes_and_units(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        values("tzyx"),
        imagej=True,
        resolution=(5, 4),
        metadata={"axes": "TZYX", "spacing": 2.5, "unit": "um", "finterval": 60.0},
    )
    stack = open_image(tmp_path / "a.tif")
    assert stack.scale == pytest.approx((60, 2.5, 0.25, 0.2))
    assert stack.units == ("second", "micrometer", "micrometer", "micrometer")


def test_imagej_names_a_unit_for_each_axis_where_they_differ(tmp_path):
    """As Fiji's Properties write it: a frame a quarter of an hour, z in nanometers."""
    units = {"unit": "um", "yunit": "mm", "zunit": "nm", "tunit": "min"}
    metadata = {"axes": "TZYX", "spacing": 300.0, "finterval": 15.0, "zorigin": 2.0, **units}
    array = values("tzyx")
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, resolution=(5, 4), metadata=metadata)
    stack = open_image(tmp_path / "a.tif")
    assert stack.scale == pytest.approx((15, 300, 0.25, 0.2))
    assert stack.units == ("minute", "nanometer", "millimeter", "micrometer")
    assert stack.translate[1] == -600
    tifffile.imwrite(
        tmp_path / "b.tif", array, imagej=True, metadata=metadata | {"tunit": "frames"}
    )
    stack = open_image(tmp_path / "b.tif")
    assert (stack.scale[0], stack.units[0]) == (1, "pixel")
    assert "'frames' is not known" in stack.notes[0]


def test_ome_sizes_units_and_channels(tmp_path):
    metadata = {"axes": "ZCYX", "PhysicalSizeX": 4.0, "PhysicalSizeXUnit": "nm"}
    metadata |= {"PhysicalSizeY": 5.0, "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 0.05}
    metadata |= {"Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", values("zcyx"), ome=True, metadata=metadata)
    stack = open_image(tmp_path / "a.ome.tif")
    assert stack.scale == (0.05, 5, 4)
    assert stack.units == ("micrometer", "nanometer", "nanometer")
    assert stack.channel_names == ("DAPI", "GFP")


def test_ome_says_what_it_says_of_each_image_and_no_more(tmp_path):
    """Nothing, or that a pixel of the second image has 2 mm; one name of three samples is none."""
    array = values("zyx")
    tifffile.imwrite(tmp_path / "a.ome.tif", array, ome=True, metadata={"axes": "ZYX"})
    plain = open_image(tmp_path / "a.ome.tif")
    assert (plain.scale, plain.units) == ((1, 1, 1), ("pixel",) * 3)
    with tifffile.TiffWriter(tmp_path / "b.ome.tif") as tif:
        for size in (1.0, 2.0):
            sizes = {f"PhysicalSize{a}": size for a in "XY"}
            units = {f"PhysicalSize{a}Unit": "mm" for a in "XY"}
            tif.write(array, metadata={"axes": "ZYX", **sizes, **units})
    for series, size in ((0, 1), (1, 2)):
        found = open_image(tmp_path / "b.ome.tif", series=series)
        assert (found.scale, found.units[1:]) == ((1, size, size), ("millimeter",) * 2)
    colour = np.zeros((20, 30, 3), np.uint8)
    tifffile.imwrite(
        tmp_path / "c.ome.tif", colour, photometric="rgb", metadata={"Channel": {"Name": ["H&E"]}}
    )
    found = open_image(tmp_path / "c.ome.tif")
    assert (found.channels, found.channel_names) == (3, ())


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_labels_of_a_part_lie_where_the_part_lies(tmp_path, suffix):
    stack = Stack(
        "s", np.zeros((2, 20, 30), np.uint8), "zyx",
        scale=(3, 0.5, 0.25), translate=(6, 10, -20), units=("micrometer",) * 3,
    )  # fmt: skip
    part = np.ones((2, 5, 8), np.uint8)
    path = write_labels(tmp_path / f"part{suffix}", part, stack, region=(4, 9, 12, 20))
    read = open_image(path)
    assert read.scale == pytest.approx((3, 0.5, 0.25))
    assert read.translate == pytest.approx((6, 10 + 4 * 0.5, -20 + 12 * 0.25))


def test_resolution_tags_of_a_microscope_but_not_of_a_printer(tmp_path):
    array = values("yx")
    tifffile.imwrite(
        tmp_path / "a.tif", array, resolution=(50_000, 50_000), resolutionunit="CENTIMETER"
    )
    assert open_image(tmp_path / "a.tif").scale == (0.2, 0.2)
    tifffile.imwrite(tmp_path / "b.tif", array, resolution=(300, 300), resolutionunit="INCH")
    assert open_image(tmp_path / "b.tif").units == ("pixel", "pixel")


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["plain", "lzw", "imagej", "ome", "pages"])
@pytest.mark.parametrize("lazy_above", [2**30, 0])
def test_a_truncated_tiff_is_an_error_and_never_fewer_slices(tmp_path, kind, fraction, lazy_above):
    array = values("tzyx")
    file = tmp_path / "a.tif"
    if kind == "pages":
        with tifffile.TiffWriter(file) as writer:
            for page in array.reshape(-1, 20, 18):
                writer.write(page, metadata=None, contiguous=False, compression="lzw")
    else:
        options = {"plain": {}, "lzw": {"compression": "lzw"}}.get(kind, {kind: True})
        tifffile.imwrite(file, array, metadata={"axes": "TZYX"}, **options, **GREY)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * fraction)])
    try:
        stack = open_image(file, lazy_above=lazy_above)
    except DataSetError as error:
        if "a.tif" not in str(error):
            raise
    else:  # what was cut off were only the later pages' descriptions, which tifffile can do without
        assert fraction >= 0.9
        np.testing.assert_array_equal(all_planes(stack), expected_planes(array, "tzyx"))


def test_what_is_no_tiff_or_missing(tmp_path):
    (tmp_path / "a.tif").write_text("no image")
    for name in ("a.tif", "b.tif", "b.png"):
        with pytest.raises(DataSetError, match=name):
            open_image(tmp_path / name)
    (tmp_path / "a.docx").write_text("no image")
    with pytest.raises(DataSetError, match=r"a\.docx"):
        open_image(tmp_path / "a.docx")


# -- pictures and series --------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".npy"])
def test_a_folder_is_a_stack_in_natural_order(tmp_path, suffix):
    for k in range(12):
        plane = np.full((20, 18), k, np.uint8)
        if suffix == ".npy":
            np.save(tmp_path / f"s{k}.npy", plane)
        elif suffix == ".tif":
            tifffile.imwrite(tmp_path / f"s{k}.tif", plane)
        else:
            Image.fromarray(plane).save(tmp_path / f"s{k}{suffix}")
    for lazy_above in (2**30, 0):
        stack = open_image(tmp_path, lazy_above=lazy_above)
        assert (stack.axes, stack.name) == ("zyx", tmp_path.name)
        assert all_planes(stack)[:, 0, 0, 0].tolist() == list(range(12))


def test_folders_that_are_no_series(tmp_path):
    with pytest.raises(DataSetError, match="there is none"):
        open_image(tmp_path)
    Image.fromarray(values("yx")).save(tmp_path / "0.png")
    Image.fromarray(values("yx")[:9]).save(tmp_path / "1.png")
    with pytest.raises(DataSetError, match=r"several sizes \(20 × 18, 9 × 18\)"):
        open_image(tmp_path)
    tifffile.imwrite(tmp_path / "1.tif", values("yx"))
    with pytest.raises(DataSetError, match=r"\.png, \.tif"):
        open_image(tmp_path)


def test_palettes_are_colours_for_images_and_numbers_for_labels(tmp_path):
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "L").convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.putdata([0, 1, 2, 1])
    picture.save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png").image.shape == (2, 2, 3)
    assert read_labels(tmp_path / "a.png").array.tolist() == [[0, 1], [2, 1]]


def test_labels_saved_as_grey_colour(tmp_path):
    grey = values("yx")[..., None].repeat(3, -1)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png").array, grey[..., 0])
    grey[0, 0, 1] += 1
    Image.fromarray(grey).save(tmp_path / "a.png")
    with pytest.raises(DataSetError, match="colour picture"):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colour_pngs_of_16_bits_keep_them(tmp_path, channels):
    deep = np.random.default_rng(0).integers(0, 65536, (18, 17, channels), np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    stack = open_image(tmp_path / "a.png")
    assert stack.axes == "yxc"
    np.testing.assert_array_equal(stack.image, deep)
    broken = (tmp_path / "a.png").read_bytes()[:300]
    (tmp_path / "a.png").write_bytes(broken)
    with pytest.raises(DataSetError, match=r"a\.png cannot be read"):
        open_image(tmp_path / "a.png")


def test_a_series_of_several_dtypes_is_refused(tmp_path):
    for k, dtype in enumerate((np.uint8, np.uint16)):
        tifffile.imwrite(tmp_path / f"{k}.tif", values("yx").astype(dtype))
    with pytest.raises(DataSetError, match=r"1\.tif is uint16, but 0\.tif is uint8"):
        open_image(tmp_path)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_mask_saved_as_jpeg_is_a_mask_again(tmp_path, mode):
    mask = np.zeros((48, 64), np.uint8)
    mask[8:24, 8:40] = mask[32:44, 30:60] = 255
    Image.fromarray(np.random.default_rng(0).integers(0, 255, mask.shape, np.uint8)).save(
        tmp_path / "image.png"
    )
    Image.fromarray(mask).convert(mode).save(tmp_path / "mask.jpg", quality=75)
    assert len(np.unique(open_image(tmp_path / "mask.jpg").image)) > 2
    stack = open_image(tmp_path / "image.png", tmp_path / "mask.jpg")
    assert (stack.scheme.kind, stack.scheme.values) == ("classes", (0, 255))
    np.testing.assert_array_equal(stack.labels, mask)


def test_other_labels_saved_as_jpeg_are_refused(tmp_path):
    Image.fromarray(values("yx")).save(tmp_path / "image.png")
    objects = np.kron(np.arange(0, 120, 20, np.uint8).reshape(2, 3), np.ones((9, 6), np.uint8))
    Image.fromarray(objects[:, :17]).save(tmp_path / "labels.jpg")
    with pytest.raises(DataSetError, match=r"labels\.jpg cannot hold labels, because JPEG"):
        open_image(tmp_path / "image.png", tmp_path / "labels.jpg")


def test_a_truncated_picture(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(values("yx")).save(file)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataSetError, match=r"a\.png"):
        open_image(file)


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataSetError, match=r"a\.npy"):
        open_image(tmp_path / "a.npy")


# -- OME-Zarr -------------------------------------------------------------------------------


def write_ome_zarr(path: Path, array: np.ndarray, axes: str, version: str, labels=None) -> Path:
    """Two levels; level 1 is every second pixel of the plane."""
    types = {"t": "time", "c": "channel"}
    described = [{"name": a, "type": types.get(a, "space")} for a in axes]
    for one in described:
        if one["type"] == "space":
            one["unit"] = "nanometer"
    scale = [{"z": 50.0, "y": 4.0, "x": 4.0}.get(a, 1.0) for a in axes]
    half = [s * 2 if a in "yx" else s for s, a in zip(scale, axes)]
    multiscale = {
        "axes": described,
        "datasets": [
            {
                "path": str(k),
                "coordinateTransformations": [
                    {"type": "scale", "scale": s},
                    {"type": "translation", "translation": [10.0] * len(axes)},
                ],
            }
            for k, s in enumerate((scale, half))
        ],
    }
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    write_levels(group, array, axes, multiscale, version)
    if labels is not None:
        inner = group.create_group("labels")
        put(inner, {"labels": ["cells"]}, version)
        plain = {**multiscale, "axes": [a for a in described if a["name"] != "c"]}
        for one in plain["datasets"]:
            one["coordinateTransformations"] = []
        write_levels(inner.create_group("cells"), labels, axes.replace("c", ""), plain, version)
    return path


def write_levels(group, array, axes, multiscale, version):
    small = array[tuple(slice(None, None, 2 if a in "yx" else 1) for a in axes)]
    for k, level in enumerate((array, small)):
        chunks = tuple(8 if a in "yx" else 1 for a in axes)
        group.create_array(str(k), data=np.ascontiguousarray(level), chunks=chunks)
    put(group, {"multiscales": [multiscale]}, version)


def put(group, attributes, version):
    group.attrs.update(
        attributes if version == "0.4" else {"ome": {**attributes, "version": "0.5"}}
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["yx", "zyx", "czyx", "tczyx"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_ome_zarr(tmp_path, version, axes, dtype):
    array = values(axes, dtype)
    stack = open_image(write_ome_zarr(tmp_path / "a.ome.zarr", array, axes, version))
    assert isinstance(stack.image, zarr.Array)
    assert (stack.name, stack.axes) == ("a", axes)
    np.testing.assert_array_equal(all_planes(stack), expected_planes(array, axes))
    assert stack.pixel_size == (4, 4)
    assert stack.units[-1] == "nanometer"
    assert stack.translate[-1] == 10
    half = open_image(tmp_path / "a.ome.zarr", level=1)
    assert half.pixel_size == (8, 8)
    assert half.plane_shape == (10, 9)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_inside_ome_zarr(tmp_path, version):
    labels = np.repeat(np.repeat(values("zyx", "uint16")[:, ::4, ::4], 4, 1), 4, 2)
    labels = labels[:, : SIZES["y"], : SIZES["x"]]
    path = write_ome_zarr(tmp_path / "a.zarr", values("czyx"), "czyx", version, labels)
    stack = open_zarr(path)
    np.testing.assert_array_equal(stack.label_plane(1), labels[1])
    assert open_zarr(path, labels="cells").labels is not None
    with pytest.raises(DataSetError, match="has the labels cells"):
        open_zarr(path, labels="nuclei")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_zarr_without_its_array(tmp_path, version):
    path = write_ome_zarr(tmp_path / "a.zarr", values("zyx"), "zyx", version)
    shutil.rmtree(path / "0")
    with pytest.raises(DataSetError, match=r"names '0' in its metadata"):
        open_image(path)


def test_zarr_that_is_none(tmp_path):
    with pytest.raises(DataSetError, match=r"a\.zarr does not exist"):
        open_zarr(tmp_path / "a.zarr")
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "zarr.json").write_text("{")
    with pytest.raises(DataSetError, match=r"b\.zarr"):
        open_image(tmp_path / "b.zarr")
    zarr.open_group(tmp_path / "c.zarr", mode="w").attrs["plate"] = {}
    with pytest.raises(DataSetError, match="is a plate"):
        open_image(tmp_path / "c.zarr")
    path = write_ome_zarr(tmp_path / "d.zarr", values("zyx"), "zyx", "0.5")
    with pytest.raises(InputError, match="0 … 1"):
        open_image(path, level=2)


def test_an_empty_zarr_folder_is_called_that(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(DataSetError, match=r"a\.zarr cannot be read as zarr"):
        open_image(tmp_path / "a.zarr")


def test_a_bare_zarr_array(tmp_path):
    zarr.save_array(str(tmp_path / "a.zarr"), values("zyx"))
    assert open_image(tmp_path / "a.zarr").axes == "zyx"


@pytest.fixture
def web(tmp_path):
    """Address of a server of ``tmp_path`` on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_over_http(tmp_path, web, version):
    array = values("zyx")
    write_ome_zarr(tmp_path / "a.zarr", array, "zyx", version)
    stack = open_image(f"{web}/a.zarr")
    assert (stack.name, stack.axes, stack.scale) == ("a", "zyx", (50, 4, 4))
    np.testing.assert_array_equal(
        stack.image_crop(2, slice(5, 15), slice(3, 9))[0], array[2, 5:15, 3:9]
    )
    with pytest.raises(DataSetError, match=r"b\.zarr"):
        open_image(f"{web}/b.zarr")


def test_a_damaged_chunk_is_named_when_it_is_read(tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", values("zyx"), "zyx", "0.5")
    chunk = path / "0" / "c" / "1" / "0" / "0"
    chunk.write_bytes(b"broken")
    stack = open_image(path)
    stack.image_plane(0)
    with pytest.raises(DataSetError, match="'a' cannot be read"):
        stack.image_plane(1)


# -- pairs ----------------------------------------------------------------------------------


def certain(images, labels):
    return [(a.name, b.name) for a, b in pair_by_name(images, labels).certain]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["a.tif", "b.tif"], ["a.png", "b.png"]),
        (["a_image.tif", "b_image.tif"], ["a_mask.tif", "b_mask.tif"]),
        (["t000.tif", "t001.tif"], ["man_seg000.tif", "man_seg001.tif"]),
        (
            ["train-volume00.jpg", "train-volume01.jpg"],
            ["train-labels00.jpg", "train-labels01.jpg"],
        ),
        (["img_2.png", "img_10.png"], ["img_2_cp_masks.png", "img_10_cp_masks.png"]),
        (["raw01.ome.tif"], ["label01.ome.tif"]),
        (["s 1.png", "s 2.png"], ["S_01.png", "S_02.png"]),
    ],
)
def test_names_that_can_only_mean_each_other(images, labels):
    assert certain(images, labels) == list(zip(images, labels))
    assert certain(images, labels[::-1]) == list(zip(images, labels))
    assert pair_by_name(images, labels).describe() == ""


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["a1.tif", "a01.tif"], ["a1_mask.tif", "a01_mask.tif", "a001_mask.tif"]),
        (["liver_1.tif", "liver_2.tif"], ["kidney_1.tif", "kidney_2.tif"]),
        (["x.tif"], ["y.tif"]),
        (["a_1.tif"], ["b_1.tif", "c_1.tif"]),
    ],
)
def test_doubtful_names_are_shown_and_not_guessed(images, labels):
    pairing = pair_by_name(images, labels)
    assert not pairing.certain or images == ["a1.tif", "a01.tif"]
    assert pairing.doubtful or pairing.labels_alone
    assert labels[-1] in pairing.describe()


def test_what_has_no_partner_is_told():
    pairing = pair_by_name(["a.tif", "b.tif", "q.tif"], ["a.tif", "b.tif", "z7.tif"])
    assert [a.name for a, _ in pairing.certain] == ["a.tif", "b.tif"]
    assert "q.tif" in pairing.describe()
    assert "z7.tif" in pairing.describe()


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy"])
def test_an_image_file_with_a_label_file(tmp_path, suffix):
    image, labels = values("yx"), values("yx") // 60
    for name, array in (("image", image), ("labels", labels)):
        if suffix == ".npy":
            np.save(tmp_path / f"{name}.npy", array)
        elif suffix == ".tif":
            tifffile.imwrite(tmp_path / f"{name}.tif", array)
        else:
            Image.fromarray(array).save(tmp_path / f"{name}.png")
    stack = open_image(tmp_path / f"image{suffix}", tmp_path / f"labels{suffix}", scheme=OBJECTS)
    np.testing.assert_array_equal(stack.label_plane(0), labels)


def test_labels_decide_what_the_file_does_not_say(tmp_path):
    np.save(tmp_path / "image.npy", values("cyx"))
    np.save(tmp_path / "labels.npy", values("yx"))
    stack = open_image(tmp_path / "image.npy", tmp_path / "labels.npy", scheme=OBJECTS)
    assert (stack.axes, stack.channels) == ("cyx", 2)
    stack = open_image(
        tmp_path / "image.npy", tmp_path / "labels.npy", scheme=OBJECTS, annotated=(1,)
    )
    assert (stack.axes, stack.labelled_slices) == ("zyx", (1,))


@pytest.mark.parametrize("lazy_above", [0, 10**9])
@pytest.mark.parametrize("shape", [(3, 2, 20, 18), (2, 2, 20, 18)])
def test_labels_in_another_order_of_axes_meet_their_pixels(tmp_path, shape, lazy_above):
    """Also where the shapes are equal, and nothing but the files' axes tells them apart."""
    image = np.random.default_rng(0).integers(1, 200, shape).astype(np.uint8)
    mask = (image > 100).astype(np.uint8)
    paths = tmp_path / "i.ome.tif", tmp_path / "l.ome.tif"
    tifffile.imwrite(paths[0], image, metadata={"axes": "TZYX"}, **GREY)
    tifffile.imwrite(paths[1], mask.swapaxes(0, 1), metadata={"axes": "ZTYX"}, **GREY)
    stack = open_image(*paths, lazy_above=lazy_above)
    found = np.stack([stack.label_plane(i) for i in range(stack.n_slices)])
    assert np.array_equal(found.reshape(shape), mask)
    assert "l has the axes 'ztyx', read in the order of i, 'tzyx'." in stack.notes
    as_stored = open_image(*paths, axes="tzyx") if shape[0] == shape[1] else None
    assert as_stored is None or np.array_equal(as_stored.label_plane(1), mask[1, 0])


@pytest.mark.parametrize(
    ("own", "unit", "said"),
    [
        (0.25, "µm", "a pixel is 0.25 × 0.25 µm in l and 0.5 × 0.5 µm in i, but pixel is taken"),
        (0.5, "nm", "a pixel is 0.5 × 0.5 nm in l and 0.5 × 0.5 µm in i, but pixel is taken"),
        (500, "nm", ""),
        (0.501, "µm", ""),
        (None, "", ""),
    ],
)
@pytest.mark.parametrize("folder", [False, True])
def test_labels_with_pixels_of_another_size_are_told(tmp_path, own, unit, said, folder):
    sizes = {f"PhysicalSize{a}": own for a in "XY"}
    units = {f"PhysicalSize{a}Unit": unit for a in "XY"}
    places = {} if own is None else sizes | units
    for name in "il":
        (tmp_path / name).mkdir()
    image = tmp_path / "i" / "i.ome.tif", {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    for path, metadata in (image, (tmp_path / "l" / "l.ome.tif", places)):
        metadata = {"axes": "YX", **metadata}
        tifffile.imwrite(path, np.eye(20, dtype=np.uint8), metadata=metadata, **GREY)
    tifffile.imwrite(tmp_path / "i" / "j.ome.tif", np.eye(20, dtype=np.uint8), **GREY)
    where = ("i", "l") if folder else ("i/i.ome.tif", "l/l.ome.tif")
    pairs = [(image[0], tmp_path / "l" / "l.ome.tif")] if folder else None
    stack = open_image(*(tmp_path / one for one in where), pairs=pairs)
    notes = [one for one in stack.notes if "a pixel is" in one]
    assert len(notes) == bool(said)
    assert all(one.startswith(said) for one in notes)


def test_each_file_of_a_folder_of_labels_is_put_into_the_order_of_its_image(tmp_path):
    mask = (np.random.default_rng(0).random((2, 20, 20)) > 0.5).astype(np.uint8)
    for name in ("i", "l"):
        (tmp_path / name).mkdir()
    for k, axes in enumerate(("YX", "XY")):
        write = {"metadata": {"axes": axes}, **GREY}
        tifffile.imwrite(tmp_path / "l" / f"{k}.tif", mask[k] if k == 0 else mask[k].T, **write)
        write = {"metadata": {"axes": "YX"}, **GREY}
        tifffile.imwrite(tmp_path / "i" / f"{k}.tif", mask[k] * 9, **write)
    stack = open_image(tmp_path / "i", tmp_path / "l")
    assert np.array_equal(stack.label_plane(0), mask[0])
    assert np.array_equal(stack.label_plane(1), mask[1])


def test_a_misfit_is_told(tmp_path):
    tifffile.imwrite(tmp_path / "i.tif", values("zyx"), **GREY)
    tifffile.imwrite(tmp_path / "l.tif", values("zyx")[:, :9], **GREY)
    with pytest.raises(InputError, match="choose labels drawn on this image"):
        open_image(tmp_path / "i.tif", tmp_path / "l.tif")


def folders(tmp_path, images, labels):
    for folder, names in (("images", images), ("labels", labels)):
        (tmp_path / folder).mkdir()
        for k, name in enumerate(names):
            Image.fromarray(np.full((20, 18), k + 1, np.uint8)).save(tmp_path / folder / name)
    return tmp_path / "images", tmp_path / "labels"


def test_folders_are_paired_by_name(tmp_path):
    pair = folders(tmp_path, ["t0.png", "t1.png", "t2.png"], ["m_t2.png", "m_t0.png", "m_t1.png"])
    assert open_image(*pair, scheme=OBJECTS).label_plane(2)[0, 0] == 1


def test_images_without_labels_are_slices_without_labels(tmp_path):
    pair = folders(tmp_path, [f"t{k}.png" for k in range(11)], ["mask3.png", "mask10.png"])
    stack = open_image(*pair, scheme=OBJECTS)
    assert stack.labelled_slices == (3, 10)
    assert stack.label_plane(3)[0, 0] == 1
    assert stack.label_plane(10)[0, 0] == 2


def test_doubtful_folders_are_refused_until_the_pairs_are_given(tmp_path):
    images, labels = folders(tmp_path, ["liver.png"], ["kidney.png"])
    with pytest.raises(DataSetError, match=r"liver\.png may belong to kidney\.png"):
        open_image(images, labels)
    pairs = [(images / "liver.png", labels / "kidney.png")]
    assert open_image(images, labels, pairs=pairs, scheme=OBJECTS).labels is not None


# -- writing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "top", "dtype"),
    [
        ("yx", 255, "uint8"),
        ("zyx", 256, "uint16"),
        ("tzyx", 70_000, "uint32"),
        ("pyx", 3, "uint8"),
        ("tzyx", 4, "uint8"),
    ],
)
def test_labels_come_back_as_they_were(tmp_path, axes, top, dtype):
    sizes = {"p": 2, **SIZES}
    shape = tuple(sizes[a] for a in axes)
    labels = np.random.default_rng(0).integers(0, top, shape)
    labels.flat[0] = top
    scale = {"p": 1.0, "t": 120.0, "z": 0.05, "y": 0.004, "x": 0.004}
    unit = {"p": "pixel", "t": "second"}
    stack = Stack(
        "s",
        np.zeros(shape, np.uint8),
        axes,
        scale=tuple(scale[a] for a in axes),
        units=tuple(unit.get(a, "micrometer") for a in axes),
    )
    back = open_image(write_labels(tmp_path / "new" / "l.tif", labels, stack))
    assert back.image.dtype == dtype
    np.testing.assert_array_equal(back.image, labels)
    if "p" not in axes:
        assert back.axes == axes
        assert back.scale == pytest.approx(stack.scale, rel=1e-4)
        assert back.units == stack.units
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["l.tif"]


def test_one_slice_stays_a_slice(tmp_path):
    stack = Stack("s", np.zeros((1, 20, 18)), "zyx")
    file = write_labels(tmp_path / "l.tif", np.ones((1, 20, 18), bool), stack)
    assert tifffile.imread(file).squeeze().shape == (20, 18)
    assert open_image(file).n_slices == 1


@pytest.mark.parametrize(
    "bad", [np.full((20, 18), -1), np.full((20, 18), 0.5), np.zeros((3, 20, 18)), np.zeros((9, 18))]
)
def test_labels_that_cannot_be_written(tmp_path, bad):
    with pytest.raises(InputError):
        write_labels(tmp_path / "l.tif", bad, Stack("s", np.zeros((20, 18)), "yx"))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    stack = Stack("s", np.zeros((20, 18)), "yx")
    file = write_labels(tmp_path / "l.tif", np.ones((20, 18), int), stack)
    before = file.read_bytes()

    def full(*args, **keywords):
        raise OSError("no space left")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(DataSetError, match="no space left"):
        write_labels(file, np.zeros((20, 18), int), stack)
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["l.tif"]
