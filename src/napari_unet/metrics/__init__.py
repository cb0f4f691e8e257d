"""How good a segmentation is, in the units that papers report."""

from napari_unet.metrics.overlap import (
    Counts,
    confusion,
    count,
    dice,
    dice_by_class,
    f_score,
    iou,
    iou_by_class,
    mean_iou,
    pixel_accuracy,
)
from napari_unet.metrics.pixel import pixel_error, pixel_f_score
from napari_unet.metrics.rand import rand_error, rand_score

__all__ = [
    "Counts",
    "confusion",
    "count",
    "dice",
    "dice_by_class",
    "f_score",
    "iou",
    "iou_by_class",
    "mean_iou",
    "pixel_accuracy",
    "pixel_error",
    "pixel_f_score",
    "rand_error",
    "rand_score",
]
