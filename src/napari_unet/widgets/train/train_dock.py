"""The Train dock: choose settings, start, watch, pause and stop a training."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_unet.app.run_places import new_run
from napari_unet.app.training_job import TrainingRequest
from napari_unet.base.errors import UNetError
from napari_unet.base.quantities import count
from napari_unet.training.data import TrainingData, like_model
from napari_unet.widgets.common.devices import present_devices
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.form import Expander
from napari_unet.widgets.common.notes import Note, set_tip
from napari_unet.widgets.common.notices import sentence, show_error
from napari_unet.widgets.common.worker import Worker, once
from napari_unet.widgets.train.after_stop import after_stop
from napari_unet.widgets.train.go_on_painting import GoOnPainting
from napari_unet.widgets.train.newer_labels import NewerLabels
from napari_unet.widgets.train.paint_next import PaintNext
from napari_unet.widgets.train.paint_start import BEGINS, PaintStart
from napari_unet.widgets.train.past_slider import PastSlider
from napari_unet.widgets.train.predicted_labels import PredictedLabels
from napari_unet.widgets.train.run_control import RunControl
from napari_unet.widgets.train.running import Training
from napari_unet.widgets.train.start_from import RunPlace, StartFrom
from napari_unet.widgets.train.train_form import TrainForm
from napari_unet.widgets.train.train_progress import TrainProgress

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtGui import QShowEvent

    from napari_unet.network.trained_model import TrainedModel

__all__ = ["TrainDock"]

NO_STACK = "Choose an image and its labels under Data first."
NO_LABELS = "The stack has no labels: choose a labels layer under Data."


class TrainDock(Dock):
    """Train the network on the current stack.

    Parameters
    ----------
    viewer
        The viewer whose session's stack is trained on.
    """

    def build(self) -> None:
        """Make the controls."""
        self._devices: Worker | None = None
        self._data: TrainingData | None = None
        self.form = TrainForm(self)
        self.start_from = StartFrom(self.session)
        self.start_from.chosen.connect(self._check)
        self.form.form.add("Start fr&om", self.start_from)
        self.newer, self.kept = NewerLabels(self, self.start_from), Note()
        self.form.form.add_wide(self.newer)
        self.form.form.add_wide(self.kept)
        self.setTabOrder(self.form.device, self.start_from)
        self.setTabOrder(self.start_from, self.form.advanced.toggle)
        self.place = RunPlace()
        self.place.changed.connect(self._offer_starts)
        self.form.advanced.form.add("Save in", self.place)
        self.control = RunControl(self)
        self.control.start_wanted.connect(self._on_start)
        self.control.cost.measured.connect(self._on_measured)
        self.control.cost.failed.connect(self._on_failed)
        self.progress = TrainProgress(self.viewer)
        self.settings = Expander("Settings of this training", self.form)
        set_tip(self.settings.toggle, "Look at the settings it was begun with.")
        self.paint = PaintStart(self)
        self.go_on = GoOnPainting(self, self.control)
        self.go_on.failed.connect(self._on_failed)
        self.predicted = PredictedLabels(self)
        self.past = PastSlider(self)
        self.past.go_on_wanted.connect(self._on_go_on)
        self.paint.mode.changed.connect(self._check)
        self.next = PaintNext(self.paint.mode.next, self)
        above = self.paint, self.next, self.settings, self.control, self.progress
        for widget in (*above, self.past, self.predicted):
            self.column.addWidget(widget)
        self.listen(self.session.stack_changed, self._on_stack)
        self.listen(self.session.added_changed, self._on_stack)
        self.listen(self.session.model_changed, self._offer_starts)
        self.listen(self.session.config_changed, self._check)
        self.listen(self.session.training_changed, self._on_training)
        self._training: Training | None = None
        self._watch(self.session.training)
        self._on_stack()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        """Compare the labels with the model's: they may have been painted on meanwhile."""
        super().showEvent(event)
        self.newer.look()

    def on_shut(self) -> None:
        """Let go of a training, which goes on."""
        self._watch(None)

    # -- before the start -------------------------------------------------------------------

    def _on_stack(self, _: object = None) -> None:
        any_stack = self.session.stack is not None or self.session.added
        if any_stack and self._devices is None:
            # Torch takes a second or two to load: not while the dock is being opened.
            QTimer.singleShot(0, self._look_for_devices)
        self._offer_starts()

    def _look_for_devices(self) -> None:
        if self._devices is None:
            self._devices = Worker(once(present_devices))
            self._devices.yielded.connect(self.form.offer_devices)
            self._devices.errored.connect(show_error)
            self.run(self._devices)

    def _offer_starts(self, _: object = None) -> None:
        self.paint.mode.place = self.place.path
        self.start_from.offer(self.place.path)
        self._check()

    def _check(self, _: object = None) -> None:
        """Say what the button will do and cost, or why it cannot."""
        if self._training is not None and self._training.is_running:
            return
        self.go_on.look(self.start_from.painted)
        if self.start_from.painted is not None:
            self.kept.say("")
            return
        if not self.session.stacks:
            self.control.refuse(NO_STACK if self.session.stack is None else NO_LABELS)
            return
        try:
            config = like_model(self.session.config, self.start_from.model)
            self._data = data = TrainingData(self.session.stacks, config)
            if self.start_from.model is not None:
                from napari_unet.training.resuming import check_fits  # torch, loaded with a model

                check_fits(self.start_from.model, data.config)
        except UNetError as error:
            is_on = self.paint.mode.is_on
            self.control.refuse(BEGINS if is_on else sentence(error), wrong=not is_on)
            return
        self.control.problem.say("")
        self.control.start.allow(None, self._title(data))
        if self.start_from.run is not None:
            self.control.cost.say("Goes on with the settings it was begun with, on the same stack.")
        else:
            self.control.cost.show_cost(data)
        self.kept.say(self.start_from.remark(self.session.config))

    def _title(self, data: TrainingData) -> str:
        """What the button will do."""
        if self.start_from.run is not None:
            return f"Resume {self.start_from.run.name}"
        slices = count(data.train_slices, "slice")
        if len(data.given) > 1:
            slices += f" of {len(data.given)} stacks"
        return f"Train on with {slices}" if self.start_from.model else f"Train on {slices}"

    def _on_measured(self) -> None:
        failed = self.control.problem.text()
        self._check()
        if failed:
            self.control.problem.say(failed)

    def _on_failed(self, error: Exception) -> None:
        show_error(error)
        self.control.problem.say(sentence(error))

    # -- a training -------------------------------------------------------------------------

    def _on_start(self) -> None:
        self.control.cost.abandon()
        if self.start_from.painted is not None:
            self.go_on.begin(self.start_from.painted)
            return
        if not self.session.stacks:
            return
        title = self.control.start.full_text.replace("Train", "Training", 1)
        training = Training(self.viewer, self.session, self._request(), title)
        training.config = None if self._data is None else self._data.config
        self.session.training = training
        self._watch(training)
        training.start(self)

    def _request(self) -> TrainingRequest:
        stacks, config, run = self.session.stacks, self.session.config, self.start_from.run
        folder: Path = run or new_run(stacks[0].name, config.preset, self.place.path)
        return TrainingRequest(
            stacks, config, folder, resume=run is not None, start_from=self.start_from.model
        )

    def _on_go_on(self, model: TrainedModel) -> None:
        """Go on from an earlier step, in a run of its own."""
        training, mode = self._training, self.paint.mode
        is_painted = training is not None and training.request.painting is not None
        begin = partial(mode.begin_from, self, model) if is_painted else partial(self._go_on, model)
        after_stop(training, begin)

    def _go_on(self, model: TrainedModel) -> None:
        self.session.model = model
        self.start_from.choose_model()
        self._check()
        if self.control.start.isEnabled():
            self._on_start()

    def _on_training(self, training: Training | None) -> None:
        """Something else began a training."""
        if training is not self._training:
            self._watch(training)

    def _watch(self, training: Training | None) -> None:
        """Show and switch a training, also one that another dock began."""
        if self._training is not None:
            self._training.over.disconnect(self._on_over)
        self._training = training
        self.control.watch(training)
        self.progress.watch(training)
        self.past.watch(training)
        if training is not None:
            training.over.connect(self._on_over)
        self._fold(training is not None and training.is_running)

    def _fold(self, is_running: bool) -> None:
        """Fold the settings away while they cannot be changed, so that the curves are seen."""
        self.form.allow_changes(not is_running)
        self.settings.toggle.setVisible(is_running)
        self.settings.collapse() if is_running else self.settings.expand()

    def _on_over(self) -> None:
        """Make everything usable again, however the training ended."""
        training = self._training
        assert training is not None
        self._fold(False)
        ended = training.ended
        if ended is not None and training.config is not None and not training.request.resume:
            self.control.cost.remember(training.config, ended.seconds_per_step)
        if ended is not None and ended.model is not None:
            self.start_from.choose_model()
        self._offer_starts()
        if training.error is not None:
            self.control.problem.say(sentence(training.error))
