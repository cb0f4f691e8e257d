"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from napari_unet.base.errors import CheckpointError
from napari_unet.base.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["replaced_file", "unwritable", "write_atomically"]

LONGEST_NAME = 200  # bytes of a name that still has room for ours around it


def write_atomically(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Replace a file by new content, whole or not at all; see `replaced_file`."""
    with replaced_file(path) as stream:
        stream.write(content)


@contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Write a file beside its place; it takes that place when the block ends without an error.

    Several processes may do so at once: the last one to end has written the file. What killed
    ones left beside it is removed.

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
        The disk is full, the place cannot be written, or is a device or a pipe. A previous file
        stays as it was.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_place(path)
        _remove_leftovers(path)
        beside, stream = _create_beside(path)
        try:
            with stream:  # and with it the lock that tells the file from a leftover
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                if os.name != "nt":
                    beside.replace(path)
            if os.name == "nt":  # where an open file cannot be renamed
                beside.replace(path)
        except BaseException:
            with suppress(OSError):  # what went wrong before counts
                beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def _check_place(path: Path) -> None:
    """Refuse to take the place of what is no file, such as /dev/null."""
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise OSError(errno.EINVAL, "it is no regular file")


def _create_beside(path: Path) -> tuple[Path, BinaryIO]:
    """Create a file that nobody else has, whatever lies there, and lock it."""
    while True:
        beside = path.with_name(f"{_prefix(path)}{secrets.token_hex(4)}.part")
        try:
            stream = beside.open("x+b")
        except FileExistsError:
            continue
        # Whoever removes leftovers may have been quicker.
        if try_lock(stream.fileno()) and os.fstat(stream.fileno()).st_nlink:
            return beside, stream
        stream.close()


def _prefix(path: Path) -> str:
    name = os.fsencode(path.name)
    if len(name) <= LONGEST_NAME:
        return f".{path.name}."
    return f".{hashlib.sha256(name).hexdigest()[:16]}."


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed process left beside a file: nobody holds its lock any more."""
    prefix = _prefix(path)
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            token = entry.name.removeprefix(prefix).removesuffix(".part")
            if len(token) != 8 or entry.name != f"{prefix}{token}.part":
                continue
            if not entry.is_file(follow_symlinks=False):
                continue
            with suppress(OSError):
                handle = os.open(entry.path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
                try:
                    if os.name == "nt" or try_lock(handle):
                        Path(entry.path).unlink()
                finally:
                    os.close(handle)


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


def unwritable(path: Path, error: OSError) -> CheckpointError:
    """Return the error that says why a file could not be written, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        reason, advice = "the disk is full", "free some space"
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        reason, advice = "the place is read-only", "choose another folder"
    else:
        reason, advice = error.strerror or str(error), "choose another folder"
    return CheckpointError(
        f"{path} could not be written, because {reason}: {advice}; what was saved before is intact."
    )
