"""Which device, precision and memory format compute a network here."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Literal

import torch

from napari_unet.base.errors import DeviceError, InputError
from napari_unet.config.network import UNetConfig
from napari_unet.network.compute import Compute
from napari_unet.network.probe import fastest_on_cpu

__all__ = ["as_recorded", "choose"]


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


def as_recorded(
    recorded: Compute,
    request: str = "auto",
    network: UNetConfig | None = None,
    *,
    spare_cores: int = 0,
) -> tuple[Compute, str]:
    """Go on computing as a run did before it was interrupted.

    Parameters
    ----------
    recorded : Compute
        How the run computed.
    request, network, spare_cores
        As in `choose`; a request other than "auto" that names another device is followed.

    Returns
    -------
    compute : Compute
        The recorded way where this machine has it.
    remark : str
        What differs and why, one sentence for people, or "".
    """
    if request not in ("auto", recorded.device):
        compute, why = choose(request, network, spare_cores=spare_cores), "as asked"
    elif not _is_present(recorded.device):
        compute = choose("auto", network, spare_cores=spare_cores)
        why = f"as there is no {recorded.device} here"
    elif recorded.device == "cpu" and recorded.threads > _cores():
        compute = replace(recorded, threads=_cores())
        why = f"as this process may use {_cores()}"
    else:
        return recorded, ""
    before, now = (
        f"{way.device}, {way.dtype}, {way.threads} threads" for way in (recorded, compute)
    )
    if before == now:
        return compute, ""
    return compute, (
        f"the run was begun on {before} and goes on on {now}, {why}: its weights will differ a "
        "little from those of a run that was not interrupted"
    )


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
    if not _is_present(request):
        msg = f"the device {request!r} was asked for, but torch finds none: use auto or cpu"
        raise DeviceError(msg)
    return request


def _is_present(device: str) -> bool:
    """Whether torch finds a device here; False also for the name of none."""
    try:
        kind, index = torch.device(device).type, torch.device(device).index or 0
    except RuntimeError:
        return False
    if kind == "cuda":
        return torch.cuda.is_available() and index < torch.cuda.device_count()
    return kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available())


def _cores() -> int:
    """Cores this process may use, or fewer where the user set the usual variable."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    present = _present_cores()
    return min(present, int(wanted)) if wanted.isdigit() and int(wanted) > 0 else present


def _present_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
