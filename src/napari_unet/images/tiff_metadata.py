"""Where the pixels of a TIFF lie in the world: read from, and written into, its descriptions.

OME-XML, ImageJ's description, the JSON that tifffile writes, and the resolution tags each say some
of it. A *place* is what one axis has of it: size of a pixel, position of the first one, unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_unet.base.units import SECONDS, SYMBOLS, canonical_unit, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack

__all__ = ["Place", "describe", "places_of", "read_places"]

LARGEST_PIXEL = 20.0  # µm; a coarser resolution tag speaks of paper (1200 dpi), not of a sample


@dataclass(frozen=True)
class Place:
    """Where the pixels along one axis lie.

    Attributes
    ----------
    size
        Of a pixel, in units.
    start
        Position of the first pixel, in units.
    unit
        Full name, such as "micrometer"; "pixel" where it is not known.
    """

    size: float = 1.0
    start: float = 0.0
    unit: str = "pixel"


Places = dict[str, Place]


def places_of(stack: Stack | None, region: Region | None = None) -> Places:
    """Return the place of each axis of a stack but "c".

    Parameters
    ----------
    stack
        None: nothing is known.
    region
        y0, y1, x0, x1 of what is written of its planes; None: whole planes.
    """
    if stack is None:
        return {}
    first = {} if region is None else {"y": region[0], "x": region[2]}
    return {
        axis: Place(size, start + size * first.get(axis, 0), unit)
        for axis, size, start, unit in zip(
            stack.axes.replace("c", ""), stack.scale, stack.translate, stack.units
        )
    }


# -- reading --------------------------------------------------------------------------------


def read_places(
    tif: Any, axes: str, series: int = 0
) -> tuple[Places, tuple[str, ...], tuple[str, ...]]:
    """Read what an open TIFF says about its axes.

    Parameters
    ----------
    tif
        ``tifffile.TiffFile``.
    axes
        One letter per axis of the series.
    series
        Which one.

    Returns
    -------
    dict of Place
        By axis; every axis but "c" is in it.
    tuple of str
        Names of the channels, or ().
    tuple of str
        What is to be said: of units that nobody knows, and of sizes that cannot be.
    """
    channels: tuple[str, ...] = ()
    if tif.is_ome:
        found, channels = _from_ome(tif.ome_metadata, series)
    elif tif.is_imagej:
        found = _from_imagej(tif)
    else:
        found = _from_shaped(tif) or _from_resolution(tif)
    places = {a: found.get(a, Place()) for a in axes if a != "c"}
    notes = []
    for axis, one in places.items():
        unit = canonical_unit(one.unit)
        if unit is None:
            notes.append(f"the unit {one.unit!r} is not known, so pixels are taken as the unit")
        if not _usable(one):
            notes.append(f"a pixel of size {one.size:g} at {one.start:g} cannot be, so it is 1")
        places[axis] = replace(one, unit=unit) if unit and _usable(one) else Place()
    count = int(tif.series[series].shape[axes.index("c")]) if "c" in axes else 1
    return places, channels if len(channels) == count else (), tuple(dict.fromkeys(notes))


def _usable(place: Place) -> bool:
    return math.isfinite(place.size) and place.size > 0 and math.isfinite(place.start)


def _from_ome(xml: str, series: int) -> tuple[Places, tuple[str, ...]]:
    images = tifffile.xml2dict(xml).get("OME", {}).get("Image", {})
    images = images if isinstance(images, list) else [images]
    pixels = _first(images[series : series + 1]).get("Pixels", {})
    plane = _first(pixels.get("Plane", {}))
    places: Places = {}
    for letter in "xyz":
        key = f"PhysicalSize{letter.upper()}"
        unit = str(pixels.get(f"{key}Unit", "µm")) if key in pixels else "pixel"
        start = _position(plane, letter.upper(), unit)
        places[letter] = Place(_number(pixels.get(key, 1.0)), start, unit)
    if "TimeIncrement" in pixels:
        unit = str(pixels.get("TimeIncrementUnit", "s"))
        places["t"] = Place(_number(pixels["TimeIncrement"]), 0.0, unit)
    channels = pixels.get("Channel", [])
    channels = channels if isinstance(channels, list) else [channels]
    names = tuple(str(c["Name"]) for c in channels if isinstance(c, dict) and "Name" in c)
    return places, names if len(names) == len(channels) else ()


def _first(entry: Any) -> dict[str, Any]:
    entry = entry[0] if isinstance(entry, list) and entry else entry
    return entry if isinstance(entry, dict) else {}


def _number(value: Any) -> float:
    """A number that somebody wrote, or one that cannot be."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _position(plane: dict[str, Any], letter: str, unit: str) -> float:
    """Position of a plane; 0 where it is in another, unknown frame of reference."""
    said = plane.get(f"Position{letter}Unit")
    per_unit = None if said is None else ratio(str(said), unit)
    return 0.0 if per_unit is None else _number(plane.get(f"Position{letter}", 0.0)) * per_unit


def _from_imagej(tif: Any) -> Places:
    metadata = tif.imagej_metadata or {}
    places: Places = {}
    if "unit" in metadata:  # else the resolution tags mean nothing
        for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
            per_unit = _resolution(tif, tag)
            if per_unit:
                places[letter] = _imagej_place(metadata, letter, 1 / per_unit)
        places["z"] = _imagej_place(metadata, "z", _number(metadata.get("spacing", 1.0)))
    if metadata.get("finterval"):
        unit = str(metadata.get("tunit", "second"))
        places["t"] = Place(_number(metadata["finterval"]), 0.0, unit)
    return places


