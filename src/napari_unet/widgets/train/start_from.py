"""Where a training begins: random weights, the current model, or an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit

from napari_unet.app.run_places import from_home, interrupted_runs, painted_runs, runs_folder
from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.choices import Combo
from napari_unet.widgets.common.form import Row
from napari_unet.widgets.common.notes import set_tip

if TYPE_CHECKING:
    from napari_unet.app.session import Session
    from napari_unet.config.training import TrainConfig
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["RunPlace", "StartFrom"]

TIP = (
    "Random weights: learn from nothing. The current model: go on from what it knows, for "
    "example after correcting labels. An interrupted run: exactly where it stopped. A painted run: "
    "with all that was painted, as it was."
)
MODEL, PAINTED = "model", "painted"


class StartFrom(Combo):
    """Offers what a training can begin with; a model that was just trained is chosen by itself.

    Parameters
    ----------
    session
        Has the current model.
    """

    def __init__(self, session: Session) -> None:
        super().__init__((), TIP)
        self._session = session

    def offer(self, place: Path) -> None:
        """Offer what there is now; ``place`` is the folder of runs."""
        options: list[tuple[str, Any]] = [("random weights", None)]
        model = self._session.model
        if model is not None:
            step = model.run.get("step")
            options.append(("current model" + (f", step {step:,}" if step else ""), MODEL))
        options += [(f"interrupted run {run.name}", run) for run in interrupted_runs(place)]
        options += [(f"painted run {run.name}", (PAINTED, run)) for run in painted_runs(place)]
        self.set_options(options)

    def remark(self, config: TrainConfig) -> str:
        """Return what of the settings the model decides, where they say otherwise."""
        model = self.model
        if model is None:
            return ""
        theirs, ours = model.network.config, config.network
        shape = (theirs.width, theirs.depth, theirs.norm, model.zoom)
        if shape == (ours.width, ours.depth, ours.norm, config.zoom):
            return ""
        return (
            f"The network stays the model's: {theirs.width} channels, depth {theirs.depth}, "
            f"images at {model.zoom:.0%} of their size. Start from random weights for another."
        )

    def choose_model(self) -> None:
        """Choose the current model, where there is one."""
        self.value = MODEL

    @property
    def run(self) -> Path | None:
        """The interrupted run to go on with."""
        return self.value if isinstance(self.value, Path) else None

    @property
    def painted(self) -> Path | None:
        """The painted run to go on painting in."""
        return self.value[1] if isinstance(self.value, tuple) else None

    @property
    def model(self) -> TrainedModel | None:
        """The current model, if it is to be trained on."""
        return self._session.model if self.value == MODEL else None


class RunPlace(Row):
    """The folder in which every training gets a folder of its own."""

    changed = Signal()

    def __init__(self) -> None:
        self.field = QLineEdit(from_home(runs_folder()))
        set_tip(self.field, "The folder in which every training gets a folder of its own.")
        browse = button("…", "Choose the folder for trainings.")
        super().__init__(self.field, browse, stretch=0)
        self.field.editingFinished.connect(self.changed)
        browse.clicked.connect(self._browse)

    @property
    def path(self) -> Path:
        """The folder; it need not exist yet."""
        return Path(self.field.text()).expanduser()

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Folder for trainings", str(self.path))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self._choose)
        dialog.open()

    def _choose(self, place: str) -> None:
        self.field.setText(from_home(Path(place)))
        self.changed.emit()
