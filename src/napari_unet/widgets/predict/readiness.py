"""Whether what the Predict dock is asked for can be predicted, and what it will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_unet.app.prediction_cost import prediction_cost
from napari_unet.base.errors import InputError, UNetError
from napari_unet.base.quantities import about, count, size
from napari_unet.images.zoom import zoom_for
from napari_unet.widgets.common.notices import sentence

if TYPE_CHECKING:
    from napari_unet.app.session import Session
    from napari_unet.images.stack import Stack
    from napari_unet.widgets.predict.predict_form import PredictForm

__all__ = ["cost_line", "ready"]

NO_IMAGE = "Open an image first, for example under Data."
NO_MODEL = "Train a model first, or choose a saved one."


def ready(form: PredictForm, session: Session) -> tuple[Stack | None, str | None]:
    """Return the stack to predict, or why nothing can be predicted; also said at its field."""
    form.image_problem.say("")
    form.match_problem.say("")
    if form.image.value is None:
        return None, NO_IMAGE
    model: Any = session.model if form.model.value == "current" else None
    problem = form.image_problem
    try:
        stack = form.read_stack()
        if model is not None:
            _check_channels(stack, model)
            if form.match.isChecked():
                problem = form.match_problem
                zoom_for(model, stack, match_pixels=True)
    except UNetError as error:
        problem.say(sentence(error))
        return None, sentence(error)
    return (stack, None) if form.model.value is not None else (None, NO_MODEL)


def cost_line(form: PredictForm, session: Session, stack: Stack, slices: int) -> str:
    """Return what predicting so many slices of a stack will cost, as far as it is known."""
    height, width = stack.plane_shape
    text = f"{count(slices, 'slice')} of {width} × {height} px"
    if form.model.value != "current":
        return text
    model: Any = session.model
    cost = prediction_cost(form.request(stack), model)
    time = "" if cost.seconds is None else f"{about(cost.seconds)}, "
    return f"{time}{size(cost.bytes)}, {text}, {count(cost.tiles, 'tile')}"


def _check_channels(stack: Stack, model: Any) -> None:
    wanted = model.network.config.in_channels
    if stack.channels != wanted:
        raise InputError(
            f"the model was trained on {count(wanted, 'channel')}, but {stack.name!r} has "
            f"{stack.channels}: choose an image like the training stack."
        )
