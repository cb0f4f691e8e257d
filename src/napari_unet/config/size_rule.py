"""The size rule of valid convolutions: which tiles a network takes, and what they lose."""

from __future__ import annotations

from napari_unet.base.errors import InputError

__all__ = [
    "border",
    "next_valid_size",
    "output_size",
    "previous_valid_size",
    "smallest_input",
    "smallest_plan",
]


def border(depth: int) -> int:
    """Pixels that a side loses from input to output.

    Each of the ``depth`` levels loses 4 pixels of its own size on the way down
    and on the way up, the bottom level 4 once: ``2·Σ 4·2^k + 4·2^d``.

    Parameters
    ----------
    depth : int
        Number of 2×2 poolings; 4 in the paper.

    Returns
    -------
    int
        ``12·2^depth - 8``; 184 at depth 4. Half of it lies on either side.
    """
    return 12 * _alignment(depth) - 8


def _alignment(depth: int) -> int:
    """2^depth: where the poolings begin anew."""
    return 1 << depth


def output_size(size: int, depth: int) -> int:
    """Side of the output for an input of side `size`; see `border`.

    Raises
    ------
    InputError
        If the network cannot take an input of that side.
    """
    if not _is_valid(size, depth):
        msg = (
            f"a network with {depth} poolings takes tiles of {smallest_input(depth)} + "
            f"{_alignment(depth)}·n pixels, got {size}: use {next_valid_size(size, depth)}"
        )
        raise InputError(msg)
    return size - border(depth)


def smallest_input(depth: int) -> int:
    """Smallest side the network can take; 188 at depth 4, for an output of 4."""
    return border(depth) + 4


def smallest_plan(depth: int) -> int:
    """Pixels of an input tile with which any plane can be covered; 204² at depth 4."""
    return (smallest_input(depth) + _alignment(depth)) ** 2


def next_valid_size(size: int, depth: int) -> int:
    """Smallest side ≥ `size` that passes all poolings without a remainder."""
    step = _alignment(depth)
    steps = max(0, -(-(size - smallest_input(depth)) // step))
    return smallest_input(depth) + steps * step


def previous_valid_size(size: int, depth: int) -> int:
    """Largest side ≤ `size` that the network can take, or the smallest there is."""
    step = _alignment(depth)
    steps = max(0, (size - smallest_input(depth)) // step)
    return smallest_input(depth) + steps * step


def _is_valid(size: int, depth: int) -> bool:
    return size >= smallest_input(depth) and (size - smallest_input(depth)) % _alignment(depth) == 0
