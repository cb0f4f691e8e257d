"""The command ``napari-unet``: one file per subcommand.

Each subcommand has ``add``, which declares its arguments, and ``run``, which
does the work and returns what ``--json`` prints. Nothing heavy is imported
before a subcommand runs, so that help comes at once.

Exit codes: 0 done, 2 something the user can mend (one sentence on standard
error), 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from napari_unet import __version__
from napari_unet.base.errors import UNetError
from napari_unet.cli import check, data, demo, evaluate, info, measure, predict, reproduce, train
from napari_unet.cli.progress import Interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["build_parser", "main"]

COMPUTING = ("demo", "train", "predict", "reproduce")
SUBCOMMANDS = (demo, check, train, predict, measure, evaluate, reproduce, data, info)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code.

    Parameters
    ----------
    arguments
        Without the program's name; ``sys.argv[1:]`` by default.
    """
    args = build_parser().parse_args(arguments)
    if args.command in COMPUTING:
        from napari_unet.base.kept_memory import share_one_heap  # help needs no ctypes

        share_one_heap()
    try:
        result = args.run(args)
    except UNetError as error:
        return _fail(args, 2, str(error), type(error).__name__)
    except Interrupted as error:
        return _fail(args, 130, str(error), "Interrupted")
    except KeyboardInterrupt:
        return _fail(args, 130, "stopped", "Interrupted")
    except BrokenPipeError:  # the reader of a pipe went away, as in "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if args.json:
        _print_json(result)
    return 0


def _fail(args: argparse.Namespace, code: int, said: str, kind: str) -> int:
    print(f"napari-unet: {said}", file=sys.stderr)
    if args.json:
        _print_json({"error": said, "kind": kind})
    return code


def _print_json(result: Mapping[str, object]) -> None:
    print(json.dumps(result, default=str), flush=True)
