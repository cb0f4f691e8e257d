"""A choice among the viewer's layers of one kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal

from napari_unet.widgets.common.choices import Combo
from napari_unet.widgets.common.layer_facts import is_result, made_of
from napari_unet.widgets.common.layer_stack import LAYER_EVENTS

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_unet.widgets.common.layer_facts import Kind

__all__ = ["LayerCombo"]


class LayerCombo(Combo):
    """A combo box of the viewer's layers of one kind; follows the viewer by itself.

    ``chosen(layer or None)`` is emitted when the user chooses and when the
    chosen layer is taken away.

    Parameters
    ----------
    dock
        The dock it belongs to; gives the viewer and ends the listening.
    kind
        ``napari.layers.Image``, ``Labels``, or several.
    none
        Text of the entry for no layer; None: there is no such entry.
    results
        Which kinds of layers made by this plugin are offered too; those that the user changed
        always are.
    """

    altered = Signal(str)
    """What changed about the chosen layer: one of LAYER_EVENTS."""

    def __init__(
        self,
        dock: Any,
        kind: type[Layer] | tuple[type[Layer], ...],
        tip: str,
        *,
        none: str | None = None,
        results: tuple[Kind, ...] = (),
    ) -> None:
        self._viewer, self._kind, self._none, self._results = dock.viewer, kind, none, results
        super().__init__((), tip)
        events = self._viewer.layers.events
        for name in ("inserted", "removed", "reordered"):
            dock.listen(getattr(events, name), self.reset)
        self._dock = dock
        self._watched: list[Any] = []
        self.reset()

    def reset(self, _event: Any = None) -> None:
        """Offer the layers that the viewer has now."""
        present = [one for one in reversed(self._viewer.layers) if isinstance(one, self._kind)]
        layers = [one for one in present if not is_result(one) or self._offers(one)]
        before = self.value
        options: list[tuple[str, Any]] = [(layer.name, layer) for layer in layers]
        if self._none is not None or not options:
            options.insert(0, (self._none or "no such layer open", None))
        with QSignalBlocker(self):
            self.set_options(options)
        for layer in present:
            if all(layer is not one for one in self._watched):
                self._watch(layer)
        self._watched = present
        if self.value is not before:
            self.chosen.emit(self.value)

    def _offers(self, layer: Layer) -> bool:
        made = made_of(layer)
        return made is not None and made.kind in self._results

    def _watch(self, layer: Layer) -> None:
        self._dock.listen(layer.events.name, self.reset)
        self._dock.listen(layer.events.metadata, self.reset)  # one of ours was touched
        for name in LAYER_EVENTS:
            if hasattr(layer.events, name):
                self._dock.listen(getattr(layer.events, name), self._on_altered)

    def _on_altered(self, event: Any) -> None:
        if event.source is self.value:
            self.altered.emit(event.type)
