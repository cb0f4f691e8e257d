"""Go on painting in an earlier run: its labels are made anew, and its training goes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_unet.widgets.common.latest import Latest
from napari_unet.widgets.common.notices import sentence
from napari_unet.widgets.train.new_labels import begin_to_paint, labels_to_paint
from napari_unet.widgets.train.paint_mode import paint_mode_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_unet.images.stack import Stack
    from napari_unet.training.painting import Painting
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.train.run_control import RunControl

__all__ = ["NO_IMAGE", "GoOnPainting"]

NO_IMAGE = "Open the image of this run first, and choose it under Data."


class GoOnPainting(QObject):
    """Takes up painted runs in a viewer.

    Parameters
    ----------
    dock
        Whose viewer is painted in.
    control
        Says what will be done, or why it cannot.
    """

    failed = Signal(object)
    """The error of a run that cannot be taken up."""

    def __init__(self, dock: Dock, control: RunControl) -> None:
        super().__init__(dock)
        self._dock, self._control = dock, control
        self._run: Path | None = None
        self._latest, self._looks = Latest(dock), Latest(dock)
        self._latest.done.connect(self._on_read)
        self._latest.failed.connect(self.failed)
        self._looks.done.connect(self._say)
        self._looks.failed.connect(self._on_unreadable)

    def look(self, run: Path | None) -> None:
        """Find out, as far as it can be told quickly, whether the current image fits a run.

        Parameters
        ----------
        run
            The one to go on with; None: another beginning was chosen.
        """
        self._run = run
        stack = self._dock.session.stack
        if run is None:
            self._looks.cancel()
        elif stack is None or self._dock.session.image_layer is None:
            self._control.refuse(NO_IMAGE, wrong=True)
        else:
            self._looks.request(partial(_look, run, stack.with_labels(None)))

    def _say(self, found: tuple[str, str]) -> None:
        misfit, remark = found
        training, run = self._dock.session.training, self._run
        if run is None or (training is not None and training.is_running):
            return
        if misfit:
            self._control.refuse(misfit, wrong=True)
            return
        self._control.problem.say("")
        self._control.start.allow(None, f"Go on painting {run.name}")
        usual = "With all that was painted, and where its training stopped."
        self._control.cost.say(remark or usual)

    def _on_unreadable(self, error: Exception) -> None:
        self._say((sentence(error), ""))

    def begin(self, run: Path) -> None:
        """Read the run, add its labels, and let its training go on."""
        stack, image = self._dock.session.stack, self._dock.session.image_layer
        if stack is not None and image is not None and not self._latest.is_busy:
            self._latest.request(partial(_read, run, stack.with_labels(None), image))

    def _on_read(self, read: _Read) -> None:
        dock = self._dock
        if read.image not in dock.viewer.layers:
            return
        layer = labels_to_paint(read.stack, read.image, read.values)
        begin_to_paint(dock.viewer, dock.session, read.stack, read.image, layer)
        paint_mode_of(dock.viewer, dock.session).go_on(dock, read.painting, read.run)


@dataclass(frozen=True, eq=False)
class _Read:
    """All that was painted in a run, and what it was painted on."""

    run: Path
    stack: Stack
    image: Image
    painting: Painting
    values: NDArray[Any]


def _look(run: Path, stack: Stack) -> tuple[str, str]:
    """Why it cannot go on here, and what there is to say if it can."""
    from napari_unet.training.painted_run import PaintedRun  # torch: not while a dock opens

    painted = PaintedRun(run)
    return painted.misfit([stack]) or painted.other_scale([stack]), painted.remark


def _read(run: Path, stack: Stack, image: Image) -> _Read:
    from napari_unet.training.painted_run import PaintedRun
    from napari_unet.training.run_folder import RunFolder

    painted = PaintedRun(run)
    with RunFolder(run).locked():  # nothing is recorded in what another window goes on with
        painting = painted.painting([stack], live=True)
    return _Read(run, painting.stacks[0], image, painting, painting.whole(0))
