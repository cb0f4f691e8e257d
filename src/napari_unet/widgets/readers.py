"""Folders of the Cell Tracking Challenge as layers, by drag and drop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.types import LayerData

__all__ = ["get_reader"]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a reader for a folder of the challenge; None leaves other paths to other readers.

    Parameters
    ----------
    path
        A data set's folder, or one of its sequences ("01").
    """
    from napari_unet.ctc_folder import is_ctc_folder

    paths = [path] if isinstance(path, str) else path
    return _read if paths and all(is_ctc_folder(one) for one in paths) else None


def _read(path: str | list[str]) -> list[LayerData]:
    from pathlib import Path

    paths = [path] if isinstance(path, str) else path
    return [layer for one in paths for layer in _read_folder(Path(one))]


def _read_folder(folder: Path) -> list[LayerData]:
    from napari_unet.ctc_folder import find_sequences, open_ctc
    from napari_unet.widgets.samples import stack_layers

    return [
        layer
        for sequence in find_sequences(folder)
        for layer in stack_layers(open_ctc(folder, sequence))
    ]
