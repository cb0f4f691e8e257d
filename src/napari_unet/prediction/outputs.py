"""What a prediction gives: labels, probabilities, or objects. The one place that knows them.

An output makes pieces of it from the probabilities that the network gives, as soon as it can:
labels and probabilities tile by tile, objects when a plane is complete. Nothing here imports
torch, so that forms can offer the outputs before anything was loaded.

Legend: K classes, (Y, X) plane, (h, w) piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet.annotation.labels import likeliest
from napari_unet.base.errors import InputError
from napari_unet.prediction.objects import check_object_settings, instances
from napari_unet.prediction.pieces import whole_planes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.config.split import Region
    from napari_unet.prediction.pieces import Piece

__all__ = ["OUTPUTS", "Kind", "Output", "foreground"]

Kind = Literal["labels", "probabilities", "objects"]

OUTPUTS: dict[Kind, str] = {
    "labels": "The class of every pixel, with the label values of the training.",
    "probabilities": "How sure the network is of every class, 0 to 1.",
    "objects": "Every connected object with a number of its own, slice by slice.",
}
"""Every output, and what it says."""


@dataclass(frozen=True)
class Output:
    """What is made of the probabilities of a network.

    Attributes
    ----------
    kind : {"labels", "probabilities", "objects"}
        Which output; see `OUTPUTS`.
    background : bool
        Probabilities: keep those of the background too. Without it two classes give one plane
        without a channel axis.
    threshold, min_size, fill_holes
        Objects: as in `napari_unet.prediction.objects.instances`.

    Raises
    ------
    InputError
        If there is no such output, or a setting is not usable.
    """

    kind: Kind = "labels"
    background: bool = True
    threshold: float = 0.5
    min_size: int = 0
    fill_holes: bool = False

    def __post_init__(self) -> None:
        if self.kind not in OUTPUTS:
            raise InputError(
                f"the output must be one of {', '.join(OUTPUTS)}, got {self.kind!r}: choose one."
            )
        check_object_settings(self.threshold, self.min_size)

    def channels(self, scheme: LabelScheme) -> tuple[int, ...]:
        """Return the leading axes of a piece's values: (K,) or ()."""
        if self.kind != "probabilities":
            return ()
        if self.background:
            return (scheme.n_classes,)
        return (scheme.n_classes - 1,) if scheme.n_classes > 2 else ()

    def dtype(self, scheme: LabelScheme) -> np.dtype[Any]:
        """Return the dtype that holds all values; pieces of objects may have a smaller one."""
        if self.kind == "labels":
            return scheme.encode(np.zeros(1, np.uint8)).dtype
        return np.dtype(np.float32 if self.kind == "probabilities" else np.int32)

    @property
    def needs_planes(self) -> bool:
        """Whether nothing can be given before a plane is complete."""
        return self.kind == "objects"

    def finished(
        self, pieces: Iterable[Piece], scheme: LabelScheme, extent: Region
    ) -> Iterator[Piece]:
        """Make pieces of this output from pieces of probabilities.

        Parameters
        ----------
        pieces
            From `napari_unet.prediction.predict.predict`: values (K, h, w).
        scheme
            The model's: what classes mean.
        extent
            y0, y1, x0, x1 of what is predicted of every slice.

        Yields
        ------
        Piece
            One for each given; its values (h, w) or (`channels`, h, w), no wider than `dtype`.
            Where planes are needed, pieces without values come until one is complete.
        """
        if self.kind == "labels":
            for piece in pieces:
                yield piece.with_values(scheme.encode(likeliest(piece.values)))
        elif self.kind == "probabilities":
            for piece in pieces:
                yield piece.with_values(self._probabilities(piece.values))
        else:
            yield from self._objects(pieces, extent)

    def _probabilities(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.background:
            return values
        return values[1:] if len(values) > 2 else values[1]

    def _objects(self, pieces: Iterable[Piece], extent: Region) -> Iterator[Piece]:
        """Objects cross the edges of tiles: they are told apart in whole planes."""
        for plane in whole_planes(pieces, extent, foreground):
            if plane.values.size == 0:
                yield plane.with_values(plane.values, np.uint16)
                continue
            found = instances(
                plane.values,
                threshold=self.threshold,
                min_size=self.min_size,
                fill_holes=self.fill_holes,
            )
            # Window and disk are faster with 16 bits.
            yield plane.with_values(found, np.uint16 if found.max(initial=0) < 2**16 else np.uint32)


def foreground(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Return the probability (h, w) of not being background, of all classes (K, h, w)."""
    inside: NDArray[Any] = 1.0 - probabilities[0]
    return inside
