"""Two files of the same pixels, such as an image and its labels: one order of axes, one size."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_unet.base.units import SYMBOLS, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_unet.images.pixels import Pixels
    from napari_unet.images.tiff_metadata import Place

__all__ = ["matched"]

ALIKE = 0.01  # pixel sizes that differ by less than one percent are the same


def matched(
    labels: Pixels,
    name: str,
    axes: str,
    shape: Sequence[int],
    places: Mapping[str, Place] | None = None,
) -> Pixels:
    """Put labels into the order of what they belong to, where both files say theirs.

    Parameters
    ----------
    labels
        Labels, or a prediction, which may have an axis "c" of its own.
    name, axes, shape, places
        Of the image, or of the reference: its axes but "c", one letter each, and their sizes.

    Returns
    -------
    Pixels
        With a note wherever they were turned, or have pixels of another size.
    """
    wanted, notes = axes, list(labels.notes)
    if "c" in labels.axes:
        wanted = f"{axes[:-2]}c{axes[-2:]}"
    own = labels.axes.replace("c", "")
    if own != axes and sorted(own) == sorted(axes):
        turned = labels.in_order(wanted)
        lengths = tuple(n for a, n in zip(wanted, turned.array.shape) if a != "c")
        if lengths == tuple(shape):  # else the file says what cannot be
            said = f"{labels.name} has the axes {labels.axes!r}, read in the order of {name}"
            notes.append(f"{said}, {wanted!r}.")
            labels = turned
    if said := _other_sizes(labels, name, places or {}):
        notes.append(said)
    return replace(labels, notes=tuple(notes))


def _other_sizes(labels: Pixels, name: str, places: Mapping[str, Place]) -> str:
    """Say that pixels have another size; "" where they have not, or one of them does not say."""
    known = [a for a in "zyx" if _is_told(labels.places.get(a)) and _is_told(places.get(a))]
    both = [(labels.places[a], places[a]) for a in known]
    if all(_alike(*pair) for pair in both):
        return ""
    own, other = _sizes([a for a, _ in both]), _sizes([b for _, b in both])
    return (
        f"a pixel is {own} in {labels.name} and {other} in {name}, but pixel is taken for pixel: "
        "check that they belong together."
    )


def _alike(one: Place, other: Place) -> bool:
    per_unit = ratio(one.unit, other.unit)
    return per_unit is None or math.isclose(one.size * per_unit, other.size, rel_tol=ALIKE)


def _is_told(place: Place | None) -> bool:
    return place is not None and (place.unit != "pixel" or place.size != 1)


def _sizes(places: Sequence[Place]) -> str:
    """Sizes as a person writes them: 0.2 × 0.1 × 0.1 µm."""
    units = [SYMBOLS.get(one.unit, one.unit) for one in places]
    if len(set(units)) == 1:
        return f"{' × '.join(f'{one.size:g}' for one in places)} {units[0]}"
    return " × ".join(f"{one.size:g} {unit}" for one, unit in zip(places, units))
