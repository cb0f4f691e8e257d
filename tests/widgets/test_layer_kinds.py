"""Layers of every kind, from the layer to a prediction that lies where the layer lies."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.prediction_job import PredictionRequest, prediction_job
from napari_unet.config.network import UNetConfig
from napari_unet.images.stack import Intensity
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.outputs import Output
from napari_unet.widgets.common.layers import (
    annotated_slices,
    default_level,
    describe_levels,
    level_options,
    proposed_axes,
    put_on_slice,
    stack_from_layers,
)
from napari_unet.widgets.predict.prediction_layer import prediction_layer

Y, X = 20, 26


def a_model(channels: int) -> TrainedModel:
    """A network of random weights."""
    network = UNet(UNetConfig(in_channels=channels, depth=1, width=2, dropout=0.0))
    limits = Intensity((0.0,) * channels, (255.0,) * channels)
    return TrainedModel(network.eval(), limits, LabelScheme(), "tiny", None, {})


def predicted(viewer, layer, axes=None, level=0):
    """Predict a layer into the viewer; returns the stack and the result layer."""
    viewer.add_layer(layer)
    stack = stack_from_layers(layer, axes=axes, level=level)
    model = a_model(stack.channels)
    result = prediction_layer(viewer, stack, layer, Output(), model.scheme, model.identity())
    for piece in prediction_job(PredictionRequest(model, stack, device="cpu")):
        if hasattr(piece, "values"):
            result.write((*piece.index, piece.rows, piece.cols), piece.values)
    return stack, result.layer


def contained(data, container, tmp_path):
    """The array as numpy, dask or zarr."""
    if container == "dask":
        da = pytest.importorskip("dask.array")
        return da.from_array(data, chunks=(1,) * (data.ndim - 2) + data.shape[-2:])
    if container == "zarr":
        import zarr

        return zarr.create_array(str(tmp_path / "a.zarr"), data=data)
    return data


KINDS = [
    ("yx", (Y, X), "YX"),
    ("zyx", (3, Y, X), "ZYX"),
    ("tzyx", (2, 3, Y, X), "TZYX"),
    ("cyx", (2, Y, X), "CYX"),
    ("zcyx", (3, 2, Y, X), "ZCYX"),
    ("tzyxc", (2, 3, Y, X, 2), "TZYXC"),
]


@pytest.mark.parametrize(("axes", "shape", "labels"), KINDS)
@pytest.mark.parametrize("container", ["numpy", "dask", "zarr"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_prediction_lies_over_its_layer(model, tmp_path, axes, shape, labels, container, dtype):
    data = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    scale = tuple(0.5 * (k + 1) for k in range(len(shape)))
    translate = tuple(10.0 * k for k in range(len(shape)))
    layer = Image(
        contained(data, container, tmp_path), name="im", scale=scale, translate=translate,
        units=("um",) * len(shape), axis_labels=tuple(labels), contrast_limits=(0, 255),
    )  # fmt: skip
    assert proposed_axes(layer)[0] == axes
    stack, result = predicted(model, layer)
    kept = [k for k, a in enumerate(axes) if a != "c"]
    assert result.name == "im · prediction"
    assert result.data.shape == tuple(shape[k] for k in kept)
    assert np.allclose(result.scale, [scale[k] for k in kept])
    assert np.allclose(result.translate, [translate[k] for k in kept])
    assert {str(unit) for unit in result.units} == {"micrometer"}
    assert result.axis_labels == tuple(labels[k] for k in kept)
    assert stack.image is layer.data  # neither copied nor loaded
    assert not np.issubdtype(type(result.data), np.floating)


@pytest.mark.parametrize(
    "dtype",
    ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16",
     "float32", "float64", "bool"],
)  # fmt: skip
def test_every_number_type_is_predicted(model, dtype):
    data = (np.random.default_rng(0).random((2, Y, X)) * 2).astype(dtype)
    layer = Image(data, name="im", scale=(3, 2, 1), contrast_limits=(0, 1))
    _, result = predicted(model, layer)
    assert result.data.shape == (2, Y, X)
    assert np.allclose(result.scale, (3, 2, 1))


@pytest.mark.parametrize(("shape", "axes"), [((Y, X, 3), "yxc"), ((2, Y, X, 4), "zyxc")])
def test_colour_is_predicted_as_its_plane(model, shape, axes):
    data = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    n = len(shape) - 1
    layer = Image(data, rgb=True, name="im", scale=(2,) * n, translate=(5,) * n)
    stack, result = predicted(model, layer)
    assert stack.axes == axes
    assert result.data.shape == shape[:-1]
    assert np.allclose(result.scale, (2,) * n)
    assert np.allclose(result.translate, (5,) * n)


# -- multiscale -----------------------------------------------------------------------------


def pyramid(**options) -> Image:
    data = np.random.default_rng(0).integers(0, 255, (3, 48, 64), np.uint8)
    return Image([data, data[:, ::2, ::2]], multiscale=True, name="im", **options)


def test_a_prediction_of_a_coarser_level_covers_the_same_field(model):
    layer = pyramid(scale=(2, 0.5, 0.5), translate=(0, 10, 20))
    stack, result = predicted(model, layer, level=1)
    assert stack.plane_shape == result.data.shape[-2:] == (24, 32)
    assert np.allclose(result.scale, (2, 1, 1))
    # outlines: the first pixel of the image begins at 10 - 0.25, and so does the result's
    assert np.allclose(result.translate, (0, 10.25, 20.25))
    begins = result.translate[1:] - result.scale[1:] / 2
    assert np.allclose(begins, (10 - 0.25, 20 - 0.25))
    ends = begins + result.scale[1:] * (24, 32)
    assert np.allclose(ends, (9.75 + 48 * 0.5, 19.75 + 64 * 0.5))


def test_the_level_that_labels_were_drawn_on_is_used():
    layer = pyramid()
    assert default_level(layer) == 0
    assert default_level(layer, Labels(np.zeros((3, 24, 32), np.uint8))) == 1
    assert default_level(layer, Labels(np.zeros((3, 48, 64), np.uint8))) == 0
    assert level_options(layer) == [("0: 48 × 64 pixels", 0), ("1: 24 × 32 pixels", 1)]
    assert level_options(Image(np.zeros((4, 4)))) == []
    assert describe_levels(layer, 1) == (
        "2 resolution levels; level 1 is used, whose pixels are 2 times as large"
    )


# -- labels of a part -----------------------------------------------------------------------


@pytest.fixture
def movie(model):
    """A (T, Z, Y, X) layer, 4 × 5 slices."""
    data = np.random.default_rng(0).integers(0, 255, (4, 5, Y, X), np.uint8)
    return model.add_image(data, name="movie", scale=(1, 2, 1, 1), translate=(0, 10, 0, 0),
                           axis_labels=("t", "z", "y", "x"))  # fmt: skip


def part(shape, translate, values=1):
    array = np.zeros(shape, np.uint8)
    array[..., 2:9, 3:9] = values
    n = len(shape)
    return Labels(array, scale=(1, 2, 1, 1)[4 - n :], translate=translate)


@pytest.mark.parametrize(
    ("shape", "translate", "slices"),
    [
        ((4, 5, Y, X), (0, 10, 0, 0), None),  # all
        ((1, 5, Y, X), (2, 10, 0, 0), (10, 11, 12, 13, 14)),  # all z of t 2
        ((2, 2, Y, X), (1, 14, 0, 0), (7, 8, 12, 13)),  # z 2, 3 of t 1, 2
        ((5, Y, X), (10, 0, 0), (15, 16, 17, 18, 19)),  # all z of the t that is shown, 3
        ((2, Y, X), (12, 0, 0), (16, 17)),
        ((Y, X), (0, 0), (16,)),  # the slice that is shown: t 3, z 1
    ],
)
def test_labels_of_a_part_belong_where_they_lie(model, movie, shape, translate, slices):
    model.dims.set_point([0, 1], [3, 12])
    labels = part(shape, translate)
    put_on_slice(labels, movie, model)
    model.dims.set_point([0, 1], [0, 10])  # where the viewer goes next does not matter
    found = annotated_slices(movie, labels)
    assert found == slices
    stack = stack_from_layers(movie, labels, annotated=found)
    assert stack.labelled_slices == (slices or tuple(range(20)))
    first = stack.labelled_slices[0]
    assert np.array_equal(stack.label_plane(first), labels.data.reshape(-1, Y, X)[0])
    labels.data[..., 15, 15] = 1  # painted: the stack has it
    assert stack.label_plane(first)[15, 15] == 1


def test_labels_beside_the_image_belong_nowhere(model, movie):
    assert annotated_slices(movie, part((2, 5, Y, X), (3, 10, 0, 0))) is None


def test_lazy_labels_of_a_part_stay_lazy(model, movie):
    da = pytest.importorskip("dask.array")
    data = np.zeros((2, 2, Y, X), np.uint8)
    data[1, 0, 3:6, 3:6] = 2
    lazy = da.from_array(data, chunks=(1, 1, Y, X))
    labels = Labels(lazy, scale=(1, 2, 1, 1), translate=(1, 14, 0, 0))
    stack = stack_from_layers(movie, labels, annotated=annotated_slices(movie, labels))
    assert not isinstance(stack.labels, np.ndarray)
    assert np.array_equal(stack.label_plane(12), data[1, 0])
