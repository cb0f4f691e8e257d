"""Where to compute: device, precision, memory format and threads.

On a CPU a short timed probe decides (see `napari_unet.network.probe`); its answer is
kept for the machine, and later runs compute in the same way, to the last bit.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from napari_unet.base.explained import means_no_memory
from napari_unet.base.kept_memory import give_back

if TYPE_CHECKING:
    from napari_unet.network.unet import UNet

__all__ = [
    "Compute",
    "available_memory",
    "free_memory",
    "is_out_of_memory",
    "limit_threads",
]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Compute:
    """One way of computing.

    Attributes
    ----------
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` …
    dtype : {"float32", "bfloat16"}
        Precision of convolutions; weights and loss stay float32 in training.
    channels_last : bool
        Memory format of images and weights.
    threads : int
        CPU threads for torch.
    pace : tuple of (int, float)
        Pixels of an input tile, and the time that each of them takes in a
        prediction, in any unit; ascending. Caches make large tiles slower.
        Empty where it is not known, or all sizes are alike.
    """

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False
    threads: int = 1
    pace: tuple[tuple[int, float], ...] = ()

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype as torch's."""
        return DTYPES[self.dtype]

    @property
    def memory_format(self) -> torch.memory_format:
        """The memory format as torch's."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def seconds_per_pixel(self, pixels: int) -> float:
        """Time of a pixel in an input tile of so many, in `pace`'s unit."""
        if not self.pace:
            return 1.0
        sizes, seconds = zip(*self.pace)
        return float(np.interp(pixels, sizes, seconds))

    def place(self, network: UNet, dtype: torch.dtype = torch.float32) -> UNet:
        """Move a network to the device, in its memory format and in `dtype`."""
        network.to(self.device, dtype)
        network.to(memory_format=self.memory_format)  # type: ignore[call-overload] # torch's stub
        return network

    def describe(self) -> str:
        """Short text for people, such as "CPU, float32, 2 threads"."""
        if self.device == "cpu":
            threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
            return f"CPU, {self.dtype}, {threads}"
        if self.device.startswith("cuda"):
            return f"{torch.cuda.get_device_name(self.device)}, {self.dtype}"
        return f"{self.device.upper()}, {self.dtype}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def limit_threads(compute: Compute) -> None:
    """Give torch its threads; to be called inside the thread that computes."""
    if torch.get_num_threads() != compute.threads:
        torch.set_num_threads(compute.threads)


# -- memory ------------------------------------------------------------------


def available_memory(device: str) -> int:
    """Bytes that a computation on `device` may take now, as far as the system says."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(AttributeError, ValueError, OSError):
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) // 2
    return 4 * 2**30


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch means that memory did not suffice."""
    return isinstance(error, torch.OutOfMemoryError) or means_no_memory(error)


def free_memory(device: str) -> None:
    """Hand cached memory of the device, and freed memory of the process, back to the system."""
    give_back()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
