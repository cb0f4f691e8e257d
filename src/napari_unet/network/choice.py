"""Which device, precision and memory format compute a network here."""

from __future__ import annotations

import os
from typing import Literal

import torch

from napari_unet.base.errors import DeviceError, InputError
from napari_unet.config.network import UNetConfig
from napari_unet.network.compute import Compute
from napari_unet.network.probe import fastest_on_cpu

__all__ = ["choose"]


def choose(
    request: str = "auto",
    network: UNetConfig | None = None,
    *,
    purpose: Literal["train", "predict"] = "train",
    spare_cores: int = 0,
) -> Compute:
    """Decide how to compute.

    Parameters
    ----------
    request : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``. Automatic
        is CUDA if there is one, else MPS, else the CPU.
    network : UNetConfig, optional
        Shape of the network, for the probe; a small one when omitted.
    purpose : {"train", "predict"}
        A training step and a forward pass may favour different formats.
    spare_cores : int
        CPU cores left to others; 1 while a window is open, which otherwise
        fights with torch for them.

    Raises
    ------
    InputError
        If `request` names no kind of device.
    DeviceError
        If the device named is not present.
    """
    device = _device(request)
    threads = max(1, _cores() - spare_cores)
    if device.startswith("cuda"):
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return Compute(
            device, "bfloat16" if bf16 else "float32", channels_last=True, threads=threads
        )
    if device == "mps":
        return Compute(device, "float32", channels_last=False, threads=threads)
    return fastest_on_cpu(network or UNetConfig(width=16), purpose, threads)


def _device(request: str) -> str:
    if request == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(request).type
    except RuntimeError:
        kind = ""
    if kind not in ("cpu", "cuda", "mps"):
        msg = f"the device must be auto, cpu, cuda, cuda:N or mps, got {request!r}: choose one"
        raise InputError(msg)
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available()
        and (torch.device(request).index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present[kind]:
        msg = f"the device {request!r} was asked for, but torch finds none: use auto or cpu"
        raise DeviceError(msg)
    return request


def _cores() -> int:
    """Cores this process may use, or fewer where the user set the usual variable."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    present = _present_cores()
    return min(present, int(wanted)) if wanted.isdigit() and int(wanted) > 0 else present


def _present_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
