"""A result that memory cannot hold is refused before anything is computed."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
import zarr

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.prediction_job import PredictionRequest, prediction_job
from napari_unet.base.errors import InputError
from napari_unet.cli import main
from napari_unet.config.network import UNetConfig
from napari_unet.images.files import open_image
from napari_unet.images.intensity import Intensity
from napari_unet.images.stack import Stack
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction import room
from napari_unet.prediction.outputs import OUTPUTS, Output
from napari_unet.prediction.predict import predict
from napari_unet.prediction.room import check_room
from napari_unet.training.run_folder import save_model

MILLION = 1_000_000
GB = 10**9


@pytest.fixture
def model():
    network = UNet(UNetConfig(depth=1, width=2, dropout=0.0)).eval()
    return TrainedModel(network, Intensity((0.0,), (255.0,)), LabelScheme())


@pytest.fixture
def image(tmp_path):
    """A plane of a million by a million pixels of which nothing is on disk."""
    group = zarr.create_group(tmp_path / "image.zarr", zarr_format=3)
    axes = [{"name": a, "type": "space"} for a in "yx"]
    scale = [{"type": "scale", "scale": [1.0, 1.0]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    multiscales = [{"axes": axes, "datasets": datasets}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}
    group.create_array(
        "0", dtype="uint8", shape=(MILLION, MILLION), chunks=(512, 512), fill_value=0
    )
    return tmp_path / "image.zarr"


@pytest.fixture
def eight(monkeypatch):
    monkeypatch.setattr(room, "available_memory", lambda _: 8 * GB)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_huge_plane_gets_one_sentence_with_a_part_that_fits(
    tmp_path, image, model, monkeypatch, capsys, kind
):
    monkeypatch.setattr(room, "available_memory", lambda _: 4 * GB)

    def never(*_):
        raise AssertionError("something was computed")

    monkeypatch.setattr(UNet, "forward", never)
    save_model(tmp_path / "m.safetensors", model)
    command = ["predict", str(tmp_path / "m.safetensors"), str(image), "--output", kind]
    command += ["-o", str(tmp_path / "out.tif"), "--device", "cpu"]
    begun = time.monotonic()
    code = main(command)
    said = capsys.readouterr().err.splitlines()[-1]
    assert time.monotonic() - begun < 20
    assert code == 2
    assert "part by part, such as --region" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.zarr", "m.safetensors"]
    numbers = re.search(r"--region (\d+) (\d+) (\d+) (\d+)", said)
    region = tuple(map(int, numbers.groups()))
    assert region[1] - region[0] >= 5000
    check_room(model, open_image(image), Output(kind), region)


def test_where_there_is_room_a_huge_plane_is_begun_at_once(image, model):
    begun = time.monotonic()
    pieces = predict(model, open_image(image), device="cpu")
    first = next(pieces)
    pieces.close()
    assert first.total > 100_000
    assert time.monotonic() - begun < 30


def test_what_passes_row_by_row_needs_little(model, eight):
    wide = Stack("s", np.broadcast_to(np.zeros(1, np.uint8), (100_000, 100_000)), "yx")
    check_room(model, wide, Output())
    for kind in ("probabilities", "objects"):
        with pytest.raises(InputError, match=r"100,000 × 100,000 pixels take .* 8\.0 GB are free"):
            check_room(model, wide, Output(kind))


def test_a_window_holds_what_it_shows(model, eight):
    deep = Stack("s", np.broadcast_to(np.zeros(1, np.uint8), (9000, 1000, 1000)), "zyx")
    check_room(model, deep, Output())
    job = prediction_job(PredictionRequest(model, deep, device="cpu"))
    with pytest.raises(InputError, match="part by part"):
        next(job)
    next(prediction_job(PredictionRequest(model, deep, slices=(3,), device="cpu")))
    next(prediction_job(PredictionRequest(model, deep, device="cpu"), is_written=True))


def test_a_huge_image_of_which_next_to_nothing_is_stored_is_refused(tmp_path, model, eight):
    zarr.create_array(tmp_path / "a.zarr", shape=(3, 2**31, 64), chunks=(1, 64, 64), dtype="u1")
    stack = open_image(tmp_path / "a.zarr")
    with pytest.raises(InputError, match=r"412 GB of pixels, but its files hold less than 41"):
        check_room(model, stack, Output())
    check_room(model, stack, Output(), (0, 64, 0, 64))
    (tmp_path / "a.zarr" / "c").mkdir()
    with (tmp_path / "a.zarr" / "c" / "0").open("wb") as file:
        file.truncate(50_000_000)
    check_room(model, stack, Output())


def test_a_slice_of_a_huge_image_is_predicted_whatever_is_stored_of_the_others(
    tmp_path, model, eight
):
    zarr.create_array(
        tmp_path / "a.zarr", shape=(500, 2**14, 2**14), chunks=(1, 64, 64), dtype="u1"
    )
    stack = open_image(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="its files hold less"):
        check_room(model, stack, Output())
    check_room(model, stack, Output(), slices=(3,))
