"""OME-Zarr images, versions 0.4 and 0.5, from a folder or a web address.

Reads the "multiscales" metadata of the specification (ngff.openmicroscopy.org)
on top of zarr; pixels are read crop by crop, never all at once. Metadata are
taken as strangers' words: of another type than they should be, they count as absent.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.base.quantities import size
from napari_unet.base.units import canonical_unit
from napari_unet.images.axes import guess_axes, lengths_without_channels
from napari_unet.images.pixels import reason
from napari_unet.images.stack import Stack

__all__ = ["holds_at_least", "is_url", "is_zarr", "open_zarr"]

MARKERS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
LARGEST_ARRAY = 2**60  # pixels
LARGEST_CHUNK = 2**31  # bytes in memory: a chunk is always read as a whole


def is_zarr(path: str | Path) -> bool:
    """Tell whether a path or web address is a zarr hierarchy."""
    if is_url(path):
        return True
    path = Path(path)
    try:
        marked = path.suffix.lower() == ".zarr" or any((path / n).is_file() for n in MARKERS)
        return marked and path.is_dir()
    except (OSError, ValueError):  # such as a name that is too long
        return False


def is_url(path: str | Path) -> bool:
    """Tell a web address from a path."""
    return isinstance(path, str) and re.match(r"[A-Za-z0-9+]{2,}://", path) is not None


def open_zarr(
    path: str | Path,
    *,
    level: int = 0,
    series: int = 0,
    axes: str | None = None,
    labels: str | None = None,
) -> Stack:
    """Open an OME-Zarr image, or a bare zarr array.

    Parameters
    ----------
    path
        Folder or http(s) address of the image.
    level
        Which resolution, 0 the finest.
    series
        Which of several images that were converted from one file.
    axes
        One letter per axis, for a bare array whose axes are not known.
    labels
        Name of a label image inside ("labels/<name>"). None: the only one if
        there is just one, otherwise none, which is said.

    Returns
    -------
    Stack
        Its image is a zarr array.

    Raises
    ------
    DataSetError
        When there is no image, it cannot be reached, or the metadata do not describe it.
    """
    import zarr

    path = str(path).rstrip("/")
    node = _open_node(path)
    name = re.sub(r"(\.ome)?\.zarr$", "", path.replace("\\", "/").rsplit("/", 1)[-1])
    if isinstance(node, zarr.Array):
        _check_chunks(node, path)
        return Stack(name, node, axes or guess_axes(node.shape, node.dtype)[0])
    described = _metadata(node, path)
    notes: tuple[str, ...] = ()
    if "multiscales" not in described and "bioformats2raw.layout" in described:
        node, notes = _one_of_several(node, series, path)
        described = _metadata(node, path)
    elif series:
        raise InputError(f"{path} holds one image, series 0, got {series}: leave the series out.")
    multiscale = _multiscale(described, path)
    image = _level(node, multiscale, level, path)
    letters = axes or _letters(multiscale, image.ndim)
    scale, translate = _transform(multiscale, level, image.ndim, path)
    units, unknown = _units(multiscale, image.ndim)
    keep = [k for k, a in enumerate(letters) if a != "c"] if len(letters) == image.ndim else []
    found, said = _labels(node, labels, image, letters, path)
    return Stack(
        name,
        image,
        letters,
        labels=found,
        scale=tuple(scale[k] for k in keep),
        translate=tuple(translate[k] for k in keep),
        units=tuple(units[k] for k in keep),
        channel_names=_channel_names(described, image.shape, letters),
        notes=(*notes, *(f"{name}: {one}" for one in unknown), *said),
    )


# -- nodes ----------------------------------------------------------------------------------


def _open_node(path: str) -> Any:
    import zarr

    store: Any = path
    if path.lower().startswith(("http://", "https://")):
        from napari_unet.images.web import web_store

        store = web_store(path)
    elif is_url(path):
        store = path  # zarr opens s3:// and the like if fsspec is installed for them
    elif not Path(path).is_dir():
        raise DataSetError(
            f"expected a zarr folder, but {path} does not exist: check its name, or unpack it."
        )
    try:
        return zarr.open(store, mode="r")
    except Exception as error:
        raise DataSetError(
            f"{path} cannot be read as zarr ({reason(error)}): point at the folder that holds "
            "zarr.json, .zgroup or .zarray."
        ) from error


def _child(node: Any, name: str, path: str) -> Any:
    try:
        return node[name]
    except Exception as error:
        raise DataSetError(
            f"{path} names {name!r} in its metadata, but it cannot be read ({reason(error)}): "
            "the copy is incomplete, copy it again."
        ) from error


def _holds(node: Any, name: str, path: str) -> bool:
    try:
        return name in node
    except Exception as error:
        raise DataSetError(
            f"{path} has {name!r} inside, but it cannot be read ({reason(error)}): copy it again."
        ) from error


def _one_of_several(node: Any, series: int, path: str) -> tuple[Any, tuple[str, ...]]:
    """An image of a folder that was converted from a file of several."""
    there = 0
    while there <= max(series, 1) and _holds(node, str(there), path):
        there += 1
    if not 0 <= series < max(there, 1):
        raise InputError(f"series must be below {there} for {path}, got {series}: choose another.")
    said = f"{path} holds several images, of which the first is read (series 0)."
    return _child(node, str(series), path), (said,) if there > 1 and series == 0 else ()


def _check_chunks(array: Any, path: str) -> None:
    if math.prod(array.shape) >= LARGEST_ARRAY:
        raise DataSetError(
            f"{path} says that it has the shape {array.shape}, which cannot be: write it anew."
        )
    shards = getattr(array, "shards", None) or ()
    needed = max(math.prod(array.chunks), math.prod(shards) if shards else 0)
    needed *= array.dtype.itemsize
    if (needed > LARGEST_CHUNK and needed > 2 * array.nbytes) or needed > 8 * LARGEST_CHUNK:
        raise DataSetError(
            f"{path} is stored in chunks of {size(needed)}, each of which has to be read as a "
            "whole: store it in smaller chunks."
        )


def holds_at_least(array: Any, n_bytes: float) -> bool:
    """Tell whether the files of a zarr array take so much; True where they cannot be looked at.

    Parameters
    ----------
    array
        Of any kind: what is no zarr array in a folder is not looked at.
    n_bytes
        How much; the files are only counted up to it.
    """
    root = getattr(getattr(array, "store", None), "root", None)
    if root is None or not Path(root).is_dir():
        return True
    held = 0
    for file in (Path(root) / array.path).rglob("*"):
        held += file.stat().st_size
        if held >= n_bytes:
            return True
    return False


# -- metadata -------------------------------------------------------------------------------


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _metadata(node: Any, path: str) -> dict[str, Any]:
    """OME metadata: under "ome" since 0.5, at the top before."""
    try:
        attributes = dict(node.attrs)
    except Exception as error:
        raise DataSetError(
            f"{path} has metadata that cannot be read ({reason(error)}): copy it again."
        ) from error
    ome = attributes.get("ome")
    return dict(ome) if isinstance(ome, dict) else attributes


def _multiscale(described: dict[str, Any], path: str) -> dict[str, Any]:
    first = _dict((_list(described.get("multiscales")) or [None])[0])
    datasets = _list(first.get("datasets"))
    if datasets and all(isinstance(_dict(one).get("path"), str | int) for one in datasets):
        return first
    kind = "a plate" if "plate" in described else "a group"
    kind = "a well" if "well" in described else kind
    raise DataSetError(
        f"{path} is {kind} without an image of its own: point at one image inside it, for "
        "example the folder A/1/0 of a plate."
    )


def _level(node: Any, multiscale: dict[str, Any], level: int, path: str) -> Any:
    import zarr

    datasets = multiscale["datasets"]
    if not 0 <= level < len(datasets):
        raise InputError(
            f"level must be one of 0 … {len(datasets) - 1} of {path}, got {level}: choose another."
        )
    image = _child(node, str(datasets[level]["path"]), path)
    if not isinstance(image, zarr.Array):
        raise DataSetError(f"{path} has a group where level {level} should be: copy it again.")
    _check_chunks(image, path)
    return image


def _axes(multiscale: dict[str, Any], ndim: int) -> list[dict[str, Any]]:
    axes = _list(multiscale.get("axes"))
    if len(axes) != ndim:
        axes = list("tczyx"[-ndim:]) if ndim <= 5 else ["q"] * ndim  # before 0.3 always these
    return [one if isinstance(one, dict) else {"name": str(one)} for one in axes]


def _letters(multiscale: dict[str, Any], ndim: int) -> str:
    """One letter per axis: "c" and "t" by type, else the first letter of the name."""
    by_type = {"channel": "c", "time": "t"}
    letters = ""
    for one in _axes(multiscale, ndim):
        kind, name = one.get("type"), str(one.get("name") or "q")[:1].lower()
        letter = by_type.get(kind, name) if isinstance(kind, str) else name
        free = [a for a in letter + "pqruvwabdefg" if a not in letters and "a" <= a <= "z"]
        letters += free[0]
    return letters


def _units(multiscale: dict[str, Any], ndim: int) -> tuple[list[str], tuple[str, ...]]:
    """Unit of each axis, and what to say about those that nobody knows."""
    said = [str(one.get("unit") or "pixel") for one in _axes(multiscale, ndim)]
    unknown = dict.fromkeys(one for one in said if canonical_unit(one) is None)
    notes = (f"the unit {one!r} is not known, so pixels are taken as the unit." for one in unknown)
    return [canonical_unit(one) or "pixel" for one in said], tuple(notes)


def _transform(
    multiscale: dict[str, Any], level: int, ndim: int, path: str
) -> tuple[list[float], list[float]]:
    """Scale and translation of a level: its own transformations, then those of all levels."""
    scale, translate = [1.0] * ndim, [0.0] * ndim
    own = _list(_dict(multiscale["datasets"][level]).get("coordinateTransformations"))
    for one in [*own, *_list(multiscale.get("coordinateTransformations"))]:
        kind = _dict(one).get("type")
        values = _dict(one).get(kind) if isinstance(kind, str) else None
        if not isinstance(values, list) or len(values) != ndim:
            continue  # "identity", or a path to an array
        numbers = [_number(value, kind, path) for value in values]
        if kind == "scale":
            scale = [a * b for a, b in zip(scale, numbers)]
            translate = [a * b for a, b in zip(translate, numbers)]
        elif kind == "translation":
            translate = [a + b for a, b in zip(translate, numbers)]
    return scale, translate


def _number(value: Any, what: str | None, path: str) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    if not usable or not abs(value) < 1e300 or (what == "scale" and not value > 0):
        raise DataSetError(
            f"{path} has a {what} of {str(value)[:40]} in its metadata (coordinateTransformations),"
            " where a number is expected: write it anew."
        )
    return float(value)


def _channel_names(described: dict[str, Any], shape: tuple[int, ...], axes: str) -> tuple[str, ...]:
    channels = _list(_dict(described.get("omero")).get("channels"))
    names = tuple(str(_dict(c).get("label", "")) for c in channels)
    count = shape[axes.index("c")] if "c" in axes and len(axes) == len(shape) else 1
    return names if len(names) == count and all(names) else ()


def _labels(
    node: Any, name: str | None, image: Any, axes: str, path: str
) -> tuple[Any, tuple[str, ...]]:
    """Array of a label image whose shape is the image's, up to the channels; and what to say."""
    if not _holds(node, "labels", path):
        if name is not None:
            raise DataSetError(f"{path} has no labels, got {name!r}: leave the name out.")
        return None, ()
    group = _child(node, "labels", path)
    names = [one for one in _list(_metadata(group, path).get("labels")) if isinstance(one, str)]
    if name is None and len(names) > 1:
        way = f"name one of them as the labels, such as {path}/labels/{names[0]}."
        return None, (f"{path} holds the label images {', '.join(names)}: {way}",)
    if name is None and not names:
        return None, ()
    chosen = name or names[0]
    if chosen not in names:
        raise DataSetError(f"{path} has the labels {', '.join(names)}, got {chosen!r}: name one.")
    labels = _child(group, chosen, path)
    inside = f"{path}/labels/{chosen}"
    multiscale = _multiscale(_metadata(labels, inside), inside)
    wanted = tuple(1 if a == "c" else n for a, n in zip(axes, image.shape))
    without = lengths_without_channels(axes, image.shape)
    for level in range(len(multiscale["datasets"])):
        array = _level(labels, multiscale, level, inside)
        if array.shape in (wanted, without):
            return array, ()
    if name is None:
        return None, (
            f"{path}: the labels {chosen!r} have no level of the image's shape {without}.",
        )
    raise InputError(
        f"labels {chosen!r} of {path} have no level of the image's shape {without}: choose "
        "another level of the image."
    )
