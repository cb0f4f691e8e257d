"""The groups of metrics that can be asked for, and the scores of each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.config.offers import METRICS
from napari_unet.evaluation import metrics
from napari_unet.evaluation.metrics.objects import IOU_THRESHOLDS
from napari_unet.evaluation.scores import Curves, Score

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_unet.annotation.labels import LabelScheme, Target
    from napari_unet.evaluation.metrics.objects import Progress

__all__ = ["GROUPS", "METRICS", "Compared", "area_scores", "offered_metrics", "seconds_needed"]

SECONDS = {"isbi2012": 8e-6, "rand": 5e-7, "ctc": 2e-7, "objects": 1e-7, "stack": 3e-7}
"""A pixel takes on an ordinary core, for the metrics that take long."""

SECONDS_FOR_ALL, SECONDS_FOR_REGIONS = 5e-8, 1.2e-6


@dataclass(eq=False)
class Compared:
    """Both segmentations of the slices compared, as the metrics want them."""

    graded: bool  # whether foreground is more than 0 and 1
    through: bool = False  # whether ids mean the same object in every slice
    foreground: list[np.ndarray] = field(default_factory=list)  # (Y, X) float32
    objects: list[np.ndarray] = field(default_factory=list)  # (Y, X) predicted ids
    targets: list[Target] = field(default_factory=list)
    apart: list[np.ndarray] = field(default_factory=list)  # reference, touching objects parted
    of: list[tuple[int, ...]] = field(default_factory=list)  # the volume that a slice is of

    @property
    def known(self) -> list[np.ndarray]:
        """Annotated pixels of the reference."""
        return [target.known for target in self.targets]

    @property
    def truth(self) -> list[np.ndarray]:
        """Ids of the reference."""
        return [target.objects for target in self.targets]

    def membranes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what the metrics of ISBI-2012 take, each (N, Y, X)."""
        # A softmax may end at 1 + 1e-7.
        inside = np.clip(np.stack(self.foreground), 0, 1)
        return inside, np.stack(self.apart), np.stack(self.known)


def offered_metrics() -> tuple[str, ...]:
    """Return the names of the groups of metrics that can be computed."""
    return tuple(METRICS)


def seconds_needed(pixels: int, names: Iterable[str], *, regions: bool) -> float:
    """Estimate what a comparison of so many pixels with these metrics costs."""
    each = SECONDS_FOR_ALL + SECONDS_FOR_REGIONS * regions
    return pixels * (each + sum(SECONDS.get(name, 0.0) for name in names))


def area_scores(table: np.ndarray, scheme: LabelScheme) -> Iterator[Score]:
    """Return the scores of areas: of all, then by class where there are several."""
    areas = metrics.AreaScores(table)
    mean = "" if scheme.n_classes == 2 else ", mean over the classes but the background"
    shared = "shared area / united area of all pixels compared"
    yield Score("IoU", areas.iou, f"{shared}{mean}; 1 is perfect", 3)
    yield Score("Dice", areas.dice, f"the pixel F-score: 2·shared / sum of both areas{mean}", 3)
    if scheme.n_classes > 2:
        by_class = metrics.iou_by_class(table), metrics.dice_by_class(table)
        for name, iou, dice in list(zip(scheme.names, *by_class))[1:]:
            yield Score(f"IoU {name}", float(iou), shared, 3)
            yield Score(f"Dice {name}", float(dice), "2·shared / sum of both areas", 3)
    yield Score("mean IoU", areas.mean_iou, "mean over all classes, background included", 3)
    yield Score("pixel accuracy", areas.pixel_accuracy, "share of pixels with the right class", 3)


RAND = "merged and split cells, unthinned; 0 is perfect"
PIXEL = "1 − best pixel F-score; 0 is perfect"


def _isbi_scores(found: Compared, progress: Progress) -> list[Score | Curves]:
    result = metrics.isbi2012(*found.membranes(), progress=progress)
    warping = "merges and splits bending cannot undo; 0 is best"
    rows: list[Score | Curves] = [
        Score("Rand error", result.rand_error, RAND),
        Score("warping error", result.warping_error, warping, 6),
        Score("pixel error", result.pixel_error, PIXEL),
        Score("V_Rand", result.v_rand, "the challenge's main score, after thinning; 1 is perfect"),
        Score("V_Info", result.v_info, "information shared, after thinning; 1 is perfect"),
    ]
    if found.graded:
        curves = {
            "Rand F": result.rand_curve,
            "pixel F": result.pixel_curve,
            "V_Rand": result.v_rand_curve,
            "V_Info": result.v_info_curve,
            "warping error": result.warping_curve,
        }
        rows.append(Curves("probability", result.thresholds, curves))
    return rows


