"""``napari-unet train IMAGE LABELS -o RUN``: train a network on a stack."""

from __future__ import annotations

import math
import shlex
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import DivergedError, InputError
from napari_unet.base.output_guard import check_output_folder
from napari_unet.base.quantities import count, duration, score
from napari_unet.cli.inputs import add_several_arguments, add_stack_arguments
from napari_unet.cli.painting import (
    add_painting,
    first_model,
    is_painted,
    open_to_train,
    painting_of,
)
from napari_unet.cli.places import places_read
from napari_unet.cli.progress import (
    Bar,
    Interrupted,
    StopOnInterrupt,
    closed_after,
    say,
    show_result,
)
from napari_unet.cli.settings_options import add_settings, given_settings, read_settings, with_

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.config.training import TrainConfig
    from napari_unet.training.events import (
        Adjusted,
        Diverged,
        Event,
        Finished,
        Painted,
        Prepared,
        Step,
        Validated,
    )
    from napari_unet.training.trainer import Trainer

__all__ = [
    "Monitor",
    "add",
    "add_training_settings",
    "run",
    "train_to_end",
    "training_config",
]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "train",
        parents=[common],
        help="train a network on an image and its labels",
        description="Train a network on an image and its labels, on folders of both that are "
        "paired by their names, or on a named data set.",
    )
    add_stack_arguments(parser, optional=True)
    add_several_arguments(parser)
    parser.add_argument(
        "-o", "--output", metavar="RUN", type=Path, required=True, help="folder of the run"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run in that folder"
    )
    parser.add_argument(
        "--like", metavar="RUN", type=Path, help="use the settings of an earlier run"
    )
    parser.add_argument(
        "--from",
        dest="start_from",
        metavar="MODEL",
        type=Path,
        help="begin with the weights of a run or model file",
    )
    add_painting(parser)
    parser.add_argument(
        "--tensorboard",
        metavar="DIR",
        type=Path,
        help="write losses, scores and pictures for TensorBoard as well",
    )
    add_training_settings(parser)
    parser.set_defaults(run=run)


