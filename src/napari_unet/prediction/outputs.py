"""What a prediction gives: labels, probabilities, or objects. The one place that knows them.

An output makes pieces of it from the probabilities that the network gives, as soon as it can:
labels and probabilities tile by tile, objects when a plane is complete. Nothing here imports
torch, so that forms can offer the outputs before anything was loaded.

Legend: K classes, M object maps, (Y, X) plane, (h, w) piece.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_unet.annotation.labels import foreground_probability, likeliest
from napari_unet.base.errors import InputError
from napari_unet.config.decoding import Decoding
from napari_unet.config.offers import OUTPUTS, OutputKind
from napari_unet.network.decoder import decode, decode_blocks, heights
from napari_unet.network.watershed import BLOCK
from napari_unet.prediction.linking import Linker
from napari_unet.prediction.objects import instances
from napari_unet.prediction.pieces import whole_planes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.config.split import Region
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.linking import Linking
    from napari_unet.prediction.pieces import Piece

__all__ = ["OUTPUTS", "ObjectPlane", "Output"]


@dataclass(frozen=True, eq=False)
class ObjectPlane:
    """The objects of a plane, and what they were made of.

    Attributes
    ----------
    piece
        Where it lies.
    objects
        (Y, X) ids, 0 = none.
    probabilities
        (K, Y, X) of all classes.
    height
        (Y, X) from `napari_unet.network.decoder.heights`; None without object maps.
    """

    piece: Piece
    objects: NDArray[np.int32]
    probabilities: NDArray[Any]
    height: NDArray[Any] | None

    def decoded(self, decoding: Decoding, *, fill_holes: bool = False) -> ObjectPlane:
        """Return the objects that other thresholds make of the same."""
        inside = foreground_probability(self.probabilities)
        return replace(self, objects=_told_apart(inside, self.height, decoding, fill_holes))


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
    threshold, seed, min_size, valley
        Objects: as in `napari_unet.config.decoding.Decoding`, min_size in px of the image; None:
        what the model was fitted to, see `decoding`. A network without object maps has no seeds:
        its objects are what hangs together.
    fill_holes
        Objects: make holes a part of what is around them; planes are then held in memory.
    link
        Objects: when those of neighbouring slices, along the last of the leading axes, are the
        same and get one id; None: ids begin anew in every slice.

    Raises
    ------
    InputError
        If there is no such output, or a setting is not usable.
    """

    kind: OutputKind = "labels"
    background: bool = True
    threshold: float | None = None
    seed: float | None = None
    min_size: int | None = None
    valley: float | None = None
    fill_holes: bool = False
    link: Linking | None = None

    def __post_init__(self) -> None:
        if self.kind not in OUTPUTS:
            raise InputError(
                f"the output must be one of {', '.join(OUTPUTS)}, got {self.kind!r}: choose one."
            )
        self._over(Decoding())

    def _over(self, fitted: Decoding) -> Decoding:
        names = [field.name for field in fields(Decoding)]
        given = {name: getattr(self, name) for name in names}
        return replace(fitted, **{name: v for name, v in given.items() if v is not None})

    def decoding(self, model: TrainedModel, zoom: tuple[float, float]) -> Decoding:
        """Return the thresholds of objects: those given here, else the model's.

        Parameters
        ----------
        model
            Knows the smallest size in px of its training images, which it saw zoomed.
        zoom
            How many times as many pixels it sees along y and x as the image has; the smallest
            size is as large to it as in training.
        """
        fitted = model.decoding or Decoding()
        pixels = fitted.min_size * model.zoom**2 / (zoom[0] * zoom[1])
        return self._over(replace(fitted, min_size=round(pixels)))

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

    def finished(
        self,
        pieces: Iterable[Piece],
        model: TrainedModel,
        extent: Region,
        watch: Callable[[ObjectPlane], object] | None = None,
    ) -> Iterator[Piece]:
        """Make pieces of this output from what the network gives.

        Parameters
        ----------
        pieces
            From `napari_unet.prediction.predict.predict`: values (K + M, h, w).
        model
            What gave them: what its classes and object maps mean.
        extent
            y0, y1, x0, x1 of what is predicted of every slice.
        watch
            Objects: called with every complete plane, to measure it.

        Yields
        ------
        Piece
            One for each given; its values (h, w) or (`channels`, h, w), no wider than `dtype`.
            Where planes are needed, pieces without values come until one is complete.
        """
        classes = model.scheme.n_classes
        if self.kind == "labels":
            for piece in pieces:
                yield piece.with_values(model.scheme.encode(likeliest(piece.values[:classes])))
        elif self.kind == "probabilities":
            for piece in pieces:
                yield piece.with_values(self._probabilities(piece.values[:classes]))
        else:
            yield from self._objects(pieces, model, extent, watch)

    def _probabilities(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.background:
            return values
        return values[1:] if len(values) > 2 else values[1]

    def _objects(
        self,
        pieces: Iterable[Piece],
        model: TrainedModel,
        extent: Region,
        watch: Callable[[ObjectPlane], object] | None,
    ) -> Iterator[Piece]:
        """Objects cross the edges of tiles: they are told apart in whole planes."""
        classes, kinds = model.scheme.n_classes, model.network.config.object_maps
        linker = None if self.link is None else Linker(self.link)

        def keep(values: NDArray[Any]) -> NDArray[Any]:
            """Return what objects are made of, after what is measured of them."""
            parts = [values[:classes] if watch else foreground_probability(values)[None]]
            if kinds:
                parts.append(heights(values[classes:], kinds)[None])
            return np.concatenate(parts)

        for plane in whole_planes(pieces, extent, keep):
            if plane.values.size == 0:
                yield plane.with_values(plane.values[0], np.uint16)
                continue
            inside = foreground_probability(plane.values) if watch else plane.values[0]
            height = plane.values[-1] if kinds else None
            decoding = self.decoding(model, plane.zoom)
            if height is not None and max(inside.shape) > BLOCK and not (watch or linker):
                yield from self._in_blocks(plane, inside, decoding, extent)
                continue
            found = _told_apart(inside, height, decoding, self.fill_holes)
            if linker is not None:
                found = linker.next(found, plane.index[:-1])
            if watch:
                watch(ObjectPlane(plane, found, plane.values[:classes], height))
            # Window and disk are faster with 16 bits.
            yield plane.with_values(found, np.uint16 if found.max(initial=0) < 2**16 else np.uint32)

    def _in_blocks(
        self, plane: Piece, inside: NDArray[Any], decoding: Decoding, extent: Region
    ) -> Iterator[Piece]:
        """Objects of a large plane, block by block."""
        inside = _filled(inside, decoding) if self.fill_holes else inside
        height = plane.values[-1]
        blocks = decode_blocks(
            lambda rows, cols: (inside[rows, cols], height[rows, cols]), _shape(inside), decoding
        )
        for window, ids in blocks:
            rows, cols = (
                slice(s.start + first, s.stop + first) for s, first in zip(window, extent[::2])
            )
            yield replace(plane, rows=rows, cols=cols, values=ids.astype(np.uint32))


def _told_apart(
    inside: NDArray[Any], height: NDArray[Any] | None, decoding: Decoding, fill_holes: bool
) -> NDArray[np.int32]:
    """Return the objects of a plane; without a height those that hang together."""
    if height is not None:
        return decode(_filled(inside, decoding) if fill_holes else inside, height, decoding)
    return instances(
        inside,
        threshold=decoding.threshold,
        min_size=decoding.min_size,
        fill_holes=fill_holes,
    )


def _filled(inside: NDArray[Any], decoding: Decoding) -> NDArray[Any]:
    filled = ndimage.binary_fill_holes(inside > decoding.threshold)
    return np.where(filled, np.float32(np.inf), inside)


def _shape(plane: NDArray[Any]) -> tuple[int, int]:
    return plane.shape[-2], plane.shape[-1]
