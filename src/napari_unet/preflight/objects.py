"""The objects: touching ones, ones too thin to survive, ones larger than the network sees.

Legend: ``(h, w)`` part of a slice; sizes in pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_unet.annotation.labels import read_target
from napari_unet.base.quantities import count
from napari_unet.config.size_rule import border
from napari_unet.preflight.finding import Finding
from napari_unet.preflight.sample import spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.preflight.sample import Sample

__all__ = ["check_objects", "large_squares", "thin_objects", "touching_pairs"]

PARTS_MEASURED = 6
THIN_SHARE = 0.25  # of the objects; in masks a few pieces are always specks
LARGE_SHARE = 0.05  # of the objects; a single clump is no reason to shrink everything


def check_objects(sample: Sample, depth: int = 4, zoom: float = 1.0) -> Iterator[Finding]:
    """Look at the objects, or at the connected pieces of classes.

    Parameters
    ----------
    sample
        Of a stack with labels.
    depth
        Poolings of the network: what a pixel becomes depends on `border(depth)` pixels around it.
    zoom
        At which the network sees the images.

    Yields
    ------
    Finding
        About objects that touch, are thinner than 2 pixels, or larger than the network sees.
    """
    scheme = sample.stack.scheme
    assert scheme is not None
    if scheme.kind == "objects":
        yield from _check_touching(sample)
    thin = total = 0
    large: list[int] = []
    for _, part in spread(sample.label_parts, PARTS_MEASURED):
        objects = read_target(part, scheme).objects
        n, n_thin = thin_objects(objects)
        thin, total = thin + n_thin, total + n
        large += large_squares(objects, int(border(depth) / zoom))
    what = "objects" if scheme.kind == "objects" else "pieces"
    if total and thin >= THIN_SHARE * total and zoom < 2:
        yield Finding(
            "warning",
            f"{thin:,} of {total:,} {what} are thinner than 2 pixels, which a network hardly "
            "keeps; let it see the images at a zoom of 2.",
            "zoom",
            check="thin",
            zoom=2.0,
        )
    if large and len(large) >= LARGE_SHARE * total:
        yield _too_large(max(large), border(depth), zoom, scheme.kind)


def _too_large(side: int, field: int, now: float, kind: str) -> Finding:
    # Rounded down to twentieths, so that the field is wide enough after it.
    zoom = max(0.05, math.floor(20 * field / side) / 20)
    what = "Objects" if kind == "objects" else "Regions of one class"
    return Finding(
        # A class may be told by its texture alone; an object needs its edge.
        "warning" if kind == "objects" else "info",
        f"{what} are up to {side} pixels thick, but the network sees only {int(field / now)} "
        f"pixels, so in the middle it sees no edge; let it see the images at a zoom of {zoom:g}, "
        "or use more poolings.",
        "zoom",
        check="large",
        zoom=zoom,
    )


# -- sizes ----------------------------------------------------------------------------------


def thin_objects(objects: NDArray[np.int32]) -> tuple[int, int]:
    """Count objects, and those of them that are thinner than 2 pixels.

    Parameters
    ----------
    objects
        (h, w) ids, 0 is background.

    Returns
    -------
    int, int
        All, and those that nowhere hold a square of 2 × 2 pixels.
    """
    here = objects[1:, 1:]
    square = (here == objects[:-1, 1:]) & (here == objects[1:, :-1]) & (here == objects[:-1, :-1])
    present, thick = _marked(objects), _marked(here[square])
    return len(present), len(present - thick)


def _marked(ids: NDArray[np.int32]) -> set[int]:
    return set(np.unique(ids).tolist()) - {0}


def large_squares(objects: NDArray[np.int32], above: int) -> list[int]:
    """Return how large a square lies in each of the large objects.

    Parameters
    ----------
    objects
        (h, w) ids, 0 is background.
    above
        Side of a square in pixels; only objects that hold a larger one are of interest.

    Returns
    -------
    list of int
        Side of the largest square of odd side, for every such object.
    """
    found = []
    values, dense = np.unique(objects, return_inverse=True)
    dense = dense.reshape(objects.shape) + 1
    for k, box in enumerate(ndimage.find_objects(dense)):
        if box is None or values[k] == 0 or min(s.stop - s.start for s in box) <= above:
            continue
        inside = np.pad(dense[box] == k + 1, 1)
        depth = ndimage.distance_transform_cdt(inside, "chessboard").max()
        found.append(2 * int(depth) - 1)
    return [side for side in found if side > above]


# -- touching -------------------------------------------------------------------------------


def _check_touching(sample: Sample) -> Iterator[Finding]:
    scheme = sample.stack.scheme
    assert scheme is not None
    first_object = 1 if scheme.annotation == "dense" else 2
    ignored = -1 if scheme.ignore is None else scheme.ignore
    pairs = 0
    for _, part in sample.label_parts:
        objects = np.where(part == ignored, 0, part) if ignored >= 0 else part
        pairs += touching_pairs(objects, first_object)
    if not pairs:
        return
    touch = f"{count(pairs, 'pair')} of objects {'touches' if pairs == 1 else 'touch'}"
    if scheme.gap:
        text = f"{touch}; a gap of one pixel is made between them for training."
        yield Finding("info", text, check="touching")
        return
    yield Finding(
        "warning",
        f"{touch} without a gap, so the network cannot learn to separate them; make gaps of one "
        "pixel.",
        "make gaps",
        check="touching",
    )


def touching_pairs(labels: NDArray[np.int32], first_object: int = 1) -> int:
    """Count pairs of objects of which two pixels are neighbours (8-connected).

    Parameters
    ----------
    labels
        (Y, X) object ids.
    first_object
        Smallest id that is an object.
    """
    pairs: set[tuple[int, int]] = set()
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a, b = _shifted(labels, dy, dx)
        edge = (a != b) & (a >= first_object) & (b >= first_object)
        both = np.sort(np.stack([a[edge], b[edge]]), axis=0)
        pairs.update(zip(*np.unique(both, axis=1).tolist()))
    return len(pairs)


def _shifted(
    labels: NDArray[np.int32], dy: int, dx: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Each pixel and its neighbour at (dy, dx), where both exist."""
    Y, X = labels.shape
    here = labels[: Y - dy, max(0, -dx) : X - max(0, dx)]
    there = labels[dy:, max(0, dx) : X + min(0, dx)]
    return here, there
