"""Training that is painted into, without a window: a script of strokes, or a run's journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet.base.errors import InputError
from napari_unet.cli.inputs import open_training_stacks
from napari_unet.cli.progress import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.painting import Painting

__all__ = ["add_painting", "first_model", "is_painted", "open_to_train", "painting_of"]


def add_painting(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--strokes",
        metavar="FILE",
        type=Path,
        help="paint while it trains: a JSON object a line, such as "
        '{"step": 20, "slice": 3, "class": 1, "points": [[y, x], [y, x]], "width": 5}; class 0 '
        "is background, null erases; labels may be left out",
    )
    group.add_argument(
        "--replay",
        metavar="RUN",
        type=Path,
        help="train as in RUN, every stroke at its step: the same weights; IMAGE may be left out "
        "where the file is still there",
    )


def is_painted(args: argparse.Namespace) -> bool:
    """Whether a command line is about a painted run, which needs no labels."""
    return args.strokes is not None or args.replay is not None or _goes_on(args)


def _goes_on(args: argparse.Namespace) -> bool:
    """Whether a run is resumed in which something was painted before."""
    from napari_unet.training.journal import FILE_NAME

    return bool(args.resume) and (args.output / FILE_NAME).is_file()


def open_to_train(args: argparse.Namespace) -> tuple[Stack, ...]:
    """Open what is trained on: IMAGE, or what a painted run that is told of was painted on.

    Raises
    ------
    InputError
        Neither is there, or IMAGE is not what that run was painted on.
    """
    from napari_unet.training.painted_run import PaintedRun

    run = None
    if args.replay is not None or _goes_on(args):
        run = PaintedRun(args.output if args.resume else args.replay)
    if args.image is not None:
        stacks = open_training_stacks(args, paintable=is_painted(args))
        return stacks if run is None else run.blank(stacks)
    if run is None:
        raise InputError("name the IMAGE to train on: a file, a folder or a data set.")
    stacks = run.blank(run.open_images())
    say(f"on {', '.join(source.image for source in run.sources)}")
    return stacks


def first_model(args: argparse.Namespace) -> TrainedModel | None:
    """Return the model to begin with: the one that is named, or that a replayed run began with.

    Raises
    ------
    CheckpointError
        It cannot be read.
    """
    from napari_unet.training.painted_run import PaintedRun
    from napari_unet.training.run_folder import load_model

    if args.start_from is not None:
        return load_model(args.start_from)
    is_replay = args.replay is not None and not args.resume
    return PaintedRun(args.replay).first_model() if is_replay else None


def painting_of(args: argparse.Namespace, stacks: Sequence[Stack]) -> Painting | None:
    """Return what is painted into a training; None into a plain one.

    Raises
    ------
    InputError, CheckpointError
        When strokes or journal cannot be read, or the folder of a new run holds a run or journal.
    """
    if not is_painted(args):
        return None
    from napari_unet.training.journal import Journal
    from napari_unet.training.painting import Painting
    from napari_unet.training.run_folder import RunFolder
    from napari_unet.training.strokes import read_strokes

    if not args.resume:  # before anything is written there
        RunFolder(args.output).check_free()
    scheme = stacks[0].scheme
    assert scheme is not None  # stacks to train on have labels, or empty ones to paint in
    slices = [stack.n_slices for stack in stacks]
    return Painting(
        stacks,
        Journal(args.output),
        script=() if args.strokes is None else read_strokes(args.strokes, scheme, slices),
        replayed=Journal(args.replay) if args.replay is not None and not args.resume else None,
    )
