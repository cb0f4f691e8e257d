"""What a prediction gives, to an array, a file and a window alike."""

from __future__ import annotations

import functools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet import evaluate
from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError
from napari_unet.config.decoding import Decoding
from napari_unet.config.network import UNetConfig
from napari_unet.images.stack import Intensity, Stack
from napari_unet.network.decoder import decode
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction import outputs
from napari_unet.prediction.files import write_tiff
from napari_unet.prediction.outputs import OUTPUTS, Output
from napari_unet.prediction.pieces import Piece, collect

TWO = LabelScheme(kind="classes", values=(0, 255))
THREE = LabelScheme(kind="classes", values=(1, 7, 300))


def model_of(scheme, maps=(), decoding=None):
    """Only what its outputs mean is asked of it."""
    config = UNetConfig(depth=0, width=1, classes=scheme.n_classes, object_maps=maps)
    limits = Intensity((0.0,), (1.0,))
    return TrainedModel(UNet(config), limits, scheme, decoding=decoding)


def pieces(probabilities, tile):
    """Cut (N, K, Y, X) into tiles, slice by slice, row by row."""
    n, _, Y, X = probabilities.shape
    places = [(i, y, x) for i in range(n) for y in range(0, Y, tile) for x in range(0, X, tile)]
    for done, (i, y, x) in enumerate(places, start=1):
        rows, cols = slice(y, min(y + tile, Y)), slice(x, min(x + tile, X))
        values = probabilities[i, :, rows, cols]
        yield Piece((i,), i, rows, cols, values, done, len(places), 0.0)


def softmax(rng, n, k, y, x):
    values = np.exp(rng.normal(0, 2, (n, k, y, x)))
    return (values / values.sum(1, keepdims=True)).astype(np.float32)


def array_of(output, scheme, probabilities, tile=3, model=None):
    n, _, Y, X = probabilities.shape
    return collect(
        output.finished(pieces(probabilities, tile), model or model_of(scheme), (0, Y, 0, X)),
        Stack("s", np.zeros((n, Y, X), np.uint8), "zyx"),
        channels=output.channels(scheme),
        dtype=output.dtype(scheme),
    )


def test_labels_are_the_values_of_the_likeliest_class():
    probabilities = np.array([[[[0.2, 0.5]], [[0.7, 0.1]], [[0.1, 0.4]]]], np.float32)
    found = array_of(Output(), THREE, probabilities)
    assert found.tolist() == [[[7, 1]]]
    assert found.dtype == np.uint16


@pytest.mark.parametrize("scheme", [TWO, THREE])
def test_where_no_image_is_there_is_no_object_and_no_class(scheme):
    """Outside of an image all that the network gives is 0, the background too."""
    inside = np.zeros((1, scheme.n_classes, 6, 6), np.float32)
    inside[:, 0] = 1
    inside[:, :, 1:3, 1:3] = np.eye(scheme.n_classes)[1][:, None, None]
    outside = inside.copy()
    outside[..., 4:] = 0
    for kind in ("labels", "objects"):
        expected = array_of(Output(kind), scheme, inside)
        np.testing.assert_array_equal(array_of(Output(kind), scheme, outside), expected)
    reference = array_of(Output(), scheme, inside)
    assert evaluate(outside, reference, scheme=scheme)["pixel accuracy"] == 1


def test_probabilities_without_the_background():
    two = np.array([[[[0.2]], [[0.8]]]], np.float32)
    three = np.array([[[[0.2]], [[0.7]], [[0.1]]]], np.float32)
    plain, bare = Output("probabilities"), Output("probabilities", background=False)
    assert array_of(plain, TWO, two).shape == (1, 2, 1, 1)
    assert array_of(bare, TWO, two).tolist() == [[[np.float32(0.8)]]]
    assert array_of(bare, THREE, three)[0, :, 0, 0].tolist() == three[0, 1:, 0, 0].tolist()


@given(tile=st.integers(1, 24), threshold=st.sampled_from([0.3, 0.5, 0.7]))
@settings(deadline=None, max_examples=30)
def test_objects_do_not_depend_on_the_tile(tile, threshold):
    rng = np.random.default_rng(3)
    probabilities = softmax(rng, 2, 2, 17, 19)
    found = array_of(Output("objects", threshold=threshold), TWO, probabilities, tile)
    inside = 1 - probabilities[:, 0] > threshold
    np.testing.assert_array_equal(found, [ndimage.label(plane)[0] for plane in inside])


@pytest.mark.parametrize(
    ("zoom", "areas"),
    [
        ((0.5, 0.5), [16, 64]),  # as in training: the least 12 px are 3 to the network
        ((1.0, 1.0), [4, 16, 64]),  # coarser pixels: 3 of them
        ((0.25, 0.25), [64]),  # finer ones: 48
        ((0.5, 0.25), [64]),  # 24
    ],
)
def test_the_smallest_object_is_as_large_to_the_network_as_in_training(zoom, areas):
    inside = np.zeros((1, 2, 12, 20), np.float32)
    for side, left in ((2, 0), (4, 3), (8, 8)):
        inside[0, 1, 1 : 1 + side, left : left + side] = 1
    inside[0, 0] = 1 - inside[0, 1]
    model = replace(model_of(TWO, decoding=Decoding(0.5, min_size=12)), zoom=0.5)

    def sizes(output):
        zoomed = (replace(piece, zoom=zoom) for piece in pieces(inside, 7))
        found = np.zeros((12, 20), int)
        for piece in output.finished(zoomed, model, (0, 12, 0, 20)):
            found[piece.rows, piece.cols] = piece.values
        return sorted(np.bincount(found.ravel())[1:].tolist())

    assert sizes(Output("objects")) == areas
    # What is asked for is in pixels of the image.
    assert sizes(Output("objects", min_size=5)) == [16, 64]


