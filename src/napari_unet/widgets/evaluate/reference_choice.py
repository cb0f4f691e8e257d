"""What is known about a reference layer: what its values mean, and which slices have labels."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.splits import split_stack
from napari_unet.base.errors import UNetError
from napari_unet.base.quantities import count
from napari_unet.base.units import SYMBOLS
from napari_unet.widgets.common.layer_facts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_unet.app.session import Session

__all__ = ["SHOWN", "annotated_in", "pixel_area", "scheme_of", "shown_plane", "slice_options"]

SHOWN = "shown"

Slices = tuple[int, ...] | str | None

LOOKED_AT = 2**27
"""Pixels of a layer up to which all slices are looked at for labels."""


def scheme_of(session: Session, layer: Any) -> LabelScheme | None:
    """Return what the values of a labels layer mean, where that was said."""
    if layer is None:
        return None
    if session.stack is not None and session.labels_layer is layer:
        return session.stack.scheme
    known = told(layer, "scheme")
    return None if known is None else LabelScheme.from_dict(known)


def annotated_in(session: Session, layer: Any) -> tuple[int, ...] | None:
    """Return the slices that are annotated, where that was said; None: it was not."""
    if session.stack is not None and session.labels_layer is layer:
        return tuple(session.stack.labelled_slices)
    known = told(layer, "annotated")
    return None if known is None else tuple(known)


def pixel_area(layer: Any) -> tuple[float, str] | None:
    """Return the area of a pixel and its unit ("µm²"); None where it is not known."""
    y, x = map(str, layer.units[-2:])
    if y != x or y == "pixel":
        return None
    return float(layer.scale[-2] * layer.scale[-1]), f"{SYMBOLS.get(y, y)}²"


def shown_plane(viewer: Any, layer: Any) -> int:
    """Return the flat index of the slice of a labels layer that is shown, the nearest one."""
    leading = tuple(layer.data.shape[:-2])
    point = np.asarray(viewer.dims.point, float)[-layer.ndim :]
    where = np.round(np.asarray(layer.world_to_data(point), float))[: len(leading)]
    index = [int(np.clip(v, 0, n - 1)) for v, n in zip(where, leading)]
    return int(np.ravel_multi_index(index, leading)) if leading else 0


def slice_options(session: Session, layer: Any) -> list[tuple[str, Slices]]:
    """Offer slices to compare, the most sensible first.

    Slices without any label are most often not annotated, so those with labels come first; which
    ones a network has not seen is known for the labels of the session alone.
    """
    if layer is None:
        return [("all", None)]
    annotated = annotated_in(session, layer)
    options = list(_of_layer(layer) if annotated is None else _told(session, layer, annotated))
    return [*options, ("slice shown", SHOWN)]


def _told(session: Session, layer: Any, annotated: tuple[int, ...]) -> Iterator[tuple[str, Slices]]:
    """Slices that validate, and all that are annotated: no other one can be compared."""
    split = None
    if session.stack is not None and session.labels_layer is layer:
        with suppress(UNetError):
            split = split_stack(session.stack, session.config.split, guard=0)
    if split is not None and split.validation and split.region is None:
        yield f"validation slices ({ranges(split.validation)})", split.validation
    yield f"all {count(len(annotated), 'labelled slice')}", annotated


def _of_layer(layer: Any) -> Iterator[tuple[str, Slices]]:
    shape = tuple(layer.data.shape)
    n = int(np.prod(shape[:-2]))
    if isinstance(layer.data, np.ndarray) and layer.data.size <= LOOKED_AT:
        found = np.flatnonzero(layer.data.reshape(n, *shape[-2:]).any((1, 2))).tolist()
        if 0 < len(found) < n:
            yield f"{count(len(found), 'slice')} with labels", tuple(found)
    yield ("all" if n == 1 else f"all {n:,} slices"), None


def ranges(slices: tuple[int, ...]) -> str:
    """Return ascending numbers as a text: 24–29."""
    first, last = slices[0], slices[-1]
    if len(slices) > 1 and slices == tuple(range(first, last + 1)):
        return f"{first}–{last}"
    return ", ".join(map(str, slices[:6])) + (" …" if len(slices) > 6 else "")
