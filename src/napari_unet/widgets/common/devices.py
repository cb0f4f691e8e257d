"""The devices that can compute here, as a choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AUTOMATIC", "device_options", "present_devices"]

AUTOMATIC = ("Automatic", "auto")
NAMES = {"cpu": "Processor (CPU)", "mps": "Apple graphics (MPS)", "cuda": "Graphics card"}


def present_devices() -> tuple[str, ...]:
    """Return the devices that torch finds; loads torch, so not for the window's thread."""
    import torch

    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    return tuple(device for device, there in present.items() if there)


def device_options(devices: Sequence[str]) -> list[tuple[str, str]]:
    """Return the choices of a combo box: automatic, and each of the devices."""
    return [AUTOMATIC, *((NAMES.get(device, device), device) for device in devices)]
