"""A trained network, and what it needs to read images and name classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.config.decoding import Decoding
    from napari_unet.images.stack import Intensity
    from napari_unet.network.unet import UNet

__all__ = ["TrainedModel"]

SUMMED = 2**16  # values of a parameter up to which it tells models apart


@dataclass(eq=False)
class TrainedModel:
    """A network with all it takes to use it on new images.

    Attributes
    ----------
    network : UNet
        The network, on any device.
    intensity : Intensity
        How raw grey values become 0 to 1; measured on the training stack.
    scheme : LabelScheme
        What the classes mean and which label values they came from.
    name : str
        Shown to the user; normally the name of the training stack.
    pixel_size : (float, float), optional
        Height and width of a training pixel in world units.
    decoding : Decoding, optional
        Thresholds of objects in px of the training images (of a common size, before they were
        zoomed), fitted on what validated; None for a network without object maps.
    zoom : float
        How many times as many pixels the network saw as the training images have.
    run : dict
        Where it comes from: step, validation results, run folder.
    """

    network: UNet
    intensity: Intensity
    scheme: LabelScheme
    name: str = "model"
    pixel_size: tuple[float, float] | None = None
    run: dict[str, Any] = field(default_factory=dict)
    zoom: float = 1.0
    decoding: Decoding | None = None

    def identity(self) -> str:
        """Return what tells this model from others, also from earlier and later steps of its run.

        A sum over its small parameters, which every training step changes.
        """
        total = 0
        for parameter in self.network.parameters():
            if parameter.numel() <= SUMMED:
                total = crc32(parameter.detach().cpu().float().contiguous().numpy().data, total)
        return f"{self.name} {total:08x}"
