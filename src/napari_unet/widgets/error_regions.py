"""Where a segmentation is wrong, object by object.

Shapes: prediction, reference, known and the result are (Y, X).
"""

from __future__ import annotations

import numpy as np

__all__ = ["INVENTED", "MERGED", "MISSED", "SPLIT", "error_regions"]

MERGED, SPLIT, MISSED, INVENTED = 1, 2, 3, 4
"""Values of the result; 0 is right, or no object's business."""


def error_regions(
    prediction: np.ndarray,
    reference: np.ndarray,
    known: np.ndarray | None = None,
    *,
    share: float = 0.1,
    smallest: int = 10,
) -> np.ndarray:
    """Mark the parts of objects that a segmentation gets wrong.

    Every predicted object belongs to the reference object it shares most pixels with; what it
    shares with others is merged. Every reference object belongs to the predicted object it shares
    most pixels with; what it shares with others is split off. A reference object less than half of
    which is covered by predicted objects is missed, and the other way round invented. A reference
    object is only called merged into, and a predicted one split off, by an overlap of at least
    `share` of its area and `smallest` pixels, so that edges that lie a pixel apart do not count.

    Parameters
    ----------
    prediction, reference : ndarray, shape (Y, X), integer
        Object ids, 0 = background.
    known : ndarray of bool, shape (Y, X), optional
        False where the reference is not annotated; such pixels are left out.
    share : float
        Least part of an object, 0 to 1.
    smallest : int
        Least overlap, px.

    Returns
    -------
    ndarray, shape (Y, X), uint8
        `MERGED`, `SPLIT`, `MISSED`, `INVENTED` or 0.
    """
    shape = reference.shape
    if known is not None:
        prediction, reference = np.where(known, prediction, 0), np.where(known, reference, 0)
    found, j = _numbered(prediction)
    true, i = _numbered(reference)
    # n[i, j]: pixels of reference object i and predicted object j; row and column 0 background
    n = np.bincount(i * found + j, minlength=true * found).reshape(true, found)
    of_true, of_found = n.sum(1, keepdims=True), n.sum(0, keepdims=True)
    inside = n.copy()
    inside[0, :] = inside[:, 0] = 0
    large = inside >= smallest
    kind = np.zeros(n.shape, np.uint8)
    others = inside.argmax(1)[:, None] != np.arange(found)
    kind[others & large & (inside >= share * of_found)] = SPLIT
    others = inside.argmax(0)[None, :] != np.arange(true)[:, None]
    kind[others & large & (inside >= share * of_true)] = MERGED
    missed = (of_true[:, 0] - n[:, 0] < 0.5 * of_true[:, 0]) & (of_true[:, 0] >= smallest)
    kind[1:, 0][missed[1:]] = MISSED
    invented = (of_found[0] - n[0] < 0.5 * of_found[0]) & (of_found[0] >= smallest)
    kind[0, 1:][invented[1:]] = INVENTED
    result: np.ndarray = kind[i, j].reshape(shape)
    return result


def _numbered(objects: np.ndarray) -> tuple[int, np.ndarray]:
    """Return how many ids there are, background included, and each pixel's number, 0 background."""
    ids, numbers = np.unique(np.append(objects.ravel(), 0), return_inverse=True)
    # ids are not negative, so background comes first
    return len(ids), numbers[:-1]
