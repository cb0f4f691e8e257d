"""OME-Zarr images, versions 0.4 and 0.5, from a folder or a web address.

Reads the "multiscales" metadata of the specification (ngff.openmicroscopy.org)
on top of zarr; pixels are read crop by crop, never all at once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.images.stack import Stack, guess_axes

__all__ = ["is_zarr", "open_zarr"]

MARKERS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def is_zarr(path: str | Path) -> bool:
    """Tell whether a path or web address is a zarr hierarchy."""
    if is_url(path):
        return True
    path = Path(path)
    marked = path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in MARKERS)
    return marked and path.is_dir()


def is_url(path: str | Path) -> bool:
    """Tell a web address from a path."""
    return isinstance(path, str) and re.match(r"[a-z0-9+]{2,}://", path) is not None


def open_zarr(
    path: str | Path, *, level: int = 0, axes: str | None = None, labels: str | None = None
) -> Stack:
    """Open an OME-Zarr image, or a bare zarr array.

    Parameters
    ----------
    path
        Folder or http(s) address of the image.
    level
        Which resolution, 0 the finest.
    axes
        One letter per axis, for a bare array whose axes are not known.
    labels
        Name of a label image inside ("labels/<name>"). None: the only one if
        there is just one, otherwise none.

    Returns
    -------
    Stack
        Its image is a zarr array.

    Raises
    ------
    DataSetError
        When there is no image, or the metadata names an array that is absent.
    """
    path = str(path).rstrip("/")
    node = _open_node(path)
    name = re.sub(r"(\.ome)?\.zarr$", "", path.replace("\\", "/").rsplit("/", 1)[-1])
    import zarr

    if isinstance(node, zarr.Array):
        return Stack(name, node, axes or guess_axes(node.shape, node.dtype)[0])
    described = _metadata(node)
    if "multiscales" not in described and "bioformats2raw.layout" in described:
        node = _child(node, "0", path)
        described = _metadata(node)
    multiscale = _multiscale(described, path)
    image = _level(node, multiscale, level, path)
    letters = axes or _letters(multiscale, image.ndim)
    scale, translate = _transform(multiscale, level, image.ndim)
    keep = [k for k, a in enumerate(letters) if a != "c"]
    units = [str(one.get("unit", "pixel")) for one in _axes(multiscale, image.ndim)]
    return Stack(
        name,
        image,
        letters,
        labels=_labels(node, labels, image, letters, path),
        scale=tuple(scale[k] for k in keep),
        translate=tuple(translate[k] for k in keep),
        units=tuple(units[k] for k in keep),
        channel_names=_channel_names(described, image.shape, letters),
    )


def _open_node(path: str) -> Any:
    import zarr

    store: Any = path
    if path.startswith(("http://", "https://")):
        from napari_unet.images.web_store import WebStore

        store = WebStore(path)
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
            f"{path} cannot be read as zarr ({_reason(error)}): point at the folder that holds "
            "zarr.json, .zgroup or .zarray."
        ) from error


def _child(node: Any, name: str, path: str) -> Any:
    try:
        return node[name]
    except Exception as error:
        raise DataSetError(
            f"{path} names {name!r} in its metadata, but it cannot be read ({_reason(error)}): "
            "the copy is incomplete, copy it again."
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__


def _metadata(node: Any) -> dict[str, Any]:
    """OME metadata: under "ome" since 0.5, at the top before."""
    attributes = dict(node.attrs)
    ome = attributes.get("ome")
    return dict(ome) if isinstance(ome, dict) else attributes


def _multiscale(described: dict[str, Any], path: str) -> dict[str, Any]:
    multiscales = described.get("multiscales")
    if isinstance(multiscales, list) and multiscales and isinstance(multiscales[0], dict):
        datasets = multiscales[0].get("datasets")
        if isinstance(datasets, list) and all("path" in one for one in datasets) and datasets:
            return multiscales[0]
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
    return image


def _axes(multiscale: dict[str, Any], ndim: int) -> list[dict[str, Any]]:
    axes = multiscale.get("axes")
    if not isinstance(axes, list) or len(axes) != ndim:
        axes = list("tczyx"[-ndim:])  # before 0.3 always these
    return [one if isinstance(one, dict) else {"name": str(one)} for one in axes]


def _letters(multiscale: dict[str, Any], ndim: int) -> str:
    """One letter per axis: "c" and "t" by type, else the first letter of the name."""
    by_type = {"channel": "c", "time": "t"}
    letters = ""
    for one in _axes(multiscale, ndim):
        letter = by_type.get(one.get("type", ""), str(one.get("name", "q"))[:1].lower())
        free = [a for a in letter + "pqruvw" if a not in letters]
        letters += free[0]
    return letters


def _transform(
    multiscale: dict[str, Any], level: int, ndim: int
) -> tuple[list[float], list[float]]:
    """Scale and translation of a level: its own transformations, then those of all levels."""
    scale, translate = [1.0] * ndim, [0.0] * ndim
    own = multiscale["datasets"][level].get("coordinateTransformations") or []
    for one in [*own, *(multiscale.get("coordinateTransformations") or [])]:
        values = one.get(one.get("type"))
        if not isinstance(values, list) or len(values) != ndim:
            continue  # "identity", or a path to an array
        if one["type"] == "scale":
            scale = [a * float(b) for a, b in zip(scale, values)]
            translate = [a * float(b) for a, b in zip(translate, values)]
        elif one["type"] == "translation":
            translate = [a + float(b) for a, b in zip(translate, values)]
    return scale, translate


def _channel_names(described: dict[str, Any], shape: tuple[int, ...], axes: str) -> tuple[str, ...]:
    channels = (described.get("omero") or {}).get("channels") or []
    names = tuple(str(c.get("label", "")) for c in channels)
    count = shape[axes.index("c")] if "c" in axes else 1
    return names if len(names) == count and all(names) else ()


def _labels(node: Any, name: str | None, image: Any, axes: str, path: str) -> Any:
    """Array of a label image whose shape is the image's, up to the channels."""
    if "labels" not in node:
        if name is not None:
            raise DataSetError(f"{path} has no labels, got {name!r}: leave the name out.")
        return None
    group = node["labels"]
    names = _metadata(group).get("labels") or []
    if name is None and len(names) != 1:
        return None
    chosen = name or names[0]
    if chosen not in names:
        raise DataSetError(f"{path} has the labels {', '.join(names)}, got {chosen!r}: name one.")
    labels = _child(group, chosen, path)
    multiscale = _multiscale(_metadata(labels), f"{path}/labels/{chosen}")
    wanted = tuple(1 if a == "c" else n for a, n in zip(axes, image.shape))
    without = tuple(n for a, n in zip(axes, image.shape) if a != "c")
    for level in range(len(multiscale["datasets"])):
        array = _level(labels, multiscale, level, path)
        if array.shape in (wanted, without):
            return array
    if name is None:
        return None
    raise InputError(
        f"labels {chosen!r} of {path} have no level of the image's shape {without}: choose "
        "another level of the image."
    )