def add_training_settings(parser: argparse.ArgumentParser) -> None:
    """Declare the settings; what is not given comes from the preset."""
    parser.add_argument(
        "--preset",
        help="fast (default): minutes on a laptop; best: slower and better, by the kind of the "
        "labels; paper: as in 2015",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="settings from a TOML or JSON file, all or some; info RUN --config prints one",
    )
    parser.add_argument(
        "--validate",
        metavar="WHAT",
        help="slices that validate, such as 24-29 or 3,7; last (default) or 20%% for the last "
        "fifth; region:Y0,Y1,X0,X1 for a part of every slice; none",
    )
    add_settings(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train; return where the run is and how good it became."""
    check_output_folder(args.output, places_read(args))
    if args.tensorboard is not None:
        check_output_folder(args.tensorboard, places_read(args))
    stacks = open_to_train(args)
    painting = painting_of(args, stacks)
    from napari_unet.training.run_folder import RunFolder
    from napari_unet.training.trainer import Trainer

    trainer = Trainer(
        stacks if painting is None else painting.stacks,
        training_config(args, stacks[0].scheme),
        args.output,
        resume=args.resume,
        start_from=first_model(args),
        painting=painting,
    )
    how_to_go_on = f"napari-unet train … -o {shlex.quote(str(args.output))} --resume"
    if args.resume and trainer.config.steps != RunFolder(args.output).config().steps:
        how_to_go_on += f" --steps {trainer.config.steps}"
    if args.tensorboard is None:
        result = train_to_end(trainer, how_to_go_on)
    else:
        from napari_unet.training.tracking import TensorBoard

        with TensorBoard(args.tensorboard, args.output) as board:
            result = train_to_end(trainer, how_to_go_on, board.add)
    show_result(args, *_result_lines(result))
    return result


def train_to_end(trainer: Trainer, how_to_go_on: str, each: Any = None) -> dict[str, Any]:
    """Run a trainer with a progress bar.

    Parameters
    ----------
    trainer
        Not yet begun.
    how_to_go_on
        The command that resumes, said on Ctrl-C.
    each
        Called with every event.

    Returns
    -------
    dict
        Run, steps, best step and its validation.

    Raises
    ------
    Interrupted
        On Ctrl-C, after the run was saved.
    DivergedError
        When the loss was no longer a number, after the last good model was saved.
    """
    monitor = Monitor()
    with StopOnInterrupt() as stop, closing(monitor), closed_after(trainer.run()) as events:
        for event in events:
            monitor.show(event)
            if each is not None:
                each(event)
            if stop.requested:
                break
    if stop.requested and not monitor.finished:
        raise Interrupted(
            f"stopped after step {monitor.step:,}, the run is kept; go on with: {how_to_go_on}"
        )
    if monitor.diverged:
        raise DivergedError(monitor.diverged)
    return monitor.result()


class Monitor:
    """Shows the events of a training on standard error and remembers how it ended.

    Attributes
    ----------
    step : int
        Steps so far.
    finished : bool
        All steps are done.
    diverged : str
        Why it ended early, or "".
    """

    def __init__(self) -> None:
        self.diverged = ""
        self.step = 0
        self.finished = False
        self._outcome: dict[str, Any] = {"run": None, "steps": 0, "finished": False}
        self._bar: Bar | None = None
        self._said = ""
        self._recent: list[float] = []  # seconds of the last steps

    def show(self, event: Event) -> None:
        """Show one event."""
        handler = getattr(self, f"_on_{type(event).__name__.lower()}", None)
        if handler is not None:
            handler(event)

    def result(self) -> dict[str, Any]:
        """Return the outcome as plain values."""
        return {**self._outcome, "steps": self.step, "finished": self.finished}

    def close(self) -> None:
        """Leave the terminal in order."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, text: str) -> None:
        if self._bar is None:
            say(text)
        else:
            self._bar.say(text)

    def _on_prepared(self, event: Prepared) -> None:
        self.step = event.start_step
        self._outcome["run"] = event.run
        slices = f"{count(event.train_slices, 'slice')} to train"
        if event.validation_slices:
            slices += f", {event.validation_slices} to validate"
        self._say(
            f"{event.compute} · {event.parameters:,} parameters · {slices} · "
            f"{event.batch} × {event.tile}² pixels a step"
        )
        if event.start_step:
            self._say(f"resumed after step {event.start_step:,}")

    def _on_painted(self, event: Painted) -> None:
        known = "" if math.isnan(event.right) else f", {event.right:.0%} of the latest were right"
        self._say(f"step {event.step:,}: {count(event.edits, 'edit')} learnt from now on{known}")
        if event.problem:
            self._say(event.problem)

    def _on_adjusted(self, event: Adjusted) -> None:
        self._say(event.message)

    def _on_step(self, event: Step) -> None:
        if self._bar is None:
            self._bar = Bar(event.steps or None, "step", done=self.step)
        self.step = event.step
        self._recent = [*self._recent[-19:], event.seconds]
        pace = len(self._recent) / max(1e-9, sum(self._recent))
        self._bar.show(event.step, event.seconds_left, pace, f"loss {event.loss:.3f}{self._said}")

    def _on_validated(self, event: Validated) -> None:
        if event.best:
            self._outcome |= {
                "best_step": event.step,
                "best_loss": event.loss,
                "best_iou": event.iou,
                "best_pixel_accuracy": event.pixel_accuracy,
                "best_f_score": event.f_score,
            }
        self._said = f" · IoU {score(event.iou)}"
        mark = " (best so far)" if event.best else ""
        self._say(
            f"step {event.step:,}: validation loss {event.loss:.3f}, IoU {score(event.iou)}, "
            f"pixel accuracy {score(event.pixel_accuracy)}{mark}"
        )

    def _on_diverged(self, event: Diverged) -> None:
        self.diverged = event.message

    def _on_finished(self, event: Finished) -> None:
        self.finished = True
        self._outcome["seconds"] = round(event.seconds, 3)
        if math.isfinite(event.best_iou):  # of an earlier session, perhaps
            self._outcome |= {
                "best_step": event.best_step,
                "best_loss": event.best_loss,
                "best_iou": event.best_iou,
            }


def _result_lines(result: dict[str, Any]) -> list[str]:
    lines = [count(result["steps"], "step")]
    if "seconds" in result:
        lines[0] += f" in {duration(result['seconds'])}"
    if "best_iou" in result:
        lines.append(f"best at step {result['best_step']:,}: IoU {score(result['best_iou'])}")
    lines.append(f"the run is in {result['run']}")
    return lines


def training_config(args: argparse.Namespace, scheme: LabelScheme | None) -> TrainConfig:
    """Return the settings of the preset or of a former run, with what was asked on top."""
    from napari_unet.config.training import TrainConfig

    asked = read_settings(args.config) if args.config else {}
    config = _base(args, asked, scheme)
    content = with_(config, asked) | {"preset": config.preset}
    try:
        content = with_(TrainConfig.from_dict(content | _tile(content)), given_settings(args))
        if args.validate is not None:
            content["split"] = _split(args.validate).to_dict()
        return TrainConfig.from_dict(content | _tile(content))
    except (TypeError, ValueError) as error:
        raise InputError(f"the settings in {args.config} cannot be used ({error}).") from error


def _base(
    args: argparse.Namespace, asked: Mapping[str, Any], scheme: LabelScheme | None
) -> TrainConfig:
    """Return the settings that others are put on top of; `asked` are those of a file."""
    from napari_unet.config.presets import preset_for
    from napari_unet.config.training import TrainConfig
    from napari_unet.training.run_folder import RunFolder

    kind = None if scheme is None else scheme.kind

    def differ(one: str, other: str) -> bool:
        return one != other and preset_for(one, kind) != preset_for(other, kind)

    named = asked.get("preset", args.preset)
    if args.preset is not None and differ(named, args.preset):
        raise InputError(
            f"--preset {args.preset} and the preset {named} of {args.config} exclude each other; "
            "give one."
        )
    if args.like is not None and (args.resume or args.replay is not None):
        other = "--resume" if args.resume else "--replay"
        raise InputError(f"--like and {other}, which brings its own settings, exclude each other.")
    former = args.output if args.resume else args.like or args.replay
    if former is None:
        usual = "paint" if is_painted(args) else "fast"
        return TrainConfig.preset_named(preset_for(usual if named is None else named, kind))
    config = RunFolder(former).config()
    if args.preset is not None and not args.resume:
        raise InputError("--preset and the settings of a former run exclude each other; give one.")
    if named is not None and differ(config.preset, named):
        where = "--preset" if args.preset is not None else f"the preset of {args.config}"
        raise InputError(
            f"the run in {former} has the preset {config.preset}, not {named}: leave {where} "
            "out, or begin a new run."
        )
    return config


def _tile(content: dict[str, Any]) -> dict[str, Any]:
    """Return a side that the network can take, and say when it is not the one asked for."""
    from napari_unet.config.bounds import BOUNDS
    from napari_unet.config.size_rule import next_valid_size

    asked, network = content["tile"], content["network"]
    depth = network.get("depth") if isinstance(network, dict) else None
    bound = BOUNDS["tile"]
    if not (bound.allows(asked) and isinstance(depth, int) and 0 <= depth <= 6):
        return {}  # said by the settings themselves
    size = next_valid_size(asked, depth)
    if size != asked:
        say(f"tiles have {size} pixels a side instead of {asked}, the next that the network takes")
    return {"tile": size}


def _split(text: str) -> Any:
    """Read ``--validate``: "none", "last", "20%", "24-29", "3,7", "region:0,128,0,512"."""
    from napari_unet.annotation.splits import parse_slices
    from napari_unet.config.split import SplitConfig

    if text in ("none", "last"):
        return SplitConfig(mode="none" if text == "none" else "last")
    try:
        if text.startswith("region:"):
            y0, y1, x0, x1 = (int(part) for part in text.removeprefix("region:").split(","))
            return SplitConfig(mode="region", region=(y0, y1, x0, x1))
        if text.endswith("%"):
            return SplitConfig(mode="last", fraction=float(text[:-1]) / 100)
        return SplitConfig(mode="slices", slices=parse_slices(text))
    except ValueError:
        raise InputError(
            f"--validate must be slices such as 24-29 or 3,7, a share such as 20%, last, "
            f"region:Y0,Y1,X0,X1, or none, got {text!r}."
        ) from None
