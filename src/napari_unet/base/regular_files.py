"""Reading files that may be anything: a pipe, a device, far too large, or unreadable."""

from __future__ import annotations

import codecs
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from napari_unet.base.errors import CheckpointError
from napari_unet.base.quantities import size

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_regular", "opened", "read_text", "read_whole"]

# A pipe without a writer would block for ever, even before it can be told from a file.
READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def opened(path: str | os.PathLike[str], what: str, most: int | None = None) -> Iterator[BinaryIO]:
    """Open a regular file for reading; neither wait for a pipe nor drink from a device.

    Parameters
    ----------
    path
        The file; links are followed.
    what
        What it should be, for the error, such as "model file".
    most
        Bytes from which the file is refused unread; None: any size.

    Yields
    ------
    binary file
        For reading and seeking. What cannot be read within the block is an error as well.

    Raises
    ------
    CheckpointError
        The file is missing, unreadable, too large, or no regular file.
    """
    path = Path(path)
    try:
        handle = os.open(path, READ)
    except FileNotFoundError:
        raise CheckpointError(
            f"There is no {what} {path}; give a run folder or a file that training made."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _unreadable(path, what, error) from error
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise CheckpointError(
            f"{path} is no regular file, as a {what} must be; give a run folder or a file that "
            "training made."
        )
    with os.fdopen(handle, "rb") as stream:
        if most is not None and found.st_size > most:
            raise CheckpointError(
                f"The {what} {path} has {size(found.st_size)}, and at most {size(most)} can be "
                "read here; give another file."
            )
        try:
            yield stream
        except OSError as error:
            raise _unreadable(path, what, error) from error


def read_whole(path: str | os.PathLike[str], what: str, most: int | None = None) -> bytes:
    """Return the content of a regular file; see `opened`."""
    with opened(path, what, most) as stream:
        return stream.read()


def read_text(path: str | os.PathLike[str], what: str, most: int | None = None) -> str:
    """Return the text of a file that a person wrote; see `opened`.

    UTF-8, or UTF-16 where it begins with its mark: so some terminals of Windows write what they are
    told to put into a file.

    Raises
    ------
    UnicodeError
        If it is neither.
    """
    content = read_whole(path, what, most)
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_wide else "utf-8-sig")


def is_regular(path: str | os.PathLike[str]) -> bool:
    """Tell whether a regular file is there; a path that cannot be looked at is none."""
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def _unreadable(path: Path, what: str, error: Exception) -> CheckpointError:
    reason = getattr(error, "strerror", None) or str(error)
    return CheckpointError(
        f"The {what} {path} cannot be read ({reason}); check its name, the disk and its "
        "permissions."
    )
