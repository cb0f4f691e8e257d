"""Everything that a command line reads, so that nothing is written over it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.cli.inputs import is_data_set

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["places_read"]

IMAGES = ("image", "labels", "prediction", "reference")
MODELS = ("model", "start_from", "like", "replay")
OTHERS = ("data", "config")
SNAPSHOTS = "snapshots"
RUN_SUFFIXES = (".safetensors", ".pt", ".json", ".jsonl")


def places_read(args: argparse.Namespace) -> list[Path]:
    """Return the files and folders of the images, labels, models and data that are asked for.

    A run folder may hold results beside the run: its own files are what is read.
    """
    return list(_places(args))


def _places(args: argparse.Namespace) -> Iterator[Path]:
    more = [name for several in getattr(args, "more", ()) for name in several]
    for name in (*_given(args, IMAGES), *more):
        if is_data_set(str(name)):
            from napari_unet.datasets import registry as datasets

            found = datasets.path(str(name))
            if found is not None:
                yield found
        else:
            yield Path(name)
    for model in map(Path, _given(args, MODELS)):
        if model.is_dir():
            held = (*model.iterdir(), *(model / SNAPSHOTS).glob("*"))
            yield from (file for file in held if file.suffix in RUN_SUFFIXES)
        else:
            yield model
    yield from map(Path, _given(args, OTHERS))


def _given(args: argparse.Namespace, names: tuple[str, ...]) -> list[Any]:
    values = (getattr(args, name, None) for name in names)
    return [value for value in values if value is not None]
