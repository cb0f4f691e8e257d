"""One run of the table with one seed: trained, measured, kept."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_unet.config.augmentation import AugmentConfig
from napari_unet.network.compute import free_memory
from napari_unet.reproduction.course import Course, write_course
from napari_unet.reproduction.data import open_data
from napari_unet.reproduction.field_metrics import field_metrics
from napari_unet.reproduction.held_out import split_for
from napari_unet.reproduction.memory import PeakMemory
from napari_unet.reproduction.result import Result, Scores, Training, read_result, write_result
from napari_unet.reproduction.scores import cut_tiles, read_everything, read_tiles, read_whole
from napari_unet.training.events import Adjusted, Diverged, Prepared, Step
from napari_unet.training.run_folder import RunFolder
from napari_unet.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack
    from napari_unet.reproduction.data import ExperimentData
    from napari_unet.reproduction.table import Experiment
    from napari_unet.training.events import Event

__all__ = ["Attempt", "Effort"]

VALIDATIONS = 20  # points of the curves
LEAST_BETWEEN = 20  # steps: on a CPU a validation costs as much as ten of them


@dataclass(frozen=True)
class Effort:
    """What may be spent on a run, and where.

    Parameters
    ----------
    steps, width
        None: those of the full run.
    device
        See `napari_unet.network.choice.choose`.
    data
        Folder of the data sets; None: where `napari_unet.datasets.registry` finds them.
    """

    steps: int | None = None
    width: int | None = None
    device: str = "auto"
    data: Path | None = None


class Attempt:
    """One experiment with one seed, in a folder of its own.

    Parameters
    ----------
    experiment
        From the table.
    seed
        Of weights, tiles, dropout and of a random split.
    output
        The run lies in ``output/runs/NAME/seed-N``.
    effort
        How much of the full run.
    """

    def __init__(
        self, experiment: Experiment, seed: int, output: Path, effort: Effort | None = None
    ) -> None:
        self.experiment, self.seed = experiment, seed
        self.effort = effort or Effort()
        self.folder = output / "runs" / experiment.name / f"seed-{seed}"

    @property
    def steps(self) -> int:
        """Steps to be done."""
        return self.effort.steps or self.experiment.settings.steps

    @property
    def width(self) -> int:
        """Channels of the first level."""
        return self.effort.width or self.experiment.settings.network.width

    def result(self) -> Result | None:
        """Return what became of it; None unless it was done with at least this effort."""
        found = read_result(self.folder)
        if found is None or found.training.width != self.width:
            return None
        done = found.training.steps >= self.steps or bool(found.training.diverged)
        return found if done else None

    def run(self) -> Iterator[Event]:
        """Train and measure; yields the trainer's events, and writes the result after the last.

        An interrupted run goes on where it stood. Closing the generator keeps what was learnt.

        Raises
        ------
        DataSetError
            When the data cannot be had.
        CheckpointError
            When the folder holds a run with other settings.
        """
        data = open_data(self.experiment, self.effort.data)
        config = self.config(data.stack)
        folder = RunFolder(self.folder)
        trainer = Trainer(data.stack, config, self.folder, resume=folder.exists())
        course = _Course(trainer)
        with closing(trainer.run()) as events:
            for event in events:
                course.add(event)
                yield event
        training = course.training(self.experiment.settings)
        scores = measure_last(trainer, data)
        write_course(self.folder, Course.of(folder.history()))
        write_result(self.folder, Result(self.experiment.name, self.seed, training, scores))
        free_memory(trainer.learner.compute.device)

    def config(self, stack: Stack) -> TrainConfig:
        """Return the exact settings of this attempt."""
        settings = self.experiment.settings
        every = max(LEAST_BETWEEN, self.steps // VALIDATIONS)
        return replace(
            settings,
            network=replace(settings.network, width=self.width),
            steps=self.steps,
            split=split_for(
                self.experiment.held_out, stack.labelled_slices, stack.n_slices, self.seed
            ),
            validate_every=every,
            checkpoint_every=every,
            seed=self.seed,
            device=self.effort.device,
        )


def measure_last(trainer: Trainer, data: ExperimentData) -> Scores:
    """Measure the network of the last step (of the last good one, if the run diverged).

    Not the best one: that would have been chosen by what it is measured on.
    """
    network, compute, config = trainer.model.network, trainer.learner.compute, trainer.config
    planes = trainer.validation
    whole, foreground = read_whole(network, planes, compute)
    tiles, augmented = (
        read_tiles(
            network,
            cut_tiles(planes, trainer.tile, config.network.depth, augment, config.seed),
            compute,
        )
        for augment in (AugmentConfig.none(), config.augment)
    )
    everything = read_everything(planes)
    return Scores(whole, tiles, augmented, field_metrics(data, foreground), everything)


class _Course:
    """What the events of a training tell, gathered for its result."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._prepared: Prepared | None = None
        self._memory: PeakMemory | None = None
        self._diverged = ""
        self._remarks: list[str] = []
        self._step = 0

    def add(self, event: Event) -> None:
        if isinstance(event, Prepared):
            self._prepared, self._step = event, event.start_step
            self._memory = PeakMemory(self._trainer.learner.compute.device)
        elif isinstance(event, Step):
            self._step = event.step
        elif isinstance(event, Adjusted):
            self._remarks.append(event.message)
        elif isinstance(event, Diverged):
            self._diverged = event.message

    def training(self, full: TrainConfig) -> Training:
        """Return the course as a whole."""
        begun, trainer = self._prepared, self._trainer
        assert begun is not None
        return Training(
            steps=self._step,
            full_steps=full.steps,
            width=trainer.config.network.width,
            full_width=full.network.width,
            tile=trainer.tile,
            batch=trainer.config.batch,
            seconds=trainer.seconds,
            peak_memory=None if self._memory is None else self._memory.read(),
            compute=begun.compute,
            parameters=begun.parameters,
            train_slices=begun.train_slices,
            validation_slices=begun.validation_slices,
            diverged=self._diverged,
            remarks=tuple(self._remarks),
        )
