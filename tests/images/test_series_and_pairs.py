"""Files of several images, folders of files, images with labels: nothing is left out silently."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import DataSetError, InputError, UNetError
from napari_unet.cli import main
from napari_unet.images.axes import guess_axes
from napari_unet.images.ctc_folder import open_ctc
from napari_unet.images.files import open_image, open_images, read_labels
from napari_unet.images.pairing import natural_key, pair_by_name
from napari_unet.images.stack import Stack
from napari_unet.prediction.folders import targets

OBJECTS = LabelScheme()


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, shape, np.uint8)


def cells(*shape: int) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    labels[..., 2:9, 2:9], labels[..., 10:15, 9:16] = 1, 2
    return labels


# -- several images in one file -------------------------------------------------------------


def test_a_tiff_of_several_images_says_so(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for k in range(3):
            writer.write(noise(20, 18 + k, seed=k), photometric="minisblack")
    stack = open_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(stack.image, noise(20, 18))
    assert "holds 3 images, of which the first is read" in stack.notes[0]
    third = open_image(tmp_path / "a.tif", series=2)
    np.testing.assert_array_equal(third.image, noise(20, 20, seed=2))
    with pytest.raises(InputError, match=r"series must be one of 0 … 2 of .*a\.tif, got 3"):
        open_image(tmp_path / "a.tif", series=3)


def test_positions_of_an_ome_tiff_have_names_and_sizes_of_their_own(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        for k in range(2):
            metadata = {"axes": "YX", "Name": f"pos{k}", "PhysicalSizeX": 0.5 + k}
            writer.write(noise(20, 18, seed=k), metadata=metadata)
    assert "(pos1)" in open_image(tmp_path / "a.ome.tif").notes[0]
    second = open_image(tmp_path / "a.ome.tif", series=1)
    np.testing.assert_array_equal(second.image, noise(20, 18, seed=1))
    assert second.pixel_size[1] == 1.5


def test_a_thumbnail_is_no_second_image(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(noise(64, 64), photometric="minisblack")
        writer.write(noise(16, 16), photometric="minisblack", subfiletype=1)
    assert open_image(tmp_path / "a.tif").notes == ()


def test_a_moving_picture_is_read_to_its_first_and_says_so(tmp_path):
    frames = [Image.fromarray(noise(20, 18, seed=k)) for k in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    stack = open_image(tmp_path / "a.png")
    np.testing.assert_array_equal(stack.image, noise(20, 18))
    assert "holds 3 pictures" in stack.notes[0]


def ome_zarr(path, array, labels=()):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    described = [{"axes": [{"name": a} for a in "yx"], "datasets": [{"path": "0"}]}]
    group.create_array("0", data=array, chunks=(8, 8))
    group.attrs["multiscales"] = described
    if labels:
        inner = group.create_group("labels")
        inner.attrs["labels"] = list(labels)
        for name in labels:
            one = inner.create_group(name)
            one.create_array("0", data=cells(20, 18), chunks=(8, 8))
            one.attrs["multiscales"] = described
    return path


def test_two_label_images_are_named(tmp_path, capsys):
    path = ome_zarr(tmp_path / "a.zarr", noise(20, 18), ("cells", "nuclei"))
    stack = open_image(path)
    assert stack.labels is None
    assert "cells, nuclei" in stack.notes[0]
    named = open_image(path, path / "labels" / "nuclei", scheme=OBJECTS)
    np.testing.assert_array_equal(named.label_plane(0), cells(20, 18))
    assert main(["train", str(path), "-o", str(tmp_path / "run")]) == 2
    assert "a.zarr/labels/cells" in capsys.readouterr().err


def test_several_images_of_one_conversion(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    for k in range(2):
        ome_zarr(tmp_path / "a.zarr" / str(k), noise(20, 18, seed=k))
    first = open_image(tmp_path / "a.zarr")
    np.testing.assert_array_equal(first.image_plane(0)[0], noise(20, 18))
    assert "several images" in first.notes[0]
    second = open_image(tmp_path / "a.zarr", series=1)
    np.testing.assert_array_equal(second.image_plane(0)[0], noise(20, 18, seed=1))
    with pytest.raises(InputError, match="series must be below 2"):
        open_image(tmp_path / "a.zarr", series=2)


# -- one image in several files -------------------------------------------------------------

UUIDS = [f"urn:uuid:00000000-0000-0000-0000-00000000000{k}" for k in range(3)]


def several_files(folder, compression=None):
    """An OME-TIFF of three slices in three files, each of which describes all of them."""
    folder.mkdir()
    parts = "".join(
        f'<TiffData FirstZ="{k}" PlaneCount="1"><UUID FileName="z{k}.ome.tif">{uuid}</UUID>'
        "</TiffData>"
        for k, uuid in enumerate(UUIDS)
    )
    for k, uuid in enumerate(UUIDS):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuid}"><Image ID="Image:0"><Pixels ID="Pixels:0" Type="uint8" '
            'DimensionOrder="XYZCT" SizeX="18" SizeY="20" SizeZ="3" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0"/>{parts}</Pixels></Image></OME>'
        )
        tifffile.imwrite(
            folder / f"z{k}.ome.tif",
            noise(20, 18, seed=k),
            description=xml,
            metadata=None,
            compression=compression,
        )
    return folder


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("lazy_above", [2**29, 0])
def test_an_ome_tiff_of_several_files_is_one_image(tmp_path, compression, lazy_above):
    folder = several_files(tmp_path / "a", compression)
    expected = np.stack([noise(20, 18, seed=k) for k in range(3)])
    for path in (folder, folder / "z0.ome.tif", folder / "z2.ome.tif"):
        stack = open_image(path, lazy_above=lazy_above)
        assert stack.axes == "zyx", path
        planes = np.concatenate([stack.image_plane(i) for i in range(3)])
        np.testing.assert_array_equal(planes, expected)


def test_an_ome_tiff_of_several_files_is_predicted_once(tmp_path):
    folder = several_files(tmp_path / "a")
    (folder / "notes.txt").write_text("of Monday")
    tifffile.imwrite(folder / "zz.tif", noise(20, 18))
    found = targets(folder, tmp_path / "results", channels=1)
    names = [member[0].name for member in found]
    assert names == ["notes.txt", "z0.ome.tif", "zz.tif"]


@pytest.mark.parametrize("lazy_above", [2**29, 0])
def test_a_missing_file_of_several_is_an_error_and_no_black_plane(tmp_path, lazy_above):
    folder = several_files(tmp_path / "a")
    (folder / "z1.ome.tif").unlink()
    for path in (folder, folder / "z0.ome.tif"):
        with pytest.raises(DataSetError, match=r"z0\.ome\.tif.*z1\.ome\.tif"):
            open_image(path, lazy_above=lazy_above)


def test_a_folder_of_imagej_stacks_of_one_page(tmp_path):
    """ImageJ leaves out the pages of large stacks; its description counts the slices."""
    for k in range(2):
        array = noise(3, 20, 18, seed=k)
        description = "ImageJ=1.54f\nimages=3\nslices=3\n"
        file = tmp_path / f"{k}.tif"
        tifffile.imwrite(file, array[0], description=description, metadata=None)
        with tifffile.TiffFile(file) as tif:
            offset = tif.pages[0].dataoffsets[0]
        # The pixels of all slices follow one another where those of the first begin.
        file.write_bytes(file.read_bytes()[:offset] + array.tobytes())
    stack = open_image(tmp_path)
    assert stack.image.shape == (2, 3, 20, 18)
    np.testing.assert_array_equal(stack.image[1], noise(3, 20, 18, seed=1))


# -- folders --------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd", "packbits"])
def test_a_damaged_file_is_an_error_alone_and_in_a_folder(tmp_path, compression):
    for k in range(3):
        tifffile.imwrite(tmp_path / f"{k}.tif", noise(64, 64, seed=k), compression=compression)
    with tifffile.TiffFile(tmp_path / "1.tif") as tif:
        start, length = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    content = bytearray((tmp_path / "1.tif").read_bytes())
    content[start : start + length] = bytes(length)
    (tmp_path / "1.tif").write_bytes(content)
    alone, together = (outcome(path) for path in (tmp_path / "1.tif", tmp_path))
    if isinstance(alone, str):
        assert "1.tif" in alone
        assert together == alone
    else:  # the zeros happened to be valid
        np.testing.assert_array_equal(alone, together[1])


def outcome(path):
    try:
        return np.asarray(open_image(path).image)
    except DataSetError as error:
        return str(error)


def test_grey_values_of_several_dtypes_are_refused_also_with_labels(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for k, dtype in enumerate((np.uint8, np.uint16)):
        size = (20, 18 + k)  # of different sizes, which are stacks of their own
        tifffile.imwrite(tmp_path / "images" / f"{k}.tif", noise(*size).astype(dtype))
        tifffile.imwrite(tmp_path / "labels" / f"{k}.tif", cells(*size))
    for labels in (None, tmp_path / "labels"):
        with pytest.raises(DataSetError, match=r"1\.tif is uint16, but 0\.tif is uint8"):
            open_images(tmp_path / "images", labels)


def test_a_folder_of_several_sizes_opens_with_and_without_labels(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for k, width in enumerate((18, 30, 18)):
        Image.fromarray(noise(20, width, seed=k)).save(tmp_path / "images" / f"{k}.png")
        Image.fromarray(cells(20, width)).save(tmp_path / "labels" / f"{k}.png")
    for labels in (None, tmp_path / "labels"):
        stacks = open_images(tmp_path / "images", labels)
        assert [one.image.shape for one in stacks] == [(2, 20, 18), (20, 30)]
    with pytest.raises(DataSetError, match="several sizes"):
        open_image(tmp_path / "images")


def test_check_takes_a_folder_of_several_sizes(tmp_path, capsys):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for k, width in enumerate((300, 260)):
        Image.fromarray(noise(300, width, seed=k)).save(tmp_path / "images" / f"{k}.png")
        labels = np.zeros((300, width), np.uint8)
        labels[50:100, 50:200] = labels[150:250, 50:200] = 255
        Image.fromarray(labels).save(tmp_path / "labels" / f"{k}.png")
    for labels in ([str(tmp_path / "labels")], []):
        main(["check", str(tmp_path / "images"), *labels, "--no-step"])
        said = capsys.readouterr()
        assert "300 × 260" in said.out
        assert "300 × 300" in said.out
        assert "several sizes" not in said.err


def test_truth_of_several_dtypes_keeps_its_ids(tmp_path):
    """256 and 300 in the second frame were 0 and 44 when the first one was of bytes."""
    for part in ("01", "01_GT/SEG"):
        (tmp_path / "set" / part).mkdir(parents=True)
    for t, (dtype, ids) in enumerate((("u1", (1, 2)), ("u2", (256, 300)))):
        tifffile.imwrite(tmp_path / "set" / "01" / f"t{t:03}.tif", noise(20, 18))
        labels = np.array([0, *ids], dtype)[cells(20, 18)]
        tifffile.imwrite(tmp_path / "set" / "01_GT" / "SEG" / f"man_seg{t:03}.tif", labels)
    for lazy_above in (2**29, 0):
        stack = open_ctc(tmp_path / "set", lazy_above=lazy_above)
        assert sorted(np.unique(stack.label_plane(1))) == [0, 256, 300]


def test_what_is_said_of_some_files_is_said_once_and_of_those_alone(tmp_path):
    for k in range(5):
        grey = noise(20, 18, seed=k)
        colour = grey[..., None].repeat(3, -1)
        if k in (1, 3):
            colour[..., 1] = 0
        Image.fromarray(colour).save(tmp_path / f"{k}.png")
    (note,) = open_image(tmp_path).notes
    assert "is a grey image saved as colour" in note
    assert "Image › Type › 8-bit" in note
    assert note.endswith("(and likewise for 2 other files).")


# -- names ----------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=12).filter(lambda s: "/" not in s and "\0" not in s))
def test_any_name_can_be_sorted_and_paired(name):
    from pathlib import Path

    natural_key(Path(name))
    pair_by_name([name + ".tif", "b.tif"], [name + "_mask.tif", "b.tif"])


def test_names_with_digits_that_only_python_calls_so(tmp_path):
    for k, name in enumerate(("cm⁵", "a²", "٣")):
        Image.fromarray(noise(20, 18, seed=k)).save(tmp_path / f"{name}.png")
    assert open_image(tmp_path).n_slices == 3


def test_images_and_labels_in_one_folder(tmp_path):
    for k in range(3):
        tifffile.imwrite(tmp_path / f"x{k}.tif", noise(20, 18, seed=k))
        tifffile.imwrite(tmp_path / f"x{k}_masks.tif", cells(20, 18))
    stack = open_image(tmp_path, tmp_path, scheme=OBJECTS)
    assert stack.n_slices == 3
    np.testing.assert_array_equal(stack.image[2], noise(20, 18, seed=2))
    np.testing.assert_array_equal(stack.label_plane(2), cells(20, 18))


def test_an_image_is_never_its_own_labels(tmp_path):
    image = tmp_path / "img.tif"
    tifffile.imwrite(image, noise(20, 18))
    (tmp_path / "copy.tif").write_bytes(image.read_bytes())
    (tmp_path / "link.tif").symlink_to(image)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "img.tif").write_bytes(image.read_bytes())
    for labels in ("img.tif", "link.tif", "folder/../img.tif"):
        with pytest.raises(InputError, match="cannot be its own labels"):
            open_image(image, tmp_path / labels)
    with pytest.raises(InputError, match="are the image itself"):
        open_image(image, tmp_path / "copy.tif")
    with pytest.raises(DataSetError, match="names do not say which are labels"):
        open_image(tmp_path / "folder", tmp_path / "folder")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["Z\u00e4hlung.tif", "b.tif"], ["Za\u0308hlung.tif", "b.tif"]),  # one letter, or two
        (["Z\u00e41.tif", "Z\u00e42.tif"], ["Za\u03081_mask.tif", "Za\u03082_mask.tif"]),
        (["A.tif", "a.tif"], ["A.tif", "a.tif"]),
        (["Cell_A.TIF", "Cell_B.TIF"], ["cell_a.tif", "cell_b.tif"]),
        (["im1.tif", "im10.tif"], ["im01.tif", "im10.tif"]),
        (["im1.tif", "im01.tif"], ["im1.tif", "im01.tif"]),
        (["x2.tif", "x\u00b2.tif", "x\u0662.tif"], ["x2.tif", "x\u00b2.tif", "x\u0662.tif"]),
        (["-1.tif", "--.tif", " a.tif", "a b.tif"], ["-1.tif", "--.tif", " a.tif", "a b.tif"]),
    ],
    ids=str,
)
def test_names_that_people_give(images, labels):
    pairing = pair_by_name(images, labels)
    assert sorted((a.name, b.name) for a, b in pairing.certain) == sorted(zip(images, labels))


def test_what_a_folder_holds_besides(tmp_path):
    """Hidden files, those of file browsers, folders, links to nowhere."""
    for folder, what in (("images", noise(20, 18)), ("labels", cells(20, 18))):
        (tmp_path / folder / "sub").mkdir(parents=True)
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._a.tif", "notes.txt"):
            (tmp_path / folder / name).write_bytes(b"\0\5\x16\7junk")
        for name in ("a.tif", "b.tif", "sub/c.tif"):
            tifffile.imwrite(tmp_path / folder / name, what)
    (tmp_path / "images" / "dead.tif").symlink_to("nowhere.tif")
    stack = open_image(tmp_path / "images", tmp_path / "labels")
    assert (stack.n_slices, stack.labelled_slices) == (2, (0, 1))


@pytest.mark.parametrize("how", ["link", "copy"])
def test_images_of_a_folder_are_no_labels_under_another_name(tmp_path, how):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for k in (1, 2):
        image = tmp_path / "images" / f"{k}.tif"
        tifffile.imwrite(image, noise(20, 18, seed=k))
        own = tmp_path / "labels" / f"{k}.tif"
        own.hardlink_to(image) if how == "link" else own.write_bytes(image.read_bytes())
    with pytest.raises(UNetError, match="its own labels" if how == "link" else "image itself"):
        open_image(tmp_path / "images", tmp_path / "labels")


def test_labels_of_one_of_many_slices_make_no_channels(tmp_path):
    np.save(tmp_path / "i.npy", noise(20, 40, 36))
    np.save(tmp_path / "l.npy", cells(40, 36))
    with pytest.raises(InputError, match="labels of one slice, say which"):
        open_image(tmp_path / "i.npy", tmp_path / "l.npy")
    stack = open_image(tmp_path / "i.npy", tmp_path / "l.npy", annotated=(7,))
    assert (stack.axes, stack.labelled_slices) == ("zyx", (7,))


def test_names_of_nnunet(tmp_path):
    images = [f"case_{k:03}_0000.png" for k in range(3)]
    labels = [f"case_{k:03}.png" for k in range(3)]
    pairing = pair_by_name(images, labels)
    assert [(a.name, b.name) for a, b in pairing.certain] == list(zip(images, labels))
    both = [*images, *(f"case_{k:03}_0001.png" for k in range(3))]
    assert not pair_by_name(both, labels).certain  # two channels: no image is the whole


# -- axes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "labels", "axes"),
    [
        ((40, 36, 5), (40, 36), "yxc"),
        ((40, 36, 2), (40, 36), "yxc"),
        ((7, 40, 36, 2), (7, 40, 36), "zyxc"),
        ((3, 10, 40, 36), (3, 10, 40, 36), "tzyx"),
        ((3, 10, 40, 36), (10, 40, 36), "czyx"),
        ((10, 3, 40, 36), (10, 40, 36), "zcyx"),
        ((2, 3, 4, 40, 36), (2, 3, 4, 40, 36), "ptzyx"),
        ((5, 40, 36), (40, 36), "cyx"),
        ((9, 40, 36), (40, 36), "cyx"),
        ((9, 40, 36), (9, 40, 36), "zyx"),
    ],
)
def test_the_shape_of_labels_tells_the_axes(tmp_path, shape, labels, axes):
    assert guess_axes(shape, np.uint8, False, labels)[0] == axes
    np.save(tmp_path / "i.npy", noise(*shape))
    np.save(tmp_path / "l.npy", cells(*labels))
    tifffile.imwrite(tmp_path / "i.tif", noise(*shape), photometric="minisblack")
    for image in ("i.npy", "i.tif"):
        stack = open_image(tmp_path / image, tmp_path / "l.npy", scheme=OBJECTS)
        assert stack.axes.index("y") == axes.index("y"), image
        assert stack.channels == (shape[axes.index("c")] if "c" in axes else 1)
        np.testing.assert_array_equal(stack.label_plane(0), cells(*labels[-2:]))


@pytest.mark.parametrize("last", [2, 5, 8])
def test_channels_last_are_offered_without_labels_too(last):
    assert "yxc" in guess_axes((40, 36, last), np.uint8)
    assert "zyxc" in guess_axes((7, 40, 36, last), np.uint8)


def test_labels_of_one_time_point_ask_which(tmp_path):
    np.save(tmp_path / "i.npy", noise(7, 40, 36, 2))
    np.save(tmp_path / "l.npy", cells(40, 36))
    with pytest.raises(InputError, match=r"say which \(--annotated 3,7"):
        open_image(tmp_path / "i.npy", tmp_path / "l.npy")
    stack = open_image(tmp_path / "i.npy", tmp_path / "l.npy", annotated=(3,), scheme=OBJECTS)
    assert (stack.axes, stack.labelled_slices) == ("zyxc", (3,))


def test_numbers_of_annotated_slices_do_not_change_axes_that_the_file_names(tmp_path):
    tifffile.imwrite(
        tmp_path / "i.tif", noise(3, 4, 2, 40, 36), imagej=True, metadata={"axes": "TZCYX"}
    )
    np.save(tmp_path / "l.npy", np.stack([cells(40, 36)] * 2))
    stack = open_image(tmp_path / "i.tif", tmp_path / "l.npy", annotated=(0, 11), scheme=OBJECTS)
    assert (stack.axes, stack.labelled_slices) == ("tzcyx", (0, 11))
    for wrong in ((0, 12), (0, 13), (0, 23)):  # 24 are there if channels are taken for slices
        with pytest.raises(InputError, match="must lie in 0 … 11"):
            open_image(tmp_path / "i.tif", tmp_path / "l.npy", annotated=wrong)
    with pytest.raises(InputError, match="axes 'tzcyx'"):  # as the file has them
        open_image(tmp_path / "i.tif", tmp_path / "l.npy", annotated=(0, 5, 6))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_labels_of_any_reading_of_the_axes_are_found(n):
    """Whatever the axes are, with channels anywhere but in the plane, the labels fit."""
    sizes = [5, 6, 7, 20, 24][5 - n :]
    for c in [None, *range(n - 2), n - 1]:
        shape = list(sizes)
        if c == n - 1 and n > 2:
            shape = [*sizes[1:], 2]
        labels = tuple(size for k, size in enumerate(shape) if k != c or n == 2)
        axes = guess_axes(tuple(shape), np.uint8, False, labels)[0]
        Stack("s", np.zeros(shape, np.uint8), axes, labels=np.zeros(labels, int), scheme=OBJECTS)


def test_axes_that_cannot_be_are_refused_in_one_sentence(tmp_path):
    np.save(tmp_path / "i.npy", noise(3, 40, 36))
    tifffile.imwrite(tmp_path / "i.tif", noise(3, 40, 36), photometric="minisblack")
    ome_zarr(tmp_path / "i.zarr", noise(20, 18))
    wrong = ("zyxc", "z", "ZYX", "⁵yx")
    for path, axes in itertools.product(("i.npy", "i.tif", "i.zarr"), wrong):
        with pytest.raises(InputError, match="axes"):
            open_image(tmp_path / path, axes=axes)


def test_labels_of_an_address_are_looked_for_there(tmp_path):
    with pytest.raises(UNetError, match=r"http://127\.0\.0\.1:1/a\.zarr cannot be read"):
        read_labels("http://127.0.0.1:1/a.zarr")
