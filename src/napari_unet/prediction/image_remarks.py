"""What is worth knowing before a model predicts an image that differs from those it learnt from.

Command line and window say the same: sentences with numbers, and what can be done about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_unet.images.grey_ranges import other_order, own_ranges, say_ranges
from napari_unet.images.outside import mark_outside
from napari_unet.images.resampling import relative_pixel_size
from napari_unet.images.zoom import zoom_for, zoomed_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["ImageRemark", "image_remarks"]

OTHER_PIXELS = 0.1
"""Pixels that differ by more than this share are worth a remark."""


@dataclass(frozen=True)
class ImageRemark:
    """One thing worth knowing.

    Attributes
    ----------
    about : {"zoom", "pixel size", "grey values", "channels", "size"}
        What it is about.
    text : str
        One sentence with numbers.
    offer : {"", "match pixels", "measure grey values"}
        What would help: ``match_pixels=True`` or ``grey_values="image"`` of
        `napari_unet.prediction.predict.predict`.
    """

    about: Literal["zoom", "pixel size", "grey values", "channels", "size"]
    text: str
    offer: Literal["", "match pixels", "measure grey values"] = ""


def image_remarks(
    model: TrainedModel,
    stack: Stack,
    *,
    slices: Sequence[int] | None = None,
    match_pixels: bool = False,
    grey_values: Literal["model", "image"] = "model",
) -> tuple[ImageRemark, ...]:
    """Compare an image with those that a model learnt from.

    Reads a bounded sample of four slices at most.

    Parameters
    ----------
    model, stack, slices, match_pixels, grey_values
        As given to `napari_unet.prediction.predict.predict`.

    Raises
    ------
    InputError
        When pixels are to be matched but cannot be compared, or a grey value looked at is NaN or
        infinite.
    """
    stack = mark_outside(stack, slices=slices, lazy=True)
    found = [_of_pixels(model, stack, match_pixels=match_pixels)]
    if grey_values == "model" and model.intensity.mode == "stack":
        found.append(_of_grey_values(model, stack, slices))
    return tuple(remark for remark in found if remark is not None)


def _of_pixels(model: TrainedModel, stack: Stack, *, match_pixels: bool) -> ImageRemark | None:
    zoom = zoom_for(model, stack, match_pixels=match_pixels)
    if zoom != (1.0, 1.0):
        shapes = (stack.plane_shape, zoomed_shape(stack.plane_shape, zoom))
        old, new = (" × ".join(map(str, shape)) for shape in shapes)
        return ImageRemark(
            "zoom",
            f"the image is resampled from {old} to {new} pixels a slice, as the model learnt it, "
            "and the result back",
        )
    relative = relative_pixel_size(stack, model.pixel_size, model.run.get("unit"))
    if match_pixels or not relative or max(abs(r - 1) for r in relative) <= OTHER_PIXELS:
        return None
    return ImageRemark(
        "pixel size",
        f"the pixels of {stack.name} are {_times(relative)} as large as those that the model "
        "learnt from",
        "match pixels",
    )


def _times(relative: tuple[float, float]) -> str:
    y, x = (f"{r:.3g}" for r in relative)
    return f"{y} times" if y == x else f"{y} (y) and {x} (x) times"


def _of_grey_values(
    model: TrainedModel, stack: Stack, slices: Sequence[int] | None
) -> ImageRemark | None:
    if len(model.intensity.low) != stack.channels:
        return None  # which is refused by itself
    mine = own_ranges(model.intensity, stack, slices)
    order = other_order(mine, model.intensity)
    if order is not None:
        here, there = (", ".join(str(k + 1) for k in which) for which in (range(len(order)), order))
        return ImageRemark(
            "channels",
            f"the channels of {stack.name} seem to be in another order: by their grey values, "
            f"channels {here} are the model's {there}; give the image with the model's order",
        )
    ranges = say_ranges(mine, model.intensity, "where the model learnt")
    if not ranges:
        return None
    return ImageRemark(
        "grey values", f"the grey values of {stack.name} {ranges}", "measure grey values"
    )
