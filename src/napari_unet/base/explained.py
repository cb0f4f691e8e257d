"""Errors of the system, said as the user's: one sentence with what to do."""

from __future__ import annotations

import errno

from napari_unet.base.errors import DataSetError, DeviceError, InputError, UNetError

__all__ = ["explained", "means_no_memory"]

NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "failed to allocate",
    "memory allocation fail",
    "bad_alloc",
    "bad allocation",
    "insufficient memory",
    "could not create a primitive",  # oneDNN, whatever the reason; it is nearly always this one
    "could not create a memory",
    "alloc_failed",  # cuDNN, cuBLAS
    "unable to mmap",
    "can't start new thread",
    "thread creation failed",
)
"""How libraries say it, in lower case."""


def means_no_memory(error: BaseException) -> bool:
    """Whether an error says, in any of many words, that memory did not suffice."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in NO_MEMORY)


def explained(error: BaseException) -> UNetError | None:
    """Return an error of the system as one sentence for the user; None for any other.

    Parameters
    ----------
    error
        Whatever was raised. One that is meant for the user already is returned as it is.
    """
    if isinstance(error, UNetError):
        return error
    if means_no_memory(error):
        return DeviceError(
            f"Memory does not suffice ({_first_line(error)}): close other programs, or take "
            "smaller tiles, fewer of them at once, or a smaller part of the image."
        )
    if isinstance(error, OSError):
        where = " and ".join(str(name) for name in (error.filename, error.filename2) if name)
        reason = error.strerror or _first_line(error)
        return DataSetError(
            f"{where or 'A file'} cannot be used ({reason}): check its name, its disk and its "
            "permissions."
        )
    if isinstance(error, RecursionError):
        return InputError("Something is nested too deeply to be read: give a simpler file.")
    if isinstance(error, UnicodeError):
        return InputError(
            f"A text is not in the encoding that was expected ({_first_line(error)}): give plain "
            "UTF-8."
        )
    return None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160].rstrip(". ")
