"""What the docks of one viewer share: the stacks, the model, the run and its settings.

Without Qt, so that everything about it can be tested without a window, and
without torch, so that opening the plugin's menu stays cheap. Assigning a new
value emits ``<name>_changed(value)``; assigning an equal one emits nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from weakref import ReferenceType, WeakKeyDictionary, ref

from psygnal import Signal

from napari_unet.config.presets import PRESETS, choose_preset, follow_labels, preset_for
from napari_unet.config.training import TrainConfig

if TYPE_CHECKING:
    from pathlib import Path

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["Session", "session_of"]

SHARED = ("stack", "added", "model", "run", "config", "training")


class Session:
    """The stacks, the model and the run of one viewer, and the settings of the next run.

    Attributes
    ----------
    stack : Stack or None
        What is shown, trained on and predicted.
    added : tuple of Stack
        What the next run learns from besides.
    model : TrainedModel or None
        What predicts.
    run : Path or None
        The folder of the current run.
    config : TrainConfig
        All settings of the next run; every dock shows and edits a part of them.
    training : object or None
        The training that was begun last, running or over: no dock owns it.
    """

    stack_changed = Signal(object)
    added_changed = Signal(object)
    model_changed = Signal(object)
    run_changed = Signal(object)
    config_changed = Signal(TrainConfig)
    training_changed = Signal(object)

    stack: Stack | None
    added: tuple[Stack, ...]
    model: TrainedModel | None
    run: Path | None
    config: TrainConfig
    training: Any | None

    def __init__(self) -> None:
        self.__dict__.update(dict.fromkeys(SHARED), added=(), config=PRESETS["fast"])
        self._layers: dict[str, ReferenceType[Any]] = {}
        self.stack_changed.connect(self._follow_labels)
        self.added_changed.connect(self._follow_labels)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in SHARED:
            if not name.startswith("_") and not hasattr(type(self), name):
                raise AttributeError(f"a session shares {', '.join(SHARED)}, not {name!r}")
            object.__setattr__(self, name, value)
            return
        old = self.__dict__[name]
        self.__dict__[name] = value
        if not (old is value or old == value):
            getattr(self, f"{name}_changed").emit(value)

    def change(self, **fields: Any) -> None:
        """Give settings of the next run other values.

        Parameters
        ----------
        **fields
            New values by field of `TrainConfig`; a mapping changes fields of the settings held
            there, such as ``augment={"noise": 0.1}``.

        Raises
        ------
        InputError
            If a value is not allowed, or values contradict one another.
        """
        self.config = self.config.changed(**fields)

    def choose_preset(self, choice: str) -> None:
        """Take the settings of a preset, of those named "best" the one for the labels.

        Parameters
        ----------
        choice
            "fast", "best" or "paper".
        """
        self.config = choose_preset(self.config, preset_for(choice, self._kind()))

    def _kind(self) -> Literal["objects", "classes"] | None:
        """What the label values of the stacks are."""
        scheme = self.stacks[0].scheme if self.stacks else None
        return None if scheme is None else scheme.kind

    def _follow_labels(self) -> None:
        self.config = follow_labels(self.config, self._kind())

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
