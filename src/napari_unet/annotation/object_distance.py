"""What a network learns beside classes, so that touching objects can be told apart.

distance   d / max d: distance to the border of the pixel's own object, as a share of the object's
           greatest. 1 in its middle, small at its rim, 0 outside. Free of scale, so that it stays
           true where a tile is zoomed, bent or cut.
neighbour  (1 − n / max n)³: closeness to the nearest other object, n the distance to it; 1 where
           they touch, 0 at the far side, outside, and where no other is within the object's width.
interior   1 at least RIM pixels inside an object, 0 at its rim and outside: what a class for the
           boundary between objects leaves of them.

Distances are those between the centres of pixels, so a rim pixel has 1. The border of the plane is
no border of an object: beyond it the network sees the object mirrored, and so do the distances.

Scherr, Löffler, Böhland, Mikut, Cell segmentation and tracking using CNN-based distance predictions
and a graph-based matching strategy, PLoS ONE 15 (2020), doi:10.1371/journal.pone.0243219.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_unet.base.errors import InputError
from napari_unet.config.network import OBJECT_MAPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_unet.annotation.labels import Target
    from napari_unet.config.network import ObjectMap

    Window = tuple[slice, slice]

__all__ = ["RIM", "distance_share", "maps_of_window", "object_maps"]

RIM = 2  # px of an object that are its boundary

GROWTH = (0, 64, 256, 1024)  # px around a window in which the rest of its objects is looked for


def distance_share(objects: ArrayLike, known: ArrayLike | None = None) -> NDArray[np.float32]:
    """Return the distance share of every pixel; see `object_maps`.

    Returns
    -------
    ndarray of float32, shape (Y, X)
        0 to 1; NaN where not known.
    """
    (share,) = object_maps(objects, ("distance",), known)
    return share  # type: ignore[no-any-return]


def object_maps(
    objects: ArrayLike, kinds: Sequence[ObjectMap], known: ArrayLike | None = None
) -> NDArray[np.float32]:
    """Return what separates the objects of a plane, exactly, object by object.

    Every object is measured in its own bounding box, whatever touches it.

    Parameters
    ----------
    objects
        (Y, X) whole-number ids, 0 = none. Pieces of one id are one object.
    kinds
        Which maps, of "distance", "neighbour" and "interior"; E of them.
    known
        (Y, X) bool; False where nothing is annotated. Objects are painted completely or not at
        all, so that their distances are true beside unknown pixels as well. Default: all known.

    Returns
    -------
    ndarray of float32, shape (E, Y, X)
        0 to 1; NaN where not known.

    Raises
    ------
    InputError
        If objects are not a plane of whole numbers, or a kind is unknown.
    """
    ids = np.asarray(objects)
    if ids.ndim != 2 or ids.dtype.kind not in "iu":
        raise InputError(
            f"objects must be a plane (Y, X) of whole numbers, got {ids.dtype} of shape "
            f"{ids.shape}: pass one labelled slice at a time."
        )
    for kind in kinds:
        if kind not in OBJECT_MAPS:
            raise InputError(f"object map must be one of {', '.join(OBJECT_MAPS)}, got {kind!r}.")
    maps = np.zeros((len(kinds), *ids.shape), np.float32)
    for box, inside in _objects(ids):
        for values, kind in zip(maps, kinds):
            values[box][inside] = _measured(kind, ids, box, inside)[inside]
    if known is not None:
        maps[:, ~np.asarray(known, bool)] = np.nan
    return maps


def maps_of_window(
    read: Callable[[slice, slice], Target],
    kinds: Sequence[ObjectMap],
    window: Window,
    shape: tuple[int, int],
    hidden: tuple[int, int, int, int] | None = None,
) -> NDArray[np.float32]:
    """Return the object maps of a window as they are in the whole plane.

    More is read around it until no object in it is cut, up to GROWTH pixels. An object that still
    is, or that goes on in the hidden region, has no known distance.

    Parameters
    ----------
    read
        Gives the target of rows and columns of the plane, without a gap between objects.
    kinds
        Which maps; M of them.
    window
        Rows and columns inside the plane.
    shape
        (Y, X) of the plane.
    hidden
        Region ``y0, y1, x0, x1`` in which ``read`` shows no objects, though there may be some.

    Returns
    -------
    ndarray of float32, shape (M, h, w)
        NaN where not known.
    """
    for growth in GROWTH:
        seen = tuple(
            slice(max(0, side.start - growth), min(n, side.stop + growth))
            for side, n in zip(window, shape)
        )
        rows, cols = (slice(w.start - s.start, w.stop - s.start) for w, s in zip(window, seen))
        target = read(*seen)
        cut = _at_sides(target.objects, seen, shape)
        if not np.isin(cut, target.objects[rows, cols]).any():
            break
    if hidden is not None:
        y0, y1, x0, x1 = hidden
        corner = seen[0].start, seen[1].start
        region = (slice(y0 - corner[0], y1 - corner[0]), slice(x0 - corner[1], x1 - corner[1]))
        cut = np.union1d(cut, _beside(target.objects, *region))
    known = target.known & ~np.isin(target.objects, cut)
    return object_maps(target.objects, kinds, known)[:, rows, cols]


def _at_sides(
    objects: NDArray[Any], seen: tuple[slice, ...], shape: tuple[int, int]
) -> NDArray[Any]:
    """Return the ids at those sides of what is seen that are no sides of the plane."""
    found = [np.zeros(0, objects.dtype)]
    for axis, (side, size) in enumerate(zip(seen, shape)):
        found += [objects.take(0, axis)] if side.start > 0 else []
        found += [objects.take(-1, axis)] if side.stop < size else []
    ids = np.unique(np.concatenate(found))
    return ids[ids > 0]


def _beside(objects: NDArray[Any], rows: slice, cols: slice) -> NDArray[Any]:
    """Return the ids of the pixels around a rectangle, which may lie outside in part."""
    around = np.zeros(objects.shape, bool)
    inner = around.copy()
    for mask, by in ((around, 1), (inner, 0)):
        y, x = (slice(max(s.start - by, 0), max(s.stop + by, 0)) for s in (rows, cols))
        mask[y, x] = True
    ids = np.unique(objects[around & ~inner])
    return ids[ids > 0]


def _objects(ids: NDArray[Any]) -> Iterator[tuple[Window, NDArray[np.bool_]]]:
    """Yield each object's bounding box, grown by a pixel inside the plane, and its mask there."""
    numbers = ids
    if ids.max(initial=0) > max(ids.size, 2**16):  # find_objects makes a list as long as that
        numbers = np.unique(ids, return_inverse=True)[1].reshape(ids.shape)
        numbers = numbers + int(ids.min(initial=1) > 0)
    for number, box in enumerate(ndimage.find_objects(numbers.astype(np.int32)), start=1):
        if box is not None:
            grown = _grown(box, 1)
            yield grown, numbers[grown] == number


