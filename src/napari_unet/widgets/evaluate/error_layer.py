"""The layer "NAME · errors": where a prediction is wrong, by kind of error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.evaluation.comparison import ERROR_KINDS
from napari_unet.widgets.common.layer_facts import is_result
from napari_unet.widgets.common.result_layers import (
    refresh,
    remove_made,
    same_place,
    show_result,
)
from napari_unet.widgets.evaluate.error_kinds import KIND_COLOURS

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_unet.evaluation.comparison import ErrorPlane

__all__ = ["ErrorLayer"]


class ErrorLayer:
    """Written plane by plane, where the reference lies.

    Parameters
    ----------
    viewer
        Where to show it.
    source
        The reference layer.
    name
        Of what was segmented.
    """

    def __init__(self, viewer: Any, source: Labels, name: str) -> None:
        self._viewer = viewer
        remove_made(viewer, "errors", source)
        self.layer = Labels(
            np.zeros(source.data.shape, np.uint8),
            name=f"{name} · errors",
            colormap=_colours(ERROR_KINDS),
            opacity=0.8,
            **same_place(source),
        )
        show_result(viewer, "errors", self.layer, source)

    @property
    def is_there(self) -> bool:
        """Whether the user kept it."""
        return self.layer in self._viewer.layers

    def write(self, plane: ErrorPlane) -> None:
        """Write one slice; `draw` shows it."""
        if is_result(self.layer) and self.layer.data[plane.index].shape == plane.values.shape:
            self.layer.data[plane.index] = plane.values

    def draw(self) -> None:
        """Show what was written."""
        if self.is_there:
            refresh(self.layer)

    def show_kinds(self, kinds: Collection[str]) -> None:
        """Show these kinds of errors only."""
        if self.is_there:
            self.layer.colormap = _colours(kinds)


def _colours(kinds: Collection[str]) -> DirectLabelColormap:
    colours: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    for k, kind in enumerate(ERROR_KINDS):
        colours[k + 1] = KIND_COLOURS[kind] if kind in kinds else "transparent"
    return DirectLabelColormap(color_dict=colours)