def with_maps(seed=0, n=1, side=40):
    """Foreground of two classes and a smooth distance, as a network might give them."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(0, 8, (2, n, side, side)), (0, 0, 3, 3))
    inside = 1 / (1 + np.exp(-smooth[0] - 1))
    return np.stack([1 - inside, inside, smooth[1] + 0.5], axis=1).astype(np.float32)


@given(tile=st.integers(1, 45))
@settings(deadline=None, max_examples=20)
def test_separated_objects_do_not_depend_on_the_tile(tile):
    values = with_maps()
    model = model_of(TWO, ("distance",), Decoding(0.4, 0.6, 5))
    expected = decode(1 - values[0, 0], values[0, 2], Decoding(0.4, 0.6, 5))
    assert expected.max() > 3
    np.testing.assert_array_equal(
        array_of(Output("objects"), TWO, values, tile, model)[0], expected
    )


def test_settings_given_outdo_those_of_the_model():
    values = with_maps()
    model = model_of(TWO, ("distance",), Decoding(0.4, 0.6, 5))
    output = Output("objects", seed=0.9, min_size=0)
    expected = decode(1 - values[0, 0], values[0, 2], Decoding(0.4, 0.9, 0))
    np.testing.assert_array_equal(array_of(output, TWO, values, 40, model)[0], expected)
    output = Output("objects", seed=0.3, min_size=0, valley=0.25)
    expected = decode(1 - values[0, 0], values[0, 2], Decoding(0.4, 0.3, 0, 0.25))
    np.testing.assert_array_equal(array_of(output, TWO, values, 40, model)[0], expected)
    labels = array_of(Output(), TWO, values, 7, model)
    np.testing.assert_array_equal(labels[0], np.where(values[0, 1] > 0.5, 255, 0))
    assert array_of(Output("probabilities"), TWO, values, 7, model).shape == (1, 2, 40, 40)


def test_a_large_plane_is_written_block_by_block(tmp_path, monkeypatch):
    values = with_maps(side=90)
    model = model_of(TWO, ("distance",))
    expected = array_of(Output("objects"), TWO, values, 90, model)
    blocks = functools.partial(outputs.decode_blocks, block=32)
    monkeypatch.setattr(outputs, "decode_blocks", blocks)
    monkeypatch.setattr(outputs, "BLOCK", 32)
    stack = Stack("s", np.zeros((90, 90), np.uint8), "yx")
    output = Output("objects")
    finished = output.finished(pieces(values, 25), model, (0, 90, 0, 90))
    write_tiff(tmp_path / "o.tif", finished, output, TWO, stack)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif"), expected[0])


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("scheme", [TWO, THREE])
@pytest.mark.parametrize("tile", [5, 64, 700])
def test_a_file_holds_what_an_array_holds(tmp_path, kind, scheme, tile):
    probabilities = softmax(np.random.default_rng(0), 3, scheme.n_classes, 70, 650)
    output = Output(kind)
    stack = Stack("s", np.zeros((3, 70, 650), np.uint8), "zyx")
    finished = output.finished(pieces(probabilities, tile), model_of(scheme), (0, 70, 0, 650))
    shape, dtype = write_tiff(tmp_path / "o.tif", finished, output, scheme, stack)
    expected = array_of(output, scheme, probabilities, tile)
    with tifffile.TiffFile(tmp_path / "o.tif") as file:
        written = file.asarray()
        assert file.pages[0].software.startswith("napari-unet")
    np.testing.assert_array_equal(written, expected)
    assert (shape, dtype) == (expected.shape, str(expected.dtype))


def test_a_part_of_a_file_is_written_before_the_plane_is_complete(tmp_path, monkeypatch):
    """Labels of a plane larger than memory pass row by row."""
    import imagecodecs

    packed, last = [], []
    encode = imagecodecs.deflate_encode

    def seen(strip):
        packed.append(len(strip))
        return encode(strip)

    monkeypatch.setattr(imagecodecs, "deflate_encode", seen)

    def watched(given):
        for one in given:
            last.append(sum(packed))
            yield one

    probabilities = softmax(np.random.default_rng(0), 1, 2, 640, 2000)
    stack = Stack("s", np.zeros((640, 2000), np.uint8), "yx")
    tiles = watched(pieces(probabilities, 80))
    finished = Output().finished(tiles, model_of(TWO), (0, 640, 0, 2000))
    write_tiff(tmp_path / "o.tif", finished, Output(), TWO, stack)
    assert last[-1] >= 390  # of 640 rows, before the last tile was there
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "o.tif"), array_of(Output(), TWO, probabilities)[0]
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "cells"}, "one of labels, probabilities, objects"),
        ({"threshold": 1.5}, "threshold must be from 0 to 1"),
        ({"threshold": float("nan")}, "threshold must be from 0 to 1"),
        ({"min_size": -1}, "0 pixels or more"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(settings, said):
    with pytest.raises(InputError, match=said):
        Output(**settings)


def test_outputs_are_known_without_torch():
    code = "import sys, napari_unet.prediction.outputs; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
