"""A stack that is made of layers when it is asked for: what is used is what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from psygnal import Signal

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import UNetError
from napari_unet.widgets.common.layer_facts import told
from napari_unet.widgets.common.layers import annotated_slices, proposed_axes, stack_from_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Labels, Layer

    from napari_unet.images.stack import Stack

__all__ = ["LAYER_EVENTS", "LayerStack"]

LAYER_EVENTS = (
    "data", "scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "name",
)  # fmt: skip
"""What can happen to a layer that makes it another image, or the same at another place."""


class LayerStack:
    """Layers as the source of a stack; see `napari_unet.app.session.StackSource`.

    The layers are not kept alive; when they are gone, the stack stays as it was last.

    Parameters
    ----------
    image, labels
        The layers.
    axes, level
        As in ``stack_from_layers``.
    scheme, annotated
        What was found out about the labels' values. None: proposed when a stack is made. When
        other data are put into the labels layer, both are found out anew.
    decide
        Says what the labels of a stack mean when they were replaced; None: proposed.
    """

    changed = Signal()

    def __init__(
        self,
        image: Image,
        labels: Labels | None = None,
        *,
        axes: str | None = None,
        level: int = 0,
        scheme: LabelScheme | None = None,
        annotated: tuple[int, ...] | None = None,
        decide: Callable[[Stack], LabelScheme] | None = None,
    ) -> None:
        self._image = ref(image)
        self._labels = None if labels is None else ref(labels)
        self._axes, self._level = axes, level
        self._scheme, self._annotated, self._decide = scheme, annotated, decide
        self._read = None if labels is None else labels.data  # what the scheme was found in
        self._made: Stack | None = None
        self._state: tuple[Any, ...] | None = None
        layers: list[Any] = [image] if labels is None else [image, labels]
        for layer in layers:
            for name in (*LAYER_EVENTS, "metadata"):  # which slices are annotated, among others
                if hasattr(layer.events, name):
                    getattr(layer.events, name).connect(self._on_event)

    @property
    def image_layer(self) -> Image | None:
        """The image layer, while somebody keeps it."""
        return self._image()

    @property
    def labels_layer(self) -> Labels | None:
        """The labels layer, while somebody keeps it."""
        return None if self._labels is None else self._labels()

    def describe_as(self, scheme: LabelScheme) -> None:
        """Take over other names or colours of the classes."""
        self._scheme, self._state = scheme, None
        self.changed.emit()

    def stack(self) -> Stack | None:
        """Return the layers as a stack; None while they do not fit together."""
        image, labels = self.image_layer, self.labels_layer
        if image is None or (labels is None and self._labels is not None):
            return self._made
        state = (*_state(image), *(() if labels is None else _state(labels)))
        if self._state is None or not _same(state, self._state):
            self._state = state
            try:
                self._made = self._make(image, labels)
            except UNetError:  # the Data dock says why
                self._made = None
        return self._made

    def _make(self, image: Image, labels: Labels | None) -> Stack:
        axes = self._axes
        if axes is None or len(axes) != _ndim(image):
            axes = proposed_axes(image, labels)[0]
        is_known = labels is not None and labels.data is self._read
        annotated = annotated_slices(image, labels, axes)
        if annotated is None and is_known:
            annotated = self._annotated
        any_scheme = LabelScheme() if labels is not None and self._decide is not None else None
        stack = stack_from_layers(
            image,
            labels,
            axes=axes,
            scheme=self._scheme if is_known and self._scheme is not None else any_scheme,
            annotated=annotated,
            level=self._level if image.multiscale else 0,
        )
        if labels is None:
            return stack
        if not is_known and self._decide is not None:
            stack = stack.with_labels(stack.labels, self._decide(stack), annotated)
        self._scheme, self._read = stack.scheme, labels.data
        self._annotated = self._annotated if is_known else None
        return stack

    def _on_event(self, _: object = None) -> None:
        self.changed.emit()


def _ndim(image: Image) -> int:
    return (image.data[0] if image.multiscale else image.data).ndim


def _state(layer: Layer) -> tuple[Any, ...]:
    """All that a stack takes from a layer."""
    place = (tuple(layer.scale), tuple(layer.translate), tuple(map(str, layer.units)))
    slices = repr((told(layer, "annotated"), told(layer, "slice")))
    return layer.data, layer.name, place, tuple(layer.axis_labels), slices


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Compare states; arrays are the same, or they are not."""
    return len(one) == len(other) and all(
        a is b or (not hasattr(a, "shape") and not hasattr(b, "shape") and a == b)
        for a, b in zip(one, other)
    )
