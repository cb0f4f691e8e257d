"""The objects of a prediction in the window: measured, told apart anew, found again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.prediction.linking import Linker
from napari_unet.prediction.object_table import ObjectTable, TableMaker

if TYPE_CHECKING:
    from napari_unet.config.decoding import Decoding
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.linking import Linking
    from napari_unet.prediction.outputs import ObjectPlane, Output

__all__ = ["FoundObjects", "ObjectsSoFar", "objects_in_words"]

KEPT_PIXELS = 2**26
"""Pixels up to which a prediction of objects can be told apart anew; about 1 GB for two classes."""


def objects_in_words(output: Output, decoding: Decoding) -> dict[str, str]:
    """Return how objects were told apart; "" for what is as usual."""
    return {
        "threshold": f"{decoding.threshold:g}",
        "seed height": f"{decoding.seed:g}",
        "valley": f"{decoding.valley:g}" if decoding.valley else "",
        "smallest": f"{decoding.min_size} px" if decoding.min_size else "",
        "holes": "filled" if output.fill_holes else "",
        "linked from overlap": "" if output.link is None else f"{output.link.overlap:g}",
    }


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """Objects of some slices, and their table.

    Attributes
    ----------
    stack : Stack
        The image.
    class_names : tuple of str
        As of `napari_unet.prediction.object_table.TableMaker`.
    output : Output
        What was asked for.
    decoding : Decoding
        Thresholds by which they were told apart.
    planes : tuple of ObjectPlane
        In the order of the slices; none where memory does not hold them.
    slices : ObjectTable
        A row for every object of every slice.
    table : ObjectTable
        What is shown: the same, or a row for every object of a volume.
    """

    stack: Stack
    class_names: tuple[str, ...]
    output: Output
    decoding: Decoding
    planes: tuple[ObjectPlane, ...]
    slices: ObjectTable
    table: ObjectTable

    def anew(self, decoding: Decoding, link: Linking | None) -> FoundObjects:
        """Return the objects that other thresholds make of the same prediction."""
        output = replace(self.output, link=link)
        so_far = ObjectsSoFar(self.stack, self.class_names, output, decoding)
        linker = None if link is None else Linker(link)
        for plane in self.planes:
            found = plane.decoded(decoding, fill_holes=output.fill_holes)
            if linker is not None:
                ids = linker.next(found.objects, found.piece.index[:-1])
                found = replace(found, objects=ids)
            so_far.add(found)
        return so_far.found()

    def place(self, row: int) -> tuple[float, ...]:
        """Return where an object of the table is best seen: its slice, and its centre there."""
        columns, shown = self.slices.columns, self.table.columns
        axes = self.stack.leading_axes
        same = np.ones(len(self.slices), bool)
        for name in (*axes, "id"):
            if name in shown:
                same &= columns[name] == shown[name][row]
        rows = np.flatnonzero(same)
        largest = rows[columns["area (px)"][rows].argmax()]
        names = (*axes, "centroid y (px)", "centroid x (px)")
        return tuple(float(columns[name][largest]) for name in names)


@dataclass(eq=False)
class ObjectsSoFar:
    """Measures plane after plane of a prediction, and keeps what they were made of.

    Attributes
    ----------
    stack, class_names, output, decoding
        As of `FoundObjects`.
    keeps : bool
        Whether memory holds what all planes are made of.
    """

    stack: Stack
    class_names: tuple[str, ...]
    output: Output
    decoding: Decoding
    keeps: bool = True
    _planes: list[ObjectPlane] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._maker = TableMaker(self.stack, self.class_names, self.output.link is not None)

    @classmethod
    def of(
        cls, model: TrainedModel, stack: Stack, output: Output, slices: int,
        zoom: tuple[float, float],
    ) -> ObjectsSoFar:  # fmt: skip
        """Begin a prediction of so many slices, which the model sees zoomed."""
        names = model.scheme.names if model.scheme.n_classes > 2 else ()
        keeps = slices * stack.plane_shape[0] * stack.plane_shape[1] <= KEPT_PIXELS
        return cls(stack, names, output, output.decoding(model, zoom), keeps)

    def add(self, plane: ObjectPlane) -> None:
        """Take the next plane."""
        self._maker.add_plane(plane)
        if self.keeps:
            self._planes.append(plane)

    def found(self) -> FoundObjects:
        """Return what was found until now."""
        return FoundObjects(
            self.stack, self.class_names, self.output, self.decoding, tuple(self._planes),
            self._maker.slices(), self._maker.table(),
        )  # fmt: skip