def _rand_scores(found: Compared, progress: Progress) -> list[Score | Curves]:
    inside, true, known = found.membranes()
    progress(0, 2)
    rand = metrics.rand_error(inside, true, known)
    progress(1, 2)
    return [
        Score("Rand error", rand, RAND),
        Score("pixel error", metrics.pixel_error(inside, true, known), PIXEL),
    ]


def _cell_scores(found: Compared, progress: Progress) -> list[Score | Curves]:
    truth, known, n = found.truth, found.known, len(found.targets)
    seg = metrics.ctc_seg(
        found.objects, truth, known, progress=lambda done, _: progress(done, 2 * n)
    )
    det = metrics.ctc_det(
        found.objects, truth, known, progress=lambda done, _: progress(n + done, 2 * n)
    )
    return [
        Score(
            "SEG", seg, "mean IoU of reference cells with what covers most of them; 1 is perfect"
        ),
        Score("DET", det, "1 − cost of adding, removing and parting cells; 1 is perfect"),
    ]


def _object_scores(found: Compared, progress: Progress) -> list[Score | Curves]:
    values = metrics.average_precision_curve(
        found.objects, found.truth, IOU_THRESHOLDS, found.known, progress=progress
    )
    at = dict(zip(IOU_THRESHOLDS, values))
    rows: list[Score | Curves] = [
        Score(f"AP {t:g}", at[t], f"objects that fit with IoU ≥ {t:g}, of all")
        for t in (0.5, 0.75, 0.9)
    ]
    rows.append(Score("AP mean", float(np.mean(values)), "mean of AP 0.5, 0.55, …, 0.95"))
    return [*rows, Curves("IoU", IOU_THRESHOLDS, {"average precision": values})]


def _stack_scores(found: Compared, progress: Progress) -> list[Score | Curves]:
    """Without ids that go through the stack nothing of this can be measured."""
    error = split = merge = tra = math.nan
    if found.through:
        objects, truth = _numbered(found.objects, found.of), _numbered(found.truth, found.of)
        stacks = objects, truth, np.stack(found.known)
        progress(0, 3)
        error = 1 - metrics.adapted_rand(*stacks).f_score
        progress(1, 3)
        variation = metrics.variation_of_information(*stacks)
        split, merge = variation.split, variation.merge
        progress(2, 3)
        tra = metrics.ctc_tra(list(np.where(stacks[2], objects, 0)), list(truth))
    return [
        Score("adapted Rand error", error, "merged and split objects, all voxels; 0 is perfect"),
        Score("VI split", split, "bits lost to splits; 0 is perfect"),
        Score("VI merge", merge, "bits lost to mergers; 0 is perfect"),
        Score("TRA", tra, "1 − cost of correcting cells and their tracks; 1 is perfect"),
    ]


def _numbered(planes: list[np.ndarray], of: list[tuple[int, ...]]) -> np.ndarray:
    """Return ids (N, Y, X) that are others in every volume: each numbers its objects anew."""
    stack = np.stack(planes)
    volumes = {volume: k for k, volume in enumerate(dict.fromkeys(of))}
    if len(volumes) < 2:
        return stack
    first = np.array([volumes[one] for one in of], np.int64) * (int(stack.max()) + 1)
    return np.where(stack > 0, stack + first[:, None, None], 0)


def _thresholded_scores(found: Compared, progress: Progress) -> list[Score | Curves]:
    progress(0, 1)
    planes = [plane > 0.5 for plane in found.foreground]
    true = [target.classes > 0 for target in found.targets]
    stepped = metrics.thresholded_iou(planes, true, found.known) if true else math.nan
    plain = metrics.iou_by_image(planes, true, found.known)
    return [
        Score("thresholded IoU", stepped, "IoU of each slice in ten steps from 0.5, mean; no IoU"),
        Score("IoU by slice", plain, "IoU of each slice that has any object, mean"),
    ]


GROUPS = {
    "isbi2012": _isbi_scores,
    "rand": _rand_scores,
    "ctc": _cell_scores,
    "objects": _object_scores,
    "stack": _stack_scores,
    "thresholded-iou": _thresholded_scores,
}
"""Metrics that need all slices at once."""
