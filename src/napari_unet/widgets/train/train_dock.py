"""The Train dock: start, watch, pause and stop a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QLineEdit

from napari_unet.app.run_places import (
    from_home,
    interrupted_runs,
    new_run,
    runs_folder,
    short_path,
)
from napari_unet.app.training_job import Ended, TrainingJob, TrainingRequest
from napari_unet.base.errors import UNetError
from napari_unet.base.quantities import about, count, duration, score, size
from napari_unet.prediction.pieces import Piece
from napari_unet.training import events as told
from napari_unet.training.cost import NetworkSize, Rates, step_flops, training_bytes
from napari_unet.training.data import TrainingData
from napari_unet.widgets.common.devices import present_devices
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.form import (
    Combo,
    Note,
    PrimaryButton,
    Problem,
    Row,
    button,
    check_box,
)
from napari_unet.widgets.common.layers import shown_slice
from napari_unet.widgets.common.notices import sentence, show_error, show_warning
from napari_unet.widgets.common.worker import Worker, once
from napari_unet.widgets.train.cost_line import CostLine, describe_cost
from napari_unet.widgets.train.train_form import TrainForm
from napari_unet.widgets.train.train_progress import LiveLayer, TrainProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_unet.config.training import TrainConfig
    from napari_unet.preflight import StepCost

__all__ = ["TrainDock"]

NO_STACK = "Choose an image and its labels under Data first."
NO_LABELS = "The stack has no labels: choose a labels layer under Data."
BUSY = "A training is running: pause or stop it below."
START_TIP = "Start training in the background; everything else stays usable."


class TrainDock(Dock):
    """Train the network on the current stack.

    Parameters
    ----------
    viewer
        The viewer whose session's stack is trained on.
    """

    def build(self) -> None:
        """Make the controls."""
        self.runs_folder = runs_folder()
        self.rates = Rates()
        self._devices: Worker | None = None
        self._job: TrainingJob | None = None
        self._worker: Worker | None = None
        self._live: LiveLayer | None = None
        self._size: NetworkSize | None = None
        self._best: tuple[int, float] | None = None
        self._result = ""
        self._measuring: Worker | None = None
        self._measured: tuple[Any, StepCost] | None = None
        self._build_settings()
        self._build_actions()
        self._build_progress()
        self.listen(self.session.stack_changed, self._on_stack)
        self.listen(self.session.model_changed, self._offer_starts)
        self.listen(self.session.added_changed, self._on_stack)
        self.listen(self.session.config_changed, self._check)
        self.listen(self.viewer.dims.events.current_step, self._follow_slice)
        self._on_stack()

    # -- controls ---------------------------------------------------------------------------

    def _build_settings(self) -> None:
        self.form = TrainForm(self)
        self.start_from = Combo(
            (),
            "Random weights: learn from nothing. The current model: go on from what it knows, for "
            "example after correcting labels. An interrupted run: exactly where it stopped.",
        )
        self.start_from.chosen.connect(self._check)
        self.form.form.add("Start fr&om", self.start_from)
        self.setTabOrder(self.form.device, self.start_from)
        self.setTabOrder(self.start_from, self.form.advanced.toggle)
        self.place = QLineEdit(from_home(self.runs_folder))
        self.place.setToolTip("The folder in which every training gets a folder of its own.")
        self.place.editingFinished.connect(self._on_place)
        browse = button("…", "Choose the folder for trainings.")
        browse.clicked.connect(self._choose_place)
        self.form.advanced.form.add("Save in", Row(self.place, browse, stretch=0))
        self.column.addWidget(self.form)

    def _build_actions(self) -> None:
        self.start = PrimaryButton("Train", START_TIP)
        self.start.clicked.connect(self._on_start)
        self.cost = CostLine()
        self.cost.wanted.connect(self._on_measure)
        self.problem = Problem(self.start)
        self.pause = button("P&ause", "Hold after this step and give the memory back.")
        self.pause.clicked.connect(self._on_pause)
        self.stop = button("S&top", "End after this step and keep the model as it is.")
        self.stop.clicked.connect(self._on_stop)
        self.switches = Row(self.pause, self.stop)
        self.switches.hide()
        for widget in (self.start, self.problem, self.cost, self.switches):
            self.column.addWidget(widget)

    def _build_progress(self) -> None:
        self.progress = TrainProgress(self.viewer)
        self.notes = Note(role="warning")
        self.live = check_box(
            "L&ive prediction of the slice shown",
            "Predict the slice you are looking at every now and then, into a layer. Takes about "
            "an eighth of the time.",
            checked=True,
        )
        self.live.toggled.connect(self._follow_slice)
        self.saved = Note()
        self.open = button("Ope&n", "Show the run folder in the file manager.")
        self.open.clicked.connect(self._on_open)
        self.saved_row = Row(self.saved, self.open, stretch=0)
        self.saved_row.hide()
        self.progress.hide()
        for widget in (self.live, self.progress, self.notes, self.saved_row):
            self.column.addWidget(widget)

    # -- before the start -------------------------------------------------------------------

    def _on_stack(self, _stack: object = None) -> None:
        any_stack = self.session.stack is not None or self.session.added
        if any_stack and self._devices is None:
            # Torch takes a second or two to load: not while the dock is being opened.
            QTimer.singleShot(0, self._look_for_devices)
        self._offer_starts()
        self._check()

    def _look_for_devices(self) -> None:
        if self._devices is None:
            self._devices = Worker(once(present_devices))
            self._devices.yielded.connect(self.form.offer_devices)
            self._devices.errored.connect(self._on_error)
            self.run(self._devices)

    def _offer_starts(self, _model: object = None) -> None:
        options: list[tuple[str, Any]] = [("random weights", None)]
        model = self.session.model
        if model is not None:
            step = model.run.get("step")
            options.append((f"current model ({model.name}, step {step})", "model"))
        options += [(f"interrupted run {run.name}", run) for run in interrupted_runs(self._place())]
        self.start_from.set_options(options)

    def _check(self, _: object = None) -> None:
        """Say what the button will do and cost, or why it cannot."""
        if self._job is not None:
            return
        self.problem.say("")
        self._size = None
        try:
            reason = self._reason()
            self.start.allow(reason, None if reason is None else "Train")
            self.cost.say(reason or "")
            if reason is None:
                self._say_cost()
        except UNetError as error:
            self.start.allow(sentence(error))
            self.cost.say("")
            self.problem.say(sentence(error))

    def _reason(self) -> str | None:
        if not self.session.stacks:
            return NO_STACK if self.session.stack is None else NO_LABELS
        return None

    def _say_cost(self) -> None:
        data = TrainingData(self.session.stacks, self.session.config)
        stacks, config = data.given, data.config
        train, validation = data.train_slices, data.validation_slices
        network = config.network
        self._size = NetworkSize(
            network.width,
            network.depth,
            network.in_channels,
            network.classes,
            config.tile,
            config.batch,
        )
        start = self.start_from.value
        slices = count(train, "slice")
        if len(stacks) > 1:
            slices += f" of {len(stacks)} stacks"
        self.start.setText(
            f"Resume {start.name}"
            if isinstance(start, Path)
            else f"Train on with {slices}"
            if start == "model"
            else f"Train on {slices}"
        )
        if isinstance(start, Path):
            self.cost.say("Goes on with the settings it was begun with, on the same stack.")
            return
        operations = config.steps * step_flops(self._size)
        seconds = self.rates.seconds(f"train {config.device}", operations)
        costs = size(training_bytes(self._size, config.optimiser))
        if self._measured is not None and self._measured[0] == self._to_measure(config):
            costs = describe_cost(self._measured[1])
        elif seconds is not None:
            costs = f"{about(seconds)}, {costs}"
        else:
            costs = f"time is known after the first steps, {costs}"
        tip = f"{count(train, 'slice')} to train on, {validation} to validate with."
        self.cost.say(f"{costs}, {train} + {validation} slices", can_measure=True, tip=tip)

    # -- measuring a step ---------------------------------------------------------------------

    def _to_measure(self, config: TrainConfig) -> tuple[Any, ...]:
        """What a measured step depends on."""
        stacks = [
            (id(one.image), id(one.labels), one.scheme, one.annotated)
            for one in self.session.stacks
        ]
        return (stacks, config)

    def _on_measure(self) -> None:
        """Take two steps in the background, to know what the training will cost."""
        if self._job is not None or self._measuring is not None:
            return
        stacks, config = self.session.stacks, self.session.config
        wanted = self._to_measure(config)

        def measure() -> tuple[Any, StepCost]:
            from napari_unet.preflight import measure_step

            return wanted, measure_step(stacks, config, spare_cores=1)

        self._measuring = Worker(once(measure))
        self._measuring.yielded.connect(self._on_measured)
        self._measuring.errored.connect(self._on_error)
        self._measuring.finished.connect(self._on_measuring_over)
        self.cost.measure.setEnabled(False)
        self.cost.say("Measuring one step …", can_measure=True)
        self.run(self._measuring)

    def _on_measured(self, measured: tuple[Any, StepCost]) -> None:
        self._measured = measured
        if self._size is not None and measured[0] == self._to_measure(self.session.config):
            task = f"train {self.session.config.device}"
            self.rates.remember(task, step_flops(self._size), measured[1].seconds_per_step)

    def _on_measuring_over(self) -> None:
        failed = self.problem.text()
        self._measuring = None
        self.cost.measure.setEnabled(True)
        self._check()
        if failed:
            self.problem.say(failed)

    def _place(self) -> Path:
        return Path(self.place.text()).expanduser()

    def _on_place(self) -> None:
        self._offer_starts()

    def _choose_place(self) -> None:
        dialog = QFileDialog(self, "Folder for trainings", self.place.text())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self._set_place)
        dialog.open()

    def _set_place(self, place: str) -> None:
        self.place.setText(from_home(Path(place)))
        self._on_place()

    # -- while it runs ----------------------------------------------------------------------

    def _on_start(self) -> None:
        if not self.session.stacks or self._job is not None:
            return
        stack = self.session.stacks[0]
        if self._measuring is not None:
            self._measuring.abandon()
        request = self._request(self.session.config)
        self._best = None
        self._result = ""
        self._live = LiveLayer(self.viewer, self.session, stack)
        self._job = TrainingJob(request)
        self._worker = Worker(self._job.events, on_pause=self._job.release)
        self._worker.yielded.connect(self._on_event)
        self._worker.drained.connect(self._on_drained)
        self._worker.warned.connect(self._note)
        self._worker.paused.connect(self._on_paused)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._on_over)
        self._show_running(request)
        self._follow_slice()
        self.run(self._worker)

    def _request(self, config: TrainConfig) -> TrainingRequest:
        stacks, start = self.session.stacks, self.start_from.value
        resume = isinstance(start, Path)
        return TrainingRequest(
            stacks,
            config,
            start if resume else new_run(stacks[0].name, config.preset, self._place()),
            resume=resume,
            start_from=self.session.model if start == "model" else None,
        )

    def _show_running(self, request: TrainingRequest) -> None:
        self.problem.say("")
        self.notes.say("")
        self.cost.say("Reading the stack …")
        self.start.allow(BUSY, self.start.text().replace("Train", "Training", 1))
        self.form.allow_changes(False)
        self.switches.show()
        self.pause.setEnabled(True)
        self.pause.setText("P&ause")
        self.stop.setEnabled(True)
        self.progress.show()
        self.progress.begin()
        self._say_place(request.run)

    def _say_place(self, run: Path | None) -> None:
        if run is not None:
            self.saved.say(f"Run saved in {short_path(run)}")
            self.saved.setToolTip(str(run))
            self.saved_row.show()

    def _on_event(self, event: object) -> None:
        reactions: dict[type, Callable[[Any], None]] = {
            told.Step: self.progress.step,
            Piece: self._on_tile,
            told.Validated: self._on_validated,
            told.Prepared: self._on_prepared,
            told.Adjusted: self._on_adjusted,
            told.Diverged: self._on_diverged,
            Ended: self._on_ended,
        }
        react = reactions.get(type(event))
        if react is not None:
            react(event)

    def _on_prepared(self, event: told.Prepared) -> None:
        self.cost.say(f"On {event.compute} · {count(event.parameters, 'parameter')}")
        if event.run is not None:
            self.session.run = Path(event.run)

    def _on_validated(self, event: told.Validated) -> None:
        self.progress.validated(event)
        if event.best:
            self._best = (event.step, event.iou)

    def _on_tile(self, tile: Piece) -> None:
        assert self._live is not None
        self._live.write(tile)
        if self._live.taken_away and self.live.isChecked():
            self.live.setChecked(False)

    def _on_drained(self) -> None:
        is_ending = self._worker is None or self._worker.is_paused or not self.stop.isEnabled()
        if not is_ending and self.progress.is_due:
            self._look()

    def _look(self) -> None:
        """Show what has come since the last look, all in one painting of the window."""
        if self._job is not None:
            self.progress.follow(self._job.losses)
        if self._live is not None:
            self._live.draw()

    def _on_adjusted(self, event: told.Adjusted) -> None:
        self._note(event.message)

    def _on_diverged(self, event: told.Diverged) -> None:
        show_warning(event.message)
        self._note(event.message)

    def _note(self, text: str) -> None:
        lines = self.notes.text().splitlines()
        if text not in lines:
            self.notes.say("\n".join([*lines, text][-4:]))

    def _follow_slice(self, _: object = None) -> None:
        if self._job is None:
            return
        stack = self._job.stack
        if self.live.isChecked():
            if self._live is not None and self._live.taken_away:
                self._live = LiveLayer(self.viewer, self.session, stack)
            source = self.session.image_layer if self.session.stack is stack else None
            self._job.live_slice = shown_slice(self.viewer, stack, source)
        else:
            self._job.live_slice = None

    def _on_pause(self) -> None:
        assert self._worker is not None
        if self._worker.is_paused:
            self._worker.resume()
            self.pause.setText("P&ause")
            self.progress.interrupt()
        else:
            self._worker.pause()
            self.pause.setText("&Resume")
            self.progress.line.say("Pausing after this step …")

    def _on_paused(self) -> None:
        self._look()
        self.progress.line.say(f"Paused at step {self.progress.bar.value():,}.")

    def _on_stop(self) -> None:
        if self._job is not None and self._worker is not None:
            self._job.stop()
            self._worker.resume()
            self.pause.setEnabled(False)
            self.stop.setEnabled(False)
            self.progress.line.say("Stopping after this step …")

    # -- after it ---------------------------------------------------------------------------

    def _on_ended(self, ended: Ended) -> None:
        if ended.model is not None:
            self.session.model = ended.model
        if self._size is not None:
            self.rates.remember(
                f"train {self.session.config.device}",
                step_flops(self._size),
                ended.seconds_per_step,
            )
        self._look()
        self._result = self._summary(ended)
        self.progress.line.say(self._result)

    def _summary(self, ended: Ended) -> str:
        if ended.model is None:
            early = "Stopped before the first step; nothing was learned."
            return early if ended.stopped else "Nothing was learned."
        steps = count(ended.step, "step")
        time = duration(ended.step * ended.seconds_per_step)
        text = f"Stopped after {steps} ({time})" if ended.stopped else f"{steps} in {time}"
        if self._best is not None:
            text += f"; best IoU {score(self._best[1])} at step {self._best[0]:,}"
        return f"{text}. Predict uses this model now."

    def _on_error(self, error: Exception) -> None:
        show_error(error)
        self.problem.say(sentence(error))
        self.progress.line.say(self._result)

    def _on_over(self) -> None:
        """Make everything usable again, however the training ended."""
        failed = self.problem.text()
        self._look()
        self._job = self._worker = None
        self.progress.end()
        self.form.allow_changes(True)
        self.switches.hide()
        self._offer_starts()
        self._check()
        if failed:
            self.problem.say(failed)

    def _on_open(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(self.saved.toolTip()))