def _imagej_place(metadata: dict[str, Any], letter: str, size: float) -> Place:
    """ImageJ's origin is the pixel, counted from the first one, whose position is 0.

    y and z name a unit of their own where it is not that of x.
    """
    unit = str(metadata.get(f"{letter}unit", metadata["unit"]))
    return Place(size, -_number(metadata.get(f"{letter}origin", 0.0)) * size, unit)


def _from_shaped(tif: Any) -> Places:
    """What `describe` leaves in the JSON of a TIFF whose axes others do not know."""
    described: dict[str, Any] = (tif.shaped_metadata or ({},))[0] if tif.is_shaped else {}
    axes = str(described.get("axes", "")).lower().replace("c", "").replace("s", "")
    rows: list[Any] = [described.get(name) for name in ("scale", "translate", "units")]
    if not axes or not all(isinstance(row, list) and len(row) == len(axes) for row in rows):
        return {}
    try:
        return {a: Place(float(n), float(s), str(u)) for a, n, s, u in zip(axes, *rows)}
    except (TypeError, ValueError):  # somebody else's words
        return {}


def _from_resolution(tif: Any) -> Places:
    """Pixel size in µm from pixels per centimetre, as microscopes write it."""
    unit = getattr(tif.pages[0].tags.get("ResolutionUnit"), "value", None)
    micrometres = {2: 25400.0, 3: 10000.0}.get(unit) if isinstance(unit, int) else None
    places: Places = {}
    for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
        per_unit = _resolution(tif, tag)
        if micrometres and per_unit and micrometres / per_unit < LARGEST_PIXEL:
            places[letter] = Place(round(micrometres / per_unit, 9), 0.0, "micrometer")
    return places if len(places) == 2 else {}


def _resolution(tif: Any, tag: str) -> float:
    value = getattr(tif.pages[0].tags.get(tag), "value", None)
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return 0.0
    return _number(value[0]) / _number(value[1])


# -- writing --------------------------------------------------------------------------------


def describe(
    axes: str, shape: Sequence[int], dtype: Any, places: Places, *, imagej: bool = True
) -> dict[str, Any]:
    """Return the keywords of ``tifffile.imwrite`` that say where the pixels lie.

    An ImageJ hyperstack where it has axes, units and dtype; else an OME-TIFF; where that does not
    have the axes either, tifffile's own JSON, which only this package reads in full.

    Parameters
    ----------
    axes, shape, dtype
        Of what is written; one letter per axis.
    places
        By axis; what is missing is not said.
    imagej
        Whether it may be an ImageJ hyperstack.
    """
    planes = axes.replace("c", "")
    lengths = [places[a].unit for a in planes if a in places and a != "t"]
    known = _is_subsequence(planes, "tzyx")
    imagej = imagej and known and len(set(lengths)) <= 1 and "c" not in axes
    if imagej and np.dtype(dtype) in (np.dtype(np.uint8), np.dtype(np.uint16)):
        return _imagej_keywords(axes, places)
    ome = known and all(unit in SYMBOLS for unit in lengths)
    metadata: dict[str, Any] = {"axes": axes.upper()}
    if ome:
        metadata |= _ome_sizes(places) | _ome_positions(axes, shape, places)
    elif places:
        in_order = [places.get(a, Place()) for a in planes]
        metadata["scale"] = [one.size for one in in_order]
        metadata["translate"] = [one.start for one in in_order]
        metadata["units"] = [one.unit for one in in_order]
    return {"ome": ome, "metadata": metadata}


def _imagej_keywords(axes: str, places: Places) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": axes.upper()}
    keywords: dict[str, Any] = {"imagej": True, "metadata": metadata}
    in_space = {a: places[a] for a in "xyz" if a in places}
    if any(one != Place() for one in in_space.values()):
        unit = in_space["x"].unit
        metadata["unit"] = {"micrometer": "um", "nanometer": "nm"}.get(unit, unit)
        keywords["resolution"] = tuple(1 / in_space[a].size for a in "xy")
        if "z" in in_space:
            metadata["spacing"] = in_space["z"].size
        origins = {f"{a}origin": -one.start / one.size for a, one in in_space.items() if one.start}
        metadata |= origins
    if places.get("t", Place()).unit in SECONDS:
        metadata["finterval"] = places["t"].size * SECONDS[places["t"].unit]
    return keywords


def _ome_sizes(places: Places) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for letter in "xyz":
        place = places.get(letter, Place())
        if place.unit != "pixel" or place.size != 1:
            key = f"PhysicalSize{letter.upper()}"
            said |= {key: place.size, f"{key}Unit": SYMBOLS[place.unit]}
    time = places.get("t", Place())
    if time.unit in SECONDS:
        said |= {"TimeIncrement": time.size * SECONDS[time.unit], "TimeIncrementUnit": "s"}
    return said


def _ome_positions(axes: str, shape: Sequence[int], places: Places) -> dict[str, Any]:
    """Position of every plane, where one is not 0."""
    if not any(places[a].start for a in "xyz" if a in places):
        return {}
    leading = axes[:-2]
    count = math.prod(shape[:-2])
    index = np.indices(tuple(shape[:-2])).reshape(len(leading), count)
    said: dict[str, Any] = {}
    for letter in "xyz":
        if letter in places:
            place = places[letter]
            steps: Iterable[Any] = index[leading.index("z")] if letter == "z" else [0] * count
            said[f"Position{letter.upper()}"] = [place.start + place.size * int(k) for k in steps]
            said[f"Position{letter.upper()}Unit"] = [SYMBOLS[place.unit]] * count
    return {"Plane": said}


def _is_subsequence(axes: str, order: str) -> bool:
    rest = iter(order)
    return all(a in rest for a in axes)
