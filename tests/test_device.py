"""How to compute: the request, the probe and its memory."""

import json

import pytest
import torch

from napari_unet import device
from napari_unet.device import Compute, available_memory, choose, is_out_of_memory, limit_threads
from napari_unet.errors import DeviceError, InputError
from napari_unet.model import UNetConfig

LARGE = UNetConfig(width=16)  # worth probing


@pytest.fixture
def timings(monkeypatch, tmp_path):
    """Replace the timed step by given seconds; notes what was timed."""
    seconds = {}
    timed = []

    def fake(network, purpose, way, budget):
        timed.append(way)
        return seconds.get((way.dtype, way.channels_last), 1.0)

    monkeypatch.setattr(device, "_time_one", fake)
    (tmp_path / "a file").touch()  # under which nothing can be kept
    monkeypatch.setattr(device, "_answers_file", lambda: tmp_path / "a file" / "compute.json")
    seconds["timed"] = timed
    return seconds


@pytest.fixture
def answers(monkeypatch, tmp_path):
    file = tmp_path / "cache" / "compute.json"
    monkeypatch.setattr(device, "_answers_file", lambda: file)
    return file


def test_the_cpu_can_always_be_had():
    compute = choose("cpu", UNetConfig(depth=1, width=1))  # too small to be worth probing
    assert (compute.device, compute.dtype) == ("cpu", "float32")
    assert compute.describe() == "CPU, float32, 1 thread"
    assert choose("cpu").device == "cpu"
    assert choose("auto").device in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("request_", ["tpu", "", "gpu", "cuda:x"])
def test_an_unknown_device_is_named(request_):
    with pytest.raises(InputError, match="must be auto, cpu, cuda, cuda:N or mps"):
        choose(request_)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_absent_gpu_is_named():
    with pytest.raises(DeviceError, match=r"'cuda:3' was asked for, but torch finds none"):
        choose("cuda:3")


def test_the_fastest_way_is_taken_and_remembered(timings, answers):
    timings["float32", True] = 0.5
    assert choose("cpu", LARGE).channels_last
    assert json.loads(answers.read_text())
    count = len(timings["timed"])
    timings["float32", True] = 5.0
    assert choose("cpu", LARGE).channels_last, "the answer of the first time"
    assert len(timings["timed"]) == count


def test_plain_float32_wins_what_is_nearly_a_tie(timings, answers):
    timings["float32", True] = 0.97
    assert choose("cpu", LARGE) == Compute("cpu", "float32", False, choose("cpu").threads)


def test_bfloat16_is_tried_only_with_units_for_it(timings, answers, monkeypatch):
    timings["bfloat16", True] = 0.2
    monkeypatch.setattr(device, "_has_bfloat16_units", lambda: False)
    assert choose("cpu", LARGE).dtype == "float32"
    answers.unlink()
    monkeypatch.setattr(device, "_has_bfloat16_units", lambda: True)
    assert choose("cpu", LARGE).dtype == "bfloat16"


def test_an_answer_that_cannot_be_kept_is_not_used(timings):
    """It might differ the next time, and the weights of the same seed with it."""
    timings["float32", True] = 0.1
    assert not choose("cpu", LARGE).channels_last


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 3}'])
def test_a_damaged_memory_is_replaced(timings, answers, content):
    answers.parent.mkdir()
    answers.write_text(content)
    timings["float32", True] = 0.5
    assert choose("cpu", LARGE).channels_last
    assert len(json.loads(answers.read_text())) >= 1


def test_training_and_prediction_are_probed_apart(timings, answers):
    timings["float32", True] = 0.5
    choose("cpu", LARGE, purpose="train")
    choose("cpu", LARGE, purpose="predict")
    assert len(json.loads(answers.read_text())) == 2


def test_a_real_probe_leaves_the_random_numbers_alone(answers):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    device._probe(UNetConfig(depth=1, width=2), "train", Compute())
    assert torch.rand(1) == expected


def test_tiny_networks_are_not_probed(timings, answers):
    choose("cpu", UNetConfig(depth=1, width=2))
    assert timings["timed"] == []


def test_cores_are_spared_but_one_is_always_used(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(device, "_present_cores", lambda: 8)
    small = UNetConfig(depth=1, width=2)
    assert choose("cpu", small, spare_cores=1).threads == 7
    assert choose("cpu", small, spare_cores=99).threads == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert choose("cpu", small).threads == 2


def test_threads_are_limited_where_they_compute():
    before = torch.get_num_threads()
    limit_threads(Compute(threads=1))
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def test_memory_errors_are_told_from_others():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    )
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_some_memory_is_available():
    assert 2**20 < available_memory("cpu") < 2**50
