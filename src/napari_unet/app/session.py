"""What the docks of one viewer share: the stack, the model, the run and the settings.

Without Qt, so that everything about it can be tested without a window, and
without torch, so that opening the plugin's menu stays cheap. Assigning a new
value emits ``<name>_changed(value)``; assigning an equal one emits nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal
from weakref import ReferenceType, WeakKeyDictionary, ref

from psygnal import Signal

from napari_unet.config.split import SplitConfig
from napari_unet.config.weights import WeightConfig

if TYPE_CHECKING:
    from pathlib import Path

    from napari_unet.config.augmentation import AugmentConfig
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["Session", "session_of"]


class Session:
    """The current stack, model and run of one viewer, and the settings of the next run.

    Attributes
    ----------
    stack : Stack or None
        What is shown, trained on and predicted.
    added : tuple of Stack
        What the next run learns from besides.
    common_pixel : bool
        Whether the next run resamples its stacks to a common pixel size.
    intensity : {"stack", "image"}
        Whether the next run takes the grey-value limits of the whole stack, or of every slice.
    model : TrainedModel or None
        What predicts.
    run : Path or None
        The folder of the current run.
    weight_config : WeightConfig
        The weight map of the next run.
    augment_settings : dict
        The augmentation of the next run, as the fields of an AugmentConfig that differ from its
        defaults. Plain, because building an AugmentConfig imports torch.
    split : SplitConfig
        What the next run validates on.
    seed : int
        The seed of the next run, also of its previewed tiles.
    zoom : float
        How many times as many pixels along y and x the next run sees.
    tiling : tuple of int
        Depth of the network, side of its input tile (px) and tiles in a batch, of the next run.
    """

    stack_changed = Signal(object)
    added_changed = Signal(object)
    common_pixel_changed = Signal(bool)
    intensity_changed = Signal(str)
    model_changed = Signal(object)
    run_changed = Signal(object)
    weight_config_changed = Signal(object)
    augment_config_changed = Signal(object)
    split_changed = Signal(object)
    seed_changed = Signal(int)
    zoom_changed = Signal(float)
    tiling_changed = Signal(object)

    _signals: ClassVar[dict[str, str]] = {
        "stack": "stack_changed",
        "added": "added_changed",
        "common_pixel": "common_pixel_changed",
        "intensity": "intensity_changed",
        "model": "model_changed",
        "run": "run_changed",
        "weight_config": "weight_config_changed",
        "augment_settings": "augment_config_changed",
        "split": "split_changed",
        "seed": "seed_changed",
        "zoom": "zoom_changed",
        "tiling": "tiling_changed",
    }

    stack: Stack | None
    added: tuple[Stack, ...]
    common_pixel: bool
    intensity: Literal["stack", "image"]
    model: TrainedModel | None
    run: Path | None
    weight_config: WeightConfig
    augment_settings: dict[str, Any]
    split: SplitConfig
    seed: int
    zoom: float
    tiling: tuple[int, int, int]

    def __init__(self) -> None:
        self.__dict__.update(
            stack=None,
            added=(),
            common_pixel=False,
            intensity="stack",
            model=None,
            run=None,
            weight_config=WeightConfig(),
            augment_settings={},
            split=SplitConfig(),
            seed=0,
            zoom=1.0,
            tiling=(3, 284, 4),
        )
        self._layers: dict[str, ReferenceType[Any]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._signals:
            if not name.startswith("_") and not hasattr(type(self), name):
                raise AttributeError(f"a session shares {sorted(self._signals)}, not {name!r}")
            object.__setattr__(self, name, value)
            return
        old = self.__dict__[name]
        self.__dict__[name] = value
        if not (old is value or old == value):
            getattr(self, self._signals[name]).emit(value)

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """What the next run learns from: the current stack if it has labels, then the added ones.

        The current stack stands for an added one of the same image, because its labels may be
        read otherwise by now.
        """
        stack = self.stack
        if stack is None or stack.labels is None:
            return self.added
        return (stack, *(one for one in self.added if one.image is not stack.image))

    @property
    def augment_config(self) -> AugmentConfig:
        """The augmentation of the next run; reading it imports torch."""
        from napari_unet.config.augmentation import AugmentConfig

        return AugmentConfig.from_dict(self.augment_settings)

    @augment_config.setter
    def augment_config(self, config: AugmentConfig) -> None:
        self.augment_settings = config.to_dict()

    def use_layers(self, stack: Stack, image: Any, labels: Any | None = None) -> None:
        """Make ``stack`` current and remember the layers it came from, without keeping them alive.

        Parameters
        ----------
        stack
            Made from these layers.
        image, labels
            Layers; they may be removed from the viewer at any time.
        """
        self._layers = {"image": ref(image)}
        if labels is not None:
            self._layers["labels"] = ref(labels)
        self.stack = stack

    @property
    def image_layer(self) -> Any | None:
        """The layer the stack's image came from, while somebody keeps it."""
        return self._layer("image")

    @property
    def labels_layer(self) -> Any | None:
        """The layer the stack's labels came from, while somebody keeps it."""
        return self._layer("labels")

    def _layer(self, kind: str) -> Any | None:
        reference = self._layers.get(kind)
        return reference() if reference else None


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def session_of(viewer: Any) -> Session:
    """Return the session of a viewer, made when first asked for and gone with the viewer.

    Parameters
    ----------
    viewer
        A viewer, a viewer model, or napari's proxy of one.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _sessions:
        _sessions[viewer] = Session()
    return _sessions[viewer]
