"""The events of a training as numbers by name, for programs that follow many long runs.

Whatever they are called, three lines are enough::

    for event in trainer.run():
        if numbers := scalars(event):
            wandb.log(numbers, step=event.step)        # or mlflow.log_metrics(numbers, event.step)

`TensorBoard` is these lines for TensorBoard, with the picture of every validation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_unet.base.errors import InputError
from napari_unet.training.events import Step, Validated
from napari_unet.training.validation_pictures import ValidationPictures

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from napari_unet.training.events import Event

__all__ = ["TensorBoard", "scalars"]


def scalars(event: Event) -> dict[str, float]:
    """Return what an event measured, by name; empty for events that measure nothing.

    Values that are not finite, such as the IoU where there is nothing to find, are left out.

    Examples
    --------
    >>> scalars(Step(step=1, steps=9, loss=0.5, learning_rate=0.1, seconds=1.0, seconds_left=8.0))
    {'training/loss': 0.5, 'training/learning rate': 0.1, 'training/seconds a step': 1.0}
    """
    if isinstance(event, Step):
        values = {
            "training/loss": event.loss,
            "training/learning rate": event.learning_rate,
            "training/seconds a step": event.seconds,
        }
    elif isinstance(event, Validated):
        values = {
            "validation/loss": event.loss,
            "validation/IoU": event.iou,
            "validation/pixel accuracy": event.pixel_accuracy,
            "validation/F-score": event.f_score,
        }
    else:
        return {}
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


class TensorBoard:
    """Writes the events of one training for TensorBoard.

    Parameters
    ----------
    folder
        Its log folder.
    run
        Folder of the run, whose pictures are shown; None: numbers only.

    Raises
    ------
    InputError
        If TensorBoard is not installed.
    """

    def __init__(self, folder: Path, run: Path | None = None) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "TensorBoard is not installed: pip install 'napari-unet-trainer[tensorboard]'."
            ) from error
        self._writer: Any = SummaryWriter(str(folder))
        self._pictures = None if run is None else ValidationPictures(run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, event: Event) -> None:
        """Write one event."""
        for name, value in scalars(event).items():
            self._writer.add_scalar(name, value, event.step)  # type: ignore[union-attr]
        if isinstance(event, Validated) and self._pictures is not None:
            file = self._pictures.files().get(event.step)
            if file is not None:
                picture = np.asarray(Image.open(file).convert("RGB"))
                self._writer.add_image("validation", picture, event.step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left and close the files."""
        self._writer.close()
