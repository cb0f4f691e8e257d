"""What the Layers menu does with the layer that is chosen: small forms, work in the background."""

# magicgui reads the annotations of the actions, so they are no strings here.

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from magicgui import magic_factory
from napari import Viewer, current_viewer
from napari.layers import Image, Labels, Layer
from napari.utils import progress
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.labels_to_correct import labels_of
from napari_unet.app.prediction_job import ModelRead, PredictionRequest, Remarked, prediction_job
from napari_unet.app.run_places import recent_runs
from napari_unet.app.session import session_of
from napari_unet.app.weights_job import WeightMap, WeightSource
from napari_unet.base.errors import InputError
from napari_unet.config.offers import OUTPUTS, OutputKind
from napari_unet.images.stack import Stack
from napari_unet.prediction.objects import instances
from napari_unet.prediction.outputs import Output
from napari_unet.prediction.pieces import Piece
from napari_unet.widgets.common.layer_facts import tell, told
from napari_unet.widgets.common.layers import annotated_slices, stack_from_layers
from napari_unet.widgets.common.notices import show_error, show_info, show_warning
from napari_unet.widgets.common.result_layers import same_place, seen_placement, show_result
from napari_unet.widgets.common.theme import WEIGHT_COLORMAP
from napari_unet.widgets.common.worker import Worker, once, stop_with_window
from napari_unet.widgets.predict.prediction_layer import prediction_layer

__all__ = ["labels_to_correct", "predict_layer", "separate_objects", "weight_map"]

CURRENT = "the current model"
NO_LAYER = "There is no layer to do this with: open one first."


class _Task(QObject):
    """One action in the background, with a line in napari's activity dock."""

    running: ClassVar[set["_Task"]] = set()

    def __init__(
        self,
        viewer: Any,
        what: str,
        job: Callable[[], Iterable[Any]],
        take: Callable[[Any], object],
        finish: Callable[[], object] | None = None,
    ) -> None:
        super().__init__()
        self._take, self._finish = take, finish
        self._progress = progress(total=0, desc=what)
        worker = Worker(job)
        worker.yielded.connect(self._on_event)
        worker.errored.connect(self._on_error)
        worker.warned.connect(show_warning)
        worker.finished.connect(self._on_over)
        _Task.running.add(self)
        window = getattr(viewer, "__wrapped__", viewer).window  # napari hands out a proxy
        stop_with_window(worker, getattr(window, "__wrapped__", window)._qt_window)
        worker.start()

    def _on_event(self, event: object) -> None:
        self._take(event)

    def _on_error(self, error: Exception) -> None:
        show_error(error)

    def _on_over(self) -> None:
        if self._finish is not None:
            self._finish()
        self._progress.close()
        _Task.running.discard(self)


def _layers(kind: type[Layer] | tuple[type[Layer], ...], _: object = None) -> list[Layer]:
    """Return the layers of a kind, the active one first: it is the one that is meant."""
    viewer = current_viewer()
    if viewer is None:
        return []
    active = viewer.layers.selection.active
    found = [layer for layer in reversed(viewer.layers) if isinstance(layer, kind)]
    return sorted(found, key=lambda layer: layer is not active)


def _models(_: object) -> list[tuple[str, Any]]:
    viewer = current_viewer()
    model = None if viewer is None else session_of(viewer).model
    first = [] if model is None else [(CURRENT, CURRENT)]
    return [*first, *((run.name, run) for run in recent_runs())]


# -- predict this layer ---------------------------------------------------------------------


@magic_factory(
    call_button="Predict",
    layout="vertical",
    image={"widget_type": "ComboBox", "choices": partial(_layers, Image)},
    model={"widget_type": "ComboBox", "choices": _models, "nullable": True},
    output={
        "choices": list(OUTPUTS),
        "tooltip": "\n".join(f"{k}: {v}" for k, v in OUTPUTS.items()),
    },
)
def predict_layer(
    viewer: Viewer, image: Image, model: Any = None, output: OutputKind = "labels"
) -> None:
    """U-Net: predict this layer, all slices, into a layer that lies over it."""
    chosen = session_of(viewer).model if model in (None, CURRENT) else model
    if image is None or chosen is None:
        show_warning(NO_LAYER if image is None else "There is no model yet: train one first.")
        return
    _Prediction(viewer, image, PredictionRequest(
        chosen, stack_from_layers(image), output=Output(output, background=False)
    ))  # fmt: skip


