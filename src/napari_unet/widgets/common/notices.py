"""What went wrong, as one sentence in napari's own notifications; never a modal dialog."""

from __future__ import annotations

import logging

from napari.utils import notifications

from napari_unet.base.errors import UNetError
from napari_unet.base.explained import explained

__all__ = ["sentence", "show_error", "show_info", "show_warning"]

log = logging.getLogger("napari_unet")


def sentence(error: BaseException) -> str:
    """Return what the user should read about an error.

    Errors of the plugin are sentences already, but for the capital. Those of
    the system (a full disk, a missing file) say what they are; all others say
    that they were not foreseen, and their traceback goes to the log.
    """
    said = explained(error)
    if said is not None:
        return _capital(str(said))
    text = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return f"Something unexpected happened: {text}."


def show_error(error: BaseException | str) -> None:
    """Notify about an error, without a traceback."""
    if isinstance(error, BaseException):
        if not isinstance(error, UNetError):
            log.error("unexpected error", exc_info=error)
        error = sentence(error)
    notifications.show_error(_capital(error))


def show_warning(text: str) -> None:
    """Notify about something that works differently than one may expect."""
    notifications.show_warning(_capital(text))


def show_info(text: str) -> None:
    """Notify about something done."""
    notifications.show_info(_capital(text))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
