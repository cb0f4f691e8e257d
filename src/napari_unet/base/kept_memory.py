"""Freed memory that stays at hand while a network computes (Linux with glibc).

glibc gives every large block back to the system as soon as it is freed, and the next
convolution gets new pages, each cleared by the system when first touched. For large tiles
that takes up to a third of the time. So the heap keeps its pages as long as something
computes, and gives them back at the end.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["give_back", "kept_heap", "share_one_heap"]

# Parameters of mallopt(3), from glibc's malloc.h.
TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8

USUAL_MMAP_MAX = 65536  # blocks; glibc's own
USUAL_TRIM_THRESHOLD = 64 * 2**20  # bytes; what glibc comes to by itself after large blocks
NEVER = 2**31 - 1

_users = 0
_lock = threading.Lock()


@contextmanager
def kept_heap() -> Iterator[None]:
    """Let the process keep the memory it frees; at the end of the last user it is given back."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _set(MMAP_MAX, 0)
            _set(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _set(MMAP_MAX, USUAL_MMAP_MAX)
                _set(TRIM_THRESHOLD, USUAL_TRIM_THRESHOLD)
                give_back()


def give_back() -> None:
    """Give freed memory back to the system, as when a training pauses."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def share_one_heap() -> None:
    """Let all threads begun from now on share one heap, for a process that is ours alone.

    A thread's own heap holds no block above 64 MB; those would still come from the system.
    """
    _set(ARENA_MAX, 1)


def _set(parameter: int, value: int) -> None:
    libc = _glibc()
    if libc is not None:
        libc.mallopt(parameter, value)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    needed = ("mallopt", "malloc_trim", "gnu_get_libc_version")
    return libc if all(hasattr(libc, name) for name in needed) else None
