"""The most memory that a training took."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

__all__ = ["PeakMemory"]


class PeakMemory:
    """Watches the memory of a device from now on.

    On a GPU it counts what torch holds for tensors; on the CPU the resident memory of the whole
    process, where the system (Linux) says so.

    Parameters
    ----------
    device
        As in `napari_unet.network.compute.Compute`.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        if device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(device)
        elif device == "cpu":
            # "5" sets the recorded peak back to what is resident now, see proc(5).
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def read(self) -> int | None:
        """Return the peak so far in bytes; None where nobody knows."""
        if self.device.startswith("cuda"):
            return int(torch.cuda.max_memory_allocated(self.device))
        with suppress(OSError, ValueError, IndexError):
            for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
                if self.device == "cpu" and line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None
