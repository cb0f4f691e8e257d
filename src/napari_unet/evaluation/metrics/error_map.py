"""Where a segmentation is wrong: false merges and splits, missed and invented objects, ranked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import ndimage

from napari_unet.base.errors import InputError
from napari_unet.evaluation.metrics.overlap import check_shapes, known_mask

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ErrorKind", "ErrorMap", "SegmentationError", "error_map"]

ErrorKind = Literal["false merge", "false split", "missed", "invented"]
MERGE, SPLIT, MISSED, INVENTED = get_args(ErrorKind)

# px; how far around a region its contact with the object's other part is looked for.
REACH = 25


@dataclass(frozen=True)
class SegmentationError:
    """One place where a segmentation is wrong.

    Attributes
    ----------
    kind : ErrorKind
        What is wrong there.
    slice_index : int
        Plane.
    position : tuple of float
        (y, x) in px: where the two parts of a merged or split object meet, else the innermost
        pixel of the error.
    severity : int
        Its area in px.
    reference_ids : tuple of int
        Merge: the object to which the prediction belongs, and the one (or part of one) that it
        swallowed. Split or missed: the object. Invented: none.
    predicted_ids : tuple of int
        Split: the object's largest piece, and the piece that was cut off. Merge or invented: the
        object. Missed: none.
    """

    kind: ErrorKind
    slice_index: int
    position: tuple[float, float]
    severity: int
    reference_ids: tuple[int, ...]
    predicted_ids: tuple[int, ...]

    @property
    def surround(self) -> tuple[int, int, int, int]:
        """A square to look at: y0, y1, x0, x1 in px, in the middle of which the error is."""
        half = round(0.75 * self.severity**0.5)
        y, x = map(round, self.position)
        return y - half, y + half + 1, x - half, x + half + 1


@dataclass(frozen=True, eq=False)
class ErrorMap:
    """All errors of a segmentation, the gravest first, and where they lie.

    Attributes
    ----------
    errors : tuple of SegmentationError
        Ranked by severity.
    layers : dict of ErrorKind to ndarray (N, Y, X) int32
        In the region of ``errors[k]`` the value is k + 1, elsewhere 0.
    """

    errors: tuple[SegmentationError, ...]
    layers: dict[ErrorKind, NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Overlapping pairs (n,) of numbered objects of one plane; number 0 is background."""

    reference: NDArray[np.int64]
    predicted: NDArray[np.int64]
    shared: NDArray[np.int64]  # px
    where: NDArray[np.int64]  # (Y, X), index of the pair of every pixel


def error_map(
    prediction: ArrayLike,
    reference: ArrayLike,
    known: ArrayLike | None = None,
    *,
    share: float = 0.1,
    smallest: int = 10,
) -> ErrorMap:
    """Find where objects are merged, split, missed or invented.

    A predicted object belongs to the reference object with which it shares most pixels. What it
    shares with other reference objects is falsely merged. Of several predicted objects that
    belong to one reference object all but the largest are falsely split off. A reference object
    is missed where less than half of it is predicted at all, and a predicted one is invented if
    less than half of it lies in reference objects.

    Parameters
    ----------
    prediction, reference : array_like (N, Y, X) or (Y, X) of int
        Object ids, 0 background. Each plane is looked at for itself.
    known : array_like of bool, optional
        False where the reference is not annotated; such pixels do not count.
    share : float
        A reference object is merged, and a predicted one split off, only by an overlap of at
        least this share of its area, so that outlines a pixel apart do not count.
    smallest : int
        Errors of fewer pixels are left out.

    Returns
    -------
    ErrorMap

    Raises
    ------
    InputError
        If the shapes differ or are not those of planes.
    """
    found, true = np.asarray(prediction), np.asarray(reference)
    check_shapes(found, true)
    if found.ndim not in (2, 3):
        raise InputError(f"labels must be (N, Y, X) or (Y, X), got shape {found.shape}.")
    mask = known_mask(known, true.shape)
    if mask is not None:
        found, true = np.where(mask, found, 0), np.where(mask, true, 0)
    shape = (-1, *found.shape[-2:])
    planes = zip(found.reshape(shape), true.reshape(shape))
    results = [plane_errors(*plane, i, share, smallest) for i, plane in enumerate(planes)]
    return ranked(results)


def ranked(results: list[tuple[list[SegmentationError], NDArray[np.int32]]]) -> ErrorMap:
    """Sort the errors of all planes, and number their regions by rank."""
    errors = [error for listed, _ in results for error in listed]
    order = sorted(range(len(errors)), key=lambda k: -errors[k].severity)
    rank = np.zeros(len(errors), np.int32)
    rank[order] = np.arange(1, len(errors) + 1)
    shape = (len(results), *(results[0][1].shape if results else (0, 0)))
    layers: dict[ErrorKind, NDArray[np.int32]]
    layers = {kind: np.zeros(shape, np.int32) for kind in get_args(ErrorKind)}
    start = 0
    for i, (listed, numbers) in enumerate(results):
        for kind, layer in layers.items():
            ranks = np.zeros(len(listed) + 1, np.int32)
            for k, error in enumerate(listed):
                ranks[k + 1] = rank[start + k] if error.kind == kind else 0
            layer[i] = ranks[numbers]
        start += len(listed)
    return ErrorMap(tuple(errors[k] for k in order), layers)


