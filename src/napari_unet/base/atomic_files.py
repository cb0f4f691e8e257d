"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from napari_unet.base.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["replaced_file", "write_atomically"]


def write_atomically(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Replace a file by new content, whole or not at all; see `replaced_file`."""
    with replaced_file(path) as stream:
        stream.write(content)


@contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Write a file beside its place; it takes that place when the block ends without an error.

    Parameters
    ----------
    path
        The file; missing folders are made.

    Yields
    ------
    binary file
        For writing and seeking.

    Raises
    ------
    CheckpointError
        The disk is full or the place cannot be written. A previous file stays as it was.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("w+b") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):  # what went wrong before counts
                beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system lets folders be flushed."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some network file systems cannot
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> CheckpointError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        reason, advice = "the disk is full", "free some space"
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        reason, advice = "the place is read-only", "choose another folder"
    else:
        reason, advice = error.strerror or str(error), "choose another folder"
    return CheckpointError(
        f"{path} could not be written, because {reason}: {advice}; what was saved before is intact."
    )