def _grown(box: Window, by: int) -> Window:
    rows, cols = (slice(max(side.start - by, 0), side.stop + by) for side in box)
    return rows, cols


def _measured(
    kind: ObjectMap, ids: NDArray[Any], box: Window, inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the map of one object in its box; what is outside the object does not matter."""
    if kind == "neighbour":
        return _closeness(ids, box, inside)
    depth = _depth(inside)
    if kind == "interior":
        return (depth > RIM).astype(np.float32)
    greatest = depth.max()
    return depth / greatest if np.isfinite(greatest) else np.ones_like(depth)


def _depth(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of each pixel of an object to the nearest that is not of it; inf without any."""
    if inside.all():
        return np.full(inside.shape, np.inf, np.float32)
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(inside)
    return depth.astype(np.float32)


def _closeness(ids: NDArray[Any], box: Window, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    reach = max(inside.shape)
    window = _grown(box, reach)
    seen = ids[window]
    other = (seen != 0) & (seen != ids[box][inside][0])
    if not other.any():
        return np.zeros(inside.shape, np.float32)
    away = ndimage.distance_transform_edt(~other).astype(np.float32) - 1  # 0 where they touch
    within = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, window))
    away = away[within][: inside.shape[0], : inside.shape[1]]
    closeness: NDArray[np.float32] = np.clip(1 - away / max(away[inside].max(), 1), 0, 1) ** 3
    return closeness
