"""Every container × dtype × axes ends in a prediction of the right shape, scale and position.

What is predicted must be, pixel by pixel, what the network makes of the same planes in memory.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_unet.annotation.labels import LabelScheme
from napari_unet.config.network import UNetConfig
from napari_unet.images.files import open_image, write_labels
from napari_unet.images.stack import Intensity, Stack
from napari_unet.network.compute import Compute
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_labels, predict_probabilities

if TYPE_CHECKING:
    from pathlib import Path

CPU = Compute("cpu", threads=1)
SIZES = {"t": 2, "z": 3, "c": 2, "y": 17, "x": 19}
SCALE = {"t": 60.0, "z": 2.0, "y": 0.25, "x": 0.5}
START = {"t": 0.0, "z": -6.0, "y": 100.25, "x": 7.5}  # TIFF has no time of the first frame
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
DTYPES = ("bool", "uint8", "uint16", "int16", "float32", "float64")
# Name -> axes, and how many channels; "yxc" with three is colour.
AXES = {
    "plane": ("yx", 1),
    "slices": ("zyx", 1),
    "frames": ("tzyx", 1),
    "channels first": ("cyx", 2),
    "channels between": ("zcyx", 2),
    "channels last": ("zyxc", 2),
    "RGB": ("yxc", 3),
    "RGB slices": ("zyxc", 3),
}
CONTAINERS = ("numpy", "dask", "zarr", "TIFF", "OME-Zarr")


@functools.cache
def picture(dtype: str, channels: int) -> np.ndarray:
    """(T, Z, C, Y, X) with other values in every pixel's neighbourhood, slice and channel."""
    rng = np.random.default_rng(channels)
    values = rng.random([SIZES["t"], SIZES["z"], channels, SIZES["y"], SIZES["x"]])
    if dtype == "bool":
        return values > 0.5
    kind = np.dtype(dtype)
    low, high = {"uint8": (0, 255), "uint16": (0, 60_000), "int16": (-9000, 9000)}.get(
        dtype, (-0.5, 2.0)
    )
    return (low + (high - low) * values).astype(kind)


def array_in(axes: str, dtype: str, channels: int) -> np.ndarray:
    """The picture with these axes; of an axis that is not there, index 0."""
    whole = picture(dtype, channels)
    first = tuple(slice(None) if a in axes else 0 for a in "tzcyx")
    kept = [a for a in "tzcyx" if a in axes]
    return np.ascontiguousarray(whole[first].transpose([kept.index(a) for a in axes]))


@functools.cache
def model(dtype: str, channels: int) -> TrainedModel:
    generator = torch.Generator().manual_seed(5)
    network = UNet(UNetConfig(in_channels=channels, depth=1, width=2), generator).eval()
    limits = Intensity.measure(Stack("s", picture(dtype, channels), "tzcyx"))
    planes = limits.normalise(picture(dtype, channels)[0].swapaxes(0, 1)).swapaxes(0, 1)
    logits = predict_probabilities(network, planes, "zcyx", logits=True, compute=CPU)
    with torch.no_grad():  # so that both classes appear
        network.classify.bias[1] -= float(np.median(logits[:, 1] - logits[:, 0]))
    return TrainedModel(network, limits, LabelScheme(kind="classes", values=(3, 200)))


@functools.cache
def expected(dtype: str, channels: int) -> np.ndarray:
    """(T, Z, Y, X) labels, computed plane by plane from plain memory."""
    made = model(dtype, channels)
    planes = picture(dtype, channels).reshape(-1, channels, SIZES["y"], SIZES["x"])
    labels = []
    for plane in planes:
        normal = made.intensity.normalise(plane)
        classes = predict_probabilities(made.network, normal, "cyx", compute=CPU).argmax(0)
        labels.append(np.where(classes == 1, 200, 3))
    return np.reshape(labels, (SIZES["t"], SIZES["z"], SIZES["y"], SIZES["x"]))


def place(axes: str) -> dict[str, Any]:
    kept = axes.replace("c", "")
    rows = {"scale": SCALE, "translate": START, "units": UNITS}
    return {name: tuple(values[a] for a in kept) for name, values in rows.items()}


def in_container(container: str, array: np.ndarray, axes: str, folder: Path) -> Stack:
    if container == "numpy":
        return Stack("s", array, axes, **place(axes))
    chunks = tuple(min(n, 8) for n in array.shape)
    if container == "dask":
        return Stack("s", da.from_array(array, chunks), axes, **place(axes))
    if container == "zarr":
        stored = zarr.create_array(
            zarr.storage.MemoryStore(), shape=array.shape, dtype=array.dtype, chunks=chunks
        )
        stored[:] = array
        return Stack("s", stored, axes, **place(axes))
    if container == "TIFF":
        return open_image(write_tiff(folder / "s.ome.tif", array, axes))
    return open_image(write_ome_zarr(folder / "s.zarr", array, axes, chunks))


