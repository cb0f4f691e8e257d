"""The Weights dock: the weight map of the slice shown, which follows the controls at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_unet.app.weights_job import WeightMap, WeightSource
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.buttons import button, check_box
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.latest import Latest
from napari_unet.widgets.common.layer_facts import find_made, writing
from napari_unet.widgets.common.layers import go_to_slice, shown_slice
from napari_unet.widgets.common.notes import Note
from napari_unet.widgets.common.result_layers import seen_placement, show_result
from napari_unet.widgets.common.theme import WEIGHT_COLORMAP
from napari_unet.widgets.weights.histogram import Histogram
from napari_unet.widgets.weights.weight_form import WeightForm

if TYPE_CHECKING:
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.theme import Colours

__all__ = ["WeightsDock"]


class WeightsDock(Dock):
    """Where the network must be most careful: between objects that nearly touch."""

    def build(self) -> None:
        """Put the controls into the column."""
        self._job = Latest(self)
        self._job.done.connect(self._on_map)
        self._job.failed.connect(self._on_error)
        self._source = WeightSource()
        self._shown: tuple[Any, ...] | None = None
        self._layer: Any = None
        self.form = WeightForm(self)
        tip = "Shows the weight map over the image as a layer; it follows the controls."
        self.visible = check_box("show the &map of the slice shown", tip, True)
        self.visible.toggled.connect(self._on_visible)
        self.histogram = Histogram()
        self.note = Note()
        self.problem = Note(role="problem")
        tip = "Shows the annotated slice that is nearest to the one shown."
        self.jump = button("Go &to an annotated slice", tip)
        self.jump.clicked.connect(self._on_jump)
        self.jump.hide()
        for widget in (self.form, self.visible, self.problem, self.histogram, self.note, self.jump):
            self.column.addWidget(widget)
        self.follow(self.refresh, "weights")
        self.follow(self._on_stack, "split", "network", "zoom", "pixel_size", "outside")
        self.listen(self.session.stack_changed, self._on_stack)
        self.listen(self.session.added_changed, self._on_stack)
        self.listen(self.viewer.dims.events.current_step, self._on_slice)
        self.listen(self.viewer.layers.events.removed, self._on_removed)

    def on_theme(self, colours: Colours) -> None:
        """Take over the theme."""
        self.histogram.on_theme(colours)

    # -- the session --------------------------------------------------------------------------

    def _on_stack(self, _: object = None) -> None:
        self._shown = None
        self.refresh()

    def _on_slice(self, _: object = None) -> None:
        stack = self.session.stack
        if stack is not None:
            i = shown_slice(self.viewer, stack, self.session.image_layer)
            if self._shown is None or self._shown != (stack, i):
                self.refresh()

    # -- the layer --------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the map with the dock."""
        super().showEvent(event)
        if not event.spontaneous():
            self._on_visible(self.visible.isChecked())

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 (Qt's name)
        """Hide the map with the dock: it would cover what the next tab shows."""
        super().hideEvent(event)
        if not event.spontaneous() and self._layer is not None:
            self._layer.visible = False

    def _on_visible(self, visible: bool) -> None:
        if self._layer is not None:
            self._layer.visible = visible
        if visible:
            self.refresh()

    def _on_removed(self, event: Any) -> None:
        if self._layer is not None and event.value is self._layer:
            self._layer = None
            self.visible.setChecked(False)

    # -- computing --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Compute the map of the slice shown; while one is computed, once more afterwards."""
        stack = self.session.stack
        reason = self._reason(stack)
        self.problem.say(reason, "note" if stack is None else "problem")
        self.histogram.setVisible(not reason)
        if reason or stack is None or not self.isVisible():
            self.note.say("")
            return
        i = shown_slice(self.viewer, stack, self.session.image_layer)
        self._shown = (stack, i)
        self._job.request(partial(self._source.draw, self.session.stacks, self.session.config, i))

    def _reason(self, stack: Stack | None) -> str:
        if stack is None:
            return "Choose an image and its labels under Data first."
        if stack.labels is None:
            return "Choose labels under Data first: the weights follow from them."
        return ""

    def _on_map(self, found: WeightMap) -> None:
        stack = self.session.stack
        if stack is None or self._shown is None or self._shown[0] is not stack:
            return
        self.histogram.show_statistics(found.statistics)
        self.histogram.setVisible(True)
        self.jump.hide()
        words = f"Slice {found.slice_index}"
        if found.class_weights is not None:
            assert stack.scheme is not None
            pairs = zip(stack.scheme.names, found.class_weights.tolist())
            listed = ", ".join(f"{name} {weight:.2f}" for name, weight in list(pairs)[:4])
            words += f" · class weights: {listed}"
        self.note.say(words)
        if self.visible.isChecked():
            self._show(stack, found)

    def _show(self, stack: Stack, found: WeightMap) -> None:
        limits = (0.0, max(found.statistics.greatest, 1e-3))
        source = self.session.image_layer
        placed = seen_placement(stack, source, found.placement)
        layer: Any = next(iter(find_made(self.viewer, "weights", source)), None)
        if layer is None:
            layer = Image(
                found.weights, name=f"{stack.name} · weights", colormap=WEIGHT_COLORMAP,
                contrast_limits=limits, opacity=0.65, blending="translucent", **placed,
            )  # fmt: skip
            show_result(self.viewer, "weights", layer, source)
        else:
            with writing(layer):
                layer.data = found.weights
            for attribute, value in placed.items():
                setattr(layer, attribute, value)
            layer.contrast_limits_range = limits
            layer.contrast_limits = limits
        layer.visible = True
        self._layer = layer

    def _on_error(self, error: Exception) -> None:
        self.note.say(notices.sentence(error))
        self.histogram.setVisible(False)
        stack = self.session.stack
        self.jump.setVisible(stack is not None and bool(stack.labelled_slices))
        if self._layer is not None:
            self._layer.visible = False

    def _on_jump(self) -> None:
        """Show the annotated slice that is nearest to the one shown."""
        stack = self.session.stack
        if stack is not None and stack.labelled_slices:
            shown = shown_slice(self.viewer, stack, self.session.image_layer)
            nearest = min(stack.labelled_slices, key=lambda i: abs(i - shown))
            go_to_slice(self.viewer, stack, nearest, self.session.image_layer)
