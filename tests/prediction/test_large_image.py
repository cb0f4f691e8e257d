"""20,000 × 20,000 pixels, backed by zarr: opened, measured, previewed, predicted in part, trained.

In a process of its own, whose memory may grow by less than 1 GiB after the imports. The image
alone has 0.75 GiB, and its labels as many bytes as two such images once they are int32.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import zarr

from napari_unet.images.files import open_image

SIDE, CHUNK = 20_000, 500
AT = (9_500, 11_000)  # rows and columns where there is something

SCRIPT = """
import json, resource, sys, time
import dask.array, numpy as np, skimage.transform, torch, zarr
import napari_unet.cli.predict, napari_unet.prediction.files
from napari_unet import cli, preflight
from napari_unet.images import files
from napari_unet.training.run_folder import save_model
from napari_unet.annotation.labels import LabelScheme
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.config.network import UNetConfig
from napari_unet.prediction.arrays import predict_labels, predict_probabilities
from napari_unet.training.data import TrainingData
from napari_unet.config.split import SplitConfig
from napari_unet.images.stack import Stack
from napari_unet.training.trainer import TrainConfig, Trainer

torch.set_num_threads(1)
folder = sys.argv[1]
network = UNet(UNetConfig(depth=4, width=4)).eval()
predict_probabilities(network, np.zeros((32, 32), np.float32), "yx", device="cpu")  # warm up
unit = 1024 if sys.platform == "linux" else 1
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
before, grown, seconds = peak(), {}, {}
clock = time.perf_counter()

def done(step):
    global clock
    grown[step], seconds[step] = peak() - before, round(time.perf_counter() - clock, 2)
    clock = time.perf_counter()

stack = files.open_image(folder + "/image.zarr")
labels = zarr.open(folder + "/labels.zarr", mode="r")
stack = stack.with_labels(labels, LabelScheme(annotation=sys.argv[2]))
done("open")
split = SplitConfig(mode="region", region=(9_500, 10_500, 9_500, 10_200))
data = TrainingData(stack, TrainConfig(split=split))
limits = data.limits
done("measure")
sampler = data.sampler()
tile = sampler.tile(0, 0)
done("preview")
if sys.argv[2] == "dense":  # the rest does not depend on it
    print(json.dumps({"grown": grown, "tile": list(tile.image.shape)}))
    raise SystemExit
region = (9_900, 10_300, 10_000, 10_500)
model = TrainedModel(network, limits, LabelScheme())
part = predict_labels(model, stack, region=region, device="cpu")
done("predict")
save_model(folder + "/model.safetensors", model)
code = cli.main([
    "predict", folder + "/model.safetensors", folder + "/image.zarr", "--device", "cpu",
    "-o", folder + "/part.tif", "--region", *map(str, region),
])
done("command")
settings = TrainConfig(
    network=UNetConfig(depth=1, width=2), steps=1, tile=60, validate_every=2, device="cpu",
    split=SplitConfig(mode="region", region=(9_500, 10_500, 9_500, 10_200)),
)
for event in Trainer(stack, settings).run():
    pass
done("train")
for finding in preflight.find(stack, settings):
    pass
done("check")
print(json.dumps({
    "code": code, "grown": grown, "seconds": seconds, "shape": part.shape,
    "tile": list(tile.image.shape), "known": float((tile.weights > 0).float().mean()),
    "limits": [limits.low[0], limits.high[0]], "centre": tile.centre,
}))
"""


def write_image(folder, annotation: str) -> None:
    """Write a few chunks of an OME-Zarr image and of its labels; the others are not on disk."""
    rng = np.random.default_rng(0)
    rows = cols = slice(*AT)
    side = AT[1] - AT[0]
    group = zarr.create_group(folder / "image.zarr", zarr_format=3)
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    scale = [{"type": "scale", "scale": [0.5, 0.5]}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
        ],
    }
    described = {"shape": (SIDE, SIDE), "chunks": (CHUNK, CHUNK), "fill_value": 0}
    image = group.create_array("0", dtype="uint16", **described)
    image[rows, cols] = rng.integers(100, 60_000, (side, side), np.uint16)
    image[:CHUNK, :CHUNK] = rng.integers(100, 60_000, (CHUNK, CHUNK), np.uint16)
    labels = zarr.create_array(folder / "labels.zarr", dtype="uint16", **described)
    block = np.kron(np.arange(9).reshape(3, 3), np.ones((side // 3, side // 3), int))
    labels[rows, cols] = block + (annotation == "sparse")


def measured(folder, annotation: str) -> dict:
    write_image(folder, annotation)
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), annotation], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    said: dict = json.loads(process.stdout.splitlines()[-1])
    assert max(said["grown"].values()) < 2**30, said
    assert said["tile"] == [1, 572, 572]
    return said


@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is measured as POSIX has it")
def test_memory_grows_by_less_than_a_gibibyte(tmp_path):
    said = measured(tmp_path, "sparse")
    assert said["code"] == 0
    assert said["shape"] == [400, 500]
    assert 0 <= said["limits"][0] < said["limits"][1] <= 60_000
    assert said["known"] > 0  # tiles are where there is something to learn
    assert all(AT[0] - 300 <= c <= AT[1] + 300 for c in said["centre"])
    written = open_image(tmp_path / "part.tif")
    assert written.image.shape == (400, 500)
    assert written.translate == (9_900 * 0.5, 10_000 * 0.5)


@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is measured as POSIX has it")
def test_memory_with_every_pixel_annotated(tmp_path):
    measured(tmp_path, "dense")