class _Prediction:
    """Takes the pieces of a prediction into its layer."""

    def __init__(self, viewer: Any, image: Image, request: PredictionRequest) -> None:
        self._viewer, self._image, self._request = viewer, image, request
        self._result: Any = None
        self._model: Any = None
        job = partial(prediction_job, request)
        _Task(viewer, f"predict {image.name}", job, self._take, self._finish)

    def _take(self, event: Any) -> None:
        if isinstance(event, ModelRead):
            self._model = event.model
        elif isinstance(event, Remarked):
            for remark in event.remarks:
                show_warning(f"{remark.text}.")
        elif isinstance(event, Piece):
            if self._result is None:  # what is refused leaves no empty layer
                self._result = prediction_layer(
                    self._viewer, self._request.stack, self._image, self._request.output,
                    self._model.scheme, self._request.identity(self._model),
                    predicted=self._request.by(self._model),
                )  # fmt: skip
            self._result.write((..., *event.index, event.rows, event.cols), event.values)
            self._result.draw()

    def _finish(self) -> None:
        if self._result is not None:
            self._result.finish()


# -- labels to correct ------------------------------------------------------------------------


@magic_factory(
    call_button="Make labels",
    layout="vertical",
    prediction={"widget_type": "ComboBox", "choices": partial(_layers, (Labels, Image))},
)
def labels_to_correct(viewer: Viewer, prediction: Layer) -> None:
    """U-Net: labels of your own, copied from a prediction, to correct and train on."""
    if prediction is None:
        show_warning(NO_LAYER)
        return
    scheme = _scheme(prediction)
    job = partial(_to_labels, prediction.data, scheme)
    place, name = same_place(prediction), f"{prediction.name} to correct"
    if isinstance(prediction, Image) and prediction.data.ndim > _plain_ndim(prediction):
        place = {key: values[1:] for key, values in place.items() if key in _PER_AXIS}
    take = partial(_add_labels, viewer, name, place, scheme)
    _Task(viewer, f"labels from {prediction.name}", once(job), take)


_PER_AXIS = ("scale", "translate", "units", "axis_labels")


def _plain_ndim(prediction: Image) -> int:
    """Axes of a prediction without that of its classes, if it has one."""
    has_classes = told(prediction, "output") == "probabilities" and _n_classes(prediction) > 2
    return prediction.data.ndim - int(has_classes)


def _n_classes(layer: Layer) -> int:
    return _scheme(layer).n_classes


def _scheme(layer: Layer) -> LabelScheme:
    """What the values of a layer mean; objects where nobody said so."""
    known = told(layer, "scheme")
    return LabelScheme() if known is None else LabelScheme.from_dict(known)


def _to_labels(data: Any, scheme: LabelScheme) -> NDArray[Any]:
    """Return labels of one's own: a copy, or the likeliest class of probabilities."""
    values = np.asarray(data)
    if values.dtype.kind != "f":
        return values.copy()
    several = values if scheme.n_classes > 2 else values[None]  # (K - 1, ..., Y, X)
    background = 1 - several.sum(0, keepdims=True)
    return labels_of(np.concatenate([background, several]), scheme)


def _add_labels(
    viewer: Any, name: str, place: dict[str, Any], scheme: LabelScheme, values: NDArray[Any]
) -> None:
    """Show them as the user's, active; slices without any label are not annotated yet."""
    layer = Labels(values, name=name, **place)
    planes = values.reshape(-1, *values.shape[-2:]).any((1, 2))
    some = np.flatnonzero(planes).tolist() if planes.any() and not planes.all() else None
    tell(layer, scheme=scheme.to_dict(), annotated=some)
    viewer.add_layer(layer)
    show_info(f"{layer.name}: correct them, then choose them as labels under Data.")


# -- the weight map -----------------------------------------------------------------------------


