"""The order of the axes: sizes that no stack of slices has, and colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.base.quantities import count
from napari_unet.images.axes import MANY_CHANNELS
from napari_unet.preflight.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_unet.images.stack import Stack

__all__ = ["check_axes"]

MUCH_SMALLER = 4  # times: a plane's side against the plane's other side and the number of slices
FEW_CHANNELS = 4  # as many can be stains or colours; more at the end are slices
LARGE_SIDE = 128  # px; axes of small arrays cannot be told from their sizes


def check_axes(stack: Stack) -> Iterator[Finding]:
    """Compare the sizes of the axes with what they are said to be.

    Parameters
    ----------
    stack
        Only its shape is looked at.

    Yields
    ------
    Finding
        A warning where another order of axes is likelier; an info for colour.
    """
    better = _likelier_axes(stack)
    shape = " × ".join(str(n) for n in stack.image.shape)
    if better:
        Y, X = stack.plane_shape
        narrow = f"{X} pixels wide" if X < Y else f"{Y} pixels high"
        yield Finding(
            "warning",
            f"The slices would be only {narrow}, so the axes of the shape {shape} are rather "
            f"{better!r} than {stack.axes!r}; choose these, or transpose the image.",
            "read other axes",
            check="axes",
            axes=better,
        )
    if stack.channels > MANY_CHANNELS:
        guess = stack.axes.replace("c", "z" if "z" not in stack.axes else "t")
        yield Finding(
            "warning",
            f"{count(stack.channels, 'channel')} would be learned together; if they are slices, "
            f"use axes {guess!r} instead of {stack.axes!r}.",
            "read other axes",
            check="axes",
            axes=guess,
        )
    elif stack.axes[-1] == "c" and stack.channels in (3, 4):
        yield Finding(
            "info",
            f"A colour picture: its {stack.channels} channels are learned together.",
            check="colour",
        )


def _likelier_axes(stack: Stack) -> str:
    """Axes in which no plane is a narrow strip through many slices; "" if they are well."""
    if not stack.leading_axes:
        return ""
    sizes = dict(zip(stack.axes, stack.image.shape))
    most = max(stack.leading_axes, key=lambda a: sizes[a])
    for narrow, other in (("x", "y"), ("y", "x")):
        limit = min(sizes[other], sizes[most])
        if limit >= LARGE_SIDE and MUCH_SMALLER * sizes[narrow] <= limit:
            channels = "c" not in sizes and sizes[narrow] <= FEW_CHANNELS
            plane = iter("yx")  # the two long axes, in their order
            names = {narrow: "c" if channels else most}
            for axis in stack.axes:
                if axis in (other, most):
                    names[axis] = next(plane)
            return "".join(names.get(a, a) for a in stack.axes)
    return ""
