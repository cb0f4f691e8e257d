"""From probabilities to labelled objects: threshold, fill, connected components, smallest size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_unet.annotation.labels import foreground_probability
from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["check_object_settings", "instances"]


def instances(
    probabilities: ArrayLike,
    *,
    threshold: float = 0.5,
    min_size: int = 0,
    fill_holes: bool = False,
    connectivity: int = 1,
) -> NDArray[np.int32]:
    """Return the separate objects in a plane of probabilities.

    Parameters
    ----------
    probabilities
        (K, Y, X) class probabilities, of which the foreground is 1 minus class 0; or (Y, X)
        foreground. Bool counts as 0 and 1.
    threshold
        A pixel is foreground where its probability is more than this, 0 to 1.
    min_size
        Objects of fewer pixels are left out; filled holes count.
    fill_holes
        Make background that does not reach the border of the plane part of the object around it.
        What lies in a hole becomes part of it too.
    connectivity
        1: objects hang together by edges (4 neighbours), as in the ISBI-2012 challenge; 2: by
        corners too (8 neighbours).

    Returns
    -------
    ndarray of int32, shape (Y, X)
        0 is background; objects are numbered 1, 2, ... without gaps, row by row.

    Raises
    ------
    InputError
        If the shape is neither (K, Y, X) nor (Y, X), probabilities are not between 0 and 1, or a
        setting is not usable.
    """
    check_object_settings(threshold, min_size, connectivity)
    foreground = _foreground(np.asarray(probabilities)) > threshold
    structure = ndimage.generate_binary_structure(2, connectivity)
    if fill_holes:
        # Holes hang together the other way round, so that a ring closed by corners has an inside
        # exactly where its corners connect.
        foreground = ndimage.binary_fill_holes(
            foreground, ndimage.generate_binary_structure(2, 3 - connectivity)
        )
    objects, count = ndimage.label(foreground, structure, output=np.int32)
    return _leave_out_small(objects, count, min_size)


def check_object_settings(threshold: float, min_size: int, connectivity: int = 1) -> None:
    """Raise InputError unless `instances` can work with these settings."""
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold must be from 0 to 1, got {threshold!r}; 0.5 is usual.")
    if min_size < 0:
        raise InputError(f"the smallest object must be 0 pixels or more, got {min_size!r}.")
    if connectivity not in (1, 2):
        raise InputError(
            f"connectivity must be 1 (edges) or 2 (edges and corners), got {connectivity!r}."
        )


def _foreground(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Return the foreground probability of each pixel, (Y, X)."""
    shape = probabilities.shape
    if probabilities.ndim not in (2, 3) or (probabilities.ndim == 3 and shape[0] < 2):
        raise InputError(
            "probabilities must be (Y, X) foreground, or (K, Y, X) with background first and 2 "
            f"classes at least, got shape {shape}; pass one slice at a time."
        )
    outside = ~((probabilities >= -1e-3) & (probabilities <= 1 + 1e-3))  # also NaN
    if probabilities.dtype.kind not in "bf" or outside.any():
        found = probabilities.dtype
        if outside.any():
            found = probabilities[outside][0]
        raise InputError(
            f"probabilities must be numbers between 0 and 1, got {found}; apply the softmax to "
            "logits, or divide grey values by their maximum."
        )
    return probabilities if probabilities.ndim == 2 else foreground_probability(probabilities)


def _leave_out_small(objects: NDArray[np.int32], count: int, min_size: int) -> NDArray[np.int32]:
    sizes = np.bincount(objects.ravel(), minlength=count + 1)
    kept = sizes >= max(min_size, 1)
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return numbers[objects]