@magic_factory(
    call_button="Show weights",
    layout="vertical",
    labels_layer={
        "widget_type": "ComboBox", "choices": partial(_layers, Labels), "label": "labels",
    },
)  # fmt: skip
def weight_map(viewer: Viewer, labels_layer: Labels) -> None:
    """U-Net: the weight map of labels, all slices, with the settings of the next training."""
    if labels_layer is None:
        show_warning(NO_LAYER)
        return
    stack = _as_stack(labels_layer)
    config = session_of(viewer).config
    job = partial(_maps, stack, config)
    take = partial(_add_weights, viewer, labels_layer, stack)
    _Task(viewer, f"weights of {labels_layer.name}", once(job), take)


def _as_stack(layer: Labels) -> Stack:
    """Labels alone as a stack: the weights do not depend on an image."""
    image = Image(np.broadcast_to(np.uint8(0), layer.data.shape), name=layer.name,
                  contrast_limits=(0, 1), **same_place(layer))  # fmt: skip
    known = told(layer, "scheme")
    return stack_from_layers(
        image,
        layer,
        scheme=None if known is None else LabelScheme.from_dict(known),
        annotated=annotated_slices(image, layer),
    )


def _maps(stack: Stack, config: Any) -> list[WeightMap]:
    if config.weights is None:
        raise InputError("the next training has no weight map: choose a preset under Weights.")
    source, config = WeightSource(), replace(config, pixel_size=None)
    return [source.draw((stack,), config, i) for i in stack.labelled_slices]


def _add_weights(viewer: Any, source: Labels, stack: Stack, maps: list[WeightMap]) -> None:
    plane = maps[0].weights.shape
    values = np.zeros((stack.n_slices, *plane), np.float32)
    for one in maps:
        values[one.slice_index] = one.weights
    values = values.reshape(*stack.leading_shape, *plane)
    limits = (0.0, max(max(one.statistics.greatest for one in maps), 1e-3))
    layer = Image(
        values, name=f"{source.name} · weights", colormap=WEIGHT_COLORMAP, contrast_limits=limits,
        opacity=0.65, blending="translucent",
        **seen_placement(stack, source, maps[0].placement, values.ndim),
    )  # fmt: skip
    show_result(viewer, "weights", layer, source)


# -- objects --------------------------------------------------------------------------------------


@magic_factory(
    call_button="Separate",
    layout="vertical",
    prediction={"widget_type": "ComboBox", "choices": partial(_layers, (Labels, Image))},
    min_size={"min": 0, "max": 10**7, "label": "smallest (px)"},
    fill_holes={"label": "fill holes"},
)
def separate_objects(
    viewer: Viewer, prediction: Layer, min_size: int = 0, fill_holes: bool = False
) -> None:
    """U-Net: give every connected object of a prediction a number of its own, slice by slice."""
    if prediction is None:
        show_warning(NO_LAYER)
        return
    if isinstance(prediction, Image) and prediction.data.ndim > _plain_ndim(prediction):
        place = {k: v[1:] for k, v in same_place(prediction).items() if k in _PER_AXIS}
    else:
        place = same_place(prediction)
    foreground = partial(_foreground, prediction.data, _scheme(prediction))
    job = partial(_objects, foreground, min_size, fill_holes)
    take = partial(_add_objects, viewer, prediction, place)
    _Task(viewer, f"objects of {prediction.name}", once(job), take)


def _foreground(data: Any, scheme: LabelScheme) -> NDArray[Any]:
    """Foreground of labels (bool) or of probabilities (0 to 1)."""
    values = np.asarray(data)
    if values.dtype.kind == "f":
        return values.sum(0).clip(0, 1) if scheme.n_classes > 2 else values
    background = 1 if scheme.annotation == "sparse" else 0
    return values > background


def _objects(
    foreground: Callable[[], NDArray[Any]], min_size: int, fill_holes: bool
) -> NDArray[np.int32]:
    values = foreground()
    planes = values.reshape(-1, *values.shape[-2:])
    found = [instances(plane, min_size=min_size, fill_holes=fill_holes) for plane in planes]
    return np.stack(found).reshape(values.shape)


def _add_objects(
    viewer: Any, source: Layer, place: dict[str, Any], values: NDArray[np.int32]
) -> None:
    layer = Labels(values, name=f"{source.name} · objects", **place)
    tell(layer, output="objects", scheme=LabelScheme("objects").to_dict())
    show_result(viewer, "objects", layer, source)
