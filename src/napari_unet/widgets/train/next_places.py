"""Paint here next: the places that a training suggests, and the way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_unet.widgets.common.layers import go_to_slice
from napari_unet.widgets.common.spotlight import spotlight, spotlight_off

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_unet.app.session import Session
    from napari_unet.images.stack import Stack
    from napari_unet.training.suggestions import Place
    from napari_unet.widgets.train.running import Training

__all__ = ["NEXT_KEY", "NextPlaces"]

NEXT_KEY = "N"


class NextPlaces(QObject):
    """Follows the training of a viewer that is painted into.

    Parameters
    ----------
    viewer, session
        Where.

    Attributes
    ----------
    places : tuple of Place
        The one that is shown first, then the others, the best first.
    here : Place or None
        The one that was gone to last.
    """

    changed = Signal()

    def __init__(self, viewer: Any, session: Session) -> None:
        super().__init__()
        self._viewer, self._session = ref(viewer), session
        self._training: Training | None = None
        self._layer: Callable[[], Any] = lambda: None  # what is painted in
        self.places: tuple[Place, ...] = ()
        self.here: Place | None = None
        session.training_changed.connect(self._watch)
        self._watch(session.training)

    @property
    def is_searching(self) -> bool:
        """Whether a training runs that is painted into, and has begun to learn."""
        training = self._training
        return training is not None and (training.step or training.places) is not None

    @property
    def said(self) -> str:
        """What there is to say instead of a list."""
        if self._training is None or self.places or not self.is_searching:
            return ""
        if self._training.places is None:
            return "Looking through the stack …"
        return "The network is sure wherever it looked so far."

    def index(self, place: Place) -> tuple[int, ...]:
        """Where along the leading axes a place is."""
        assert self._training is not None
        return self._training.job.stack.index(place.slice_index)

    def go(self, place: Place) -> None:
        """Turn to a place, zoom in on it and outline it; it is not suggested again."""
        training, viewer, layer = self._training, self._viewer(), self._layer()
        if training is None or viewer is None or layer is None or layer not in viewer.layers:
            return
        if place != self.here:
            training.job.looked_at.append(place)
            self.here = place
            self._look()
        stack, index = training.job.stack, _index_in(layer, training.job.stack, place.slice_index)
        if index is not None:
            if len(index) < len(stack.leading_shape):
                go_to_slice(viewer, stack, place.slice_index, self._session.image_layer)
            spotlight(viewer, layer, index, place.box)

    def go_on(self, _: object = None) -> None:
        """Go to the best place that was not gone to."""
        following = [place for place in self.places if place != self.here]
        if following:
            self.go(following[0])

    def _watch(self, training: Training | None) -> None:
        self._rest()
        if training is None or training.request.painting is None or not training.is_running:
            return
        self._training = training
        labels = self._session.labels_layer
        if labels is not None:
            self._layer = ref(labels)
        training.looked.connect(self._look)
        training.over.connect(self._rest)
        self._look()

    def _look(self) -> None:
        """Take what was found since the last time."""
        training, layer = self._training, self._layer()
        if training is None or layer is None:
            return
        stack, gone_to = training.job.stack, training.job.looked_at
        others = [
            place
            for place in training.places or ()
            if not any(map(place.overlaps, gone_to))
            and _index_in(layer, stack, place.slice_index) is not None
        ]
        self.places = (*(() if self.here is None else (self.here,)), *others)
        self.changed.emit()

    def _rest(self) -> None:
        training, viewer = self._training, self._viewer()
        if training is not None:
            training.looked.disconnect(self._look)
            training.over.disconnect(self._rest)
        self._training, self.here, self.places = None, None, ()
        if training is not None and viewer is not None:
            spotlight_off(viewer)
        self.changed.emit()


def _index_in(layer: Any, stack: Stack, i: int) -> tuple[int, ...] | None:
    """Where in a labels layer a slice of the stack is; None where it has no such slice."""
    leading = tuple(layer.data.shape[:-2])
    if leading == stack.leading_shape:
        return stack.index(i)
    if stack.annotated is None or i not in stack.annotated:
        return None
    return tuple(int(n) for n in np.unravel_index(stack.annotated.index(i), leading or (1,)))[
        : len(leading)
    ]
