"""The machine, in words that identify its speed and nobody's computer."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from napari_unet.config.network import UNetConfig
from napari_unet.network.choice import choose

__all__ = ["describe", "load"]

PEERS = ("monai", "elasticdeform", "scipy", "numpy")


def describe() -> dict[str, Any]:
    """Processor, cores, GPU, how the network computes here, and versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": _bfloat16(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "training": choose(network=UNetConfig(), purpose="train").describe(),
        "prediction": choose(network=UNetConfig(), purpose="predict").describe(),
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "torch": torch.__version__,
        "peers": {name: _version(name) for name in PEERS},
    }


def load() -> float | None:
    """Processes that wanted a core over the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _processor() -> str:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(": ")[2]
    return platform.processor() or platform.machine()


def _bfloat16() -> str:
    for name, check in (
        ("AMX", "_is_amx_tile_supported"),
        ("AVX-512", "_is_avx512_bf16_supported"),
    ):
        if getattr(torch.cpu, check, lambda: False)():
            return name
    return "none"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
