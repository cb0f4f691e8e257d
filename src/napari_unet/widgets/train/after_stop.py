"""Do something when a training is over, and stop it for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_unet.widgets.train.running import Training

__all__ = ["after_stop"]


def after_stop(training: Training | None, act: Callable[[], object]) -> None:
    """Act at once where nothing is trained, else when the training has stopped and kept its run.

    Parameters
    ----------
    training
        The one that may be running.
    act
        Called in the window's thread, after everybody has heard that it is over.
    """
    if training is None or not training.is_running:
        act()
        return
    training.over.connect(lambda: QTimer.singleShot(0, act))
    if training.state != "stopping":
        training.stop()
