"""Controls that show and edit one setting of the session's next run each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QAbstractButton

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_unet.config.training import TrainConfig
    from napari_unet.widgets.common.dock import Dock

__all__ = ["BoundControls", "nested", "value_at"]


class BoundControls:
    """Keeps controls and the session's settings the same, in both directions.

    Parameters
    ----------
    dock
        Its session has the settings; with it ends the listening.
    """

    def __init__(self, dock: Dock) -> None:
        self._session = dock.session
        self._show: list[Callable[[TrainConfig], None]] = []
        dock.listen(self._session.config_changed, self.show)

    def add(
        self,
        control: QWidget,
        place: str,
        *,
        read: Callable[[TrainConfig], Any] | None = None,
        write: Callable[[Any, TrainConfig], dict[str, Any]] | None = None,
    ) -> None:
        """Let a control show a setting and change it.

        Parameters
        ----------
        control
            A box for a number, a check box, or a control with ``value`` and ``chosen`` or
            ``changed``.
        place
            The field, such as "steps" or "network.width".
        read
            What the control shows of the settings; the field itself by default.
        write
            The changes that a value of the control means, given the settings so far.
        """
        show = self.show_in(control, read or (lambda config: value_at(config, place)))

        def on_changed(value: Any) -> None:
            config = self._session.config
            changes = nested(place, value) if write is None else write(value, config)
            self._session.change(**changes)
            show(self._session.config)  # what was rounded, or means the same as before

        _changed(control).connect(on_changed)

    def show_in(
        self, control: QWidget, read: Callable[[TrainConfig], Any]
    ) -> Callable[[TrainConfig], None]:
        """Let a control show what ``read`` makes of the settings; return what shows it."""
        put = _setter(control)

        def show(config: TrainConfig) -> None:
            with QSignalBlocker(control):
                put(read(config))

        self.show_with(show)
        return show

    def show_with(self, show: Callable[[TrainConfig], None]) -> None:
        """Call a function with the settings, now and whenever they change."""
        self._show.append(show)
        show(self._session.config)

    def show(self, config: TrainConfig) -> None:
        """Show settings in all controls."""
        for one in self._show:
            one(config)


def value_at(config: Any, place: str) -> Any:
    """Return the field of settings at a place such as "network.width"."""
    for name in place.split("."):
        config = getattr(config, name)
    return config


def nested(place: str, value: Any) -> dict[str, Any]:
    """Return the change that gives a field such as "network.width" a value."""
    name, _, rest = place.partition(".")
    return {name: nested(rest, value) if rest else value}


def _setter(control: Any) -> Callable[[Any], None]:
    if isinstance(control, QAbstractButton):
        return control.setChecked
    if hasattr(control, "setValue"):
        return control.setValue
    return lambda value: setattr(control, "value", value)


def _changed(control: Any) -> Any:
    names = ("toggled", "chosen", "changed", "valueChanged")
    return next(getattr(control, name) for name in names if hasattr(control, name))
