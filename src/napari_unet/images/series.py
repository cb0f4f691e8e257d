"""Files of one size as the slices of one array, read at once or when needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation.labels import integer_labels
from napari_unet.base.errors import DataSetError
from napari_unet.images.pixels import LAZY_ABOVE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_all", "read_series"]

READERS = 8  # threads: decompression releases the interpreter's lock


def read_all(files: Sequence[Path], read: Callable[[Path], NDArray[Any]]) -> list[NDArray[Any]]:
    """Read files, several at a time; their order stays."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(read, files))


def read_series(
    files: Sequence[Path],
    read: Callable[[Path], NDArray[Any]],
    *,
    labels: bool = False,
    lazy_above: int = LAZY_ABOVE,
) -> Any:
    """Read files of one size as one array: the one maker of series.

    Parameters
    ----------
    files
        In order.
    read
        Gives the pixels of a file, all of the same shape.
    labels
        Label values may have several dtypes, of which the array takes one that holds all. Grey
        values of several dtypes cannot be compared.
    lazy_above
        Bytes from which on a file is read only when it is needed.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        (N, ...). Labels that are read when needed are int32.

    Raises
    ------
    DataSetError
        When sizes differ, or dtypes of grey values; for what is read later, when it is read.
    """
    first = np.asarray(read(files[0]))

    def checked(file: Path) -> NDArray[Any]:
        array = np.asarray(read(file))
        _check_like(array, file, first, files[0], labels)
        return array

    if first.nbytes * len(files) <= lazy_above:
        arrays = [first, *read_all(files[1:], checked)]
        wide = np.result_type(*arrays)
        if labels and wide.kind == "f" and any(one.dtype.kind != "f" for one in arrays):
            arrays = [integer_labels(one) for one in arrays]  # no common integer type
        return np.stack(arrays)
    import dask
    import dask.array as da

    def whole(file: Path) -> NDArray[Any]:
        return integer_labels(checked(file), of=file.name) if labels else checked(file)

    later = dask.delayed(whole, pure=True)
    dtype = np.dtype(np.int32) if labels else first.dtype
    return da.stack([da.from_delayed(later(file), first.shape, dtype) for file in files])


def _check_like(
    array: NDArray[Any], file: Path, first: NDArray[Any], first_file: Path, labels: bool
) -> None:
    if array.shape != first.shape:
        raise DataSetError(
            f"{file} has shape {array.shape}, but {first_file.name} has {first.shape}: images of a "
            "series must have one size, open the others as stacks of their own."
        )
    if array.dtype != first.dtype and not labels:
        raise DataSetError(
            f"{file} is {array.dtype}, but {first_file.name} is {first.dtype}: images of a series "
            "must have one dtype, or their grey values cannot be compared."
        )
