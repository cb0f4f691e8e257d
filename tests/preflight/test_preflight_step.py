"""One measured training step, and the command that shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch

from napari_unet.base.errors import DeviceError, InputError
from napari_unet.cli import main
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.datasets import registry as datasets
from napari_unet.network.compute import Compute
from napari_unet.preflight import StepCost, measure_step
from napari_unet.preflight import step as module
from napari_unet.preflight.step import reckoned_bytes
from napari_unet.training.trainer import Trainer

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack

TINY = TrainConfig(
    network=UNetConfig(depth=1, width=4), tile=44, batch=2, steps=50, validate_every=10,
    device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def stack() -> Stack:
    return datasets.synthetic_stack((4, 64, 64))


# -- the step -----------------------------------------------------------------------------------


def test_a_measured_step_says_what_the_run_takes(stack):
    cost = measure_step(stack, TINY)
    assert 0 < cost.seconds_per_step < 5
    assert cost.bytes > 0
    assert cost.steps == 50
    # 5 validations of one slice of 64 + 16 pixels a side, padded to what the network takes: 80²,
    # forward only; a step passes 2 tiles of 44² forward and back.
    validations = 5 * 80**2 / (3 * 2 * 44**2)
    assert cost.seconds_total == pytest.approx(cost.seconds_per_step * (50 + validations))
    assert cost.compute.startswith("CPU, float32")
    assert cost.adjusted == ()
    finding = cost.finding()
    assert finding.severity == "info"
    assert finding.check == "step"
    assert "so 50 steps take" in finding.text


def test_nothing_validates_and_nothing_is_left_running(stack):
    import threading

    before = set(threading.enumerate())
    config = replace(TINY, split=SplitConfig("none"), validate_every=1, steps=1)
    cost = measure_step([stack, stack], config)
    assert cost.seconds_total == cost.seconds_per_step
    assert not [
        t for t in threading.enumerate() if t not in before and t.name in ("tiles", "memory")
    ]


def test_the_warm_step_counts_and_what_was_adjusted_is_said(stack, monkeypatch):
    from napari_unet.training.events import Adjusted, Prepared, Step

    def run(self):
        yield Prepared("CPU", 1, 3, 1, 44, 2, 0, None)
        yield Step(1, 50, 1.0, 1e-3, 9.0, 0.0, 0.0)
        yield Adjusted("tiles are smaller now")
        yield Step(2, 50, 1.0, 1e-3, 8.0, 0.0, 0.0)
        yield Step(3, 50, 1.0, 1e-3, 0.5, 0.0, 0.0)
        raise AssertionError("asked for more than it needs")

    monkeypatch.setattr(Trainer, "run", run)
    cost = measure_step(stack, TINY)
    assert cost.seconds_per_step == 0.5
    assert cost.adjusted == ("tiles are smaller now",)
    assert cost.finding().severity == "warning"
    assert cost.finding().text.endswith("; tiles are smaller now.")


def test_a_stack_that_cannot_be_trained_on_and_a_step_that_does_not_fit(stack, monkeypatch):
    with pytest.raises(InputError, match="has no labels"):
        measure_step(stack.with_labels(None), TINY)
    monkeypatch.setattr("napari_unet.network.compute.available_memory", lambda device: 1000)
    with pytest.raises(DeviceError, match=r"of memory, but 1\.0 kB are free: use smaller tiles"):
        measure_step(stack, TINY)


def test_reckoned_memory_by_hand():
    # Depth 1, width 1, tile 28, without dropout. Kept for the way back, in values of 4 bytes:
    # image 28², ReLU outputs 26², 24²; their halves 12² and the indices (8 bytes) of the maxima;
    # at the bottom 2·10², 2·8²; the 16² of the up-convolution joined with the skip 2·16²;
    # then 14² and 12².
    config = TrainConfig(
        network=UNetConfig(depth=1, width=1, dropout=0.0), tile=28, batch=1, device="cpu"
    )
    values = 28**2 + 26**2 + 24**2 + 12**2 + 2 * 12**2 + 2 * 10**2 + 2 * 8**2 + 2 * 16**2
    values += 14**2 + 12**2
    down = (9 + 1) + (9 + 1) + (9 * 2 + 2) + (9 * 4 + 2)
    up = (4 * 2 + 1) + (9 * 2 + 1) + (9 + 1) + (2 + 2)
    parameters = down + up
    found = reckoned_bytes(config, Compute())
    assert found == pytest.approx(4 * (values + 3 * parameters), rel=0.02)
    adam = reckoned_bytes(replace(config, optimiser="adam"), Compute())
    assert adam - found == 4 * parameters


def test_reckoned_memory_is_about_what_a_step_takes():
    config = TrainConfig(
        network=UNetConfig(depth=2, width=16), tile=284, batch=2, steps=5, device="cpu"
    )
    reckoned = reckoned_bytes(config, Compute())
    assert 5e7 < reckoned < 3e8
    # In a process of its own: this one has memory from earlier tests, and reuses it.
    code = (
        "import json, sys\n"
        "from napari_unet.datasets import synthetic\n"
        "from napari_unet.preflight import step\n"
        "from napari_unet.config.training import TrainConfig\n"
        "config = TrainConfig.from_dict(json.loads(sys.argv[1]))\n"
        "step.LEAST_SHARE = 0\n"
        "print(step.measure_step(synthetic.synthetic_stack((2, 128, 128)), config).bytes)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(config.to_dict())],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 0.4 * reckoned < int(done.stdout) < 3 * reckoned


def test_memory_that_the_program_had_before_is_reckoned(stack, monkeypatch):
    monkeypatch.setattr(module, "_held", lambda device: 10**9)  # nothing is added to it
    assert measure_step(stack, TINY).bytes == reckoned_bytes(TINY, Compute())


def test_where_the_system_does_not_say_the_memory_is_reckoned(stack, monkeypatch):
    monkeypatch.setattr(module, "_held", lambda device: 0)
    config = replace(TINY, network=replace(TINY.network, in_channels=1))
    assert measure_step(stack, config).bytes == reckoned_bytes(config, Compute())


def test_numbers_are_written_for_people():
    cost = StepCost(0.1234, 2_140_000_000, 222, 1000, "CPU, float32, 2 threads")
    assert cost.finding().text == (
        "One training step takes 0.12 s and 2.1 GB of memory (CPU, float32, 2 threads), so "
        "1,000 steps take about 3 min 40 s."
    )
    assert json.loads(json.dumps(cost.to_dict()))["bytes"] == 2_140_000_000


def test_the_pre_flight_imports_no_torch_until_a_step_is_measured():
    code = (
        "import sys, napari_unet.preflight as p, napari_unet.datasets.registry as d\n"
        "list(p.find(d.synthetic_stack((2, 64, 64))))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_allocator_counts_the_memory(stack):
    config = replace(TINY, device="cuda", network=replace(TINY.network, width=8), tile=140)
    cost = measure_step(stack, config)
    reckoned = reckoned_bytes(config, Compute("cuda", "bfloat16"))
    assert 0.5 * reckoned < cost.bytes < 4 * reckoned
    again = measure_step(stack, config)
    assert again.bytes == pytest.approx(cost.bytes, rel=0.5)


# -- the command --------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, stack):
    """Image and labels with a pixel size, as OME-TIFF."""
    for name, array in (("image", stack.image), ("labels", stack.labels)):
        sizes = {"PhysicalSizeX": 4, "PhysicalSizeY": 4, "PhysicalSizeZ": 50}
        tifffile.imwrite(
            tmp_path / f"{name}.tif", array, ome=True, metadata={"axes": "ZYX", **sizes}
        )
    return tmp_path / "image.tif", tmp_path / "labels.tif"


def check(capsys, *arguments) -> tuple[int, dict, str]:
    """Run the command; return its exit code, its JSON and what it said to people."""
    try:
        code = main(["check", *map(str, arguments), "--json"])
    except SystemExit as error:
        code = error.code
    out, err = capsys.readouterr()
    return code, json.loads(out.splitlines()[-1]), err


def test_check_lists_findings_and_ends_with_a_step(files, capsys, monkeypatch):
    monkeypatch.setattr(TrainConfig, "preset_named", classmethod(lambda cls, name, **changes: TINY))
    code, result, said = check(capsys, *files, "--device", "cpu")
    assert code == 0
    assert result["ready"]
    assert result["step"]["steps"] == 50
    assert result["findings"][-1]["check"] == "step"
    assert {one["severity"] for one in result["findings"]} == {"info"}
    assert said.count("\n") == 1 + len(result["findings"])
    assert said.splitlines()[0].startswith("labels: ")
    assert "4 slices, 64 × 64 pixels" in said


def test_check_ends_with_2_where_training_could_not_begin(files, capsys):
    image, labels = files
    tifffile.imwrite(labels, np.zeros((4, 64, 64), np.uint8), photometric="minisblack")
    code, result, said = check(capsys, image, labels)
    assert code == 2
    assert not result["ready"]
    assert result["step"] is None
    assert result["findings"][-1]["severity"] == "error"
    assert "error" in said


def test_check_knows_the_pixel_size_of_the_labels(files, capsys):
    image, labels = files
    array = tifffile.imread(labels)
    tifffile.imwrite(labels, array, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 8,
                                                        "PhysicalSizeY": 8})  # fmt: skip
    code, result, _ = check(capsys, image, labels, "--no-step")
    assert code == 0
    assert result["step"] is None
    (one,) = [one for one in result["findings"] if one["check"] == "scale"]
    assert one["severity"] == "warning"


def test_check_of_an_image_alone_and_of_what_is_not_there(files, capsys):
    code, result, _ = check(capsys, files[0])
    assert code == 0
    assert not result["ready"]
    assert result["step"] is None
    code, result, said = check(capsys, files[0].with_name("no.tif"))
    assert code == 2
    assert "no.tif" in said
