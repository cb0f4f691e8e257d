"""Training that is painted into, without a window: a script of strokes, or a run's journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_unet.images.stack import Stack
    from napari_unet.training.painting import Painting

__all__ = ["add_painting", "is_painted", "painting_of"]


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
        help="train on IMAGE as in RUN, every stroke at its step: the same weights",
    )


def is_painted(args: argparse.Namespace) -> bool:
    """Whether a command line is about a painted run, which needs no labels."""
    from napari_unet.training.journal import FILE_NAME

    resumed = args.resume and (args.output / FILE_NAME).is_file()
    return args.strokes is not None or args.replay is not None or resumed


def painting_of(args: argparse.Namespace, stacks: Sequence[Stack]) -> Painting | None:
    """Return what is painted into a training; None into a plain one.

    Raises
    ------
    InputError, CheckpointError
        When strokes or journal cannot be read.
    """
    if not is_painted(args):
        return None
    from napari_unet.training.journal import FILE_NAME, Journal
    from napari_unet.training.painting import Painting
    from napari_unet.training.strokes import read_strokes

    if args.replay is not None and not (args.replay / FILE_NAME).is_file():
        raise InputError(
            f"nothing was painted in {args.replay}: name the folder of a run with a {FILE_NAME}."
        )
    scheme = stacks[0].scheme
    assert scheme is not None  # stacks to train on have labels, or empty ones to paint in
    return Painting(
        stacks,
        Journal(args.output),
        script=read_strokes(args.strokes, scheme) if args.strokes is not None else (),
        replayed=Journal(args.replay) if args.replay is not None and not args.resume else None,
    )
