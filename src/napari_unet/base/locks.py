"""Locks between processes that end with their holder, however that ends."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["held", "try_lock"]

HELD = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(handle: int) -> bool:
    """Lock an open file until it is closed; do not wait.

    The system lets go of it when the process ends, killed or not, so no lock is ever stale.

    Parameters
    ----------
    handle
        Descriptor of a file that is open for writing.

    Returns
    -------
    bool
        False where somebody else holds it, in this process or another. True also on a file
        system that knows no locks, as nobody can be kept out there.
    """
    try:
        _lock(handle)
    except OSError as error:
        return error.errno not in HELD
    return True


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold the lock that a file stands for; the file is there only meanwhile.

    Parameters
    ----------
    path
        The file, in a folder that is there. A link or anything else that is not a regular file
        is not followed.

    Yields
    ------
    bool
        False where somebody else holds it.

    Raises
    ------
    OSError
        The file can be neither opened nor made.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        mine = try_lock(handle)
        if not mine or _is_at(handle, path):
            break
        os.close(handle)  # its last holder removed it in between: once more
    try:
        yield mine
    finally:
        if mine and sys.platform != "win32":  # which removes no open file
            with suppress(OSError):
                path.unlink()
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except OSError:
        return False
