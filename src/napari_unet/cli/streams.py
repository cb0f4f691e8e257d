"""Standard output and standard error, whatever they are: closed, full, a pipe, ASCII only."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from napari_unet.base.errors import InputError
from napari_unet.base.plain_text import printable

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

__all__ = ["flush_output", "prepare_streams", "print_json", "remark_stream", "say", "show_result"]


def prepare_streams() -> None:
    """Make both streams take any text, and take the places of those that are closed.

    A file that is opened later must not become number 1 or 2 by chance: what libraries write
    there would end up in it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):
            # cp1252 has no arrow, ASCII no micro sign, and no encoding has half a pair.
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print a remark on standard error; where nobody can read it, the work goes on."""
    with suppress(OSError, ValueError):
        print(printable(text), file=sys.stderr, flush=True)


def show_result(args: Namespace, *lines: str) -> None:
    """Print a result for people: on standard output, which ``--json`` keeps for machines."""
    text = printable("\n".join(lines))
    if args.json:
        say(text)
    else:
        _print(text)


def print_json(result: Mapping[str, object]) -> None:
    """Print a result for machines: one line, the last of standard output."""
    _print(json.dumps(result, default=str))


def _print(text: str) -> None:
    """Print on standard output; a reader that has seen enough, as in ``| head``, is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _discard_output()
        raise InputError(
            f"The result cannot be written to standard output ({error.strerror or error}): send "
            "it elsewhere."
        ) from error


def flush_output() -> None:
    """Write what waits to be written; a reader that went away is no error."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _discard_output()


def _discard_output() -> None:
    """Let what is still to be printed go nowhere, so that it fails at no later time either."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Remarks:
    """Standard error for progress bars: what cannot be written is left out."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def remark_stream() -> TextIO:
    """Return standard error as a stream that never fails."""
    stream: Any = _Remarks()
    return stream  # type: ignore[no-any-return]
