"""How to compute: the request, threads and memory."""

import pytest
import torch

from napari_unet.base.errors import DeviceError, InputError
from napari_unet.config.network import UNetConfig
from napari_unet.network import choice as device
from napari_unet.network.choice import choose
from napari_unet.network.compute import Compute, available_memory, is_out_of_memory, limit_threads


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
