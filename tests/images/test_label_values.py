"""What label values of any file mean: masks that a picture format or a program has changed."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.images.files import open_image, read_labels

SHAPE = (96, 88)


def discs(*values: int) -> np.ndarray:
    """Five discs of 20 px; their values in turn."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    labels = np.zeros(SHAPE, np.int32)
    for k, (cy, cx) in enumerate(((20, 20), (20, 60), (52, 40), (76, 16), (76, 70))):
        labels[(y - cy) ** 2 + (x - cx) ** 2 < 100] = values[k % len(values)]
    return labels


MASK = (discs(255) > 0).astype(np.uint8) * 255


@pytest.fixture
def image(tmp_path):
    """File of an image of the size of the labels."""
    noise = np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", noise)
    return tmp_path / "image.tif"


def save_palette(path, indices, colours):
    picture = Image.fromarray(indices).convert("L").convert("P")
    picture.putdata(indices.ravel().tolist())
    picture.putpalette(colours)
    picture.save(path)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_pngs_of_few_bits_hold_the_values_that_were_written(tmp_path, bits):
    """Pillow stretches grey values of 2 and 4 bits to 255: class 1 of 4 would be 85."""
    values = (np.arange(16 * 24).reshape(16, 24) // 5 % 2**bits).astype(np.uint8)
    rows = np.unpackbits(values[..., None], axis=-1)[..., 8 - bits :].reshape(16, -1)
    packed = np.pad(np.packbits(rows, axis=-1), ((0, 0), (1, 0))).tobytes()

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + name + content + check

    head = struct.pack(">IIBBBBB", 24, 16, bits, 0, 0, 0, 0)
    (tmp_path / "l.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(packed)) + chunk(b"IEND", b"")
    )  # fmt: skip
    np.testing.assert_array_equal(read_labels(tmp_path / "l.png").array, values)
    np.testing.assert_array_equal(open_image(tmp_path / "l.png").image, values)
    if bits > 1:
        Image.fromarray(values).save(tmp_path / "m.png")
        with pytest.raises(DataSetError, match=f"l.png is L of {bits} bits|m.png is L, but"):
            open_image(tmp_path)


# -- one reader, whoever asks ---------------------------------------------------------------


def write_every_way(folder):
    """The same mask, as many programs write it."""
    rgb = MASK[..., None].repeat(3, -1)
    opaque = np.concatenate([rgb, np.full((*SHAPE, 1), 255, np.uint8)], -1)
    Image.fromarray(MASK).save(folder / "grey.png")
    Image.fromarray(MASK > 0).save(folder / "bits.png")
    Image.fromarray(rgb).save(folder / "rgb.png")
    Image.fromarray(opaque).save(folder / "rgba.png")
    Image.fromarray(np.stack([MASK, np.full_like(MASK, 255)], -1), "LA").save(folder / "la.png")
    Image.fromarray(MASK).save(folder / "mask.bmp")
    Image.fromarray(MASK).save(folder / "mask.webp", lossless=True)
    Image.fromarray(MASK).save(folder / "mask.jpg", quality=80)
    Image.fromarray(rgb).save(folder / "colour.jpg", quality=80)
    save_palette(folder / "palette.png", (MASK > 0).astype(np.uint8), [0, 0, 0, 200, 30, 30])
    save_palette(folder / "swapped.png", (MASK == 0).astype(np.uint8), [255] * 3 + [0] * 3)
    alpha = np.concatenate([np.zeros_like(rgb), MASK[..., None]], -1)
    Image.fromarray(alpha).save(folder / "alpha.png")
    (folder / "deep.png").write_bytes(imagecodecs.png_encode(rgb.astype(np.uint16) * 257))
    tifffile.imwrite(folder / "plain.tif", MASK)
    tifffile.imwrite(folder / "bits.tif", MASK > 0)
    tifffile.imwrite(folder / "float.tif", (MASK > 0).astype(np.float32))
    tifffile.imwrite(folder / "rgb.tif", rgb, photometric="rgb")
    tifffile.imwrite(folder / "rgba.tif", opaque, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(folder / "jpeg.tif", MASK, compression="jpeg", photometric="minisblack")
    np.save(folder / "mask.npy", MASK)
    np.save(folder / "bool.npy", MASK > 0)
    return sorted(p for p in folder.iterdir())


def test_a_mask_of_any_format_is_the_same_mask_in_every_face(tmp_path, image):
    """Training, evaluation and folders ask one reader."""
    (tmp_path / "masks").mkdir()
    files = write_every_way(tmp_path / "masks")
    assert len(files) == 21
    for file in files:
        array = read_labels(file).array
        assert array.shape == SHAPE, file
        assert len(np.unique(array)) == 2, file
        agree = (array > 0) == (MASK > 0)
        assert agree.mean() > 0.99, file
        assert agree.all() or "jp" in file.name, file
        stack = open_image(image, file)
        np.testing.assert_array_equal(stack.label_plane(0), array)
        assert stack.scheme.kind == "classes", file
        alone = tmp_path / f"as-{file.name}"
        alone.mkdir()
        for k in range(2):
            (alone / f"{k}{file.suffix}").write_bytes(file.read_bytes())
        np.testing.assert_array_equal(read_labels(alone).array, np.stack([array] * 2))


def test_evaluate_reads_a_mask_as_training_does(tmp_path, image):
    from napari_unet.cli import main

    (tmp_path / "masks").mkdir()
    tifffile.imwrite(tmp_path / "p.tif", (MASK > 0).astype(np.uint8))
    for file in write_every_way(tmp_path / "masks"):
        assert main(["evaluate", str(tmp_path / "p.tif"), str(file)]) == 0


# -- values that a format or a program has changed ------------------------------------------


@pytest.mark.parametrize("how", ["BILINEAR", "BICUBIC", "BOX", "HAMMING"])
@pytest.mark.parametrize("size", [(70, 61), (150, 131), (44, 48)])
def test_blurred_edges_of_a_mask_are_thresholded_at_the_middle(tmp_path, how, size):
    resized = Image.fromarray(MASK).resize(size, getattr(Image.Resampling, how))
    resized.save(tmp_path / "mask.png")
    read = read_labels(tmp_path / "mask.png")
    grey = np.asarray(resized)
    np.testing.assert_array_equal(read.array, np.where(grey >= 127.5, 255, 0))
    if len(np.unique(grey)) > 2:
        assert "blurred edges" in " ".join(read.notes)


def test_blurred_edges_of_a_mask_of_fractions(tmp_path):
    resized = Image.fromarray((MASK / 255).astype(np.float32)).resize((70, 61))
    tifffile.imwrite(tmp_path / "mask.tif", np.asarray(resized))
    read = read_labels(tmp_path / "mask.tif")
    np.testing.assert_array_equal(read.array, np.asarray(resized) >= 0.5)
    untouched = read_labels(tmp_path / "mask.tif", probabilities=True)
    np.testing.assert_array_equal(untouched.array, np.asarray(resized))


@pytest.mark.parametrize("kind", ["mask.zarr", "mask.tif", "packed.tif", "mask.npy", "jpeg.tif"])
def test_what_is_not_loaded_is_thresholded_where_it_is_read(tmp_path, kind):
    """Of many planes most are empty; those that are looked at tell how all are read."""
    import zarr

    resized = np.asarray(Image.fromarray(MASK).resize((70, 61)))
    stack = np.zeros((40, 61, 70), np.uint8)
    stack[[17, 31]] = resized
    file = tmp_path / kind
    if kind == "mask.zarr":
        zarr.save_array(str(file), stack)
    elif kind == "mask.npy":
        np.save(file, stack)
    elif kind == "jpeg.tif":
        stack[[17, 31]] = MASK[:61, :70]
        tifffile.imwrite(file, stack, compression="jpeg", compressionargs={"level": 60},
                         photometric="minisblack")  # fmt: skip
    else:
        packed = "deflate" if kind == "packed.tif" else None
        tifffile.imwrite(file, stack, photometric="minisblack", compression=packed)
    read = read_labels(file, lazy_above=0)
    assert not isinstance(read.array, np.ndarray)
    assert read.array.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(read.array), np.where(stack >= 127.5, 255, 0))
    assert ("JPEG mask" if kind == "jpeg.tif" else "blurred edges") in " ".join(read.notes)


def test_what_is_not_loaded_and_cannot_be_told_is_refused(tmp_path):
    classes = Image.fromarray(discs(60, 130, 255).astype(np.uint8)).resize((140, 122))
    tifffile.imwrite(tmp_path / "classes.tif", np.asarray(classes))
    with pytest.raises(DataSetError, match=r"classes\.tif has been resized with interpolation"):
        read_labels(tmp_path / "classes.tif", lazy_above=0)
    plain = discs(1, 2, 3, 4)
    tifffile.imwrite(tmp_path / "plain.tif", plain)
    read = read_labels(tmp_path / "plain.tif", lazy_above=0)
    assert read.notes == ()
    np.testing.assert_array_equal(np.asarray(read.array), plain)


def test_a_probability_map_is_no_mask(tmp_path, image):
    smooth = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    tifffile.imwrite(tmp_path / "p.tif", smooth)
    with pytest.raises(InputError, match="must be whole numbers"):
        open_image(image, tmp_path / "p.tif")


@pytest.mark.parametrize("values", [(100, 200), (60, 130, 255)])
def test_blurred_edges_between_several_values_are_refused(tmp_path, values):
    resized = Image.fromarray(discs(*values).astype(np.uint8)).resize((140, 122))
    resized.save(tmp_path / "classes.png")
    with pytest.raises(DataSetError, match=r"classes\.png has been resized with interpolation"):
        read_labels(tmp_path / "classes.png")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_labels_of_objects_are_never_taken_for_a_blurred_mask(data):
    """Blobs, specks and lines of any ids, also crowded, come through as they are."""
    from napari_unet.images.label_values import label_values
    from napari_unet.images.pixels import Pixels

    labels = np.zeros((40, 40), np.uint16)
    for _ in range(data.draw(st.integers(1, 30))):
        y, x = data.draw(st.integers(0, 39)), data.draw(st.integers(0, 39))
        h, w = data.draw(st.integers(3, 12)), data.draw(st.integers(3, 12))
        labels[y : y + h, x : x + w] = data.draw(st.integers(1, 400))
    array, notes = label_values(Pixels("a", labels, "yx"), "a")
    np.testing.assert_array_equal(array, labels)
    assert not notes


@pytest.mark.parametrize("quality", [40, 75, 95])
@pytest.mark.parametrize("third", [40, 64, 128, 200])
def test_a_jpeg_mask_with_a_third_plateau_is_refused(tmp_path, quality, third):
    mask = MASK.copy()
    mask[40:60, 70:84] = third  # few pixels, but an area
    Image.fromarray(mask).save(tmp_path / "mask.jpg", quality=quality)
    with pytest.raises(DataSetError, match=r"mask\.jpg cannot hold labels, because JPEG"):
        read_labels(tmp_path / "mask.jpg")


def test_a_jpeg_mask_of_0_and_1_is_refused_and_not_empty(tmp_path):
    Image.fromarray(MASK // 255).save(tmp_path / "mask.jpg", quality=95)
    read = np.asarray(Image.open(tmp_path / "mask.jpg"))
    if len(np.unique(read)) > 2:
        with pytest.raises(DataSetError, match="JPEG"):
            read_labels(tmp_path / "mask.jpg")
    else:
        assert read_labels(tmp_path / "mask.jpg").array.max() == 1


def test_masks_of_0_and_1_among_masks_of_0_and_255(tmp_path, image):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for k, top in enumerate((1, 255, 255, 1)):
        noise = np.random.default_rng(k).integers(0, 255, SHAPE, np.uint8)
        Image.fromarray(noise).save(tmp_path / "images" / f"{k}.png")
        Image.fromarray(MASK // 255 * top).save(tmp_path / "masks" / f"{k}.png")
    stack = open_image(tmp_path / "images", tmp_path / "masks")
    assert (stack.scheme.kind, stack.scheme.values) == ("classes", (0, 255))
    assert all((stack.label_plane(i) == MASK).all() for i in range(4))
    assert any("taken as the same" in note for note in stack.notes)
    later = read_labels(tmp_path / "masks", lazy_above=0)
    assert not isinstance(later.array, np.ndarray)
    np.testing.assert_array_equal(np.asarray(later.array), [MASK] * 4)
    assert any("taken as the same" in note for note in later.notes)


def test_classes_that_happen_to_be_one_a_slice_stay_apart(tmp_path):
    (tmp_path / "labels").mkdir()
    for k in (1, 2):
        Image.fromarray((MASK > 0).astype(np.uint8) * k).save(tmp_path / "labels" / f"{k}.png")
    assert sorted(np.unique(read_labels(tmp_path / "labels").array)) == [0, 1, 2]


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (255, 0, 0)])
def test_a_mask_in_the_alpha_channel(tmp_path, colour):
    pixels = np.empty((*SHAPE, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = colour, MASK
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    read = read_labels(tmp_path / "mask.png")
    np.testing.assert_array_equal(read.array, MASK)
    assert "alpha channel" in read.notes[0]


def test_colours_are_no_labels(tmp_path):
    pixels = np.zeros((*SHAPE, 3), np.uint8)
    pixels[..., 0] = MASK
    Image.fromarray(pixels).save(tmp_path / "red.png")
    tifffile.imwrite(tmp_path / "red.tif", pixels, photometric="rgb")
    for name in ("red.png", "red.tif"):
        with pytest.raises(DataSetError, match=f"{name} is a colour picture"):
            read_labels(tmp_path / name)


def test_ids_of_several_dtypes_in_one_folder(tmp_path):
    """Nothing wraps: the array holds the ids of all files."""
    for dtype, top in (("u1", 200), ("u2", 300), ("i4", 70000), ("u8", 80000)):
        tifffile.imwrite(tmp_path / f"{top:06}.tif", discs(top).astype(dtype))
    for lazy_above in (2**30, 0):
        array = np.asarray(read_labels(tmp_path, lazy_above=lazy_above).array)
        assert array.dtype.kind in "iu"
        assert array.max(axis=(1, 2)).tolist() == [200, 300, 70000, 80000]


# -- said, and in one piece -----------------------------------------------------------------


@pytest.mark.parametrize("n", range(1, 13))
@pytest.mark.parametrize("annotation", ["dense", "sparse"])
def test_any_few_objects_can_be_proposed_for(tmp_path, image, n, annotation):
    """As many cells as can still be classes, and one more, with background 1."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, 80:] = 1
    for k in range(n):
        labels[7 * k : 7 * k + 5, 4:20] = 2 + k
    tifffile.imwrite(tmp_path / "l.tif", labels)
    stack = open_image(image, tmp_path / "l.tif")
    scheme, why = stack.propose_scheme(annotation)
    assert why.endswith(".")
    if annotation == "sparse" and n > 1:
        assert scheme.kind == "objects"


@pytest.mark.parametrize("bad", ["negative", "nan", "half", "huge", "complex"])
def test_what_is_no_label_is_one_sentence_that_names_the_stack(tmp_path, image, bad):
    labels = {
        "negative": MASK.astype(np.int16) * -1,
        "nan": np.where(MASK > 0, np.float32("nan"), 0),
        "half": np.where(MASK > 0, np.float32(0.5), 0),
        "huge": MASK.astype(np.uint64) << 40,
        "complex": MASK.astype(np.complex64),
    }[bad]
    tifffile.imwrite(tmp_path / "l.tif", labels)
    with pytest.raises((InputError, DataSetError)) as caught:
        open_image(image, tmp_path / "l.tif")
    assert "labels" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_are_checked_once_on_the_way_to_the_target(tmp_path, image, monkeypatch):
    """One check and one change of dtype between the file and what the loss compares with."""
    from napari_unet.annotation import labels as labels_module
    from napari_unet.images import stack as stack_module

    tifffile.imwrite(tmp_path / "l.tif", discs(1, 2, 3).astype(np.uint16))
    stack = open_image(image, tmp_path / "l.tif")
    seen, check = [], labels_module.integer_labels

    def counted(values, *arguments, **options):
        result = check(values, *arguments, **options)
        seen.append((values.dtype, result.dtype))
        return result

    for module in (labels_module, stack_module):
        monkeypatch.setattr(module, "integer_labels", counted)
    target = labels_module.read_target(stack.label_plane(0), stack.scheme)
    assert target.known.all()
    assert seen == [(np.dtype("u2"), np.dtype("i4"))]
