"""The objects of a prediction in the window: told apart anew, measured, saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_unet.prediction.object_table import ObjectTable, TableMaker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet.config.decoding import Decoding
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.outputs import ObjectPlane

__all__ = ["FoundObjects"]


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """Objects of some slices, and their table.

    Attributes
    ----------
    stack : Stack
        The image.
    class_names : tuple of str
        As of `napari_unet.prediction.object_table.TableMaker`.
    planes : tuple of ObjectPlane
        In the order of the slices.
    table : ObjectTable
        A row for every object of every slice.
    """

    stack: Stack
    class_names: tuple[str, ...]
    planes: tuple[ObjectPlane, ...]
    table: ObjectTable

    @classmethod
    def measured(
        cls, stack: Stack, class_names: tuple[str, ...], planes: Sequence[ObjectPlane]
    ) -> FoundObjects:
        """Measure the objects of some planes."""
        maker = TableMaker(stack, class_names)
        for plane in planes:
            maker.add_plane(plane)
        return cls(stack, class_names, tuple(planes), maker.table())

    @classmethod
    def of(cls, model: TrainedModel, stack: Stack, planes: Sequence[ObjectPlane]) -> FoundObjects:
        """Measure what a model found."""
        names = model.scheme.names if model.scheme.n_classes > 2 else ()
        return cls.measured(stack, names, planes)

    def decoded(self, decoding: Decoding) -> FoundObjects:
        """Return the objects that other thresholds make of the same prediction."""
        planes = [plane.decoded(decoding) for plane in self.planes]
        return self.measured(self.stack, self.class_names, planes)