def write_tiff(path: Path, array: np.ndarray, axes: str) -> Path:
    """An OME-TIFF with the place of every plane, as microscopes write it."""
    leading = axes[: axes.index("y")]
    count = math.prod(SIZES[a] for a in leading)
    index = np.indices([SIZES[a] for a in leading]).reshape(len(leading), count)
    metadata: dict[str, Any] = {"axes": axes.upper(), "Plane": {}}
    if axes.endswith("c"):
        metadata["axes"] = axes[:-1].upper() + "S"
    if "t" in axes:
        metadata |= {"TimeIncrement": SCALE["t"], "TimeIncrementUnit": "s"}
    for letter in "zyx":
        if letter in axes:
            steps = index[leading.index("z")] if letter == "z" else [0] * count
            name = letter.upper()
            metadata |= {
                f"PhysicalSize{name}": SCALE[letter], f"PhysicalSize{name}Unit": "µm"
            }  # fmt: skip
            metadata["Plane"] |= {
                f"Position{name}": [START[letter] + SCALE[letter] * float(k) for k in steps],
                f"Position{name}Unit": ["µm"] * count,
            }
    colour = axes.endswith("c") and array.shape[-1] == 3
    tifffile.imwrite(
        path,
        array,
        ome=True,
        photometric="rgb" if colour else "minisblack",
        planarconfig="contig" if axes.endswith("c") else None,
        metadata=metadata,
    )
    return path


def write_ome_zarr(path: Path, array: np.ndarray, axes: str, chunks: tuple[int, ...]) -> Path:
    kinds = {"t": "time", "c": "channel"}
    described = [
        {"name": a, "type": kinds.get(a, "space"), **({"unit": UNITS[a]} if a in UNITS else {})}
        for a in axes
    ]
    transforms = [
        {"type": "scale", "scale": [SCALE.get(a, 1.0) for a in axes]},
        {"type": "translation", "translation": [START.get(a, 0.0) for a in axes]},
    ]
    datasets = [{"path": "0", "coordinateTransformations": transforms}]
    group = zarr.create_group(path, zarr_format=3)
    group.attrs["ome"] = {
        "version": "0.5", "multiscales": [{"axes": described, "datasets": datasets}]
    }  # fmt: skip
    group.create_array("0", shape=array.shape, dtype=array.dtype, chunks=chunks)[:] = array
    return path


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(AXES))
def test_any_stack_is_predicted(name, dtype, container, tmp_path):
    axes, channels = AXES[name]
    if (container, dtype, axes[-1]) == ("TIFF", "bool", "c"):
        pytest.skip("no TIFF holds several samples of one bit per pixel")
    array = array_in(axes, dtype, channels)
    stack = in_container(container, array, axes, tmp_path)
    kept = axes.replace("c", "")
    assert (stack.dtype, stack.channels, stack.leading_axes) == (array.dtype, channels, kept[:-2])

    labels = predict_labels(model(dtype, channels), stack, compute=CPU)
    wanted = expected(dtype, channels)[tuple(slice(None) if a in axes else 0 for a in "tzyx")]
    assert labels.shape == wanted.shape
    assert set(np.unique(labels)) == {3, 200}
    np.testing.assert_array_equal(labels, wanted)

    back = open_image(write_labels(tmp_path / "labels.tif", labels, stack))
    np.testing.assert_array_equal(back.image, wanted)
    assert back.axes == kept
    for written in (stack, back):
        there = place(axes)
        assert written.scale == pytest.approx(there["scale"], rel=1e-6)
        assert written.translate == pytest.approx(there["translate"], rel=1e-6)
        assert written.units == there["units"]


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_region_keeps_its_position(container, tmp_path):
    stack = in_container(container, array_in("zyx", "uint16", 1), "zyx", tmp_path)
    region = (5, 12, 4, 19)
    labels = predict_labels(model("uint16", 1), stack, region=region, compute=CPU)
    np.testing.assert_array_equal(labels, expected("uint16", 1)[0, :, 5:12, 4:19])
    back = open_image(write_labels(tmp_path / "l.tif", labels, stack, region=region))
    assert back.scale == pytest.approx((2.0, 0.25, 0.5))
    assert back.translate == pytest.approx((-6.0, 100.25 + 5 * 0.25, 7.5 + 4 * 0.5))
    np.testing.assert_array_equal(back.image, labels)
