"""From the outputs of a network with object maps to objects: seeds, and a watershed from them.

Legend: M object maps, (Y, X) plane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import InputError
from napari_unet.network.watershed import BLOCK, watershed, watershed_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.config.decoding import Decoding
    from napari_unet.config.network import ObjectMap
    from napari_unet.network.watershed import Window

__all__ = ["decode", "decode_blocks", "heights"]


def heights(maps: NDArray[Any], kinds: Sequence[ObjectMap]) -> NDArray[np.float32]:
    """Return how far inside an object each pixel lies, as the watershed wants it.

    Parameters
    ----------
    maps
        (M, Y, X) as the network gives them.
    kinds
        What they are, M of them; "neighbour", squared, is taken off the first of the others
        (Scherr et al. 2020).

    Returns
    -------
    ndarray of float32, shape (Y, X)

    Raises
    ------
    InputError
        If there is no map that rises to the middle of objects.
    """
    by_kind = dict(zip(kinds, maps))
    near = by_kind.pop("neighbour", None)
    if not by_kind or len(kinds) != len(maps):
        raise InputError(
            f"expected the object maps {tuple(kinds)} with 'distance' or 'interior' among them, "
            f"got {len(maps)} maps: use a network that learnt one."
        )
    inside = np.asarray(next(iter(by_kind.values())), np.float32)
    if near is None:
        return inside
    apart: NDArray[np.float32] = inside - np.maximum(near, 0, dtype=np.float32) ** 2
    return apart


def decode(foreground: NDArray[Any], height: NDArray[Any], decoding: Decoding) -> NDArray[np.int32]:
    """Return the objects of a plane.

    Parameters
    ----------
    foreground
        (Y, X) probability of any class but background.
    height
        (Y, X) from `heights`.
    decoding
        Thresholds.

    Returns
    -------
    ndarray of int32, shape (Y, X)
        0 is background; objects are numbered 1, 2, … by their first pixel, row by row.
    """
    where = _where(foreground, height, decoding)
    return watershed(where, decoding.seed, decoding.min_size, decoding.valley)


def decode_blocks(
    read: Callable[[slice, slice], tuple[NDArray[Any], NDArray[Any]]],
    shape: tuple[int, int],
    decoding: Decoding,
    block: int = BLOCK,
) -> Iterator[tuple[Window, NDArray[np.int32]]]:
    """Yield the objects of a plane larger than memory; ids are those of `decode`.

    Parameters
    ----------
    read
        Gives foreground and height, (h, w) each, of rows and columns of the plane. It is asked
        twice for every block, with one pixel around it.
    shape
        (Y, X) of the plane.
    decoding
        Thresholds.
    block
        px, side of a block.
    """
    yield from watershed_blocks(
        lambda rows, cols: _where(*read(rows, cols), decoding),
        shape, decoding.seed, decoding.min_size, decoding.valley, block=block,
    )  # fmt: skip


def _where(
    foreground: NDArray[Any], height: NDArray[Any], decoding: Decoding
) -> NDArray[np.float32]:
    if foreground.shape != height.shape:
        raise InputError(
            f"foreground and height must have the same shape, got {foreground.shape} and "
            f"{height.shape}: give both of the same plane."
        )
    return np.where(foreground > decoding.threshold, height, np.float32(-np.inf))
