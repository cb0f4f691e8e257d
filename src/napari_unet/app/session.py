"""What the docks of one viewer share: the stacks, the model, the run and its settings.

Without Qt, so that everything about it can be tested without a window, and
without torch, so that opening the plugin's menu stays cheap. Assigning a new
value emits ``<name>_changed(value)``; assigning an equal one emits nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol
from weakref import WeakKeyDictionary

from psygnal import Signal

from napari_unet.config.presets import PRESETS, choose_preset, follow_labels, preset_for
from napari_unet.config.training import TrainConfig

if TYPE_CHECKING:
    from pathlib import Path

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["FixedStack", "Session", "StackSource", "session_of"]

SHARED = ("stack", "added", "model", "run", "config", "training")


class StackSource(Protocol):
    """What a stack is made from whenever it is asked for: what is used is what is there now."""

    @property
    def changed(self) -> Any:
        """Signal without arguments: what it makes now may be another stack. None: never."""

    @property
    def image_layer(self) -> Any | None:
        """The layer that shows the image, while somebody keeps it."""

    @property
    def labels_layer(self) -> Any | None:
        """The layer that shows the labels, while somebody keeps it."""

    def stack(self) -> Stack | None:
        """Return the stack as it is now, the same one while nothing changes; None: none fits."""


class FixedStack:
    """A stack that no layer shows, so that it stays as it is."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.changed = self.image_layer = self.labels_layer = None

    def stack(self) -> Stack:
        """Return the stack."""
        return self._stack


class Session:
    """The stacks, the model and the run of one viewer, and the settings of the next run.

    Attributes
    ----------
    stack : Stack or None
        What is shown, trained on and predicted, as it is at this moment: made anew when its
        layers have changed. Assign a stack that no layer shows, or ``use`` layers.
    added : tuple of StackSource
        What the next run learns from besides. Stacks may be assigned as well.
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

    added: tuple[StackSource, ...]
    model: TrainedModel | None
    run: Path | None
    config: TrainConfig
    training: Any | None

    def __init__(self) -> None:
        self.__dict__.update(dict.fromkeys(SHARED[1:]), added=(), config=PRESETS["fast"])
        self._source: StackSource | None = None
        self._followed: list[StackSource] = []
        self.stack_changed.connect(self._follow_labels)
        self.added_changed.connect(self._follow_labels)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in SHARED:
            if not name.startswith("_") and not hasattr(type(self), name):
                raise AttributeError(f"a session shares {', '.join(SHARED)}, not {name!r}")
            object.__setattr__(self, name, value)
            return
        if name == "stack":
            if value is not self.stack:
                self.use(None if value is None else FixedStack(value))
            return
        if name == "added":
            value = tuple(one if hasattr(one, "stack") else FixedStack(one) for one in value)
        old = self.__dict__[name]
        self.__dict__[name] = value
        if name == "added":
            self._follow()
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

    # -- the stacks -------------------------------------------------------------------------

    @property
    def stack(self) -> Stack | None:
        """The current stack, as it is now."""
        return None if self._source is None else self._source.stack()

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """What the next run learns from: the current stack if it has labels, then the added ones.

        The current stack stands for an added one of the same image, because its labels may be
        read otherwise by now.
        """
        stack, source = self.stack, self._source
        others = [one.stack() for one in self.added if not _same_image(one, source)]
        if stack is None or stack.labels is None:
            others = [one.stack() for one in self.added]
            stack = None
        return tuple(one for one in (stack, *others) if one is not None and one.labels is not None)

    def use(self, source: StackSource | None) -> None:
        """Make what a source makes the current stack, from now on.

        Parameters
        ----------
        source
            Layers, or a stack that does not change; None: there is no stack.
        """
        self._source = source
        stack = self.stack
        if source is not None and stack is not None and stack.labels is not None:
            # its labels may be read otherwise than when it was added
            self.__dict__["added"] = tuple(
                source if _same_image(one, source) else one for one in self.added
            )
        self._follow()
        self.stack_changed.emit(stack)

    def has_added(self, source: StackSource | None) -> bool:
        """Tell whether the image of a source is among those that were added."""
        return any(_same_image(one, source) for one in self.added)

    @property
    def source(self) -> StackSource | None:
        """What the current stack is made from."""
        return self._source

    @property
    def image_layer(self) -> Any | None:
        """The layer that shows the current image, while somebody keeps it."""
        return None if self._source is None else self._source.image_layer

    @property
    def labels_layer(self) -> Any | None:
        """The layer that shows the current labels, while somebody keeps it."""
        return None if self._source is None else self._source.labels_layer

    def _follow(self) -> None:
        """Hear of changes of the sources that are used, and of no others."""
        for one in self._followed:
            one.changed.disconnect(self._on_changed)
        sources = {id(one): one for one in (self._source, *self.added) if one is not None}
        self._followed = [one for one in sources.values() if one.changed is not None]
        for one in self._followed:
            one.changed.connect(self._on_changed)

    def _on_changed(self) -> None:
        """Layers changed: docks show what is there now."""
        self.stack_changed.emit(self.stack)


def _same_image(one: StackSource, other: StackSource | None) -> bool:
    if other is None:
        return False
    if one.image_layer is not None or other.image_layer is not None:
        return one.image_layer is other.image_layer
    a, b = one.stack(), other.stack()
    return a is not None and b is not None and a.image is b.image


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
