"""Folders of the Cell Tracking Challenge as layers, by drag and drop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.types import LayerData

__all__ = ["TITLES", "get_reader"]

TITLES = {
    "gold": "gold truth",
    "silver": "silver truth",
    "both": "gold truth, else silver",
    "markers": "markers",
}
"""What each truth is called."""


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a reader for a folder of the challenge; None leaves other paths to other readers.

    Parameters
    ----------
    path
        A data set's folder, or one of its sequences ("01").
    """
    from napari_unet.images.ctc_folder import is_ctc_folder

    paths = [path] if isinstance(path, str) else path
    return _read if paths and all(is_ctc_folder(one) for one in paths) else None


def _read(path: str | list[str]) -> list[LayerData]:
    from pathlib import Path

    paths = [path] if isinstance(path, str) else path
    return [layer for one in paths for layer in _read_folder(Path(one))]


def _read_folder(folder: Path) -> list[LayerData]:
    """Frames and their best truth of every sequence; other truths are hidden, and read when shown.

    A sequence without truth, as the challenge's test sets are, is frames alone.
    """
    from napari_unet.images.ctc_folder import add_truth, find_sequences, find_truths, open_ctc
    from napari_unet.widgets.data.samples import labels_layer, stack_layers

    layers: list[LayerData] = []
    for sequence in find_sequences(folder):
        truths = find_truths(folder, sequence)
        best = next((one for one in truths if one != "markers"), None)
        stack = open_ctc(folder, sequence, best)
        layers += stack_layers(stack)
        for truth in truths:
            if truth != best:
                other = add_truth(stack, folder, sequence, truth, lazy_above=0)
                layers.append(labels_layer(other, f"{stack.name} {TITLES[truth]}", visible=False))
    return layers