def plane_errors(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    slice_index: int,
    share: float,
    smallest: int,
) -> tuple[list[SegmentationError], NDArray[np.int32]]:
    """List the errors of one plane, and number their regions 1, 2, … in the order of the list."""
    true_ids, i = numbered(reference)
    found_ids, j = numbered(prediction)
    pairs = overlapping(i, j, len(found_ids))
    best = largest(pairs.predicted, pairs.reference, pairs.shared, len(found_ids))
    # A reference object's own prediction is the largest of those that belong to it.
    mine = np.where(best[pairs.predicted] == pairs.reference, pairs.shared, 0)
    main = largest(pairs.reference, pairs.predicted, mine, len(true_ids))
    kinds = judge(pairs, best, main, share, smallest)
    wrong = np.flatnonzero(kinds != "")
    number = np.zeros(len(kinds), np.int32)
    number[wrong] = np.arange(1, len(wrong) + 1)
    regions = number[pairs.where]
    errors = []
    for k, box in zip(wrong.tolist(), ndimage.find_objects(regions)):
        kind: ErrorKind = kinds[k]
        r, p = int(pairs.reference[k]), int(pairs.predicted[k])
        owners, pieces = involved(kind, r, p, int(best[p]), int(main[r]))
        # The object of which the region should, or should not, be a part.
        whole = j == p if kind == MERGE else i == r if kind == SPLIT else None
        errors.append(
            SegmentationError(
                kind=kind,
                slice_index=slice_index,
                position=place(regions == number[k], whole, (i > 0) & (j > 0), box),
                severity=int(pairs.shared[k]),
                reference_ids=tuple(int(true_ids[n]) for n in owners),
                predicted_ids=tuple(int(found_ids[n]) for n in pieces),
            )
        )
    return errors, regions


def involved(
    kind: ErrorKind, r: int, p: int, owner: int, largest_piece: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Reference and predicted objects of an error of the pair (r, p), see SegmentationError."""
    if kind == MERGE:
        return (owner, r), (p,)
    if kind == SPLIT:
        return (r,), (largest_piece, p)
    return ((r,), ()) if kind == MISSED else ((), (p,))


def numbered(objects: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Ids of objects, 0 for the background first, and the index of every pixel (Y, X) in them."""
    ids, where = np.unique(np.append(np.maximum(objects, 0).ravel(), 0), return_inverse=True)
    return ids, where[:-1].reshape(objects.shape).astype(np.int64)


def overlapping(i: NDArray[np.int64], j: NDArray[np.int64], width: int) -> Pairs:
    """Find the pairs of reference and predicted numbers, background included, that meet."""
    codes, where, shared = np.unique(i * width + j, return_inverse=True, return_counts=True)
    return Pairs(codes // width, codes % width, shared, where.reshape(i.shape))


def largest(
    of: NDArray[np.int64], partner: NDArray[np.int64], size: NDArray[np.int64], n: int
) -> NDArray[np.int64]:
    """Partner of each of n objects in its largest pair with another object; 0 if it has none."""
    real = np.flatnonzero((of > 0) & (partner > 0) & (size > 0))
    ascending = real[np.argsort(size[real], kind="stable")]
    result = np.zeros(n, np.int64)
    result[of[ascending]] = partner[ascending]
    return result


def judge(
    pairs: Pairs,
    best: NDArray[np.int64],
    main: NDArray[np.int64],
    share: float,
    smallest: int,
) -> NDArray[np.object_]:
    """Kind of error of every pair; "" where it is right or too small."""
    i, j, shared = pairs.reference, pairs.predicted, pairs.shared
    of_true = np.bincount(i, shared)[i]
    of_found = np.bincount(j, shared)[j]
    both, large = (i > 0) & (j > 0), shared >= smallest
    kinds = np.full(len(shared), "", object)
    kinds[both & (best[j] != i) & large & (shared >= share * of_true)] = MERGE
    kinds[both & (best[j] == i) & (main[i] != j) & large & (shared >= share * of_found)] = SPLIT
    kinds[(i > 0) & (j == 0) & large & (shared > of_true / 2)] = MISSED
    kinds[(i == 0) & (j > 0) & large & (shared > of_found / 2)] = INVENTED
    return kinds


def place(
    region: NDArray[np.bool_],
    whole: NDArray[np.bool_] | None,
    objects: NDArray[np.bool_],
    box: tuple[slice, slice],
) -> tuple[float, float]:
    """Where to look at an error: at the contact with the rest of ``whole``, or in its middle."""
    grown = tuple(slice(max(side.start - REACH, 0), side.stop + REACH) for side in box)
    region = region[grown]
    inside = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    score = -inside
    if whole is not None:
        rest = whole[grown] & objects[grown] & ~region
        if rest.any():
            score = ndimage.distance_transform_edt(~region) + ndimage.distance_transform_edt(~rest)
            # Among equally near pixels one in the middle of the object, not at its outline.
            score -= 0.01 * ndimage.distance_transform_edt(np.pad(whole[grown], 1))[1:-1, 1:-1]
            score = np.where(whole[grown], score, np.inf)
    y, x = np.unravel_index(int(score.argmin()), score.shape)
    return float(y + grown[0].start), float(x + grown[1].start)
