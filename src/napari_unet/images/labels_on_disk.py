"""Labels that are not loaded: what a sample says about their values holds for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import DataSetError
from napari_unet.images.label_values import mask_cut
from napari_unet.images.pixels import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["label_values_on_disk"]

PLANES = 64  # evenly spaced, that are looked at
ENOUGH = 8  # parts that hold labels, of which all are judged
SIDE = 1024  # px, of the parts of a larger plane
PARTS = 3  # along the diagonal of a larger plane


def label_values_on_disk(
    array: Any, name: str, *, lossy: bool = False, probabilities: bool = False
) -> tuple[Any, tuple[str, ...]]:
    """Return label values, and what is to be said about how they are read.

    Parameters
    ----------
    array
        (..., Y, X) on a disk or elsewhere; parts of a few planes are read.
    name
        Of the file.
    lossy, probabilities
        As of `label_values.mask_cut`.

    Returns
    -------
    array
        The same, or a dask array whose parts are thresholded when they are read.
    tuple of str

    Raises
    ------
    DataSetError
        As `label_values.label_values`, or where a part cannot be read.
    """
    sample = _sample(array, name)
    cut = mask_cut(sample, name, lossy=lossy, probabilities=probabilities)
    if cut is None:
        return array, ()
    import dask.array as da

    later = da.asarray(array).map_blocks(cut.applied, dtype=array.dtype)
    return later, (cut.said,)


def _sample(array: Any, name: str) -> NDArray[Any]:
    """Parts of one size that hold labels, (n, h, w); one without where none is found."""
    found: list[NDArray[Any]] = []
    for where in _places(array.shape):
        try:
            part = np.asarray(array[where])
        except Exception as error:  # whatever the file behind it raises
            raise DataSetError(
                f"{name} cannot be read ({reason(error)}): copy it again."
            ) from error
        if found and not found[-1].any():
            found.pop()
        if not found or part.any():
            found.append(part)
        if len(found) == ENOUGH:
            break
    return np.stack(found)


def _places(shape: tuple[int, ...]) -> Iterator[tuple[int | slice, ...]]:
    Y, X = (int(n) for n in shape[-2:])
    leading = tuple(int(n) for n in shape[:-2])
    n = int(np.prod(leading))
    parts = 1 if max(Y, X) <= SIDE else PARTS
    evenly = np.unique(np.linspace(0, n - 1, min(n, PLANES)).round().astype(int))
    for i in np.random.default_rng(0).permutation(evenly):
        plane = tuple(int(k) for k in np.unravel_index(i, leading)) if leading else ()
        for k in range(parts):
            starts = [max(0, side - SIDE) * (k + 1) // (parts + 1) for side in (Y, X)]
            rows, cols = (slice(a, min(a + SIDE, side)) for a, side in zip(starts, (Y, X)))
            yield (*plane, rows, cols)
