"""The shape of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from napari_unet.base.errors import InputError
from napari_unet.config.settings import Settings

__all__ = ["OBJECT_MAPS", "ObjectMap", "UNetConfig"]

ObjectMap: TypeAlias = Literal["distance", "neighbour", "interior"]

OBJECT_MAPS: tuple[ObjectMap, ...] = get_args(ObjectMap)
"""What a network can say beside classes to separate objects; see `annotation.object_distance`."""


@dataclass(frozen=True)
class UNetConfig(Settings):
    """Shape of a U-Net; the defaults are the paper's.

    Attributes
    ----------
    in_channels : int
        Image channels.
    classes : int
        Output classes, background included.
    depth : int
        Number of 2×2 poolings; 0 to 6.
    width : int
        Channels of the first level, doubled at every pooling.
    dropout : float
        Share of the deepest features that is dropped in training ("at the end
        of the contracting path").
    norm : {"none", "batch"}
        Batch normalisation between convolution and ReLU. The paper has none;
        it lets a small network learn in minutes.
    object_maps : tuple of {"distance", "neighbour", "interior"}
        Outputs after the classes that separate touching objects; none in the
        paper, and in models that were made before there were any.
    """

    described_as: ClassVar[str] = "network settings"

    in_channels: int = 1
    classes: int = 2
    depth: int = 4
    width: int = 64
    dropout: float = 0.5
    norm: Literal["none", "batch"] = "none"
    object_maps: tuple[ObjectMap, ...] = ()

    def __post_init__(self) -> None:
        for name, low, high in (
            ("in_channels", 1, 4096),
            ("classes", 2, 255),
            ("depth", 0, 6),
            ("width", 1, 1024),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                msg = f"{name} must be a whole number from {low} to {high}, got {value!r}"
                raise InputError(msg)
        if not 0.0 <= self.dropout < 1.0:
            msg = f"dropout must be at least 0 and below 1, got {self.dropout!r}"
            raise InputError(msg)
        if self.norm not in ("none", "batch"):
            msg = f"norm must be 'none' or 'batch', got {self.norm!r}"
            raise InputError(msg)
        maps = self.object_maps
        if len(set(maps)) < len(maps) or not set(maps) <= set(OBJECT_MAPS):
            msg = f"object maps must be different ones of {', '.join(OBJECT_MAPS)}, got {maps!r}"
            raise InputError(msg)

    @property
    def outputs(self) -> int:
        """Channels of the output: the classes, then the object maps."""
        return self.classes + len(self.object_maps)
