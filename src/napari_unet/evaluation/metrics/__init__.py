"""How good a segmentation is, in the units that papers report."""

from napari_unet.evaluation.metrics.adapted_rand import adapted_rand
from napari_unet.evaluation.metrics.ctc import ctc_det, ctc_seg
from napari_unet.evaluation.metrics.error_map import ErrorMap, SegmentationError, error_map
from napari_unet.evaluation.metrics.information import v_info
from napari_unet.evaluation.metrics.isbi2012 import ISBI2012Result, isbi2012
from napari_unet.evaluation.metrics.objects import average_precision, average_precision_curve
from napari_unet.evaluation.metrics.overlap import (
    AreaScores,
    Counts,
    confusion,
    count,
    dice_by_class,
    iou,
    iou_by_class,
    iou_by_image,
)
from napari_unet.evaluation.metrics.pixel import pixel_error, pixel_f_score
from napari_unet.evaluation.metrics.rand import rand_error, rand_score, v_rand
from napari_unet.evaluation.metrics.thresholded_iou import thresholded_iou
from napari_unet.evaluation.metrics.tracking import ctc_tra
from napari_unet.evaluation.metrics.variation_of_information import (
    Variation,
    variation_of_information,
)
from napari_unet.evaluation.metrics.warping import warping_error

__all__ = [
    "AreaScores",
    "Counts",
    "ErrorMap",
    "ISBI2012Result",
    "SegmentationError",
    "Variation",
    "adapted_rand",
    "average_precision",
    "average_precision_curve",
    "confusion",
    "count",
    "ctc_det",
    "ctc_seg",
    "ctc_tra",
    "dice_by_class",
    "error_map",
    "iou",
    "iou_by_class",
    "iou_by_image",
    "isbi2012",
    "pixel_error",
    "pixel_f_score",
    "rand_error",
    "rand_score",
    "thresholded_iou",
    "v_info",
    "v_rand",
    "variation_of_information",
    "warping_error",
]
