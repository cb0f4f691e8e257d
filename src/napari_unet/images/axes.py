"""What the axes of an array mean: one letter each, proposed from shapes and checked against them.

"y" and "x" are the plane, "c" channels; every other letter counts slices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MANY_CHANNELS", "check_axes", "guess_axes", "lengths_without_channels"]

MOST_CHANNELS = 8  # as last axis; a plane is wider
MANY_CHANNELS = 10  # more than any microscope records at once: rather slices
SLICES = {0: "", 1: "z", 2: "tz", 3: "ptz"}


def guess_axes(
    shape: Sequence[int],
    dtype: Any = None,
    rgb: bool = False,
    labels_shape: Sequence[int] | None = None,
) -> tuple[str, ...]:
    """Propose axes for an array of unknown ones, the likeliest first.

    Parameters
    ----------
    shape, dtype
        Of the image. An integer image of 8 or 16 bits may be colour.
    rgb
        Known to be colour, with the channels last.
    labels_shape
        Shape of its labels, which tells channels from slices.

    Returns
    -------
    tuple of str
        For example ("zyx", "cyx") for (3, 512, 512).
    """
    n = len(shape)
    if n < 2:
        raise InputError(f"image must have at least 2 axes (Y, X), got shape {tuple(shape)}.")
    if n > 6 or (rgb and n < 3):
        raise InputError(f"no axes can be proposed for shape {tuple(shape)}: name them yourself.")
    if rgb:
        return (SLICES[n - 3] + "yxc",)
    colour = np.dtype(dtype or np.uint8).kind in "uf" and n >= 3
    colour = colour and shape[-1] in (3, 4) and min(shape[-3:-1]) >= 16
    proposals = [SLICES[n - 3] + "yxc"] if colour else []
    rest = [SLICES[min(n - 2, 3)] + "yx"] if n <= 5 else []
    if n >= 3:
        # Up to 4 channels, beside slices or before them; a plain stack comes first.
        channels = [axes for k, axes in enumerate(_with_channels_before(n)) if shape[k] <= 4]
        few = n > 3 and channels and min(shape[: n - 2]) < max(shape[: n - 2])
        rest = [*channels, *rest] if few else [*rest, *channels]
        rest = rest or [SLICES[n - 3][:1] + "c" + SLICES[n - 3][1:] + "yx"]
    proposals += rest
    if n >= 3 and not colour and shape[-1] <= MOST_CHANNELS < min(shape[-3:-1]):
        proposals.append(SLICES[n - 3] + "yxc")
    if labels_shape is None:
        return tuple(proposals)
    return _fitting_first(proposals, tuple(shape), tuple(labels_shape))


def _with_channels_before(n: int) -> list[str]:
    """Axes of n letters with the channels at every place before the plane."""
    slices = SLICES[n - 3]
    return [slices[:k] + "c" + slices[k:] + "yx" for k in range(n - 2)]


def _fitting_first(
    proposals: list[str], shape: tuple[int, ...], labels: tuple[int, ...]
) -> tuple[str, ...]:
    """Proposals in the order in which they fit the labels, and others that fit them all."""

    def misfit(axes: str) -> int:
        if lengths_without_channels(axes, shape) == labels:
            return 0
        plane = shape[axes.index("y")], shape[axes.index("x")]
        return 1 if labels[-2:] == plane else 2

    n = len(shape)
    others = [SLICES[n - 3] + "yxc", *_with_channels_before(n)] if n >= 3 else []
    known = misfit(min(proposals, key=misfit))
    more = [
        axes
        for axes in others
        if axes not in proposals
        and misfit(axes) < max(known, 1)
        and shape[axes.index("c")] <= MANY_CHANNELS
    ]
    return tuple(sorted((*proposals, *more), key=misfit))


def lengths_without_channels(axes: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape that labels of an image have: the image's without channels."""
    return tuple(int(n) for a, n in zip(axes, shape) if a != "c")


def check_axes(axes: str, shape: tuple[int, ...], dtype: Any) -> None:
    """Refuse an array that can be no image, or axes that do not fit it.

    Parameters
    ----------
    axes
        One lower-case letter per axis.
    shape, dtype
        Of the image.

    Raises
    ------
    InputError
        What does not fit, in one sentence.
    """
    if len(axes) != len(shape):
        example = f": for example {guess_axes(shape, dtype)[0]!r}" if 2 <= len(shape) <= 6 else ""
        raise InputError(
            f"axes must have one letter per axis of the image, got {axes!r} for shape "
            f"{shape}{example}."
        )
    if not (axes.isascii() and axes.isalpha() and axes.islower()) or len(set(axes)) < len(axes):
        raise InputError(
            f"axes must be different lower-case letters, got {axes!r}: write for example 'zyx', "
            "'tzyx', 'zcyx' or 'yxc'."
        )
    if "y" not in axes or "x" not in axes:
        raise InputError(f"axes must contain 'y' and 'x', got {axes!r}: name the plane's axes.")
    if 0 in shape:
        raise InputError(f"image must not be empty, got shape {shape}: choose another image.")
    if np.dtype(dtype).kind not in "biuf":
        raise InputError(
            f"image must hold real numbers, got dtype {dtype}: convert it to an integer or "
            "floating-point type."
        )
    if axes[-2:] == "yx" and shape[-1] in (3, 4) and min(shape[-3:-1]) >= 16 and len(axes) > 2:
        raise InputError(
            f"an image of shape {shape} looks like colour, but axes {axes!r} make its last axis "
            f"the width of the image: use axes {axes[:-3] + 'yxc'!r}."
        )
