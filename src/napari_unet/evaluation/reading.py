"""Reading a prediction, whatever it holds: label values, a mask, objects or probabilities.

Legend: K classes, (Y, X) plane.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from napari_unet.annotation.grey_images import FEW_IDS, count_neighbours, refuse_picture
from napari_unet.annotation.labels import (
    foreground_probability,
    integer_labels,
    likeliest,
    read_target,
)
from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_unet.annotation.labels import LabelScheme

__all__ = ["Kind", "PredictedPlanes", "Reading", "guess_kind", "with_background"]

ROUNDED = 1e-3  # that probabilities of few bits may be beyond 0 and 1
MISSING = 0.05  # that those of all classes may lack of 1, such as of 16 bits or resampled

Kind = Literal["labels", "mask", "objects", "probabilities"]


def guess_kind(planes: Iterable[Any], scheme: LabelScheme) -> Kind:
    """Tell what a prediction holds that does not say so itself.

    Parameters
    ----------
    planes
        (Y, X) arrays.
    scheme
        What the values of the reference mean.

    Returns
    -------
    {"labels", "mask", "objects", "probabilities"}
        Probabilities are floating-point numbers, unless all are whole and some above 1. Zeros and
        one other value are a mask, if there are two classes. Values that the labels of the scheme
        do not have are ids of objects.
    """
    return _guess(planes, scheme)[0]


def _guess(planes: Iterable[Any], scheme: LabelScheme) -> tuple[Kind, set[float]]:
    """Return what a prediction holds, and all its values where these are whole."""
    every: set[float] = set()
    fractions = False
    for plane in planes:
        array = np.asarray(plane)
        fractions = fractions or array.dtype.kind == "f"
        if fractions and (array != np.rint(array)).any():
            return "probabilities", set()
        every |= set(np.unique(array).tolist())
    if fractions and max(every, default=0) <= 1:
        return "probabilities", every
    if scheme.n_classes == 2 and len(every - {0}) < 2 and (0 in every or 0 in scheme.values):
        return "mask", every
    return ("objects" if every - set(scheme.values) else "labels"), every


@dataclass(frozen=True, eq=False)
class Reading:
    """What a prediction says about one plane, each (Y, X).

    Attributes
    ----------
    classes
        Class index.
    objects
        Ids, 0 none.
    foreground
        float32 probability of not being background, or 0 and 1.
    """

    classes: np.ndarray
    objects: np.ndarray
    foreground: np.ndarray


class PredictedPlanes:
    """The slices of a prediction.

    Parameters
    ----------
    prediction
        (..., Y, X) as the reference; or probabilities of all classes (..., K, Y, X), or of those
        but the background (K - 1, ..., Y, X), as the Predict dock shows them.
    shape
        Of the reference.
    scheme
        What the values of the reference mean.
    kind
        What the prediction holds; None: what it looks like.

    Raises
    ------
    InputError
        When prediction and reference do not fit together.
    """

    def __init__(
        self, prediction: Any, shape: tuple[int, ...], scheme: LabelScheme, kind: Kind | None
    ) -> None:
        self._prediction, self._scheme = prediction, scheme
        mine, K = tuple(prediction.shape), scheme.n_classes
        self._classes: Literal["none", "all", "but background"] = "none"
        graded = prediction.dtype.kind == "f" and len(shape) >= 2
        if graded and mine == (*shape[:-2], K, *shape[-2:]):
            self._classes = "all"
        elif graded and mine == (K - 1, *shape):
            self._classes = "but background"
        elif mine != shape or len(mine) < 2:
            raise InputError(
                f"prediction and reference must have the same shape, got {mine} and {shape}: "
                "choose two of the same image."
            )
        self._kind = "probabilities" if self._classes != "none" else kind

    @property
    def scheme(self) -> LabelScheme:
        """What is compared: of objects with one class where the prediction says no others."""
        return self._scheme

    def settle(self, leads: Iterable[tuple[int, ...]]) -> Kind:
        """Return what the prediction holds, after a look at these slices where nobody said."""
        leads = tuple(leads)
        numbered = self._scheme.kind == "objects" and self._scheme.n_classes > 2
        if self._kind is None or (numbered and self._kind in ("objects", "mask")):
            looks_like, values = _guess((self._prediction[lead] for lead in leads), self._scheme)
            kind = self._kind or looks_like
            ids = kind == "objects" and min(values - {0}, default=0) < self._scheme.values[1]
            if numbered and (ids or kind == "mask"):  # nothing says what class they have
                self._scheme = replace(self._scheme, values=(), names=(), colours=())
                return self.settle(leads)
            if self._kind is None and kind == "objects":
                self._check_values(values)
                if len(values) > FEW_IDS:
                    each = (count_neighbours(np.asarray(self._prediction[lead])) for lead in leads)
                    refuse_picture(sum(each, np.zeros(3, np.int64)), "the prediction")
            self._kind = kind
        return self._kind

    def _check_values(self, values: set[float]) -> None:
        """Refuse values that are no classes of the reference, where they can be no ids either."""
        scheme = self._scheme
        unknown = sorted(values - set(scheme.values))
        if scheme.kind != "classes":
            return
        several = scheme.n_classes > 2
        if several or (len(values) == 2 and 0 not in values):
            classes = " and ".join(map(str, scheme.values)) if not several else str(scheme.values)
            found = f"{unknown[0]:g}" if several else " and ".join(f"{v:g}" for v in sorted(values))
            raise InputError(
                f"the prediction must hold the classes {classes} of the reference, got {found}: "
                "give the labels that predict wrote, or save background as 0."
            )

    def describe(self) -> str:
        """Say in one line how the values of the prediction are read, once that is settled."""
        if self._kind == "probabilities":
            return "probabilities, foreground above one half"
        if self._kind == "labels":
            return "values as those of the reference"
        if self._kind == "mask":
            return "0 is background, every other value foreground"
        return "0 is background, every other value one object"

    def read(self, lead: tuple[int, ...]) -> Reading:
        """Read the slice of a leading index."""
        if self._classes == "all":
            return self._of_classes(_of_all(_probable(np.asarray(self._prediction[lead]))))
        if self._classes == "but background":
            others = np.asarray(self._prediction[(slice(None), *lead)])
            return self._of_classes(with_background(others))
        plane = np.asarray(self._prediction[lead])
        if self._kind == "probabilities":
            return _of_foreground(_probable(_as_probabilities(plane)))
        return self._of_labels(integer_labels(plane, of="the prediction"))

    def _of_classes(self, probabilities: np.ndarray) -> Reading:
        if len(probabilities) == 2:
            return _of_foreground(foreground_probability(probabilities))
        classes = likeliest(probabilities)
        target = read_target(self._scheme.encode(classes), replace(self._scheme, kind="classes"))
        inside = foreground_probability(probabilities).astype(np.float32)
        return Reading(classes, target.objects, inside)

    def _of_labels(self, plane: np.ndarray) -> Reading:
        scheme = self._scheme
        if self._kind == "labels" and (scheme.kind == "classes" or scheme.n_classes > 2):
            target = read_target(plane, replace(scheme, kind="classes"))
            classes = target.classes
            return Reading(classes, target.objects, (classes > 0).astype(np.float32))
        background = scheme.values[0] if self._kind == "labels" else 0
        inside = plane > background
        objects = plane if self._kind == "objects" else ndimage.label(inside)[0]
        classes = inside.astype(np.uint8)
        if scheme.kind == "objects" and scheme.n_classes > 2:  # numbered by class
            classes = np.searchsorted(scheme.values[1:], plane, side="right").astype(np.uint8)
        return Reading(classes, np.where(inside, objects, 0), inside.astype(np.float32))


def _probable(values: np.ndarray) -> np.ndarray:
    """Return probabilities, refusing what is none."""
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if not (low >= -ROUNDED and high <= 1 + ROUNDED):
        found = "NaN" if np.isnan(values).any() else f"{low if low < 0 else high:g}"
        raise InputError(
            f"the prediction must hold labels, or probabilities from 0 to 1, got {found}: give "
            "what predict wrote."
        )
    return values


def with_background(others: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return probabilities of all classes: those of the background are what the others leave.

    Parameters
    ----------
    others
        Probabilities of all classes but the background, which comes first.
    axis
        Along which they lie.

    Raises
    ------
    InputError
        If these are no probabilities.
    """
    others = _probable(others)
    return np.concatenate([1 - others.sum(axis, keepdims=True), others], axis)


def _of_all(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities of all classes, refusing what lacks one, such as the background."""
    sums = probabilities.sum(0, dtype=np.float64)
    wrong = sums[(np.abs(sums - 1) > MISSING) & (sums != 0)]  # 0 is outside of the image
    if wrong.size:
        raise InputError(
            f"the prediction must hold the probabilities of all {len(probabilities)} classes of "
            f"the reference, which sum to 1, got a sum of {wrong[0]:.3g}: give those of all "
            "classes, or a reference with the classes of the prediction."
        )
    return probabilities


def _of_foreground(probabilities: np.ndarray) -> Reading:
    inside = probabilities > 0.5
    return Reading(inside.astype(np.uint8), ndimage.label(inside)[0], probabilities)


def _as_probabilities(plane: np.ndarray) -> np.ndarray:
    """Return 0 to 1 as float32, of an 8-bit or 16-bit picture as well."""
    if plane.dtype.kind in "ui":
        return (plane / np.float64(np.iinfo(plane.dtype).max)).astype(np.float32)
    return plane.astype(np.float32)
