"""Warp a binary image towards another without changing its topology, by flipping simple points."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SIMPLE", "neighbourhood_codes", "warp"]

# Places of the 8 neighbours in a 3 × 3 patch, in the order of their bits in a code; the neighbour
# opposite to bit k is bit 7 − k.
RING = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)]

# What a pending pixel is: not worth a visit, or in line for one.
NOT_YET, WAITING = 1, 2


def is_simple(code: int) -> bool:
    """Tell whether flipping the centre keeps the topology of cells (4) and background (8).

    Both topological numbers must be 1: the 4-connected components of the foreground of the ring
    that touch the centre by an edge, and the 8-connected components of its background.
    """
    patch = np.zeros((3, 3), bool)
    for bit, place in enumerate(RING):
        patch[place] = code >> bit & 1
    background = ~patch
    background[1, 1] = False
    cells = ndimage.label(patch)[0]
    touching = {cells[0, 1], cells[1, 0], cells[1, 2], cells[2, 1]} - {0}
    return len(touching) == 1 and int(ndimage.label(background, np.ones((3, 3)))[1]) == 1


# Whether a pixel is simple, by the code of its 8 neighbours; its own value does not matter.
SIMPLE = bytes(is_simple(code) for code in range(256))


def neighbourhood_codes(binary: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Write the 8 neighbours of every pixel as 8 bits; outside the image is background."""
    framed = np.pad(binary, 1).view(np.uint8)
    height, width = binary.shape
    codes = np.zeros(binary.shape, np.uint8)
    for bit, (row, column) in enumerate(RING):
        codes |= framed[row : row + height, column : column + width] << bit
    return codes


def warp(
    source: NDArray[np.bool_],
    target: NDArray[np.bool_],
    urgency: NDArray[np.floating[Any]],
    known: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Flip simple points of ``source`` where it differs from ``target``, until none is left.

    Pixels are visited in the order of decreasing urgency (of equal ones, column by column), again
    and again until a whole pass flips nothing.

    Parameters
    ----------
    source, target : ndarray (Y, X) bool
        The image to warp and the image to approach.
    urgency : ndarray (Y, X) floating
        Pixels of greater urgency are visited first.
    known : ndarray (Y, X) bool
        Only these pixels may be flipped.

    Returns
    -------
    ndarray (Y, X) bool
        The warped source.

    References
    ----------
    Bertrand and Malandain (1994), A new characterization of three-dimensional simple points,
    https://doi.org/10.1016/0167-8655(94)90046-9
    """
    # Transposed, so that flat indices run column by column; framed, so that each has 8 neighbours.
    framed = np.pad(source.T, 1)
    wrong = np.pad(((source != target) & known).T, 1)
    places = np.flatnonzero(wrong)
    first = np.argsort(-np.pad(urgency.T, 1).ravel()[places], kind="stable")
    codes = bytearray(neighbourhood_codes(framed).tobytes())
    pending = bytearray(wrong.tobytes())
    relax(codes, pending, places[first].tolist(), framed.shape[1])
    left = np.frombuffer(pending, bool).reshape(framed.shape)
    return np.ascontiguousarray((framed ^ (wrong & ~left))[1:-1, 1:-1].T)


def relax(codes: bytearray, pending: bytearray, order: list[int], stride: int) -> None:
    """Flip the pending simple points, pass by pass; all arguments are of the framed image.

    The first pass visits every pixel. From then on only pixels that a flip beside them has made
    simple are worth a visit: in the same pass if their turn is still to come, else in the next.
    """
    simple = SIMPLE
    above, below = -stride, stride
    for p in order:
        if simple[codes[p]]:
            pending[p] = 0
            codes[p + above - 1] ^= 128
            codes[p + above] ^= 64
            codes[p + above + 1] ^= 32
            codes[p - 1] ^= 16
            codes[p + 1] ^= 8
            codes[p + below - 1] ^= 4
            codes[p + below] ^= 2
            codes[p + below + 1] ^= 1
    order = [p for p in order if pending[p]]
    turn = {p: k for k, p in enumerate(order)}
    turns = [k for k, p in enumerate(order) if simple[codes[p]]]
    for k in turns:
        pending[order[k]] = WAITING
    while turns:
        turns = one_pass(codes, pending, order, turn, turns, stride)


def one_pass(
    codes: bytearray,
    pending: bytearray,
    order: list[int],
    turn: dict[int, int],
    turns: list[int],
    stride: int,
) -> list[int]:
    """Visit the waiting pixels, whose turns are given; return the turns of the next pass."""
    simple = SIMPLE
    # Of the code of each neighbour, the bit that stands for this pixel.
    ring = tuple(
        zip(
            (-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1),
            (128, 64, 32, 16, 8, 4, 2, 1),
        )
    )
    heapify(turns)
    following: list[int] = []
    while turns:
        now = heappop(turns)
        p = order[now]
        if not simple[codes[p]]:
            pending[p] = NOT_YET
            continue
        pending[p] = 0
        for step, bit in ring:
            q = p + step
            codes[q] ^= bit
            if pending[q] == NOT_YET and simple[codes[q]]:
                pending[q] = WAITING
                later = turn[q]
                if later > now:
                    heappush(turns, later)
                else:
                    following.append(later)
    return following
