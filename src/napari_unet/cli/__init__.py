"""The command ``napari-unet``: one file per subcommand.

Each subcommand has ``add``, which declares its arguments, and ``run``, which
does the work and returns what ``--json`` prints. Nothing heavy is imported
before a subcommand runs, so that help comes at once.

Exit codes: 0 done, 2 something the user can mend (one sentence on standard
error), 130 interrupted.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from napari_unet import __version__
from napari_unet.base.errors import UNetError
from napari_unet.base.explained import explained
from napari_unet.base.plain_text import printable
from napari_unet.cli import (
    check,
    data,
    demo,
    evaluate,
    info,
    measure,
    predict,
    preview,
    reproduce,
    suggest,
    train,
    weights,
)
from napari_unet.cli.progress import INTERRUPTED, Interrupted, leaving_at_once
from napari_unet.cli.streams import flush_output, prepare_streams, print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build_parser", "main"]

COMPUTING = ("demo", "train", "predict", "suggest", "reproduce")
SUBCOMMANDS = (
    demo, check, weights, preview, train, predict, suggest, measure, evaluate, reproduce, data,
    info,
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="napari-unet",
        description="Train the 2015 U-Net on your own image stack and predict with it.",
        epilog="napari-unet COMMAND --help says more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"napari-unet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--json",
        action="store_true",
        help="print the result as one line of JSON, the last of standard output",
    )
    for module in SUBCOMMANDS:
        module.add(commands, common)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints may quote any name."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code.

    Parameters
    ----------
    arguments
        Without the program's name; ``sys.argv[1:]`` by default.
    """
    prepare_streams()
    with leaving_at_once():
        try:
            args = build_parser().parse_args(arguments)
        finally:  # help has been printed, and "| head" may have seen enough
            flush_output()
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    """Run a subcommand; what goes wrong is one sentence, whoever says it."""
    if args.command in COMPUTING:
        from napari_unet.base.kept_memory import share_one_heap  # help needs no ctypes

        share_one_heap()
    try:
        result = args.run(args)
        if args.json:
            print_json(result)
    except Interrupted as error:
        return _fail(args, INTERRUPTED, str(error), "Interrupted")
    except KeyboardInterrupt:
        return _fail(args, INTERRUPTED, "stopped", "Interrupted")
    except Exception as error:
        said = explained(error)
        if said is None:
            raise
        return _fail(args, 2, str(said), type(said).__name__)
    return 0


def _fail(args: argparse.Namespace, code: int, said: str, kind: str) -> int:
    say(f"napari-unet: {said}")
    if args.json:
        with suppress(UNetError):  # a full standard output, perhaps what was just said
            print_json({"error": said, "kind": kind})
    return code
