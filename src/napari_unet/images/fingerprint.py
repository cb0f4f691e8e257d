"""What tells one stack from another: plain JSON with SHA-256 sums of its pixels."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.images.intensity import sample_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack

__all__ = ["fingerprint"]


def fingerprint(stack: Stack, *, quick: bool = False) -> dict[str, Any]:
    """Describe the data of a stack, with sums that tell it from other data.

    Arrays in memory are summed whole; of lazy ones the fixed sample of ``sample_blocks``, and
    "sampled" says so. ``quick`` takes that sample of every array, and says so.
    """
    labels: dict[str, Any] = {}
    if stack.labels is not None:
        labels = {
            "labels": _sum_of(
                stack.labels, (stack.raw_labels(*b) for b in sample_blocks(stack)), quick
            ),
            "labels_shape": [int(n) for n in stack.labels.shape],
            "labels_dtype": str(stack.labels.dtype),
            "annotated": None if stack.annotated is None else list(stack.annotated),
        }
    return {
        "name": stack.name,
        "shape": [int(n) for n in stack.image.shape],
        "dtype": str(stack.image.dtype),
        "axes": stack.axes,
        "scale": list(stack.scale),
        "units": list(stack.units),
        "image": _sum_of(stack.image, (stack.image_crop(*b) for b in sample_blocks(stack)), quick),
        "sampled": not (_in_memory(stack.image) and _in_memory(stack.labels)),
        **labels,
        **({"quick": True} if quick else {}),
    }


def _sum_of(array: Any, sample: Iterable[NDArray[Any]], quick: bool) -> str:
    """SHA-256 of dtype, shape and bytes, taken part by part; of a lazy array, of the sample."""
    parts = sample
    if _in_memory(array) and not quick:
        parts = array if array.ndim > 2 else array[None]
    digest = hashlib.sha256(f"{np.dtype(array.dtype).str} {tuple(array.shape)}".encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _in_memory(array: Any) -> bool:
    return array is None or (isinstance(array, np.ndarray) and not isinstance(array, np.memmap))
